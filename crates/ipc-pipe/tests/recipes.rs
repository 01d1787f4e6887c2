//! What breaks a rival, played with us: the recipes R1 to R4 of the comparison with `ipc-channel`.
//!
//! | recipe | what is done | what the rival does | what we must do |
//! |--------|--------------|---------------------|-----------------|
//! | R1 | headers that lie, from a stranger | panics in the receiver | an error, and the next message |
//! | R2 | a value fails to be encoded after a handle in it was | the handle goes with the next message | it goes nowhere |
//! | R3 | a message of 8 bytes is received | takes 212,448 bytes, and keeps them | takes what it needs |
//! | R4 | messages are sent and nobody receives | blocks after 278, where it says never | says that it waits, and for how long |
#![expect(clippy::unwrap_used, reason = "a test binary")]
#![expect(clippy::disallowed_types, reason = "counters that never leave the process")]
#![expect(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs;
use std::io::IoSlice;
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use ipc_core::Deadline;
use ipc_core::wire::PacketSocket;
use ipc_pipe::{
    Address, Connection, Listener, SendError, Sender, channel, connect, pipe, shm_pipe,
};
use rustix::net::{AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType};
use serde::ser::{Error as _, SerializeTuple as _};
use serde::{Deserialize, Serialize, Serializer};
use testkit::{Outcome, Report};

fn main() -> ExitCode {
    testkit::main(&[
        ("R1: headers that lie are errors, and the next message is received", r1_lies),
        ("R1: lies at a listener's door keep nobody else out", r1_at_the_door),
        ("R2: the handle in a value that failed goes nowhere", r2_lost_handles),
        ("R3: a short message takes little memory", r3_memory),
        ("R4: who sends and is not heard is told", r4_nobody_receives),
    ])
}

/// Lies in the form of a message's header: of length nothing, of handles that did not come, and of
/// almost 2^63 bytes, here and in memory.
fn lies() -> [Vec<u8>; 5] {
    let header = |kind: u8, n_handles: u32, len: u64| {
        [&[kind, 0, 0, 0][..], &n_handles.to_le_bytes(), &len.to_le_bytes()].concat()
    };
    let huge = (1 << 63) - 1;
    [header(1, 0, 0), header(2, 0, 0), header(1, 1, 0), header(1, 0, huge), header(2, 0, huge)]
}

fn r1_lies() -> Outcome {
    for lie in lies() {
        let (stranger, ours) = PacketSocket::pair()?;
        let ours: Connection<u64, u64> = Connection::try_from(OwnedFd::from(ours))?;
        stranger.send(&[IoSlice::new(&lie)], &[], Deadline::NEVER)?;
        assert!(ours.recv().is_err(), "{lie:?}");
        // A good one comes after it.
        let good: Connection<u64, u64> = Connection::try_from(OwnedFd::from(stranger))?;
        good.send(&7)?;
        assert_eq!(ours.recv()?, 7, "after {lie:?}");
    }
    Ok(Report::PASSED)
}

fn r1_at_the_door() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("door");
    let listener = Listener::bind(&Address::unix(&path))?;
    let strangers = lies().map(|lie| {
        let kind = (AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC);
        let socket = rustix::net::socket_with(kind.0, kind.1, kind.2, None).unwrap();
        rustix::net::connect(&socket, &SocketAddrUnix::new(&path).unwrap()).unwrap();
        rustix::net::send(&socket, &lie, SendFlags::empty()).unwrap();
        socket
    });
    let address = listener.address().clone();
    let client = std::thread::spawn(move || {
        let mut server: Connection<u64, u64> = connect(&address, None).unwrap();
        server.request(&20).unwrap()
    });
    let honest: Connection<u64, u64> = listener.accept()?;
    honest.send(&(honest.recv()? + 1))?;
    assert_eq!(client.join().unwrap(), 21);
    drop(strangers);
    assert!(listener.try_accept::<u64, u64>().is_err(), "no stranger is let in");
    Ok(Report::PASSED)
}

/// A handle, and then something that cannot be encoded.
#[derive(Deserialize)]
struct Failing(Sender<u8>);

