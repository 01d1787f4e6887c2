//! A report as a page of Markdown.

use std::fmt::Write as _;

use super::super::table::{self, HEAD};
use super::{Part, plot::Drawn};

/// The page.
pub(super) fn page(circumstances: &str, parts: &[Part], plots: &[Drawn]) -> String {
    let mut page = format!(
        "# Measurements\n\n\
         Written by `cargo xtask bench --publish`, which measures everything in one run: peers take \
         turns, every\nmeasurement is made in a fresh process, and what stands here are medians. \
         Figures of one machine say\nlittle about another: run it on yours.\n\n\
         ```text\n{}\n```\n",
        circumstances.trim_end()
    );
    for plot in plots {
        write(&mut page, format_args!("\n![{}]({})\n", plot.title, plot.file));
    }
    for part in parts {
        write(&mut page, format_args!("\n## {}\n\n", part.subject));
        write(&mut page, format_args!("| {} |\n", HEAD.join(" | ")));
        page.push_str("|---|---|---:|---:|---:|\n");
        for [bench, peer, median, spread, ratio] in table::lines(&part.rows) {
            let line = format_args!("| `{bench}` | {peer} | {median} | {spread} | {ratio} |\n");
            write(&mut page, line);
        }
    }
    write(&mut page, format_args!("\n{}", table::LEGEND));
    page
}

fn write(page: &mut String, text: std::fmt::Arguments<'_>) {
    // A text takes all.
    let _taken = page.write_fmt(text);
}
