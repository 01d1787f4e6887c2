//! Calling cargo, and making sure of the parts of it that a command needs.

use std::{
    ffi::OsString,
    path::Path,
    process::{Command, Stdio},
};

use crate::workspace::Workspace;

/// `cargo COMMAND`, in the workspace's root, with the toolchain that runs us.
pub(crate) fn command(workspace: &Workspace, command: &str) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut cargo = Command::new(cargo);
    cargo.current_dir(workspace.root()).arg(command);
    cargo
}

/// A part of the toolchain that some installations lack.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Component {
    /// `cargo fmt`
    Rustfmt,
    /// `cargo clippy`
    Clippy,
}

impl Component {
    /// What rustup calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rustfmt => "rustfmt",
            Self::Clippy => "clippy",
        }
    }

    fn subcommand(self) -> &'static str {
        match self {
            Self::Rustfmt => "fmt",
            Self::Clippy => "clippy",
        }
    }

    /// Whether it is there, after an attempt to install it if it was not.
    pub(crate) fn ensure(self, workspace: &Workspace) -> bool {
        if self.is_there(workspace) {
            return true;
        }
        println!("    {} is missing: rustup component add {}", self.name(), self.name());
        succeeds(Command::new("rustup").args(["component", "add", self.name()]))
            && self.is_there(workspace)
    }

    fn is_there(self, workspace: &Workspace) -> bool {
        succeeds(command(workspace, self.subcommand()).arg("--version"))
    }
}

/// Whether programs can be compiled for a platform, after an attempt to install what that takes.
pub(crate) fn ensure_target(target: &str) -> bool {
    let is_there = || {
        let told =
            Command::new("rustc").args(["--print", "target-libdir", "--target", target]).output();
        told.is_ok_and(|told| {
            let path = String::from_utf8_lossy(&told.stdout).trim().to_owned();
            told.status.success() && Path::new(&path).is_dir()
        })
    };
    if is_there() {
        return true;
    }
    println!("    {target} is missing: rustup target add {target}");
    succeeds(Command::new("rustup").args(["target", "add", target])) && is_there()
}

/// Whether `cargo SUBCOMMAND` is installed.
pub(crate) fn has_subcommand(workspace: &Workspace, subcommand: &str) -> bool {
    succeeds(command(workspace, subcommand).arg("--version"))
}

/// Whether a program can be run, and ends well; what it prints is thrown away.
pub(crate) fn succeeds(program: &mut Command) -> bool {
    program
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
