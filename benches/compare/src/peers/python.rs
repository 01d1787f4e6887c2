//! CPython's `multiprocessing`: a script for each scenario, in `python/`.

use std::io;
use std::process::{Command, Stdio};

use crate::Result;
use crate::flags::Effort;

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/python");

/// Runs a script, which prints a figure and nothing else.
pub(crate) fn measure(scenario: &str, arguments: &[&str], effort: Effort) -> Result<f64> {
    let mut python = Command::new("python3");
    python.arg(format!("{SCRIPTS}/{scenario}.py"));
    for time in [effort.warm_up, effort.window] {
        python.arg(time.as_secs_f64().to_string());
    }
    // No folders of compiled modules in the sources.
    python.args(arguments).env("PYTHONDONTWRITEBYTECODE", "1");
    let output = python.stderr(Stdio::inherit()).output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => "there is no python3 here".into(),
        _ => Box::<dyn std::error::Error + Send + Sync>::from(error),
    })?;
    if !output.status.success() {
        return Err(format!("python3 ended with {}", output.status).into());
    }
    let said = String::from_utf8(output.stdout)?;
    said.trim().parse().map_err(|_| format!("python3 said no figure but {said:?}").into())
}
