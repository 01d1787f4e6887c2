//! Tables that commands write into pages.

use std::fs;

use crate::{
    failure::{Failure, Result},
    workspace::Workspace,
};

/// Where the tables stand.
const PAGE: &str = "README.md";

/// Puts a table into the README, in the place of the one with the same first line.
pub(crate) fn write_table(workspace: &Workspace, table: &[String]) -> Result {
    let path = workspace.root().join(PAGE);
    let failed = |error| Failure::io(format_args!("write {PAGE}"), &error);
    let page = fs::read_to_string(&path).map_err(failed)?;
    let new = replaced(&page, table).ok_or_else(|| {
        let title = table.first().map(String::as_str).unwrap_or_default();
        Failure::new(format!("{PAGE} has no table that begins with {title}"))
    })?;
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
