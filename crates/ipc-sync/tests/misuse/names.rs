//! Names: taken, missing, forbidden, and of something else.
#![expect(unsafe_code, reason = "users are made by system calls")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use ipc_core::robust::Thread;
use ipc_core::{Kind, Segment, SegmentError};
use ipc_sync::{
    Barrier, BoundedSemaphore, Condition, Event, Lock, Mutex, NewBarrierError, Once, RLock,
    Readers, RwLock, Semaphore, SemaphoreError,
};
use testkit::Outcome;

use crate::together::{in_child, passed};

type Made = Result<(), SegmentError>;

/// A primitive that can have a name.
struct Named {
    what: &'static str,
    create: fn(&str) -> Made,
    open: fn(&str) -> Made,
}

const ALL: &[Named] = &[
    Named {
        what: "Lock",
        create: |name| Lock::create_named(name).map(drop),
        open: |name| Lock::open_named(name).map(drop),
    },
    Named {
        what: "RLock",
        create: |name| RLock::create_named(name).map(drop),
        open: |name| RLock::open_named(name).map(drop),
    },
    Named {
        what: "Mutex",
        create: |name| Mutex::create_named(name, 7_u32).map(drop),
        open: |name| Mutex::<u32>::open_named(name).map(drop),
    },
    Named {
        what: "RwLock",
        create: |name| RwLock::create_named(name, 7_u32, Readers::DEFAULT).map(drop),
        open: |name| RwLock::<u32>::open_named(name).map(drop),
    },
    Named {
        what: "Event",
        create: |name| Event::create_named(name).map(drop),
        open: |name| Event::open_named(name).map(drop),
    },
    Named {
        what: "Condition",
        create: |name| Condition::create_named(name).map(drop),
        open: |name| Condition::open_named(name).map(drop),
    },
    Named {
        what: "Once",
        create: |name| Once::create_named(name).map(drop),
        open: |name| Once::open_named(name).map(drop),
    },
    Named {
        what: "Semaphore",
        create: |name| of_semaphore(Semaphore::create_named(name, 1)),
        open: |name| of_semaphore(Semaphore::open_named(name)),
    },
    Named {
        what: "BoundedSemaphore",
        create: |name| of_semaphore(BoundedSemaphore::create_named(name, 1)),
        open: |name| of_semaphore(BoundedSemaphore::open_named(name)),
    },
    Named {
        what: "Barrier",
        create: |name| of_barrier(Barrier::create_named(name, 2)),
        open: |name| of_barrier(Barrier::open_named(name)),
    },
];

/// What the segment of a semaphore came to.
pub(crate) fn of_semaphore<P>(made: Result<P, SemaphoreError>) -> Made {
    match made {
        Ok(_) => Ok(()),
        Err(SemaphoreError::Segment(error)) => Err(error),
        Err(other) => panic!("{other}"),
    }
}

/// What the segment of a barrier came to.
pub(crate) fn of_barrier(made: Result<Barrier, NewBarrierError>) -> Made {
    match made {
        Ok(_) => Ok(()),
        Err(NewBarrierError::Segment(error)) => Err(error),
        Err(other) => panic!("{other}"),
    }
}

/// A name that nobody else uses now.
fn name() -> String {
    format!("ipc-sync-misuse-{}", Thread::current().tid())
}

pub(crate) fn that_are_none() -> Outcome {
    let long = "x".repeat(256);
    for bad in ["", ".", "..", "a/b", "/a", "a\0b", &long] {
        for Named { what, create, open } in ALL {
            for refused in [create(bad), open(bad)] {
                assert!(matches!(refused, Err(SegmentError::BadName)), "{what}, {bad:?}");
            }
        }
    }
    passed()
}

pub(crate) fn that_exist() -> Outcome {
    let name = name();
    for Named { what, create, open } in ALL {
        create(&name)?;
        // Whatever it is of.
        for other in ALL {
            let refused = (other.create)(&name);
            let is_told = matches!(refused, Err(SegmentError::AlreadyExists));
            assert!(is_told, "{} over {what}: {refused:?}", other.what);
        }
        open(&name)?;
        Segment::unlink(&name)?;
    }
    passed()
}

