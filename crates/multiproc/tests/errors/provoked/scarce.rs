//! What the system refuses: in a process that has no descriptor left.

use std::fs::File;
use std::os::fd::OwnedFd;

use multiproc::wire::Handle;
use multiproc::{Lock, Manager, Pool, Process, Program, manager, memory, pool, process};

use super::{Met, meets, notes};

pub(super) fn met() -> Met {
    Process::builder().open_files_limit(64).spawn(without_descriptors, ()).unwrap().join().unwrap()
}

fn without_descriptors((): ()) -> Met {
    let mut met = Met::new();
    let sends = Process::spawn(|()| Handle::from(OwnedFd::from(File::open("/").unwrap())), ());
    let sends = sends.unwrap();
    sends.wait().unwrap();
    let mut files = vec![];
    while let Ok(file) = File::open("/dev/null") {
        files.push(file);
    }
    meets!(met, Lock::new(), memory::SegmentError::Io(_));
    meets!(met, Process::spawn(|()| (), ()), process::StartError::System { .. });
    meets!(met, Program::new("true").call(), process::ProgramError::System { .. });
    meets!(met, Manager::start(), manager::StartError::Io(_));
    meets!(met, sends.join(), process::JoinError::Lost(_));
    // With one more each time, a pool gets a step further.
    while let Err(error) = Pool::builder().workers(1).build() {
        match &error {
            pool::PoolError::Memory(_) => notes!(met, &error, pool::PoolError::Memory(_)),
            pool::PoolError::Queue(_) => notes!(met, &error, pool::PoolError::Queue(_)),
            pool::PoolError::System { .. } => notes!(met, &error, pool::PoolError::System { .. }),
            _ => notes!(met, &error, pool::PoolError::Start(_)),
        }
        drop(files.pop().unwrap());
    }
    met
}
