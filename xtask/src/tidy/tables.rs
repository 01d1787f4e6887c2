//! Tables in Markdown, found by a column's title.

/// A table that has a certain column.
#[derive(Debug)]
pub(super) struct Table<'t> {
    /// The place of that column.
    pub(super) column: usize,
    /// The rows below the titles.
    pub(super) rows: Vec<Row<'t>>,
}

/// A row of a table.
#[derive(Debug)]
pub(super) struct Row<'t> {
    /// Its line in the page, from 1.
    pub(super) line: usize,
    cells: Vec<&'t str>,
}

impl<'t> Table<'t> {
    /// All tables of the page that have a column with this title.
    pub(super) fn with_column(page: &'t str, title: &str) -> Vec<Self> {
        let mut found: Vec<Self> = vec![];
        let mut inside = false;
        for (line, text) in (1..).zip(page.lines()) {
            let Some(cells) = cells(text) else {
                inside = false;
                continue;
            };
            if let Some(column) = cells.iter().position(|&cell| cell == title) {
                found.push(Self { column, rows: vec![] });
                inside = true;
            } else if let Some(table) = found.last_mut().filter(|_| inside)
                && !cells.iter().all(|cell| cell.chars().all(|char| matches!(char, '-' | ':')))
            {
                table.rows.push(Row { line, cells });
            }
        }
        found
    }
}

impl<'t> Row<'t> {
    /// What stands in a cell; nothing if the row ends before it.
    pub(super) fn cell(&self, column: usize) -> &'t str {
        self.cells.get(column).copied().unwrap_or_default()
    }

    /// What stands between backticks in a cell.
    pub(super) fn codes(&self, column: usize) -> Vec<&'t str> {
        self.cell(column).split('`').skip(1).step_by(2).collect()
    }
}

/// The cells of a line, if it is one of a table. A bar behind a backslash is text.
fn cells(line: &str) -> Option<Vec<&str>> {
    let line = line.strip_prefix('|')?.strip_suffix('|')?;
    let mut cells = vec![];
    let mut start = 0;
    for (at, _) in line.match_indices('|') {
        if !line[..at].ends_with('\\') {
            cells.push(line[start..at].trim());
            start = at + 1;
        }
    }
    cells.push(line[start..].trim());
    Some(cells)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "\
# Page

| a | b |
|---|:--|
| 1 | `x`, `y` |
| 2 \\| 3 | |

| c | a |
|---|---|
| 4 | 5 |
";

    #[test]
    fn tables_are_found_by_the_title_of_a_column() {
        let tables = Table::with_column(PAGE, "a");
        let seen: Vec<Vec<(usize, &str)>> = tables
            .iter()
            .map(|table| table.rows.iter().map(|row| (row.line, row.cell(table.column))).collect())
            .collect();
        assert_eq!(seen, [vec![(5, "1"), (6, "2 \\| 3")], vec![(10, "5")]]);
        assert!(Table::with_column(PAGE, "d").is_empty());
    }

    #[test]
    fn codes_are_what_stands_between_backticks() {
        let tables = Table::with_column(PAGE, "b");
        assert_eq!(tables[0].rows[0].codes(tables[0].column), ["x", "y"]);
        assert!(tables[0].rows[1].codes(tables[0].column).is_empty());
    }
}
