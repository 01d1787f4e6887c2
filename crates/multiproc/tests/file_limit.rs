//! A process whose files may not be long (`ulimit -f`): shared memory is files, so it has less of it. What cannot
//! be is an error, and nobody is ended by it.
#![expect(unsafe_code, reason = "sets a limit of this process")]

use std::borrow::Cow;
use std::error::Error;
use std::process::ExitCode;
use std::thread;

use multiproc::connection::pipe;
use multiproc::memory::{Kind, Segment};
use multiproc::process::stop_fork_server;
use multiproc::queue::Builder;
use multiproc::wire::Bytes;
use multiproc::{FrozenMemory, Lock, Manager, Pool, Process, Queue};
use testkit::{Outcome, Report};

const MIB: usize = 1 << 20;
const LIMIT: usize = 32 * MIB;
const TOO_LONG: usize = LIMIT + 1;

fn main() -> ExitCode {
    // What is started has the limit as well.
    let limit = libc::rlimit { rlim_cur: LIMIT as u64, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: it reads the limit that is given.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit) }, 0);
    testkit::main(&[
        ("what is short works as ever", what_is_short_works),
        ("a queue has room for what its file can hold", queue_has_less_room),
        ("memory that is too long is an error", memory),
        ("values that are too long are errors", values),
    ])
}

fn is(holds: bool, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

/// Whether the system has refused it for its length.
fn is_too_long<T>(result: Result<T, impl Error>) -> bool {
    result.is_err_and(|error| error.to_string().contains("File too large"))
}

fn what_is_short_works() -> Outcome {
    let lock = Lock::new()?;
    drop(lock.try_lock().map_err(|error| error.to_string())?);
    let pool = Pool::builder().workers(2).build()?;
    is(pool.map(|n: u64| n * n, 0..100)? == (0..100).map(|n| n * n).collect::<Vec<_>>(), "map")?;
    // Longer than a ring takes, and as long as there is no shelf for.
    for len in [MIB, 30 * MIB] {
        is(pool.call_bytes(|bytes: &[u8]| bytes.len(), &vec![1; len])? == len, "call")?;
    }
    pool.join()?;
    is(
        Process::spawn(|Bytes(bytes): Bytes<'static>| bytes.len(), bytes(MIB))?.join()? == MIB,
        "join",
    )?;
    let dict = Manager::start()?;
    let dict = dict.dict::<u32, u32>()?;
    dict.insert(&1, &2)?;
    is(dict.get(&1)? == Some(2), "dict")?;
    stop_fork_server();
    Ok(Report::PASSED)
}

fn queue_has_less_room() -> Outcome {
    for queue in [Queue::<Vec<u8>>::bounded(10)?, Queue::unbounded()?] {
        queue.put(vec![7; 100_000])?;
        is(queue.get()? == [7; 100_000], "it came")?;
    }
    let queue = Builder::new(10).bytes()?;
    is((MIB..LIMIT).contains(&queue.max_message()), "as much as there is")?;
    // What was said is kept to.
    is(Builder::new(10).max_bytes(1 << 30).bytes().is_err(), "it was too much")?;
    Ok(Report::PASSED)
}

fn memory() -> Outcome {
    let kind = Kind::new(*b"example\0", 1);
    is(Segment::create(kind, 0, LIMIT).is_err_and(|error| error.is_no_space()), "with its header")?;
    Segment::create(kind, 0, LIMIT - 4096)?;
    is(is_too_long(FrozenMemory::build(TOO_LONG, |_| ())), "frozen")?;
    FrozenMemory::build(LIMIT, |_| ())?;
    Ok(Report::PASSED)
}

fn bytes(len: usize) -> Bytes<'static> {
    Bytes(Cow::Owned(vec![3; len]))
}

fn values() -> Outcome {
    let pool = Pool::builder().workers(1).build()?;
    let long = vec![1; TOO_LONG];
    is(is_too_long(pool.call_bytes(|bytes: &[u8]| bytes.len(), &long)), "argument of a task")?;
    let result = pool.call(|len: usize| bytes(len), TOO_LONG);
    is(is_too_long(result), "result of a task")?;
    is(pool.call(|n: u64| n + 1, 1)? == 2, "the pool goes on")?;
    is(is_too_long(Process::spawn(|_: Bytes<'static>| (), bytes(TOO_LONG))), "argument")?;
    let returned = Process::spawn(bytes, TOO_LONG)?.join();
    is(returned.is_err(), "return value")?;
    let (one, other) = pipe::<Bytes<'static>, Bytes<'static>>()?;
    // A message has other ways.
    thread::scope(|scope| {
        let sent = scope.spawn(|| one.send(&bytes(TOO_LONG)));
        is(other.recv()?.0.len() == TOO_LONG, "message")?;
        Ok::<_, Box<dyn Error>>(sent.join().map_err(|_| "it panicked")??)
    })?;
    stop_fork_server();
    Ok(Report::PASSED)
}