impl Serialize for Failing {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        let mut tuple = serializer.serialize_tuple(2)?;
        tuple.serialize_element(&self.0)?;
        Err(Z::Error::custom("not this one"))
    }
}

/// How many descriptors this process has.
fn n_open() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

fn r2_lost_handles() -> Outcome {
    let (embedded, listening) = channel::<u8>()?;
    let (sender, receiver): (Connection<Failing, u8>, Connection<u8, Failing>) = pipe()?;
    let (mut near, mut far) = shm_pipe::<Failing, u64>()?;
    let failing = Failing(embedded);
    let before = n_open();
    for _ in 0..3 {
        assert!(matches!(sender.send(&failing), Err(SendError::Encode(_))));
        assert!(matches!(near.send(&failing), Err(SendError::Encode(_))));
    }
    assert_eq!(n_open(), before, "nothing is kept");
    // What is sent next comes alone; bytes with a handle would be refused.
    sender.send_bytes(b"alone")?;
    assert_eq!(receiver.recv_bytes(10)?, b"alone");
    near.send_bytes(b"alone")?;
    assert_eq!(far.recv_bytes(10)?, b"alone");
    drop(failing);
    assert!(listening.recv().unwrap_err().is_disconnected(), "nobody else has the handle");
    Ok(Report::PASSED)
}

/// Counts what is taken, and never what is given back.
struct Counting;

static TAKEN: AtomicUsize = AtomicUsize::new(0);

// SAFETY: it is the system's.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        TAKEN.fetch_add(layout.size(), Relaxed);
        // SAFETY: the caller keeps the promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the promises.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn r3_memory() -> Outcome {
    const FEW: usize = 256;
    let (here, there) = pipe::<u64, u64>()?;
    let (mut near, mut far) = shm_pipe::<u64, u64>()?;
    // The first ones make what is used again and again.
    for _ in 0..2 {
        here.send_bytes(&[7; 8])?;
        there.recv_bytes(100)?;
        near.send_bytes(&[7; 8])?;
        far.recv_bytes(100)?;
    }
    here.send_bytes(&[7; 8])?;
    near.send_bytes(&[7; 8])?;
    let before = TAKEN.load(Relaxed);
    let message = there.recv_bytes(1 << 20)?;
    let shared = far.recv_bytes(1 << 20)?;
    let taken = TAKEN.load(Relaxed) - before;
    assert!(taken <= FEW, "two messages of 8 bytes took {taken}");
    assert!(message.capacity() + shared.capacity() <= FEW, "and kept them");
    here.send(&7)?;
    near.send(&7)?;
    let before = TAKEN.load(Relaxed);
    assert_eq!((there.recv()?, far.recv()?), (7, 7));
    assert_eq!(TAKEN.load(Relaxed), before, "values that need no memory take none");
    Ok(Report::PASSED)
}

fn r4_nobody_receives() -> Outcome {
    let (here, there) = pipe::<u64, u64>()?;
    let (mut near, mut far) = shm_pipe::<u64, u64>()?;
    let (mut n_sent, mut n_shared) = (0, 0);
    while here.try_send(&n_sent).is_ok() {
        n_sent += 1;
    }
    while near.try_send(&n_shared).is_ok() {
        n_shared += 1;
    }
    assert!(n_sent >= 200 && n_shared >= 1000, "there was room for {n_sent} and {n_shared}");
    // There is a word for each way to go on.
    assert!(matches!(here.try_send(&0), Err(SendError::Full)));
    assert!(matches!(near.try_send(&0), Err(SendError::Full)));
    let short = Duration::from_millis(5);
    assert!(matches!(here.send_timeout(&0, short), Err(SendError::TimedOut)));
    assert!(matches!(near.send_timeout(&0, short), Err(SendError::TimedOut)));
    assert!(!here.writable()?);
    // Nothing of that was sent, and all before was.
    for number in 0..n_sent {
        assert_eq!(there.recv()?, number);
    }
    for number in 0..n_shared {
        assert_eq!(far.recv()?, number);
    }
    assert!(there.try_recv().is_err_and(|error| error.is_timed_out()));
    assert!(far.try_recv().is_err_and(|error| error.is_timed_out()));
    assert!(here.writable()?);
    Ok(Report::PASSED)
}
