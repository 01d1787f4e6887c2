//! A script of what a client does to dicts and lists in shared memory, and to iterators: calls that are as they
//! should be and others, and words written into the memory, as no client of ours does.
//!
//! The script is made of bytes, so that a fuzzer can write it. Whatever it says, the server answers each call, or
//! shows the client out, and does for everybody else what it did before. Locks are written to as well: the
//! server waits for nobody's turn.

use ipc_core::primitive::{AtomicU64, Ordering::Relaxed};
use ipc_core::{Deadline, Segment};
use ipc_pipe::{Address, Connection, Limits, connect};
use manager::{Methods, Object};
use testkit::Script;

use crate::raw::{CREATE, DESK, LET_GO, MAGIC, MAKE, block, call, number_in, numbers};

/// What makes iterators. None of them panics: a fuzzer takes each panic for a find.
pub(crate) struct Numbers;

impl Object for Numbers {
    const NAME: &'static str = "numbers";
    type Init = ();

    fn make((): ()) -> Self {
        Self
    }

    fn methods(methods: &mut Methods<Self>) {
        methods
            .add_iterator("all", |_: &mut Self, first: u8| (0..=u8::MAX).cycle().skip(first.into()))
            .add_iterator("long", |_: &mut Self, (count, len): (u8, u8)| {
                (0..count).map(move |n| vec![n; usize::from(len) << 8])
            })
            .add("one", |_: &mut Self, (): ()| 1_u8);
    }
}

/// How large the dict and the list are, and their keys and values.
const CAPACITY: u64 = 5;
const LEN: usize = 8;

/// The methods of dicts and lists beside the first, and of what returns iterators and of these.
const MEMORY: u64 = 100;
const ITERATE: u64 = 2;
const NEXT: u64 = 1;

/// No method of dicts and lists has a higher number, but for one.
const N_METHODS: u8 = 16;

/// So many iterators at most.
const MOST_ITERATORS: usize = 8;

/// A client that does whatever it likes.
struct Stranger<'a> {
    address: &'a Address,
    line: Connection<(), ()>,
    /// The dict and the list, and their memory.
    shared: [(u64, Segment); 2],
    makes_iterators: u64,
    iterators: Vec<u64>,
}

/// Connects, and says hello with these wishes behind it.
fn greet<R: serde::de::DeserializeOwned>(
    address: &Address,
    wishes: &[u64],
) -> Option<Connection<(), R>> {
    let line: Connection<(), R> = connect(address, None).ok()?;
    let line = line.with_limits(Limits::NONE);
    let hello = [MAGIC, &[1, 0, 0], &numbers(wishes)].concat();
    line.send_bytes(&hello).ok()?;
    Some(line)
}

/// Calls, and waits for the answer; whether it returned, and what. None if the server will have no more of it.
fn ask(
    line: &Connection<(), ()>,
    object: u64,
    method: u64,
    argument: &[u8],
) -> Option<(bool, Vec<u8>)> {
    line.send_bytes(&call(7, object, method, &[], argument)).ok()?;
    let reply = line.recv_bytes(usize::MAX).ok()?;
    let (head, bytes) = reply.split_first_chunk()?;
    let [7, is_returned] = head else { return None };
    Some((*is_returned == 1, bytes.to_vec()))
}

/// The number that a call returns.
fn ask_number(line: &Connection<(), ()>, object: u64, method: u64, argument: &[u8]) -> Option<u64> {
    let (is_returned, reply) = ask(line, object, method, argument)?;
    is_returned.then(|| number_in(&reply))
}

/// Comes for the memory of an object.
fn memory(address: &Address, object: u64, secret: u64) -> Option<Segment> {
    greet::<Option<Segment>>(address, &[2, object, secret])?.recv().ok()?
}

impl<'a> Stranger<'a> {
    fn connect(address: &'a Address) -> Option<Self> {
        let line = greet(address, &[])?;
        line.recv_bytes(1 << 10).ok()?;
        let make = |method, sort: &str, init: &[u64]| {
            let argument = [block(sort.as_bytes()), block(b"x"), numbers(init)].concat();
            ask_number(&line, DESK, method, &argument)
        };
        let len = LEN as u64;
        let share = |object| {
            let secret = ask_number(&line, object, MEMORY, &[])?;
            Some((object, memory(address, object, secret)?))
        };
        let dict = share(make(CREATE, "shm_dict", &[CAPACITY, len, len, 1])?)?;
        let list = share(make(CREATE, "shm_list", &[CAPACITY, len, 1])?)?;
        let makes_iterators = make(MAKE, "numbers", &[])?;
        Some(Self { address, shared: [dict, list], makes_iterators, iterators: vec![], line })
    }

