//! Finding segments: behind the descriptors of this user's processes, and in the folder of names.
//!
//! A nameless segment is a file in memory whose label begins with a word of ours; one with a name lies in
//! `/dev/shm`. Labels and names are anybody's to choose, so what is behind them is opened for reading,
//! and is a segment if its header says so.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use ipc_core::SegmentError;
use ipc_core::inspect::View;

use super::Unreadable;
use super::object::{self, Holder, Object, Process};
use super::waiters;
use crate::failure::Result;
use crate::system::{self, Descriptor, FOLDER, Named};

/// What the kernel calls our nameless memory.
const NAMELESS: &[u8] = b"/memfd:multiproc ";

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) objects: Vec<Object>,
    pub(super) unreadable: Vec<Unreadable>,
}

/// Looks at all processes of this user, or at one, and at the names.
pub(super) fn find(only: Option<u32>) -> Result<Found> {
    let mut search = Search::default();
    let pids = match only {
        Some(pid) => vec![pid],
        None => system::processes()?,
    };
    for pid in pids {
        search.look_at_process(pid);
    }
    for named in system::named() {
        search.look_at_name(&named, only.is_none());
    }
    let mut objects: Vec<Object> = search.objects.into_values().flatten().collect();
    objects.sort_by(|one, other| (&one.what, &one.id).cmp(&(&other.what, &other.id)));
    Ok(Found { objects, unreadable: search.unreadable })
}

#[derive(Debug, Default)]
struct Search {
    /// By device and inode; nothing if that is no segment.
    objects: BTreeMap<(u64, u64), Option<Object>>,
    unreadable: Vec<Unreadable>,
}

impl Search {
    fn look_at_process(&mut self, pid: u32) {
        let descriptors = match system::descriptors(pid) {
            Ok(descriptors) => descriptors,
            Err(error) if system::is_gone(&error) => return,
            Err(error) => {
                let (what, why) = ("the descriptors".to_owned(), error.to_string());
                return self.unreadable.push(Unreadable { pid: Some(pid), what, why });
            }
        };
        let mut has_any = false;
        for descriptor in descriptors.iter().filter(|it| may_be_ours(&it.target)) {
            self.look_at_descriptor(pid, descriptor);
            has_any = true;
        }
        if has_any {
            self.look_for_waiters(pid);
        }
    }

    /// Adds the threads of a process to the objects for which they wait.
    fn look_for_waiters(&mut self, pid: u32) {
        match waiters::of_process(pid) {
            Ok(sleepers) => {
                for (identity, tids) in sleepers {
                    let object = self.objects.get_mut(&identity).and_then(Option::as_mut);
                    let waiters = object.and_then(|object| object.waiters.as_mut());
                    let Some(waiters) = waiters else { continue };
                    waiters.extend(tids.into_iter().map(|tid| Holder { tid, pid: Some(pid) }));
                }
            }
            Err(error) if system::is_gone(&error) => {}
            // Whoever it may be waiting for: nobody knows.
            Err(_) => {
                let objects = self.objects.values_mut().flatten();
                let open = objects.filter(|it| it.open_in.iter().any(|user| user.pid == pid));
                open.for_each(|object| object.waiters = None);
            }
        }
    }

    fn look_at_descriptor(&mut self, pid: u32, descriptor: &Descriptor) {
        let Ok(identity) = descriptor.identity() else { return };
        if !self.objects.contains_key(&identity) {
            let view = descriptor.open().map(View::open);
            let what = descriptor.target.to_string_lossy().into_owned();
            let object = self.tell(Some(pid), what, view);
            self.objects.insert(identity, object);
        }
        if let Some(Some(object)) = self.objects.get_mut(&identity)
            && object.open_in.last().is_none_or(|user| user.pid != pid)
        {
            object.open_in.push(Process::of(pid));
        }
    }

    fn look_at_name(&mut self, named: &Named, is_wanted: bool) {
        if is_wanted && !self.objects.contains_key(&named.identity) {
            let what = format!("{FOLDER}/{}", named.name.display());
            let object = self.tell(None, what, named.view());
            self.objects.insert(named.identity, object);
        }
        if let Some(Some(object)) = self.objects.get_mut(&named.identity) {
            object.name = Some(named.name.to_string_lossy().into_owned());
        }
    }

    /// What is to be said of an object, if it is one; an entry in the other list if nobody can tell.
    fn tell(
        &mut self,
        pid: Option<u32>,
        what: String,
        view: io::Result<std::result::Result<View, SegmentError>>,
    ) -> Option<Object> {
        let told = match view {
            Ok(view) => view.and_then(|view| object::of(&view)),
            Err(error) if system::is_gone(&error) => return None,
            Err(error) => Err(error.into()),
        };
        match told {
            Ok(object) => Some(object),
            // Somebody else's file, or none that was ever a segment.
            Err(SegmentError::WrongMagic | SegmentError::Truncated { found: ..128, .. }) => None,
            Err(error) => {
                let why = error.to_string();
                self.unreadable.push(Unreadable { pid, what, why });
                None
            }
        }
    }
}

/// Whether what the kernel calls a file could be the name of a segment.
fn may_be_ours(target: &Path) -> bool {
    let bytes = target.as_os_str().as_bytes();
    bytes.starts_with(NAMELESS) || PathBuf::from(target).starts_with(FOLDER)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::may_be_ours;

    #[test]
    fn only_memory_of_ours_and_names_are_looked_at() {
        assert!(may_be_ours(Path::new("/memfd:multiproc lock/1 (deleted)")));
        assert!(may_be_ours(Path::new("/dev/shm/jobs")));
        assert!(may_be_ours(Path::new("/dev/shm/jobs (deleted)")));
        assert!(!may_be_ours(Path::new("/memfd:other (deleted)")));
        assert!(!may_be_ours(Path::new("/dev/shmem")));
        assert!(!may_be_ours(Path::new("socket:[1]")));
    }
}
