//! The three worlds behind the door, and how a crate is built for each.

use std::process::Command;

use crate::{cargo, workspace::Workspace};

/// The crates whose algorithms run in all three worlds.
///
/// A crate joins when it has an algorithm that works on shared words.
const MEMBERS: &[&str] = &["ipc-core", "ipc-sync", "ipc-queue", "ipc-pipe", "shm-value", "pool"];

/// What stands behind the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum World {
    /// Loom's atomics, and futexes that are modelled.
    Loom,
    /// The hardware, and a process that dies before its n-th access.
    Crash,
}

impl World {
    /// The name of the world, and of the folder under `target` for what is built in it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Loom => "loom",
            Self::Crash => "crash",
        }
    }

    /// The compiler's flag that turns the world on.
    fn flag(self) -> &'static str {
        match self {
            Self::Loom => "--cfg=ipc_loom",
            Self::Crash => "--cfg=ipc_crash",
        }
    }

    /// The crates that exist in this world, as flags for cargo.
    pub(crate) fn members(workspace: &Workspace) -> Vec<String> {
        workspace
            .packages()
            .iter()
            .filter(|package| MEMBERS.contains(&package.name.as_str()))
            .flat_map(|package| ["--package".to_owned(), package.name.to_string()])
            .collect()
    }

    /// A cargo command whose results are built for this world.
    pub(crate) fn cargo(self, workspace: &Workspace, command: &str) -> Command {
        let mut cargo = cargo::command(workspace, command);
        cargo.arg("--target-dir").arg(workspace.target_dir(self.name()));
        // The user's own flags stay. Cargo prefers the encoded form, so that one is extended if
        // it is there.
        if let Ok(flags) = std::env::var("CARGO_ENCODED_RUSTFLAGS") {
            cargo.env("CARGO_ENCODED_RUSTFLAGS", joined(&flags, '\u{1f}', self.flag()));
        } else {
            let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
            cargo.env("RUSTFLAGS", joined(&flags, ' ', self.flag()));
        }
        cargo
    }
}

fn joined(flags: &str, separator: char, flag: &str) -> String {
    if flags.is_empty() { flag.to_owned() } else { format!("{flags}{separator}{flag}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_of_the_user_stay() {
        assert_eq!(joined("", ' ', "--cfg=x"), "--cfg=x");
        assert_eq!(joined("-C debuginfo=0", ' ', "--cfg=x"), "-C debuginfo=0 --cfg=x");
    }
}
