//! `cargo xtask bench`: measurements beside rivals, in one run, under the same names.
//!
//! The program `compare` (in `benches/compare`, a workspace of its own, so that the rivals stay
//! out of everybody's lock file) measures, and prints a row of JSON a line. This command builds and
//! runs it, prints a table, and writes the rows to `target/bench/SUBJECT.json`, and a report of the run
//! beside them; with `--publish`, the report goes to `docs/bench`, and a few of its ratios to the README.

mod circumstances;
mod libclang;
mod report;
mod row;
mod short;
mod table;

use std::{fs, path::Path};

use clap::ValueEnum;

use self::{report::Part, row::Row};
use crate::{
    cargo,
    failure::{Failure, Result},
    flags::{self, Subject},
    page, run, test,
    workspace::Workspace,
};

/// Where the rows are written, from the root of the workspace.
const RESULTS: &str = "target/bench";

/// Where the report of a run lies that is part of the docs.
const PUBLISHED: &str = "docs/bench";

/// Measures the subjects that were asked for; returns the summary line.
pub(crate) fn run(workspace: &Workspace, flags: &flags::Bench) -> Result<String> {
    if flags.list {
        return Ok(list());
    }
    if flags.criterion {
        return criterion(workspace);
    }
    if !workspace.root().join(test::COMPARE).exists() {
        return Ok("bench: nothing to run yet: there is no benches/compare".to_owned());
    }
    let mut subjects = flags.subjects.clone();
    if subjects.is_empty() {
        subjects = Subject::value_variants().to_vec();
    }
    subjects.dedup();
    build(workspace)?;
    let circumstances = circumstances::tell(workspace);
    println!("{circumstances}");
    let mut parts = vec![];
    for &subject in &subjects {
        let rows = measure(workspace, subject, flags.quick)?;
        parts.push(Part { subject: name(subject), rows });
    }
    let how = if flags.quick { ", quick form" } else { "" };
    let folder = if flags.publish { PUBLISHED } else { RESULTS };
    let circumstances =
        format!("{circumstances}form:    {}\n", if flags.quick { "quick" } else { "full" });
    let n_plots = report::write(&workspace.root().join(folder), &circumstances, &parts)?;
    if flags.publish
        && let Some(table) = short::table(&parts)
    {
        page::write_table(workspace, &table)?;
    }
    let n_rows: usize = parts.iter().map(|part| part.rows.len()).sum();
    let n_subjects = parts.len();
    Ok(format!(
        "bench: {n_subjects} subjects, {n_rows} rows{how}, {n_plots} plots, written to {folder}"
    ))
}

fn list() -> String {
    let subjects = Subject::value_variants();
    for value in subjects.iter().filter_map(ValueEnum::to_possible_value) {
        let help = value.get_help().map(ToString::to_string).unwrap_or_default();
        println!("{:8}  {help}", value.get_name());
    }
    format!("bench: {} subjects", subjects.len())
}

/// Our own curves.
fn criterion(workspace: &Workspace) -> Result<String> {
    run::program(cargo::command(workspace, "bench").args(["--package", "benches"]))?;
    Ok("bench: criterion is done, its results are in target/criterion".to_owned())
}

fn build(workspace: &Workspace) -> Result {
    let mut cargo = cargo::command(workspace, "build");
    cargo.args(["--release", "--bin", "compare", "--manifest-path", test::COMPARE]);
    cargo.arg("--target-dir").arg(workspace.target_dir("compare"));
    if libclang::is_there() {
        cargo.args(["--features", "iceoryx2"]);
    } else {
        println!("bench: without iceoryx2, which needs libclang to be built (libclang-dev)");
    }
    run::program(&mut cargo)
}

/// Measures one subject.
fn measure(workspace: &Workspace, subject: Subject, quick: bool) -> Result<Vec<Row>> {
    let name = name(subject);
    let program = workspace.target_dir("compare").join("release/compare");
    let mut compare = std::process::Command::new(program);
    compare.current_dir(workspace.root()).arg(&name);
    if quick {
        compare.arg("--quick");
    }
    println!("    $ {}", run::said(&compare));
    let mut rows = vec![];
    let mut broken = None;
    run::capture(&mut compare, |line| match Row::parse(line) {
        Ok(Some(row)) => rows.push(row),
        Ok(None) => println!("{line}"),
        Err(failure) => broken = Some(failure),
    })?;
    if let Some(failure) = broken {
        return Err(failure);
    }
    if rows.is_empty() {
        return Err(Failure::new(format!("bench: {name} gave no rows")));
    }
    println!("\n{}", table::draw(&rows));
    write(workspace.root(), &name, &rows)?;
    Ok(rows)
}

fn name(subject: Subject) -> String {
    subject.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

fn write(root: &Path, name: &str, rows: &[Row]) -> Result {
    let folder = root.join(RESULTS);
    let path = folder.join(format!("{name}.json"));
    let failed = |error| Failure::io(format_args!("write {}", path.display()), &error);
    fs::create_dir_all(&folder).map_err(failed)?;
    let mut json = serde_json::to_string_pretty(rows)
        .map_err(|error| Failure::new(format!("failed to write rows as JSON: {error}")))?;
    json.push('\n');
    fs::write(&path, json).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_a_list_of_rows() {
        let root =
            std::env::temp_dir().join(format!("xtask-bench-{:?}", std::thread::current().id()));
        let line = r#"{"bench":"sync/lock/free","peer":"multiproc","metric":"ns","unit":"ns","min":1.5,"median":2,"max":3,"n":5}"#;
        let row = Row::parse(line).unwrap().unwrap();
        write(&root, "sync", &[row]).unwrap();
        let json = fs::read_to_string(root.join(RESULTS).join("sync.json")).unwrap();
        fs::remove_dir_all(&root).unwrap();
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value[0]["bench"], "sync/lock/free");
        assert_eq!(value[0]["min"], 1.5);
        assert_eq!(value[0]["n"], 5);
    }
}