pub(crate) fn that_do_not_exist() -> Outcome {
    let name = name();
    for Named { what, open, .. } in ALL {
        for _ in 0..2 {
            let refused = open(&name);
            assert!(matches!(refused, Err(SegmentError::NotFound)), "{what}: {refused:?}");
        }
    }
    assert!(matches!(Segment::unlink(&name), Err(SegmentError::NotFound)));
    passed()
}

pub(crate) fn of_something_else() -> Outcome {
    let name = name();
    for made in ALL {
        (made.create)(&name)?;
        for Named { what, open, .. } in ALL.iter().filter(|other| other.what != made.what) {
            let refused = open(&name);
            let is_told = matches!(refused, Err(SegmentError::WrongKind { .. }));
            assert!(is_told, "{what} of a {}: {refused:?}", made.what);
        }
        (made.open)(&name)?;
        Segment::unlink(&name)?;
    }
    // The right kind, for another type.
    let mutex = Mutex::create_named(&name, 7_u32)?;
    let refused = Mutex::<i32>::open_named(&name).unwrap_err();
    assert!(matches!(refused, SegmentError::WrongType { .. }), "{refused}");
    assert_eq!(mutex.get().unwrap(), 7);
    Segment::unlink(&name)?;
    // Another program's segment, and a file that is none.
    let other = Segment::create_named(&name, Kind::new(*b"other\0\0\0", 1), 0, 64, |_| ())?;
    for Named { what, open, .. } in ALL {
        let refused = open(&name);
        assert!(matches!(refused, Err(SegmentError::WrongKind { .. })), "{what}: {refused:?}");
    }
    Segment::unlink(&name)?;
    drop(other);
    // A file that is no segment: too short, without the mark, or for all to shrink.
    let path = format!("/dev/shm/{name}");
    for (len, mode) in [(0, 0o600), (5, 0o600), (8192, 0o600), (8192, 0o644)] {
        let file = fs::File::create(&path)?;
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.set_len(len)?;
        for Named { what, open, .. } in ALL {
            let refused = open(&name).unwrap_err();
            let is_told = match (len, mode) {
                (_, 0o644) => matches!(refused, SegmentError::NotSealed),
                (8192, _) => matches!(refused, SegmentError::WrongMagic),
                _ => matches!(refused, SegmentError::Truncated { found, .. } if found == len),
            };
            assert!(is_told, "{what} of {len} bytes: {refused:?}");
        }
        fs::remove_file(&path)?;
    }
    passed()
}

pub(crate) fn without_permission() -> Outcome {
    let name = name();
    let path = format!("/dev/shm/{name}");
    for Named { what, create, open } in ALL {
        create(&name)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o000))?;
        in_child(|| {
            // Whoever may do everything becomes one who may not.
            // SAFETY: they take no pointers.
            if unsafe { libc::geteuid() } == 0 {
                // SAFETY: as above.
                assert_eq!(unsafe { libc::setresuid(65_534, 65_534, 65_534) }, 0);
            }
            let refused = open(&name);
            assert!(matches!(refused, Err(SegmentError::PermissionDenied)), "{what}: {refused:?}");
            true
        });
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        open(&name)?;
        Segment::unlink(&name)?;
    }
    passed()
}

pub(crate) fn that_were_taken_away() -> Outcome {
    let name = name();
    let lock = Lock::create_named(&name)?;
    let again = Lock::open_named(&name)?;
    Segment::unlink(&name)?;
    assert!(matches!(Lock::open_named(&name), Err(SegmentError::NotFound)));
    // Who has it has it, and the next of that name is another.
    let other = Lock::create_named(&name)?;
    let guard = lock.lock().unwrap();
    in_child(|| again.try_lock().unwrap_err().is_would_block() && other.try_lock().is_ok());
    drop(guard);
    in_child(|| again.try_lock().is_ok());
    Segment::unlink(&name)?;
    passed()
}
