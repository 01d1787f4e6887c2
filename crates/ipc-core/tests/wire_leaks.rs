//! Whatever goes wrong on the wire, no descriptor is left open: each scenario is alone in its
//! process and counts them before and after.
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]
#![expect(clippy::panic, reason = "a value that panics on its way is part of the test")]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use ipc_core::wire::{
    self, DecodeError, EncodeError, Handle, Limits, Message, MessageSocket, RecvError,
};
use ipc_core::{Deadline, Kind, Segment};
use proptest::prelude::{Just, Strategy, any, prop, prop_oneof};
use proptest::test_runner::{Config, TestRunner};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use rustix::process::{Resource, Rlimit};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use testkit::{Outcome, Report};

fn main() -> ExitCode {
    testkit::main(&[
        ("nested values with handles come back whole", round_trips),
        ("what a stranger changes in a message is an error or a value, never a leak", mutations),
        ("a forged index is an error and leaks nothing", forged_index),
        ("a handle named twice is an error and leaks nothing", named_twice),
        ("a missing descriptor is an error and leaks nothing", missing),
        ("a descriptor too many is an error and leaks nothing", surplus),
        ("a descriptor of the wrong kind is an error and leaks nothing", wrong_kind),
        ("bytes that are no value are an error and leak nothing", bad_bytes),
        ("control data that is cut off is an error and leaks nothing", cut_off),
        ("a frame with fewer handles than it says is an error and leaks nothing", frame_missing),
        ("a frame with more handles than it says is an error and leaks nothing", frame_surplus),
        ("handles that come after their place are an error and leak nothing", frame_late),
        ("a stream that ends inside a message leaks nothing", torn),
        ("a message that nobody receives leaks nothing", unread),
        ("a panic while encoding leaves no scope and no descriptor", panic_in_serialize),
        ("a panic while decoding leaves no scope and no descriptor", panic_in_deserialize),
        ("without a free descriptor encoding is an error and leaks nothing", no_descriptor),
    ])
}

const KIND: Kind = Kind::new(*b"test\0\0\0\0", 1);

/// Runs `body` twice and expects as many open descriptors after the second time as before.
///
/// What the first run opens for good (a pipe of the runtime, a random source) is not its fault.
fn counted(body: impl Fn()) -> Outcome {
    body();
    let before = open_descriptors();
    body();
    let after = open_descriptors();
    if before == after {
        Ok(Report::PASSED)
    } else {
        Err(format!("before: {before:?}\nafter: {after:?}").into())
    }
}

/// All open descriptors, and what they lead to.
fn open_descriptors() -> BTreeMap<i32, String> {
    let folder = std::fs::read_dir("/proc/self/fd").unwrap();
    let mut found = BTreeMap::new();
    for entry in folder {
        let entry = entry.unwrap();
        // The one of the folder itself is gone when it is looked at.
        if let Ok(target) = std::fs::read_link(entry.path()) {
            let target = target.display().to_string();
            if !target.starts_with("/proc/") {
                found.insert(entry.file_name().to_str().unwrap().parse().unwrap(), target);
            }
        }
    }
    found
}

/// A value of any shape. Values are compared by what their handles lead to.
#[derive(Debug, Serialize, Deserialize)]
enum Tree {
    Nothing,
    Number(i64),
    Text(String),
    Bytes(Vec<u8>),
    Handle(Handle),
    #[serde(with = "ipc_core::wire::file")]
    File(File),
    Segment(Segment),
    Maybe(Option<Box<Tree>>),
    Pair(Box<(Tree, Tree)>),
    List(Vec<Tree>),
    Map(BTreeMap<u16, Tree>),
}

/// A tree without the things that only a running program can make.
#[derive(Clone, Debug)]
enum Plan {
    Nothing,
    Number(i64),
    Text(String),
    Bytes(Vec<u8>),
    Handle,
    File,
    Segment(u16),
    Maybe(Option<Box<Plan>>),
    Pair(Box<(Plan, Plan)>),
    List(Vec<Plan>),
    Map(BTreeMap<u16, Plan>),
}

