//! A report as a page that a browser shows, with nothing beside it.

use std::fmt::Write as _;

use super::super::row::OURS;
use super::super::table::{self, HEAD};
use super::{Part, plot::Drawn};

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;\
    padding:0 1rem;color:#222}table{border-collapse:collapse;width:100%;font-size:14px}\
    td,th{padding:.2rem .6rem;border-bottom:1px solid #ddd;text-align:right}\
    td:nth-child(-n+2),th:nth-child(-n+2){text-align:left}tr.ours{font-weight:600}\
    pre{background:#f4f4f4;padding:1rem;overflow-x:auto}svg{max-width:100%;height:auto}";

/// The page.
pub(super) fn page(circumstances: &str, parts: &[Part], plots: &[Drawn]) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <title>multiproc: measurements</title><style>{STYLE}</style></head><body>\n\
         <h1>multiproc: measurements</h1>\n<pre>{}</pre>\n",
        escaped(circumstances.trim_end())
    );
    for plot in plots {
        write(&mut page, format_args!("<h2>{}</h2>\n{}\n", escaped(plot.title), plot.svg));
    }
    for part in parts {
        write(&mut page, format_args!("<h2>{}</h2>\n<table><tr>", escaped(&part.subject)));
        HEAD.iter().for_each(|head| write(&mut page, format_args!("<th>{head}</th>")));
        page.push_str("</tr>\n");
        for line in table::lines(&part.rows) {
            let class = if line[1] == OURS { " class=\"ours\"" } else { "" };
            write(&mut page, format_args!("<tr{class}>"));
            line.iter()
                .for_each(|cell| write(&mut page, format_args!("<td>{}</td>", escaped(cell))));
            page.push_str("</tr>\n");
        }
        page.push_str("</table>\n");
    }
    write(
        &mut page,
        format_args!("<p>{}</p>\n</body></html>\n", escaped(table::LEGEND.trim_end())),
    );
    page
}

fn write(page: &mut String, text: std::fmt::Arguments<'_>) {
    // A text takes all.
    let _taken = page.write_fmt(text);
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
