//! Walks `ui/dist`, compresses what is worth it and writes the table that `lib.rs` includes.
//! Without a `dist` folder (nobody ran the web build) the table holds one page that says so, so that
//! `cargo build` works without Node.
#![expect(clippy::disallowed_methods, reason = "cargo speaks to build scripts through the environment")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::{env, fs};

use sha2::{Digest as _, Sha256};

/// Below this size a compressed copy saves less than the header costs.
const WORTH_COMPRESSING: usize = 256;

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let dist = root.join("dist");
    // Cargo takes a watched folder that is missing as "always changed", and would build all that stands above.
    let _ = fs::create_dir_all(&dist);
    println!("cargo::rerun-if-changed=embed/build.rs");
    println!("cargo::rerun-if-changed=embed/not-built.html");
    println!("cargo::rerun-if-changed=dist");

    let mut files = BTreeMap::new();
    if env::var_os("CARGO_FEATURE_UI").is_some() && dist.join("index.html").is_file() {
        collect(&dist, &dist, &mut files)?;
    }
    let build = if files.is_empty() { "NotBuilt" } else { "WebApp" };
    if files.is_empty() {
        files.insert("index.html".to_owned(), root.join("embed/not-built.html"));
    }

    let mut table =
        format!("pub(super) const BUILD: Build = Build::{build};\n\nstatic ASSETS: &[Asset] = &[\n");
    for (number, (path, file)) in files.iter().enumerate() {
        let bytes = fs::read(file)?;
        let identity = save(&out, number, "raw", &bytes)?;
        let gzip = smaller(&out, number, "gz", &bytes, gzip(&bytes)?)?;
        let brotli = smaller(&out, number, "br", &bytes, brotli(&bytes)?)?;
        let caching = if path.starts_with("assets/") { "Immutable" } else { "Revalidate" };
        writeln!(
            table,
            "    Asset {{ path: {path:?}, bytes: {identity}, gzip: {gzip}, brotli: {brotli}, content_type: {:?}, \
             etag: {:?}, caching: Caching::{caching} }},",
            content_type(path),
            etag(&bytes),
        )
        .map_err(io::Error::other)?;
    }
    table.push_str("];\n");
    fs::write(out.join("assets.rs"), table)
}

/// All files below `folder` by their path in the site. Source maps stay outside the binary.
fn collect(root: &Path, folder: &Path, files: &mut BTreeMap<String, PathBuf>) -> io::Result<()> {
    println!("cargo::rerun-if-changed={}", folder.display());
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(root, &path, files)?;
            continue;
        }
        println!("cargo::rerun-if-changed={}", path.display());
        let relative = path.strip_prefix(root).map_err(io::Error::other)?;
        let name =
            relative.components().map(|c| c.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/");
        if !name.ends_with(".map") {
            files.insert(name, path);
        }
    }
    Ok(())
}

fn save(out: &Path, number: usize, suffix: &str, bytes: &[u8]) -> io::Result<String> {
    let name = format!("asset-{number}.{suffix}");
    fs::write(out.join(&name), bytes)?;
    Ok(format!("include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{name}\"))"))
}

fn smaller(out: &Path, number: usize, suffix: &str, bytes: &[u8], packed: Vec<u8>) -> io::Result<String> {
    if bytes.len() < WORTH_COMPRESSING || packed.len() * 10 > bytes.len() * 9 {
        return Ok("None".to_owned());
    }
    Ok(format!("Some({})", save(out, number, suffix, &packed)?))
}

fn gzip(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(bytes)?;
    packer.finish()
}

fn brotli(bytes: &[u8]) -> io::Result<Vec<u8>> {
    // 11, the densest level, saves 6 % more and takes an unoptimised build script five times as long.
    let quality = 9;
    let mut packed = Vec::new();
    let mut packer = brotli::CompressorWriter::new(&mut packed, 1 << 16, quality, 22);
    packer.write_all(bytes)?;
    packer.flush()?;
    drop(packer);
    Ok(packed)
}

/// A strong entity tag, quotes included: the first 128 bits of the content's SHA-256.
fn etag(bytes: &[u8]) -> String {
    let mut tag = String::from("\"");
    for byte in Sha256::digest(bytes).iter().take(16) {
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    tag
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