fn plans() -> impl Strategy<Value = Plan> {
    let leaf = prop_oneof![
        Just(Plan::Nothing),
        any::<i64>().prop_map(Plan::Number),
        ".{0,20}".prop_map(Plan::Text),
        prop::collection::vec(any::<u8>(), 0..100).prop_map(Plan::Bytes),
        Just(Plan::Handle),
        Just(Plan::File),
        (0..5000_u16).prop_map(Plan::Segment),
    ];
    leaf.prop_recursive(4, 40, 8, |inner| {
        prop_oneof![
            prop::option::of(inner.clone().prop_map(Box::new)).prop_map(Plan::Maybe),
            (inner.clone(), inner.clone()).prop_map(|pair| Plan::Pair(Box::new(pair))),
            prop::collection::vec(inner.clone(), 0..8).prop_map(Plan::List),
            prop::collection::btree_map(any::<u16>(), inner, 0..8).prop_map(Plan::Map),
        ]
    })
}

impl Plan {
    fn build(&self) -> Tree {
        match self {
            Self::Nothing => Tree::Nothing,
            Self::Number(number) => Tree::Number(*number),
            Self::Text(text) => Tree::Text(text.clone()),
            Self::Bytes(bytes) => Tree::Bytes(bytes.clone()),
            Self::Handle => Tree::Handle(Handle::from(OwnedFd::from(std::io::pipe().unwrap().0))),
            Self::File => Tree::File(some_file()),
            Self::Segment(len) => {
                Tree::Segment(Segment::create(KIND, 0, usize::from(*len)).unwrap())
            }
            Self::Maybe(inner) => Tree::Maybe(inner.as_ref().map(|inner| Box::new(inner.build()))),
            Self::Pair(pair) => Tree::Pair(Box::new((pair.0.build(), pair.1.build()))),
            Self::List(list) => Tree::List(list.iter().map(Self::build).collect()),
            Self::Map(map) => {
                Tree::Map(map.iter().map(|(key, plan)| (*key, plan.build())).collect())
            }
        }
    }
}

impl Tree {
    /// The value in words, with each handle as what it leads to.
    fn describe(&self) -> String {
        let inode = |fd: BorrowedFd<'_>| {
            let stat = rustix::fs::fstat(fd).unwrap();
            format!("{}:{}", stat.st_dev, stat.st_ino)
        };
        match self {
            Self::Handle(handle) => format!("handle {}", inode(handle.as_fd())),
            Self::File(file) => format!("file {}", inode(file.as_fd())),
            Self::Segment(segment) => format!("{segment:?} at {:?}", segment.as_ptr()),
            Self::Maybe(inner) => format!("{:?}", inner.as_ref().map(|inner| inner.describe())),
            Self::Pair(pair) => format!("({}, {})", pair.0.describe(), pair.1.describe()),
            Self::List(list) => {
                format!("{:?}", list.iter().map(Self::describe).collect::<Vec<_>>())
            }
            Self::Map(map) => {
                let each = map.iter().map(|(key, tree)| format!("{key}: {}", tree.describe()));
                format!("{:?}", each.collect::<Vec<_>>())
            }
            plain => format!("{plain:?}"),
        }
    }
}

/// A file that no other is: memory without a name.
fn some_file() -> File {
    rustix::fs::memfd_create("some file", rustix::fs::MemfdFlags::CLOEXEC).unwrap().into()
}

fn handle() -> Handle {
    some_file().into()
}

fn pair() -> (MessageSocket, MessageSocket) {
    MessageSocket::pair().unwrap()
}

fn receive(socket: &MessageSocket) -> Result<Option<Message>, RecvError> {
    // All of these scenarios send first, so there is nothing to wait for.
    socket.try_recv(&Limits::default())
}

fn runner(cases: u32) -> TestRunner {
    // From the run's seed, which is printed on failure, and not from a file of old failures.
    let mut seed = [0; 32];
    testkit::seed::Rng::of_run("values").fill(&mut seed);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let rng = proptest::test_runner::TestRng::from_seed(config.rng_algorithm, &seed);
    TestRunner::new_with_rng(config, rng)
}

fn round_trips() -> Outcome {
    let (left, right) = pair();
    let before = open_descriptors();
    let result = runner(256).run(&plans(), |plan| {
        let tree = plan.build();
        let said = tree.describe();
        left.send(&wire::encode(&tree).unwrap(), Deadline::now()).unwrap();
        let heard: Tree = wire::decode(receive(&right).unwrap().unwrap()).unwrap();
        assert_eq!(said, heard.describe());
        drop((tree, heard));
        assert_eq!(open_descriptors(), before);
        Ok(())
    });
    result.map(|()| Report::PASSED).map_err(|error| error.to_string().into())
}