    /// Writes a word into the memory of the dict or the list.
    fn scribble(&self, script: &mut Script<'_>) {
        let (_, memory) = &self.shared[usize::from(script.byte() % 2)];
        let words = memory.len() / LEN;
        let place = match script.byte() % 4 {
            // What is there beside the entries is at the beginning.
            0 => script.wide() % words,
            _ => usize::from(script.byte()) % words,
        };
        let value = match script.byte() % 6 {
            0 => 0,
            1 => u64::MAX,
            2 | 3 => u64::from(script.byte()),
            4 => u64::from(script.byte()) << 56 | u64::from(script.byte()) << 28,
            _ => script.word(),
        };
        if let Ok(word) = memory.at::<AtomicU64>(place * LEN) {
            word.store(value, Relaxed);
        }
    }

    /// Calls a method of the dict or the list, with what it may take or with anything.
    fn call(&self, script: &mut Script<'_>) -> Option<()> {
        let (object, _) = &self.shared[usize::from(script.byte() % 2)];
        let method = u64::from(script.byte() % N_METHODS);
        let [one, other] = [[script.byte(); LEN], [script.byte() % 4; LEN]];
        let argument = match script.byte() % 8 {
            0 => vec![],
            1 => one.to_vec(),
            2 => [block(&one), other.to_vec()].concat(),
            3 => [block(&one), block(&other)].concat(),
            // An index, and what is to be there.
            4 => [numbers(&[script.byte().into()]), block(&other), one.to_vec()].concat(),
            5 => [numbers(&[script.byte().into()]), other.to_vec()].concat(),
            // A key, perhaps what is expected, and perhaps what is to be there.
            6 => [&block(&one)[..], &[1], &other, &[1], &one].concat(),
            _ => (0..script.byte() % 32).map(|_| script.byte()).collect(),
        };
        ask(&self.line, *object, method, &argument).map(drop)
    }

    /// Has an iterator made.
    fn iterate(&mut self, script: &mut Script<'_>) -> Option<()> {
        let (name, argument): (&[u8], _) = match script.byte() % 4 {
            0 => (b"all", vec![script.byte()]),
            1 => (b"long", vec![script.byte(), script.byte()]),
            2 => (b"one", vec![]),
            _ => (b"long", vec![]),
        };
        let argument = [block(name), argument].concat();
        let (is_returned, reply) = ask(&self.line, self.makes_iterators, ITERATE, &argument)?;
        if is_returned && self.iterators.len() < MOST_ITERATORS {
            self.iterators.push(number_in(&reply));
        }
        Some(())
    }

    /// Takes items out of an iterator, or does with it what cannot be done.
    fn take(&mut self, script: &mut Script<'_>) -> Option<()> {
        let n_iterators = self.iterators.len().max(1);
        let at = usize::from(script.byte()) % n_iterators;
        let Some(&iterator) = self.iterators.get(at) else { return Some(()) };
        let most = match script.byte() % 4 {
            0 => script.word(),
            _ => u64::from(script.byte()),
        };
        let (object, method, argument) = match script.byte() % 8 {
            0 => (iterator, u64::from(script.byte()), vec![]),
            1 => (iterator, NEXT, vec![0xff; 12]),
            2 => {
                self.iterators.swap_remove(at);
                (DESK, LET_GO, numbers(&[iterator]))
            }
            // All at once: the batches are as long as asked for, one after the other.
            3 => {
                let next = call(0, iterator, NEXT, &[], &numbers(&[most]));
                self.line.send_bytes(&next.repeat(5)).ok()?;
                (iterator, NEXT, numbers(&[most]))
            }
            _ => (iterator, NEXT, numbers(&[most])),
        };
        ask(&self.line, object, method, &argument).map(drop)
    }

    /// Comes for memory that is its own, or not, as somebody who knows the secret or guesses.
    fn come_again(&self, script: &mut Script<'_>) {
        let object = self.shared[0].0.wrapping_add(u64::from(script.byte() % 4));
        drop(memory(self.address, object, script.word()));
    }
}

/// Plays a script until the bytes are at an end, or the server will have no more of it; whether it had the memory to
/// begin with.
pub(crate) fn play(address: &Address, script: &[u8]) -> bool {
    let Some(mut stranger) = Stranger::connect(address) else { return false };
    let mut script = Script::new(script);
    while !script.is_over() {
        let is_heard = match script.byte() % 8 {
            0..3 => {
                stranger.scribble(&mut script);
                Some(())
            }
            3 | 4 => stranger.call(&mut script),
            5 => stranger.iterate(&mut script),
            6 => stranger.take(&mut script),
            _ if script.byte() < 0x20 => {
                stranger.come_again(&mut script);
                Some(())
            }
            _ => {
                let garbage: Vec<u8> = (0..script.byte() % 16).map(|_| script.byte()).collect();
                stranger.line.send_bytes_deadline(&garbage, Deadline::now()).ok();
                Some(())
            }
        };
        if is_heard.is_none() {
            break;
        }
    }
    true
}
