//! `ProgramError`: why a program could not be run, or did not do what it should.

use std::ffi::OsStr;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::program::Output;

/// Why a program could not be run, or did not do what it should.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// There is no program of this name.
    #[error("there is no program {}", .0.display())]
    NotFound(PathBuf),
    /// There is a file of this name, and it is no program: it may not be executed by anybody, is in
    /// no form that the system knows, or needs another program to run it which is not there.
    #[error("{} is not executable", .0.display())]
    NotExecutable(PathBuf),
    /// There is a program of this name, and this process may not run it.
    #[error("no permission to run {}", .0.display())]
    PermissionDenied(PathBuf),
    /// The working directory does not exist, or cannot be gone to.
    #[error("cannot go to the working directory {}", .0.display())]
    Folder(PathBuf),
    /// It was run and failed; has what it wrote.
    #[error("the program ended with {}", .0.status)]
    Failed(Output),
    /// The time for it is up; has what it wrote.
    #[error("the program did not end in time")]
    TimedOut(Output),
    /// The system refused.
    #[error("the system refused to {action}: {error}")]
    System {
        /// What was to be done.
        action: &'static str,
        /// What the system said.
        #[source]
        error: io::Error,
    },
}

impl ProgramError {
    /// For `map_err`: the system refused to do this.
    pub(super) fn system(action: &'static str) -> impl Fn(io::Error) -> Self {
        move |error| Self::System { action, error }
    }
}

/// Says what is behind an error of the system, which has one number for several things.
pub(super) fn explain(
    name: &OsStr,
    folder: Option<&Path>,
    path: Option<&OsStr>,
    error: io::Error,
) -> ProgramError {
    let number = error.raw_os_error();
    if ![Some(libc::ENOENT), Some(libc::EACCES), Some(libc::ENOEXEC), Some(libc::ENOTDIR)]
        .contains(&number)
    {
        return ProgramError::System { action: "run the program", error };
    }
    if let Some(folder) = folder
        && std::fs::read_dir(folder).is_err()
    {
        return ProgramError::Folder(folder.to_owned());
    }
    let name = PathBuf::from(name);
    let Some(found) = find(&name, folder, path) else {
        return if number == Some(libc::EACCES) {
            ProgramError::PermissionDenied(name)
        } else {
            ProgramError::NotFound(name)
        };
    };
    let may_be_executed = std::fs::metadata(&found)
        .is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0);
    if may_be_executed && number == Some(libc::EACCES) {
        ProgramError::PermissionDenied(found)
    } else {
        ProgramError::NotExecutable(found)
    }
}

/// The file that was meant, if there is one.
fn find(name: &Path, folder: Option<&Path>, path: Option<&OsStr>) -> Option<PathBuf> {
    let exists = |file: &PathBuf| file.symlink_metadata().is_ok();
    if name.components().count() > 1 || name.is_absolute() {
        let file = folder.unwrap_or(Path::new("")).join(name);
        return Some(file).filter(exists);
    }
    std::env::split_paths(path?).map(|folder| folder.join(name)).find(exists)
}