/// What a stranger may do to a message.
#[derive(Clone, Debug)]
enum Change {
    Byte(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Append(u8),
    LoseHandle(prop::sample::Index),
    AddHandle,
    SwapHandles(prop::sample::Index, prop::sample::Index),
    ReplaceHandle(prop::sample::Index),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    use prop::sample::Index;
    let change = prop_oneof![
        4 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
        1 => any::<Index>().prop_map(Change::Cut),
        1 => any::<u8>().prop_map(Change::Append),
        1 => any::<Index>().prop_map(Change::LoseHandle),
        1 => Just(Change::AddHandle),
        1 => (any::<Index>(), any::<Index>()).prop_map(|(a, b)| Change::SwapHandles(a, b)),
        1 => any::<Index>().prop_map(Change::ReplaceHandle),
    ];
    prop::collection::vec(change, 1..4)
}

fn change(message: &mut Message, change: &Change) {
    let Message { bytes, handles } = message;
    match change {
        Change::Byte(at, byte) if !bytes.is_empty() => {
            let at = at.index(bytes.len());
            bytes[at] ^= byte;
        }
        Change::Cut(at) => bytes.truncate(at.index(bytes.len() + 1)),
        Change::Append(byte) => bytes.push(*byte),
        Change::LoseHandle(at) if !handles.is_empty() => {
            drop(handles.remove(at.index(handles.len())));
        }
        Change::AddHandle => handles.push(some_file().into()),
        Change::SwapHandles(a, b) if !handles.is_empty() => {
            let (a, b) = (a.index(handles.len()), b.index(handles.len()));
            handles.swap(a, b);
        }
        Change::ReplaceHandle(at) if !handles.is_empty() => {
            let at = at.index(handles.len());
            handles[at] = std::io::pipe().unwrap().0.into();
        }
        _ => {}
    }
}

fn mutations() -> Outcome {
    let before = open_descriptors();
    let (mut n_values, mut n_errors) = (0_u32, 0_u32);
    let counts = std::cell::RefCell::new((&mut n_values, &mut n_errors));
    let result = runner(1024).run(&(plans(), changes()), |(plan, changes)| {
        let mut message = wire::encode(&plan.build()).unwrap();
        for each in &changes {
            change(&mut message, each);
        }
        match wire::decode::<Tree>(message) {
            Ok(tree) => {
                drop(tree.describe());
                *counts.borrow_mut().0 += 1;
            }
            Err(error) => {
                assert!(!error.to_string().is_empty());
                *counts.borrow_mut().1 += 1;
            }
        }
        assert_eq!(open_descriptors(), before);
        Ok(())
    });
    result?;
    // Both must happen, or the changes test nothing.
    assert!(n_values > 0 && n_errors > 0, "{n_values} values, {n_errors} errors");
    Ok(Report::PASSED)
}

fn forged_index() -> Outcome {
    counted(|| {
        let mut message = wire::encode(&[handle(), handle()]).unwrap();
        message.bytes = vec![0, 2];
        let error = wire::decode::<[Handle; 2]>(message).unwrap_err();
        assert!(matches!(error, DecodeError::NoSuchHandle { index: 2, count: 2 }), "{error}");
        // The greatest index there is.
        let mut message = wire::encode(&handle()).unwrap();
        message.bytes = vec![0xff, 0xff, 0xff, 0xff, 0x0f];
        let error = wire::decode::<Handle>(message).unwrap_err();
        assert!(matches!(error, DecodeError::NoSuchHandle { index: u32::MAX, .. }), "{error}");
    })
}

fn named_twice() -> Outcome {
    counted(|| {
        let mut message = wire::encode(&[handle(), handle()]).unwrap();
        message.bytes = vec![1, 1];
        let error = wire::decode::<[Handle; 2]>(message).unwrap_err();
        assert!(matches!(error, DecodeError::HandleUsedTwice { index: 1 }), "{error}");
    })
}

fn missing() -> Outcome {
    counted(|| {
        let mut message = wire::encode(&[handle(), handle(), handle()]).unwrap();
        message.handles.remove(0);
        let error = wire::decode::<[Handle; 3]>(message).unwrap_err();
        assert!(matches!(error, DecodeError::NoSuchHandle { index: 2, count: 2 }), "{error}");
    })
}

fn surplus() -> Outcome {
    counted(|| {
        let mut message = wire::encode(&(handle(), 5_u8)).unwrap();
        message.handles.push(some_file().into());
        message.handles.push(some_file().into());
        let error = wire::decode::<(Handle, u8)>(message).unwrap_err();
        assert!(matches!(error, DecodeError::LeftOverHandles { count: 2 }), "{error}");
    })
}

fn wrong_kind() -> Outcome {
    counted(|| {
        let pipe = Handle::from(OwnedFd::from(std::io::pipe().unwrap().0));
        let message = wire::encode(&(handle(), pipe)).unwrap();
        let error = wire::decode::<(Handle, Segment)>(message).unwrap_err();
        assert!(matches!(error, DecodeError::WrongHandle { expected: "segment" }), "{error}");
        // Memory, but not a segment.
        let message = wire::encode(&handle()).unwrap();
        let error = wire::decode::<Segment>(message).unwrap_err();
        assert!(matches!(error, DecodeError::Segment(_)), "{error}");
    })
}

fn bad_bytes() -> Outcome {
    counted(|| {
        let mut message = wire::encode(&(handle(), "text", handle())).unwrap();
        message.bytes.pop();
        let error = wire::decode::<(Handle, String, Handle)>(message).unwrap_err();
        assert!(matches!(error, DecodeError::Value(_)), "{error}");
        let mut message = wire::encode(&handle()).unwrap();
        message.bytes.push(0);
        let error = wire::decode::<Handle>(message).unwrap_err();
        assert!(matches!(error, DecodeError::LeftOverBytes { count: 1 }), "{error}");
    })
}

/// Lowers the limit so that `spare` more descriptors can be opened while `body` runs.
fn with_spare_descriptors<R>(spare: u64, body: impl FnOnce() -> R) -> R {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    // The lowest free number; all below it are taken. There may be free ones above, so open
    // descriptors up to the highest taken one.
    let highest = u64::from(open_descriptors().into_keys().max().unwrap().unsigned_abs());
    let mut fill = Vec::new();
    loop {
        let file = some_file();
        let number = u64::from(file.as_raw_fd().unsigned_abs());
        if number > highest {
            break;
        }
        fill.push(file);
    }
    let current = Some(highest + 1 + spare);
    rustix::process::setrlimit(Resource::Nofile, Rlimit { current, maximum: limit.maximum })
        .unwrap();
    let result = body();
    rustix::process::setrlimit(Resource::Nofile, limit).unwrap();
    result
}

fn cut_off() -> Outcome {
    counted(|| {
        for spare in [0, 1, 2] {
            let (left, right) = pair();
            left.send(&wire::encode(&[handle(), handle(), handle()]).unwrap(), Deadline::now())
                .unwrap();
            let error = with_spare_descriptors(spare, || receive(&right).unwrap_err());
            assert!(matches!(error, RecvError::HandlesCutOff), "{spare}: {error}");
            assert!(matches!(receive(&right), Err(RecvError::Broken)));
        }
        let (left, right) = pair();
        left.send(&wire::encode(&[handle(), handle()]).unwrap(), Deadline::now()).unwrap();
        let message = with_spare_descriptors(2, || receive(&right)).unwrap().unwrap();
        assert_eq!(message.handles.len(), 2);
    })
}

/// Sends bytes and handles as no honest sender would.
fn send_raw(socket: &MessageSocket, bytes: &[u8], n_handles: usize) {
    let files: Vec<File> = (0..n_handles).map(|_| some_file()).collect();
    let handles: Vec<BorrowedFd<'_>> = files.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(253))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !handles.is_empty() {
        assert!(control.push(SendAncillaryMessage::ScmRights(&handles)));
    }
    let parts = [IoSlice::new(bytes)];
    let sent = rustix::net::sendmsg(socket, &parts, &mut control, SendFlags::empty()).unwrap();
    assert_eq!(sent, bytes.len());
}

