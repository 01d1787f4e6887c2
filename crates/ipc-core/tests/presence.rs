//! Presences in several processes: who is counted, and until when.

use std::os::fd::AsFd as _;
use std::process::ExitCode;
use std::time::Duration;

use ipc_core::wire::{self, Handle, Limits, MessageSocket};
use ipc_core::{Deadline, Kind, Presence, Segment, SegmentError};
use testkit::child::{End, fork};
use testkit::leaks::Snapshot;
use testkit::{Counter, Outcome, Report, SharedArena, clock};

fn main() -> ExitCode {
    testkit::main(&[
        ("a presence counts for others and not for itself", others),
        ("the same presence in two processes ends with the last", duplicated),
        ("a presence on its way counts", travelling),
        ("a process that is killed is counted no longer", killed),
        ("a mapping that stays is no presence", mapped),
        ("what is no segment is refused, and nothing stays open", refused),
        ("a lock of the older kind is none of ours", foreign_lock),
    ])
}

const KIND: Kind = Kind::new(*b"test\0\0\0\0", 1);
const LIMIT: Duration = Duration::from_secs(20);

fn segment() -> Result<Segment, SegmentError> {
    Segment::create(KIND, 0, 64)
}

fn is(holds: bool, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

/// Waits until nobody else is there, as the kernel needs a moment after a death.
fn ends(presence: &Presence, role: u32) -> Result<(), String> {
    let start = clock::now_ns();
    while presence.is_anybody_else(role..role + 1).map_err(|error| error.to_string())? {
        is(clock::now_ns() - start < 20_000_000_000, "it never ends")?;
        clock::pause(Duration::from_micros(100));
    }
    Ok(())
}

fn others() -> Outcome {
    let before = Snapshot::take();
    let segment = segment()?;
    let both = Presence::enter(&segment, 0..2)?;
    is(!both.is_anybody_else(0..2)?, "it counts itself")?;
    let one = Presence::enter(&segment, 1..2)?;
    is(one.is_anybody_else(0..1)? && one.is_anybody_else(1..2)?, "both is in both roles")?;
    is(!both.is_anybody_else(0..1)? && both.is_anybody_else(1..2)?, "one is in one role")?;
    let other = self::segment()?;
    let elsewhere = Presence::enter(&other, 0..2)?;
    is(!elsewhere.is_anybody_else(0..2)?, "another segment's")?;
    drop(both);
    is(!one.is_anybody_else(0..2)?, "it was dropped")?;
    drop((one, elsewhere, segment, other));
    is(before.leaks().is_empty(), &format!("{:?}", before.leaks()))?;
    Ok(Report::PASSED)
}

fn duplicated() -> Outcome {
    let segment = segment()?;
    let asker = Presence::enter(&segment, 1..2)?;
    let shared = Presence::enter(&segment, 0..1)?;
    let go_on = SharedArena::<Counter>::new(1);
    let mut slot = Some(shared);
    let mut child = fork(|| {
        go_on[0].wait_until(|it| it == 1);
        drop(slot.take());
        go_on[0].set(2);
        go_on[0].wait_until(|it| it == 3);
        0
    });
    drop(slot);
    is(asker.is_anybody_else(0..1)?, "the child has it")?;
    go_on[0].set(1);
    go_on[0].wait_within(LIMIT, |it| it == 2).map_err(|_| "the child hangs")?;
    is(!asker.is_anybody_else(0..1)?, "the child has dropped it")?;
    go_on[0].set(3);
    is(child.wait().is_success(), "the child")?;
    Ok(Report::PASSED)
}

fn travelling() -> Outcome {
    let (here, there) = MessageSocket::pair()?;
    let segment = segment()?;
    let asker = Presence::enter(&segment, 1..2)?;
    let sent = Presence::enter(&segment, 0..1)?;
    let handle = Handle::from(sent.as_fd().try_clone_to_owned()?);
    here.send(&wire::encode(&handle)?, Deadline::NEVER)?;
    drop((sent, handle));
    is(asker.is_anybody_else(0..1)?, "it is in the socket")?;
    let message = there.recv(&Limits::default(), Deadline::NEVER)?.ok_or("no message")?;
    let handle: Handle = wire::decode(message)?;
    let (received, presence) = Presence::receive(handle.into(), 0..1)?;
    is(received.id() == segment.id() && asker.is_anybody_else(0..1)?, "it has arrived")?;
    drop(presence);
    is(!asker.is_anybody_else(0..1)?, "it was dropped")?;
    Ok(Report::PASSED)
}

fn killed() -> Outcome {
    let segment = segment()?;
    let asker = Presence::enter(&segment, 1..2)?;
    for _ in 0..20 {
        let is_in = SharedArena::<Counter>::new(1);
        let mut child = fork(|| {
            let _presence = Presence::enter(&segment, 0..1);
            is_in[0].set(1);
            loop {
                clock::pause(LIMIT);
            }
        });
        is_in[0].wait_within(LIMIT, |it| it == 1).map_err(|_| "the child hangs")?;
        is(asker.is_anybody_else(0..1)?, "it lives")?;
        child.kill();
        ends(&asker, 0)?;
        is(child.wait() == End::Killed(libc::SIGKILL), "the child")?;
    }
    Ok(Report::PASSED)
}

fn mapped() -> Outcome {
    let segment = segment()?;
    let asker = Presence::enter(&segment, 1..2)?;
    let fd = {
        let presence = Presence::enter(&segment, 0..1)?;
        presence.as_fd().try_clone_to_owned()?
    };
    let go_on = SharedArena::<Counter>::new(1);
    // It has nothing but the descriptor, so it maps the memory anew.
    let mut slot = Some((fd, segment));
    let mut child = fork(|| {
        let Some((fd, segment)) = slot.take() else { return 1 };
        drop(segment);
        let Ok((segment, presence)) = Presence::receive(fd, 0..1) else { return 1 };
        drop(presence);
        go_on[0].set(1);
        go_on[0].wait_until(|it| it == 2);
        i32::from(segment.check(KIND, 0).is_err())
    });
    slot = None;
    is(slot.is_none(), "given up here")?;
    go_on[0].wait_within(LIMIT, |it| it == 1).map_err(|_| "the child hangs")?;
    is(!asker.is_anybody_else(0..1)?, "its mapping holds it")?;
    go_on[0].set(2);
    is(child.wait().is_success(), "the child")?;
    Ok(Report::PASSED)
}

fn refused() -> Outcome {
    let before = Snapshot::take();
    let (pipe, _write) = std::io::pipe()?;
    let file = tempfile();
    let strangers = [pipe.try_clone()?.into(), file?, MessageSocket::pair()?.0.into()];
    for stranger in strangers {
        let refused = Presence::receive(stranger, 0..1);
        is(matches!(refused, Err(SegmentError::NotASegment)), &format!("{refused:?}"))?;
    }
    drop((pipe, _write));
    is(before.leaks().is_empty(), &format!("{:?}", before.leaks()))?;
    Ok(Report::PASSED)
}

fn tempfile() -> std::io::Result<std::os::fd::OwnedFd> {
    let path = std::env::temp_dir().join(format!("multiproc-presence-{}", clock::now_ns()));
    let file = std::fs::OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
    std::fs::remove_file(path)?;
    Ok(file.into())
}

fn foreign_lock() -> Outcome {
    let segment = segment()?;
    let presence = Presence::enter(&segment, 0..1)?;
    // Locks of the older kind, for the whole file, belong to another world.
    let plain = std::fs::File::from(segment.as_fd().try_clone_to_owned()?);
    plain.lock_shared()?;
    is(!presence.is_anybody_else(0..2)?, "a lock of `flock` is none of ours")?;
    is(Presence::enter(&segment, 1..2).is_ok(), "nor is it in the way")?;
    Ok(Report::PASSED)
}
