//! Running other programs, loudly: each is printed before it starts, and a failure names it.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// A program about to be run.
pub struct Run {
    command: Command,
    shown: String,
}

impl Run {
    /// A program by name or path.
    pub fn new(program: impl Into<OsString>) -> Self {
        let program = program.into();
        let shown = Path::new(&program).file_name().map_or_else(
            || program.to_string_lossy().into_owned(),
            |name| name.to_string_lossy().into_owned(),
        );
        Self { command: Command::new(program), shown }
    }

    /// Shown under another name.
    pub fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.shown);
        self
    }

    /// With one more argument.
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        let argument = argument.into();
        self.shown.push(' ');
        self.shown.push_str(&argument.to_string_lossy());
        self.command.arg(argument);
        self
    }

    /// With more arguments.
    pub fn args<T: Into<OsString>>(self, arguments: impl IntoIterator<Item = T>) -> Self {
        arguments.into_iter().fold(self, Self::arg)
    }

    /// In this folder.
    pub fn folder(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// With an environment variable.
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.command.env(name, value.into());
        self
    }

    /// Runs it to its end; anything but success is an error.
    pub fn status(mut self) -> Result<()> {
        println!("$ {}", self.shown);
        let status = self.command.status().with_context(|| format!("start `{}`", self.shown))?;
        if !status.success() {
            bail!("`{}` ended with {status}", self.shown);
        }
        Ok(())
    }

    /// Runs it to its end and hands back what it printed.
    pub fn output(mut self) -> Result<Vec<u8>> {
        let output = self
            .command
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| format!("start `{}`", self.shown))?;
        if !output.status.success() {
            bail!("`{}` ended with {}", self.shown, output.status);
        }
        Ok(output.stdout)
    }

    /// The same as text.
    pub fn text(self) -> Result<String> {
        let shown = self.shown.clone();
        String::from_utf8(self.output()?).with_context(|| format!("`{shown}` printed no UTF-8"))
    }

    /// The bare command, for those who keep the process.
    pub fn into_command(self) -> Command {
        self.command
    }
}

/// The path of a program, if it is installed.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(program)).find(|candidate| candidate.is_file())
}
