//! `cargo xtask semver`: whether what changed since a revision breaks those who depend on us.

use crate::{
    cargo,
    failure::{Failure, Result},
    flags, package, run,
    workspace::Workspace,
};

/// Compares the public items of every crate that is shipped; returns the summary line.
pub(crate) fn run(workspace: &Workspace, flags: &flags::Semver) -> Result<String> {
    if !cargo::has_subcommand(workspace, "semver-checks") {
        return Err(Failure::new(
            "semver: nothing was compared: `cargo install --locked cargo-semver-checks` installs what it takes",
        ));
    }
    let mut cargo = cargo::command(workspace, "semver-checks");
    cargo.args(["--baseline-rev", &flags.since]);
    let mut crates = 0;
    for package in workspace.packages().iter().filter(|it| package::is_shipped(it)) {
        // Those who use an attribute or a tool depend on none of its items.
        if package.targets.iter().any(|target| target.is_lib()) {
            cargo.args(["--package", package.name.as_str()]);
            crates += 1;
        }
    }
    run::program(&mut cargo)?;
    Ok(format!("semver: {crates} crates, nothing breaks who used them at {}", flags.since))
}
