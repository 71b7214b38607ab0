//! Where things stand: the repository, the target folder, the built binary.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::command::Run;

/// The repository and the place of what is built from it.
pub struct House {
    /// Folder with the workspace's `Cargo.toml`.
    pub root: PathBuf,
    /// Cargo's target folder.
    pub target: PathBuf,
}

/// How the binary is built: the choice of packages decides the features of shared dependencies, so that one lane
/// must not choose differently from the next, or everything heavy is built twice.
#[derive(Clone, Copy)]
pub enum Selection {
    /// Only the binary: what a user needs.
    Binary,
    /// The binary with the features of the whole workspace, as the tests share them, but without the tests.
    Program,
    /// The binary and all tests: what `cargo xtask test` needs anyway.
    Everything,
}

impl House {
    /// Finds the repository that this automation belongs to.
    pub fn find() -> Result<Self> {
        let here = env::var_os("CARGO_MANIFEST_DIR").context("run this as `cargo xtask …`")?;
        let root = Path::new(&here).parent().context("xtask stands in the repository")?.to_owned();
        let target = match env::var_os("CARGO_TARGET_DIR") {
            Some(folder) => root.join(folder),
            None => root.join("target"),
        };
        Ok(Self { root, target })
    }

    /// The web app.
    pub fn ui(&self) -> PathBuf {
        self.root.join("ui")
    }

    /// A folder for what automation leaves behind, made if missing.
    pub fn scratch(&self, name: &str) -> Result<PathBuf> {
        let folder = self.target.join("xtask").join(name);
        std::fs::create_dir_all(&folder).with_context(|| format!("make folder {}", folder.display()))?;
        Ok(folder)
    }

    /// The same folder, emptied.
    pub fn empty_scratch(&self, name: &str) -> Result<PathBuf> {
        let folder = self.target.join("xtask").join(name);
        if folder.exists() {
            std::fs::remove_dir_all(&folder).with_context(|| format!("empty folder {}", folder.display()))?;
        }
        self.scratch(name)
    }

    /// `cargo` in the repository.
    pub fn cargo<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Run {
        let cargo = env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        Run::new(cargo).named("cargo").args(arguments).folder(&self.root)
    }

    /// Builds the binary and says where it is.
    pub fn binary(&self, selection: Selection) -> Result<PathBuf> {
        match selection {
            Selection::Binary => self.cargo(["build", "--locked", "--package", "echobase"]),
            Selection::Program => self.cargo(["build", "--locked", "--workspace", "--bins"]),
            Selection::Everything => self.cargo(["build", "--locked", "--workspace", "--bins", "--tests"]),
        }
        .status()?;
        let binary = self.target.join("debug").join(format!("echobase{}", env::consts::EXE_SUFFIX));
        ensure!(binary.is_file(), "cargo built no binary at {}", binary.display());
        Ok(binary)
    }
}