fn header(len: u64, n_handles: u32) -> Vec<u8> {
    [&len.to_le_bytes()[..], &n_handles.to_le_bytes()].concat()
}

fn frame_missing() -> Outcome {
    counted(|| {
        let (left, right) = pair();
        send_raw(&left, &header(5, 3), 2);
        let error = receive(&right).unwrap_err();
        assert!(matches!(error, RecvError::MissingHandles { expected: 3, found: 2 }), "{error}");
        assert!(matches!(receive(&right), Err(RecvError::Broken)));
        // More than one packet holds, and the second never comes.
        let (left, right) = pair();
        send_raw(&left, &header(0, 300), 253);
        send_raw(&left, &[0], 46);
        let error = receive(&right).unwrap_err();
        assert!(
            matches!(error, RecvError::MissingHandles { expected: 300, found: 299 }),
            "{error}"
        );
    })
}

fn frame_surplus() -> Outcome {
    counted(|| {
        let (left, right) = pair();
        send_raw(&left, &header(0, 1), 2);
        let error = receive(&right).unwrap_err();
        assert!(matches!(error, RecvError::SurplusHandles { expected: 1, found: 2 }), "{error}");
        // Every byte of the header brings some.
        let (left, right) = pair();
        for byte in header(0, 0) {
            send_raw(&left, &[byte], 3);
        }
        let error = receive(&right).unwrap_err();
        assert!(matches!(error, RecvError::SurplusHandles { expected: 0, .. }), "{error}");
    })
}

