//! `cargo xtask deps`: what each crate of ours brings along when it is used alone.

use std::collections::BTreeSet;

use crate::{cargo, failure::Result, flags, page, run, workspace::Workspace};

/// The first line of the table.
const TITLE: &str = "| crate, alone | brings of ours | and of others |";

/// Prints the table, or writes it into the README; returns the summary line.
pub(crate) fn run(workspace: &Workspace, flags: &flags::Deps) -> Result<String> {
    let mut table = vec![TITLE.to_owned(), "|---|---|---|".to_owned()];
    let shipped = workspace.packages().iter().filter(|package| package.publish.is_none());
    for package in shipped {
        let name = package.name.as_str();
        let (ours, others) = below(workspace, name)?;
        let list: Vec<_> = ours.iter().map(|name| format!("`{name}`")).collect();
        let list = if list.is_empty() { "–".to_owned() } else { list.join(", ") };
        table.push(format!("| `{name}` | {list} | {} |", others.len()));
    }
    let summary = format!("deps: {} crates", table.len() - 2);
    if flags.write {
        page::write_table(workspace, &table)?;
    } else {
        table.iter().for_each(|line| println!("{line}"));
    }
    Ok(summary)
}

/// The crates of ours and of others that a crate brings along, with the features that are on by default.
fn below(workspace: &Workspace, name: &str) -> Result<(BTreeSet<String>, BTreeSet<String>)> {
    let mut tree = cargo::command(workspace, "tree");
    tree.args(["--edges", "normal", "--prefix", "none", "--package", name]);
    let mut found = BTreeSet::new();
    run::capture(&mut tree, |line| {
        // `NAME vVERSION …`
        found.extend(line.split_whitespace().next().filter(|&it| it != name).map(str::to_owned));
    })?;
    let packages = workspace.packages();
    let is_ours = |name: &String| packages.iter().any(|package| package.name.as_str() == name);
    Ok(found.into_iter().partition(is_ours))
}
