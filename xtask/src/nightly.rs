//! What only a nightly toolchain can do, and what must be installed for it.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use crate::{cargo, failure::Failure, workspace::Workspace};

/// A part of a nightly toolchain, or a program for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The toolchain itself.
    Toolchain,
    /// `cargo fuzz`
    Fuzz,
    /// `cargo miri`
    Miri,
    /// The sources of the standard library, which is then built with a sanitizer too.
    Source,
}

impl Part {
    /// How it is installed.
    fn remedy(self) -> &'static str {
        match self {
            Self::Toolchain => "rustup toolchain install nightly",
            Self::Fuzz => "cargo install cargo-fuzz",
            Self::Miri => "rustup component add --toolchain nightly miri rust-src",
            Self::Source => "rustup component add --toolchain nightly rust-src",
        }
    }

    fn is_there(self, workspace: &Workspace) -> bool {
        match self {
            Self::Toolchain => cargo::succeeds(rustc().arg("--version")),
            Self::Fuzz => cargo::succeeds(command(workspace, "fuzz").arg("--version")),
            Self::Miri => cargo::succeeds(command(workspace, "miri").arg("--version")),
            Self::Source => told(rustc().args(["--print", "sysroot"])).is_some_and(|sysroot| {
                Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library").is_dir()
            }),
        }
    }
}

/// Sees that the parts are there, in this order: a later one may need an earlier one to be asked.
///
/// What is missing is not installed for whoever calls: another toolchain is theirs to decide on.
pub(crate) fn need(workspace: &Workspace, name: &str, parts: &[Part]) -> Result<(), Failure> {
    match parts.iter().find(|part| !part.is_there(workspace)) {
        None => Ok(()),
        Some(part) => Err(Failure::new(format!(
            "{name}: nothing was run, for a part is missing here; it is installed by `{}`",
            part.remedy()
        ))),
    }
}

/// `cargo COMMAND` of the nightly toolchain, in the workspace's root.
pub(crate) fn command(workspace: &Workspace, command: &str) -> Command {
    let mut cargo = toolchain();
    cargo.args(["cargo", command]).current_dir(workspace.root());
    cargo
}

/// The platform that programs are built for here.
pub(crate) fn host() -> String {
    told(rustc().args(["--print", "host-tuple"])).unwrap_or_default().trim().to_owned()
}

fn rustc() -> Command {
    let mut rustc = toolchain();
    rustc.arg("rustc");
    rustc
}

/// What a program prints, if it ends well.
fn told(program: &mut Command) -> Option<String> {
    let output = program.stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8(output.stdout).ok())?
}

/// `rustup run nightly`
fn toolchain() -> Command {
    let mut rustup = Command::new("rustup");
    rustup.args(["run", "nightly"]);
    // Cargo told us which toolchain runs us; that is not the one wanted here.
    for name in ["CARGO", "RUSTC", "RUSTDOC", "RUSTUP_TOOLCHAIN"] {
        rustup.env_remove(name);
    }
    rustup
}