fn frame_late() -> Outcome {
    counted(|| {
        let (left, right) = pair();
        send_raw(&left, &header(4, 0), 0);
        send_raw(&left, b"ab", 0);
        send_raw(&left, b"cd", 1);
        let error = receive(&right).unwrap_err();
        assert!(matches!(error, RecvError::SurplusHandles { expected: 0, found: 1 }), "{error}");
    })
}

fn torn() -> Outcome {
    counted(|| {
        let (left, right) = pair();
        send_raw(&left, &header(5, 2), 2);
        send_raw(&left, b"1234", 0);
        assert!(receive(&right).unwrap_err().is_timed_out());
        drop(left);
        let error = receive(&right).unwrap_err();
        assert!(matches!(error, RecvError::Truncated), "{error}");
        // And one that is dropped in the middle.
        let (left, right) = pair();
        send_raw(&left, &header(5, 2), 2);
        assert!(receive(&right).unwrap_err().is_timed_out());
        drop((left, right));
    })
}

fn unread() -> Outcome {
    counted(|| {
        let (left, right) = pair();
        left.send(&wire::encode(&[handle(), handle()]).unwrap(), Deadline::now()).unwrap();
        drop((left, right));
    })
}

/// Serialises and deserialises a handle, and then panics.
#[derive(Debug)]
struct Panics;

impl Serialize for Panics {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        drop(handle().serialize(serializer));
        panic!("on the way");
    }
}

impl<'de> Deserialize<'de> for Panics {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        drop(Handle::deserialize(deserializer));
        panic!("on the way");
    }
}

/// The panics of a scenario are part of it, and need no report.
fn quietly<R>(body: impl FnOnce() -> R) -> std::thread::Result<R> {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let result = catch_unwind(AssertUnwindSafe(body));
    std::panic::set_hook(hook);
    result
}

fn panic_in_serialize() -> Outcome {
    counted(|| {
        assert!(quietly(|| wire::encode(&(handle(), Panics))).is_err());
        // No scope is left: a handle on its own is refused again.
        assert!(serde_json::to_string(&handle()).is_err());
        assert_eq!(wire::encode(&handle()).unwrap().handles.len(), 1);
    })
}

fn panic_in_deserialize() -> Outcome {
    counted(|| {
        let message = wire::encode(&(handle(), handle(), handle())).unwrap();
        let panics = quietly(|| wire::decode::<(Handle, Panics, Handle)>(message).is_ok());
        assert!(panics.is_err());
        assert!(serde_json::from_str::<Handle>("0").is_err());
    })
}

fn no_descriptor() -> Outcome {
    counted(|| {
        let handles = [handle(), handle()];
        let error = with_spare_descriptors(1, || wire::encode(&handles).unwrap_err());
        assert!(matches!(error, EncodeError::Duplicate(_)), "{error}");
    })
}
