//! A path that one listener has at a time.
//!
//! A socket's file stays behind when its process is killed, and nothing about the file says so. So a
//! listener has a second file beside it, `PATH.lock`, locked as long as it lives; the kernel takes the
//! lock away at its death. Who gets the lock asks the socket itself as well, for it may belong to a
//! program that knows nothing of locks: a socket that nobody listens at refuses.

use ipc_core::Deadline;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use ipc_core::robust::Thread;

use crate::address::Address;
use crate::sys::socket;

/// A path that this process has, until it is dropped or the process ends.
#[derive(Debug)]
pub(crate) struct Place {
    path: PathBuf,
    lock_path: PathBuf,
    /// Locked.
    _lock: File,
    /// The socket's file.
    inode: u64,
    /// Which process has it: a forked child leaves it alone.
    generation: u64,
}

impl Place {
    /// Gives the socket the path, in place of one whose owner is dead.
    ///
    /// It fails with [`io::ErrorKind::AddrInUse`] if the path is a live listener's, or something else.
    pub(crate) fn take(path: &Path, socket: BorrowedFd<'_>) -> io::Result<Self> {
        let mut lock_path = path.as_os_str().to_owned();
        lock_path.push(".lock");
        let lock_path = PathBuf::from(lock_path);
        let lock = lock(&lock_path)?;
        let address = socket::unix_address(&Address::unix(path))?;
        match socket::bind_unix(socket, &address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                if !is_abandoned(path)? {
                    return Err(io::ErrorKind::AddrInUse.into());
                }
                // It may be gone by itself.
                fs::remove_file(path).or_else(ignore_missing)?;
                socket::bind_unix(socket, &address)?;
            }
            result => result?,
        }
        let inode = fs::symlink_metadata(path)?.ino();
        let generation = Thread::current().generation();
        Ok(Self { path: path.to_owned(), lock_path, _lock: lock, inode, generation })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if Thread::current().generation() != self.generation {
            return;
        }
        // Somebody may have put something else there by hand.
        if fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode) {
            fs::remove_file(&self.path).ok();
        }
        // It is still locked: who opens it now sees that it is gone, and makes another.
        fs::remove_file(&self.lock_path).ok();
    }
}

/// Opens and locks the file at that path.
fn lock(path: &Path) -> io::Result<File> {
    loop {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.custom_flags(libc::O_NOFOLLOW).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::AddrInUse.into()),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // Whoever had it before may have taken it away meanwhile: then the next would lock another.
        let found = fs::symlink_metadata(path);
        let inode = file.metadata()?.ino();
        if found.is_ok_and(|found| found.ino() == inode) {
            return Ok(file);
        }
    }
}

/// Whether it is a socket that nobody listens at.
fn is_abandoned(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => {}
        Ok(_) => return Ok(false),
        Err(error) => return ignore_missing(error).map(|()| true),
    }
    let address = socket::unix_address(&Address::unix(path))?;
    let socket = socket::packets()?;
    let asked = socket::connect_unix(socket.as_fd(), &address, Deadline::now());
    Ok(asked.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused))
}

fn ignore_missing(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}
