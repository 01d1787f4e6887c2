//! The example programs, for tests that run them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

/// The programs by their names, built once.
fn programs() -> &'static BTreeMap<String, PathBuf> {
    static PROGRAMS: OnceLock<BTreeMap<String, PathBuf>> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--package", "multiproc", "--examples"]);
        build.args(["--message-format", "json"]).current_dir(env!("CARGO_MANIFEST_DIR"));
        let output = build.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let messages = String::from_utf8(output.stdout).unwrap();
        let messages = messages.lines().flat_map(serde_json::from_str::<Value>);
        let named = messages.filter_map(|message| {
            let name = message["target"]["name"].as_str()?.to_owned();
            Some((name, PathBuf::from(message["executable"].as_str()?)))
        });
        named.collect()
    })
}

/// A command that runs the program called `name`.
pub(crate) fn command(name: &str) -> Command {
    Command::new(&programs()[name])
}
