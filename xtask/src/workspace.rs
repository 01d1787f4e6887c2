//! The workspace as cargo sees it.

use std::path::{Path, PathBuf};

use cargo_metadata::{Metadata, MetadataCommand, Package, TargetKind};

use crate::failure::{Failure, Result};

/// The crates of the workspace, and where things lie.
#[derive(Debug)]
pub(crate) struct Workspace {
    metadata: Metadata,
}

impl Workspace {
    /// Asks cargo.
    pub(crate) fn load() -> Result<Self> {
        let metadata = MetadataCommand::new()
            .no_deps()
            .exec()
            .map_err(|error| Failure::new(format!("failed to read the workspace: {error}")))?;
        Ok(Self { metadata })
    }

    /// The folder of the workspace's `Cargo.toml`.
    pub(crate) fn root(&self) -> &Path {
        self.metadata.workspace_root.as_std_path()
    }

    /// Where cargo puts what it builds for the world or the program called `name`.
    ///
    /// What is built with flags of its own has a folder of its own, so that no build throws away
    /// the results of another.
    pub(crate) fn target_dir(&self, name: &str) -> PathBuf {
        self.metadata.target_directory.as_std_path().join(name)
    }

    /// The crates of the workspace.
    pub(crate) fn packages(&self) -> &[Package] {
        &self.metadata.packages
    }

    /// The crates that have a test program called `name`.
    pub(crate) fn with_test(&self, name: &str) -> Vec<&Package> {
        self.packages().iter().filter(|package| has_test(package, name)).collect()
    }

    /// The names of the test programs of one crate.
    pub(crate) fn tests_of(&self, package: &str) -> Vec<&str> {
        self.packages()
            .iter()
            .filter(|found| found.name.as_str() == package)
            .flat_map(|package| &package.targets)
            .filter(|target| target.kind.contains(&TargetKind::Test))
            .map(|target| target.name.as_str())
            .collect()
    }

    /// The names of all test programs of all crates, each once.
    pub(crate) fn tests(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self
            .packages()
            .iter()
            .flat_map(|package| &package.targets)
            .filter(|target| target.kind.contains(&TargetKind::Test))
            .map(|target| target.name.as_str())
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

fn has_test(package: &Package, name: &str) -> bool {
    package
        .targets
        .iter()
        .any(|target| target.kind.contains(&TargetKind::Test) && target.name == name)
}
