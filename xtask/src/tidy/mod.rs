//! `cargo xtask tidy`: the rules that no compiler checks.
//!
//! Each check is a file: a function from what was read to what was found, with tests that show it
//! can find something.

mod door;
mod edges;
mod guarantees;
mod layers;
mod leftovers;
mod module_docs;
mod python_names;
mod size;
mod source;
mod tables;
mod unsafety;

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use self::source::Source;
use crate::{
    failure::{Failure, Result},
    flags,
    workspace::Workspace,
};

/// The folders that hold Rust files of ours.
const FOLDERS: &[&str] = &["crates", "xtask", "benches", "examples", "fuzz"];

/// Something that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    /// The file, from the root of the workspace.
    path: String,
    /// The line in it; 0 for the file as a whole.
    line: usize,
    /// What is wrong, and what to do.
    words: String,
}

impl Finding {
    fn new(path: &str, line: usize, words: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, words: words.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.words),
            line => write!(f, "{}:{line}: {}", self.path, self.words),
        }
    }
}

/// Checks everything; returns the summary line.
pub(crate) fn run(workspace: &Workspace, flags: &flags::Tidy) -> Result<String> {
    let root = workspace.root();
    let sources = sources(root)?;
    let with_unsafe = unsafety::modules(&sources);
    if flags.bless {
        unsafety::write_list(root, &with_unsafe)?;
    }

    println!("longest files (a hint, not a rule):");
    for (lines, path) in size::longest(&sources) {
        println!("    {lines:5} lines  {path}");
    }
    println!("modules with unsafe code:");
    for path in &with_unsafe {
        println!("    {path}");
    }

    let mut findings = layers::check(workspace);
    findings.extend(module_docs::check(&sources));
    findings.extend(edges::check(&sources));
    findings.extend(unsafety::check(root, &with_unsafe)?);
    findings.extend(door::check(&sources));
    findings.extend(leftovers::check_code(&sources));
    findings.extend(leftovers::check_texts(&texts(root)?));
    for page in guarantees::PAGES {
        findings.extend(guarantees::check(page, &read(root, page)?, &sources));
    }
    findings.extend(python_names::check(&read(root, python_names::PAGE)?));
    findings.sort();
    findings.dedup();
    for finding in &findings {
        println!("{finding}");
    }

    let files = sources.len();
    match findings.len() {
        0 => Ok(format!("tidy: {files} files, {} edges, 0 findings", edges::count(&sources))),
        found => Err(Failure::new(format!("tidy: {files} files, {found} findings"))),
    }
}

/// All Rust files of ours.
fn sources(root: &Path) -> Result<Vec<Source>> {
    let mut found = vec![];
    for folder in FOLDERS {
        walk(root, &root.join(folder), &mut |path| {
            if path.ends_with(".rs") {
                found.push(Source::new(path, read(root, path)?));
            }
            Ok(())
        })?;
    }
    Ok(found)
}

/// All other files of ours that are text, with their paths.
fn texts(root: &Path) -> Result<Vec<(String, String)>> {
    const KINDS: [&str; 6] = [".md", ".toml", ".txt", ".py", ".yml", "/run"];
    let mut found = vec![];
    walk(root, root, &mut |path| {
        if KINDS.iter().any(|kind| path.ends_with(kind)) {
            found.push((path.to_owned(), read(root, path)?));
        }
        Ok(())
    })?;
    Ok(found)
}

fn read(root: &Path, path: &str) -> Result<String> {
    let bytes = fs::read(root.join(path))
        .map_err(|error| Failure::io(format_args!("read {path}"), &error))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Hands every file below `folder` to `each`, in order, by its path from `root`.
///
/// What is built and what git keeps is not ours. A folder that is not there holds no files.
fn walk(root: &Path, folder: &Path, each: &mut impl FnMut(&str) -> Result) -> Result {
    if !folder.is_dir() {
        return Ok(());
    }
    for path in entries(folder)? {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let link = path.is_symlink();
        if path.is_dir() && !link {
            if !matches!(name, "target" | ".git" | "corpus" | "artifacts") {
                walk(root, &path, each)?;
            }
        } else if let Some(path) = path.strip_prefix(root).ok().and_then(Path::to_str)
            && !link
        {
            each(path)?;
        }
    }
    Ok(())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |error| Failure::io(format_args!("read {}", folder.display()), &error);
    let mut paths = vec![];
    for entry in fs::read_dir(folder).map_err(failed)? {
        paths.push(entry.map_err(failed)?.path());
    }
    paths.sort();
    Ok(paths)
}
