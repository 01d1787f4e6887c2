//! Large results, which are put on their shelf while they are encoded: of any shape, and whatever happens in the
//! middle of one.

#![expect(clippy::unwrap_used, reason = "tests end when something is not as it should be")]
#![expect(clippy::panic, reason = "a task panics")]
#![expect(unsafe_code, reason = "forks a worker")]

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{PipeWriter, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ipc_core::wire::{Bytes, Handle};
use pool::{Pool, TaskError};
use proc_core::{Fork, fork_with_threads};
use rustix::process::{Signal, getpid, kill_process};
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser};

use common::{pools, shelved_bytes, watch};

mod common;

/// One counts what this process has, so no other runs meanwhile.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());

    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Values that have long runs, short ones and none, one in the other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Nothing,
    Text(String),
    Bytes(Bytes<'static>),
    ByteByByte(Vec<u8>),
    Numbers(Vec<u64>),
    Maybe(Option<Box<Self>>),
    Pair(Box<str>, char, Box<Self>),
    Many(Vec<Self>),
    Named { texts: BTreeMap<String, String>, sum: f64 },
}

/// A text of so many bytes or one more, another one for each number.
fn text(number: usize, len: usize) -> String {
    let mut text = format!("{number:05} \u{e9}").repeat(len / 8 + 1);
    text.truncate(text.floor_char_boundary(len));
    text
}

/// Runs of none, few, about as many as go with what is around them, many, and more than a shelf takes.
const LENS: [usize; 7] = [0, 7, 16 << 10, (16 << 10) + 9, 100_001, 1 << 20, 5 << 20];

fn shape(number: usize) -> Shape {
    let len = LENS[number % LENS.len()];
    let of = |shape| Box::new(shape);
    match number / LENS.len() {
        0 => Shape::Text(text(number, len)),
        1 => Shape::Bytes(Bytes(text(number, len).into_bytes().into())),
        2 => Shape::ByteByByte(text(number, len).into_bytes()),
        3 => Shape::Numbers((0..len as u64 / 8).collect()),
        4 => Shape::Maybe(Some(of(Shape::Text(text(number, len))))),
        5 => Shape::Pair(text(number, len).into(), '\u{1f980}', of(Shape::Text(text(1, 70_000)))),
        6 => Shape::Many((0..50).map(|at| Shape::Text(text(at, len / 50 + 16_380))).collect()),
        7 => {
            let texts = (0..9).map(|at| (text(at, len / 9), text(at, len / 3))).collect();
            Shape::Named { texts, sum: 0.5 }
        }
        _ => Shape::Many(vec![Shape::Nothing, Shape::Maybe(None), shape(number % 56)]),
    }
}

#[test]
fn results_of_all_shapes_come_back_as_they_were() {
    const N_SHAPES: usize = 9 * LENS.len();

    let _alone = alone();
    let _watchdog = watch("shapes");
    for pool in pools(2) {
        let shapes = pool.imap(shape, 0..N_SHAPES);
        for (number, arrived) in shapes.enumerate() {
            assert!(arrived.unwrap() == shape(number), "shape {number}");
        }
        // Some do not become a part of a value: another type reads them.
        let of_text = pool.call(|_: ()| Reread(text(3, 1 << 20)), ()).unwrap();
        assert!(of_text.0 == text(3, 1 << 20));
    }
}

/// Goes as a text, and is read byte by byte.
#[derive(Deserialize)]
#[serde(from = "Vec<u8>")]
struct Reread(String);

impl From<Vec<u8>> for Reread {
    fn from(bytes: Vec<u8>) -> Self {
        Self(String::from_utf8(bytes).unwrap())
    }
}

impl Serialize for Reread {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// What happens as a result is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum What {
    Nothing,
    Dies,
    Panics,
    Fails,
    /// The worker forks; the copy waits.
    Forks,
    /// The copy goes on, up to its end; the worker waits for that.
    LetsTheCopyGoOn,
}

/// Happens where it stands in a result.
struct Happens(What);

/// The number of the process that encodes it, many times.
#[derive(Deserialize)]
#[serde(transparent)]
struct Encoder(String);

/// Where things happen between long runs; the number is that of the worker.
type Eventful = (Happens, String, Happens, Encoder, Happens, u32);

impl Serialize for Encoder {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&text_of(proc_core::current().pid()))
    }
}

fn text_of(pid: u32) -> String {
    text(pid as usize % 100_000, 200_000)
}

impl<'de> Deserialize<'de> for Happens {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u8::deserialize(deserializer).map(|_| Self(What::Nothing))
    }
}

