//! What is left of a run of all benches: tables, plots, and the figures themselves.
//!
//! | file | what it has |
//! |------|-------------|
//! | `README.md` | the machine, and a table for each subject |
//! | `results.json` | all rows |
//! | `NAME.svg` | a plot each, see `plot` |
//! | `index.html` | all of it on one page that needs no other |

mod html;
mod markdown;
mod plot;

use std::{fs, path::Path};

use super::row::Row;
use crate::failure::{Failure, Result};

/// The rows of a subject.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) subject: String,
    pub(super) rows: Vec<Row>,
}

/// Writes all files to a folder; returns how many plots there are.
pub(super) fn write(folder: &Path, circumstances: &str, parts: &[Part]) -> Result<usize> {
    let rows: Vec<&Row> = parts.iter().flat_map(|part| &part.rows).collect();
    let plots = plot::draw_all(&rows)?;
    let json = serde_json::to_string_pretty(&rows)
        .map_err(|error| Failure::new(format!("failed to write rows as JSON: {error}")))?;
    fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
    put(folder, "README.md", &markdown::page(circumstances, parts, &plots))?;
    put(folder, "results.json", &format!("{json}\n"))?;
    put(folder, "index.html", &html::page(circumstances, parts, &plots))?;
    for plot in &plots {
        put(folder, &plot.file, &plot.svg)?;
    }
    Ok(plots.len())
}

fn put(folder: &Path, name: &str, text: &str) -> Result {
    let path = folder.join(name);
    fs::write(&path, text).map_err(|error| failed(&path, &error))
}

fn failed(path: &Path, error: &std::io::Error) -> Failure {
    Failure::io(format_args!("write {}", path.display()), error)
}

#[cfg(test)]
mod tests {
    use super::super::row::{OURS, row};
    use super::*;

    #[test]
    fn a_report_has_a_page_the_figures_and_the_plots_that_there_are_figures_for() {
        let rows = vec![
            row("queue/1:1/8", OURS, "msgs_per_s", 3e7),
            row("queue/1:1/8", "pipe", "msgs_per_s", 2e6),
            row("queue/1:1/64", OURS, "msgs_per_s", 1e7),
            row("queue/1:1/64", "pipe", "msgs_per_s", 1e6),
        ];
        let parts = [Part { subject: "queue".to_owned(), rows }];
        let folder =
            std::env::temp_dir().join(format!("xtask-report-{:?}", std::thread::current().id()));
        let n_plots = write(&folder, "machine: 2 <CPUs>", &parts).unwrap();
        let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
        let (page, html, json) = (read("README.md"), read("index.html"), read("results.json"));
        let svg = read("throughput.svg");
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(n_plots, 1);
        assert!(page.contains("| `queue/1:1/8` | pipe | 2.00 M msgs/s |"), "{page}");
        assert!(page.contains("(throughput.svg)"), "{page}");
        assert!(html.contains("2 &lt;CPUs&gt;") && html.contains("<svg"), "{html}");
        assert_eq!(serde_json::from_str::<Vec<Row>>(&json).unwrap().len(), 4);
        assert!(svg.contains("pipe") && svg.contains("64 B"), "{svg}");
    }
}
