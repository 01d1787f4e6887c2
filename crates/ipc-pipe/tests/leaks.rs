//! Whatever becomes of a message, no descriptor is left open.
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

use std::fs::File;
use std::os::fd::AsFd as _;
use std::process::ExitCode;

use ipc_core::wire::{EncodeError, Handle};
use ipc_pipe::{Limits, Receiver, RecvError, SendError, Sender, channel, pipe};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::{Serialize, Serializer, ser};
use testkit::leaks::Snapshot;
use testkit::{Outcome, Report};

fn main() -> ExitCode {
    testkit::main(&[
        ("messages that are received, refused or left leave nothing open", all_ways),
        ("what a value that failed to be sent had inside goes with no other", failed_value),
        ("handles that find no room are an error, and the next message comes", no_room),
        ("a process without descriptors to spare is told so", none_to_spare),
    ])
}

fn nulls(count: usize) -> Vec<Handle> {
    (0..count).map(|_| Handle::from(File::open("/dev/null").unwrap())).collect()
}

fn all_ways() -> Outcome {
    let play = || -> Result<(), Box<dyn std::error::Error>> {
        let (left, right) = channel::<(Vec<Handle>, Vec<u8>)>()?;
        for len in [1, 100_000] {
            for count in [0, 2, 300] {
                left.send(&(nulls(count), vec![1; len]))?;
                drop(right.recv()?);
                left.send(&(nulls(count), vec![1; len]))?;
                let no_bytes = right.recv_bytes(usize::MAX);
                assert!(count == 0 || matches!(no_bytes, Err(RecvError::Decode(_))));
                left.send(&(nulls(count), vec![1; len]))?;
                let limits = Limits { max_bytes: 0, max_handles: 1 };
                let limited = right.clone().with_limits(limits).recv();
                assert!(matches!(limited, Err(RecvError::TooLong { .. })));
            }
        }
        // And some that nobody receives.
        left.send(&(nulls(2), vec![1; 10]))?;
        left.send(&(nulls(300), vec![1; 100_000]))?;
        Ok(())
    };
    play()?;
    let before = Snapshot::take();
    play()?;
    before.assert_none();
    Ok(Report::PASSED)
}

/// Has a handle inside, and fails after it.
struct Failing(Sender<u8>);

impl Serialize for Failing {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Fails;
        impl Serialize for Fails {
            fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
                Err(ser::Error::custom("it fails"))
            }
        }
        (&self.0, Fails).serialize(serializer)
    }
}

fn failed_value() -> Outcome {
    let (inner, inner_receiver) = channel::<u8>()?;
    let (left, right) = channel::<Failing>()?;
    let plain: Sender<u32> = Sender::try_from(left.as_fd().try_clone_to_owned()?)?;
    let before = Snapshot::take();
    let error = left.send(&Failing(inner.clone())).unwrap_err();
    assert!(matches!(error, SendError::Encode(EncodeError::Value(_))), "{error:?}");
    before.assert_none();
    plain.send(&7)?;
    let numbers = Receiver::<u32>::try_from(right.as_fd().try_clone_to_owned()?)?;
    assert_eq!(numbers.recv()?, 7, "and without a handle");
    drop(inner);
    assert!(inner_receiver.recv().unwrap_err().is_disconnected(), "nobody has a copy of it");
    Ok(Report::PASSED)
}

fn no_room() -> Outcome {
    for count in [20, 300] {
        let (left, right) = channel::<Vec<Handle>>()?;
        left.send(&nulls(count))?;
        left.send(&nulls(1))?;
        let usual = getrlimit(Resource::Nofile);
        let used = u64::try_from(std::fs::read_dir("/proc/self/fd")?.count())?;
        let before = Snapshot::take();
        setrlimit(Resource::Nofile, Rlimit { current: Some(used + 10), maximum: usual.maximum })?;
        let error = right.recv().unwrap_err();
        assert!(matches!(error, RecvError::HandlesCutOff), "{error:?}");
        assert_eq!(right.recv()?.len(), 1);
        before.assert_none();
        setrlimit(Resource::Nofile, usual)?;
    }
    Ok(Report::PASSED)
}

fn none_to_spare() -> Outcome {
    let (left, right) = channel::<Vec<u8>>()?;
    let usual = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(0), maximum: usual.maximum })?;
    assert!(pipe::<u8, u8>().is_err());
    let refused = left.send_bytes(&[1; 100_000]);
    assert!(matches!(refused, Err(SendError::Io(_))), "{refused:?}");
    left.send_bytes(&[2])?;
    assert_eq!(right.recv_bytes(1)?, [2]);
    setrlimit(Resource::Nofile, usual)?;
    left.send_bytes(&[1; 100_000])?;
    assert_eq!(right.recv_bytes(usize::MAX)?.len(), 100_000);
    Ok(Report::PASSED)
}