impl Serialize for Happens {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        thread_local! {
            static COPY: Cell<Option<(u32, PipeWriter)>> = const { Cell::new(None) };
        }
        match self.0 {
            What::Nothing => {}
            What::Dies => kill_process(getpid(), Signal::KILL).unwrap(),
            What::Panics => panic!("on purpose"),
            What::Fails => return Err(ser::Error::custom("on purpose")),
            What::Forks => {
                let (mut reader, writer) = std::io::pipe().unwrap();
                // SAFETY: the copy does what a worker does after its task, and no other thread holds a lock.
                match unsafe { fork_with_threads() }.unwrap() {
                    Fork::Parent(pid) => COPY.set(Some((pid, writer))),
                    Fork::Child => {
                        drop(writer);
                        assert_eq!(reader.read(&mut [0]).unwrap(), 0);
                    }
                }
            }
            What::LetsTheCopyGoOn => {
                if let Some((pid, writer)) = COPY.take() {
                    drop(writer);
                    proc_core::wait_for(pid).unwrap();
                }
            }
        }
        serializer.serialize_u8(0)
    }
}

fn eventful([first, second, third]: [What; 3]) -> Eventful {
    let [first, second, third] = [first, second, third].map(Happens);
    (first, text(1, 300_000), second, Encoder(String::new()), third, proc_core::current().pid())
}

/// Has things happen; whatever comes of that, the next result is whole.
fn happen(pool: &Pool, what: [What; 3]) -> Result<(), TaskError> {
    let is_whole = |(_, text, _, encoder, _, pid): Eventful| {
        text == self::text(1, 300_000) && encoder.0 == text_of(pid)
    };
    let outcome = pool.call(eventful, what).map(|arrived| assert!(is_whole(arrived), "{what:?}"));
    for _ in 0..3 {
        assert!(is_whole(pool.call(eventful, [What::Nothing; 3]).unwrap()), "after {what:?}");
    }
    outcome
}

/// One thing, at each place.
fn at_each(what: What) -> [[What; 3]; 3] {
    [0, 1, 2].map(|at| [0, 1, 2].map(|place| if place == at { what } else { What::Nothing }))
}

#[test]
fn worker_that_dies_in_the_middle_of_a_result_takes_only_that_with_it() {
    let _alone = alone();
    let _watchdog = watch("deaths");
    for pool in pools(1) {
        for what in at_each(What::Dies) {
            let error = happen(&pool, what).unwrap_err();
            assert!(matches!(error, TaskError::WorkerDied { .. }), "{error}");
        }
    }
}

#[test]
fn result_that_cannot_be_encoded_to_its_end_leaves_nothing_behind() {
    let _alone = alone();
    let _watchdog = watch("failures");
    for pool in pools(1) {
        // More often than there is room for what would be left.
        for _ in 0..12 {
            for what in at_each(What::Panics) {
                assert!(happen(&pool, what).unwrap_err().panic().is_some());
            }
            for what in at_each(What::Fails) {
                let error = happen(&pool, what).unwrap_err();
                assert!(matches!(error, TaskError::Unsendable(_)), "{error}");
            }
        }
        let kept = shelved_bytes();
        assert!(kept < 4 << 20, "{kept} bytes are kept");
    }
}

#[test]
fn copy_that_is_made_in_the_middle_of_a_result_does_not_write_into_it() {
    let _alone = alone();
    let _watchdog = watch("copies");
    for pool in pools(1) {
        let (forks, goes_on) = (What::Forks, What::LetsTheCopyGoOn);
        happen(&pool, [forks, What::Nothing, goes_on]).unwrap();
        happen(&pool, [What::Nothing, forks, goes_on]).unwrap();
        happen(&pool, [forks, goes_on, What::Nothing]).unwrap();
    }
}

#[test]
fn result_with_handles_behind_long_runs_comes_back_with_them() {
    let _alone = alone();
    let _watchdog = watch("handles");
    for pool in pools(1) {
        let (arrived, file) = pool
            .call(
                |len: usize| {
                    let (reader, writer) = std::io::pipe().unwrap();
                    (&writer).write_all(b"written").unwrap();
                    (text(1, len), Handle::from(OwnedFd::from(reader)))
                },
                1 << 20,
            )
            .unwrap();
        assert!(arrived == text(1, 1 << 20));
        let mut written = String::new();
        File::from(OwnedFd::from(file)).read_to_string(&mut written).unwrap();
        assert_eq!(written, "written");
    }
}
