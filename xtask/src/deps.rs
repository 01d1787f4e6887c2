//! `cargo xtask deps`: what each crate of ours brings along when it is used alone.

use std::{collections::BTreeSet, fs};

use crate::{
    cargo,
    failure::{Failure, Result},
    flags, run,
    workspace::Workspace,
};

/// Where the table is kept.
const PAGE: &str = "README.md";

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
        write(workspace, &table)?;
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

/// Puts the table in the place of the one that is there.
fn write(workspace: &Workspace, table: &[String]) -> Result {
    let path = workspace.root().join(PAGE);
    let failed = |error| Failure::io(format_args!("write {PAGE}"), &error);
    let page = fs::read_to_string(&path).map_err(failed)?;
    let new = replaced(&page, table)
        .ok_or_else(|| Failure::new(format!("{PAGE} has no table that begins with {TITLE}")))?;
    fs::write(&path, new).map_err(failed)
}

/// The page with this table in place of the one with the same first line.
fn replaced(page: &str, table: &[String]) -> Option<String> {
    let (before, rest) = page.split_once(table.first()?.as_str())?;
    let after: String =
        rest.split_inclusive('\n').skip(1).skip_while(|line| line.starts_with('|')).collect();
    Some(format!("{before}{}\n{after}", table.join("\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_takes_the_place_of_the_old_one() {
        let page = "a\n\n| x |\n|---|\n| 1 |\n| 2 |\n\nb\n";
        let table = ["| x |", "|---|", "| 3 |"].map(str::to_owned);
        assert_eq!(replaced(page, &table).unwrap(), "a\n\n| x |\n|---|\n| 3 |\n\nb\n");
        assert_eq!(replaced("no table", &table), None);
    }
}
