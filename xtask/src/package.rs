//! `cargo xtask package`: whether every crate that is shipped could be published as it is.

use crate::{
    cargo,
    failure::{Failure, Result},
    flags, run,
    workspace::Workspace,
};

use cargo_metadata::Package;

/// What each archive has to have in it.
const FILES: &[&str] = &["Cargo.toml", "LICENSE-APACHE", "LICENSE-MIT", "README.md"];

/// Looks at the manifests, makes the archives and looks into them; returns the summary line.
pub(crate) fn run(workspace: &Workspace, flags: &flags::Package) -> Result<String> {
    let crates = look(workspace)?;
    let mut cargo = cargo::command(workspace, "package");
    cargo.args(["--workspace", "--quiet", "--allow-dirty"]);
    if !flags.verify {
        cargo.arg("--no-verify");
    }
    for package in workspace.packages().iter().filter(|package| !is_shipped(package)) {
        cargo.args(["--exclude", package.name.as_str()]);
    }
    run::program(&mut cargo)?;
    let how = if flags.verify { "packaged and built from their archives" } else { "packaged" };
    Ok(format!("package: {crates} crates {how}"))
}

/// The cheap form, which makes no archive and asks no registry; returns how many crates there are.
pub(crate) fn look(workspace: &Workspace) -> Result<usize> {
    let shipped: Vec<_> = workspace.packages().iter().filter(|it| is_shipped(it)).collect();
    let mut findings = vec![];
    for package in &shipped {
        let name = package.name.as_str();
        findings.extend(lacks(package).into_iter().map(|what| format!("{name} has no {what}")));
        let mut files = vec![];
        let mut list = cargo::command(workspace, "package");
        list.args(["--list", "--quiet", "--allow-dirty", "--package", name]);
        run::capture(&mut list, |line| files.push(line.to_owned()))?;
        let missing = FILES.iter().filter(|&&wanted| files.iter().all(|file| file != wanted));
        findings.extend(missing.map(|file| format!("{name} is packaged without {file}")));
    }
    for finding in &findings {
        println!("    {finding}");
    }
    match findings.len() {
        0 => Ok(shipped.len()),
        found => Err(Failure::new(format!("package: {} crates, {found} findings", shipped.len()))),
    }
}

/// Whether a crate is meant to be published.
pub(crate) fn is_shipped(package: &Package) -> bool {
    package.publish.as_ref().is_none_or(|registries| !registries.is_empty())
}

/// What the manifest does not say, and ought to.
fn lacks(package: &Package) -> Vec<&'static str> {
    let says = [
        ("description", package.description.is_some()),
        ("license", package.license.is_some()),
        ("readme", package.readme.is_some()),
        ("rust-version", package.rust_version.is_some()),
        ("keywords", !package.keywords.is_empty()),
        ("categories", !package.categories.is_empty()),
        ("settings for docs.rs", package.metadata.pointer("/docs/rs").is_some()),
    ];
    says.into_iter().filter(|&(_, said)| !said).map(|(what, _)| what).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shipped_says_all_and_the_tools_do_not() {
        let workspace = Workspace::load().unwrap();
        let of = |name: &str| workspace.packages().iter().find(|it| it.name.as_str() == name);
        assert!(lacks(of("multiproc").unwrap()).is_empty());
        assert!(is_shipped(of("multiproc").unwrap()));
        assert!(!is_shipped(of("testkit").unwrap()));
        assert!(lacks(of("testkit").unwrap()).contains(&"keywords"));
    }
}
