//! Layers fall: a crate uses only crates of a lower layer.
//!
//! The numbers are those of the diagram in `ARCHITECTURE.md`. A new edge that this check refuses
//! is a change of the architecture.

use cargo_metadata::DependencyKind;

use super::Finding;
use crate::workspace::Workspace;

/// Each crate of the workspace, and its layer.
const LAYERS: &[(&str, u32)] = &[
    ("testkit", 0),
    ("ipc-core", 1),
    ("proc-core", 2),
    ("ipc-sync", 2),
    ("ipc-pipe", 2),
    ("manager-macros", 3),
    ("ipc-queue", 3),
    ("shm-value", 3),
    ("pool", 4),
    ("manager", 5),
    ("multiproc", 6),
    ("mproc", 7),
    ("benches", 7),
    ("xtask", 7),
];

/// The kit may be used by every crate's tests, and by nothing that is shipped.
const KIT: &str = "testkit";

/// The crates that are never shipped: they may use the kit as they like.
const TOOLS: &[&str] = &["benches", "xtask"];

/// One crate's use of another.
#[derive(Debug)]
struct Edge<'w> {
    /// The manifest that names it.
    manifest: &'w str,
    from: &'w str,
    to: &'w str,
    for_tests: bool,
}

/// Finds crates without a layer, and edges that do not fall.
pub(super) fn check(workspace: &Workspace) -> Vec<Finding> {
    let packages = workspace.packages();
    let ours = |name: &str| packages.iter().any(|package| package.name.as_str() == name);
    let mut findings = vec![];
    for package in packages {
        let manifest = package.manifest_path.strip_prefix(workspace.root());
        let manifest = manifest.unwrap_or(&package.manifest_path).as_str();
        let from = package.name.as_str();
        if layer(from).is_none() {
            let words = format!("{from} has no layer: give it one in xtask/src/tidy/layers.rs");
            findings.push(Finding::new(manifest, 0, words));
        }
        findings.extend(
            package
                .dependencies
                .iter()
                .filter(|dependency| dependency.path.is_some() && ours(&dependency.name))
                .map(|dependency| Edge {
                    manifest,
                    from,
                    to: &dependency.name,
                    for_tests: dependency.kind == DependencyKind::Development,
                })
                .filter_map(|edge| judge(&edge)),
        );
    }
    findings
}

/// The finding that an edge is, if it breaks the rule.
fn judge(edge: &Edge<'_>) -> Option<Finding> {
    let Edge { manifest, from, to, for_tests } = *edge;
    let words = if to == KIT && !for_tests && !TOOLS.contains(&from) {
        format!("{from} ships {KIT}: only [dev-dependencies] may name it")
    } else {
        // What has no layer is reported once, not for each of its edges.
        let (above, below) = (layer(from)?, layer(to)?);
        // A crate's own tests may name it, to turn its features on.
        if above > below || from == to && for_tests {
            return None;
        }
        let way = if above == below { "stays level" } else { "rises" };
        format!("{from} (layer {above}) uses {to} (layer {below}): the edge {way}")
    };
    Some(Finding::new(manifest, 0, words))
}

fn layer(name: &str) -> Option<u32> {
    LAYERS.iter().find(|&&(known, _)| known == name).map(|&(_, layer)| layer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(from: &str, to: &str, for_tests: bool) -> Option<String> {
        judge(&Edge { manifest: "Cargo.toml", from, to, for_tests }).map(|finding| finding.words)
    }

    #[test]
    fn an_edge_that_falls_is_fine() {
        assert_eq!(words("pool", "proc-core", false), None);
        assert_eq!(words("multiproc", "ipc-core", false), None);
        assert_eq!(words("benches", "multiproc", true), None);
        assert_eq!(words("ipc-queue", "ipc-queue", true), None);
    }

    #[test]
    fn an_edge_that_rises_or_stays_level_is_found() {
        assert!(words("ipc-core", "pool", false).unwrap().ends_with("rises"));
        assert!(words("ipc-core", "proc-core", true).unwrap().ends_with("rises"));
        assert!(words("ipc-sync", "ipc-pipe", false).unwrap().ends_with("stays level"));
        assert!(words("shm-value", "ipc-queue", true).unwrap().ends_with("stays level"));
        assert!(words("pool", "manager", true).unwrap().ends_with("rises"));
    }

    #[test]
    fn the_kit_is_for_tests_and_uses_nothing_of_ours() {
        assert_eq!(words("ipc-core", "testkit", true), None);
        assert_eq!(words("xtask", "testkit", false), None);
        assert!(words("ipc-core", "testkit", false).unwrap().contains("ships testkit"));
        assert!(words("testkit", "ipc-core", false).unwrap().ends_with("rises"));
        assert!(words("testkit", "ipc-core", true).unwrap().ends_with("rises"));
    }

    #[test]
    fn every_crate_of_this_workspace_has_a_layer() {
        let workspace = Workspace::load().unwrap();
        for package in workspace.packages() {
            assert!(layer(&package.name).is_some(), "{}", package.name);
        }
        for (name, _) in LAYERS {
            assert!(workspace.packages().iter().any(|package| package.name == *name), "{name}");
        }
    }
}
