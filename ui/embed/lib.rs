//! The built web app, embedded: every file with its brotli and gzip copies, entity tag and caching rule.
//!
//! **Invariant:** a table made at build time and nothing else: no I/O, no state. `index()` always answers; if
//! the web app was not built, it is a page that says so and names the command that builds it.

/// Whether this binary holds the web app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Build {
    /// The web app is embedded.
    WebApp,
    /// Only the page is embedded that says that the web app was not built.
    NotBuilt,
}

/// How long a copy of an asset may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caching {
    /// Its name contains a hash of its content: `public, max-age=31536000, immutable`.
    Immutable,
    /// It may change under the same name: `no-cache` with the entity tag.
    Revalidate,
}

impl Caching {
    /// The value of `Cache-Control`.
    pub const fn header(self) -> &'static str {
        match self {
            Self::Immutable => "public, max-age=31536000, immutable",
            Self::Revalidate => "no-cache",
        }
    }
}

/// One file of the web app.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    /// Its path in the site, without the leading slash.
    pub path: &'static str,
    /// Its bytes.
    pub bytes: &'static [u8],
    /// The same as gzip, where that is worth it.
    pub gzip: Option<&'static [u8]>,
    /// The same as brotli, where that is worth it.
    pub brotli: Option<&'static [u8]>,
    /// The value of `Content-Type`.
    pub content_type: &'static str,
    /// The value of `ETag`, quotes included; it speaks of `bytes`, so answers need `Vary: Accept-Encoding`.
    pub etag: &'static str,
    /// How long a copy may be kept.
    pub caching: Caching,
}

mod table {
    use super::{Asset, Build, Caching};
    include!(concat!(env!("OUT_DIR"), "/assets.rs"));

    pub(super) static ALL: &[Asset] = ASSETS;
}

/// What this binary holds.
pub const BUILD: Build = table::BUILD;

/// The file at `path` (with or without the leading slash). `/` is the index; unknown paths are `None`, and it
/// is the server that answers them with `index()` where a browser asks for a page.
///
/// ```
/// assert!(echobase_ui::asset("/").is_some());
/// assert!(echobase_ui::asset("/no/such.js").is_none());
/// ```
pub fn asset(path: &str) -> Option<Asset> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = if path.is_empty() { "index.html" } else { path };
    let at = table::ALL.binary_search_by(|a| a.path.cmp(path)).ok()?;
    table::ALL.get(at).copied()
}

/// The page that every deep link starts with.
pub fn index() -> Asset {
    asset("index.html").unwrap_or(LAST_RESORT)
}

/// All files, in the order of their paths.
pub fn assets() -> &'static [Asset] {
    table::ALL
}

/// The build script always writes an index; this keeps `index()` free of a panic all the same.
const LAST_RESORT: Asset = Asset {
    path: "index.html",
    bytes: b"<!doctype html><title>Echobase</title><p>The web app was not built: run <code>cargo xtask up</code>.",
    gzip: None,
    brotli: None,
    content_type: "text/html; charset=utf-8",
    etag: "\"none\"",
    caching: Caching::Revalidate,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_is_always_there_and_is_never_cached_blindly() {
        let index = index();
        assert_ne!(index.etag, LAST_RESORT.etag, "the build script wrote no index");
        assert_eq!(index.caching, Caching::Revalidate);
        assert_eq!(index.content_type, "text/html; charset=utf-8");
        assert_eq!(asset("/").map(|a| a.etag), Some(index.etag));
    }

    #[test]
    fn paths_are_sorted_so_that_each_is_found_and_no_other() {
        for one in assets() {
            assert_eq!(asset(one.path).map(|a| a.etag), Some(one.etag), "{}", one.path);
        }
        for unknown in ["assets", "../Cargo.toml", "index.html/", "assets/../index.html", "INDEX.HTML"] {
            assert!(asset(unknown).is_none(), "{unknown}");
        }
    }

    #[test]
    fn only_hashed_files_are_immutable_and_copies_are_smaller() {
        for one in assets() {
            assert_eq!(one.caching == Caching::Immutable, one.path.starts_with("assets/"), "{}", one.path);
            for packed in [one.gzip, one.brotli].into_iter().flatten() {
                assert!(packed.len() < one.bytes.len(), "{}", one.path);
            }
            assert!(
                one.etag.starts_with('"') && one.etag.ends_with('"') && one.etag.len() == 34,
                "{}",
                one.path
            );
        }
    }

    #[test]
    fn the_page_needs_nothing_that_the_content_security_policy_refuses() {
        let text = String::from_utf8_lossy(index().bytes).to_lowercase();
        for refused in ["<style", " style=", "onload=", "onclick=", "http://", "//cdn"] {
            assert!(!text.contains(refused), "index.html contains {refused}");
        }
        for script in text.split("<script").skip(1) {
            let tag = script.split('>').next().unwrap_or_default();
            assert!(tag.contains(" src="), "inline script in index.html");
        }
    }

    #[test]
    fn what_is_embedded_keeps_to_its_budget() {
        let raw: usize = assets().iter().map(|a| a.bytes.len()).sum();
        let brotli: usize = assets().iter().map(|a| a.brotli.unwrap_or(a.bytes).len()).sum();
        assert!(raw <= 1_500_000, "{raw} bytes raw, budget 1.5 MB");
        assert!(brotli <= 450_000, "{brotli} bytes as brotli, budget 450 kB");
    }

    #[test]
    fn a_binary_without_the_web_app_names_the_command_that_builds_it() {
        if BUILD == Build::NotBuilt {
            assert!(String::from_utf8_lossy(index().bytes).contains("cargo xtask up"));
        } else {
            assert!(assets().iter().any(|a| a.content_type.starts_with("text/javascript")));
        }
    }
}
