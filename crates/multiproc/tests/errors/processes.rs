//! Errors of processes, programs, connections and pools.

use std::path::PathBuf;
use std::time::Duration;

use multiproc::process::{self, ExitStatus, MemoryHint, Refusal};
use multiproc::{Pool, Process, Program, connection, memory, pool, wire};

use crate::shared::{Stubborn, emfile};
use crate::{Row, rows};

pub(crate) fn rows() -> Vec<Row> {
    [of_starts(), of_joins(), of_programs(), of_connections(), of_pools(), of_tasks()]
        .into_iter()
        .flatten()
        .collect()
}

fn unencodable() -> wire::EncodeError {
    wire::encode(&Stubborn).map(drop).unwrap_err()
}

fn undecodable() -> wire::DecodeError {
    wire::decode_plain::<u8>(&[]).unwrap_err()
}

pub(crate) fn panic_with_words((): ()) {
    let word = "nothing".strip_prefix("some");
    assert!(word.is_some(), "there is no word");
}

fn of_starts() -> Vec<Row> {
    rows! {
        process::StartError::NoEntrance => "call `multiproc::init()` first in `main`",
        process::StartError::NotInProgram => "pass a function of the program itself",
        process::StartError::Threads { count: 3 } => "use `Start::ForkServer`, or fork before there are threads",
        process::StartError::Lends => "drop the guard or loan first",
        process::StartError::Argument(unencodable()) => "mend the `Serialize` of the argument",
        process::StartError::Refused(Refusal::OtherProgram) => "do not replace the program's file while it runs",
        process::StartError::Died { pid: 4321, status: ExitStatus::Signaled { signal: 9, core_dumped: false } } => "look who killed it; try again",
        process::StartError::MemoryLimit(Box::new(process::StartError::Refused(Refusal::Malformed("it cannot watch its parent".to_owned())))) => "give it more: a few tens of MiB, and what the argument takes",
        process::StartError::Setup("the name of a variable is empty") => "mend what the builder was told",
        process::StartError::TimedOut => "give it more time, or look what holds the machine up",
        process::StartError::ServerDied { status: ExitStatus::Signaled { signal: 9, core_dumped: false } } => "look who killed it, or what was preloaded; try again",
        process::StartError::System { action: "open its own descriptor", error: emfile() } => "see what the system says",
    }
}

fn of_joins() -> Vec<Row> {
    let panicked = Process::spawn(panic_with_words, ()).unwrap().join().unwrap_err();
    let place = format!("{panicked}").replace(env!("CARGO_MANIFEST_DIR"), "");
    assert!(place.contains("there is no word"), "{place}");
    let mut rows = rows! {
        process::JoinError::Exited(3) => "look why it called `exit`",
        process::JoinError::Signaled { signal: 6, core_dumped: false } => "look who killed it, or at its core",
        process::JoinError::OutOfMemory { signal: 9, hint: MemoryHint::KilledByKernel } => "give it more memory, or less to do",
        process::JoinError::StatusUnknown => "do not wait for all children, or ignore `SIGCHLD`, elsewhere",
        process::JoinError::Unsendable("it does not want to".into()) => "mend the `Serialize` of the result",
        process::JoinError::Decode(undecodable()) => "mend the `Deserialize` of the result",
        process::JoinError::Lost("too many open files".into()) => "close descriptors, or raise `RLIMIT_NOFILE`",
        process::JoinError::Taken => "join once",
        process::JoinError::NotOurs => "leave it to the process that started it",
        process::JoinError::Io(emfile()) => "see what the system says",
    };
    rows.insert(
        0,
        Row {
            message: "the process panicked at FILE:LINE:COLUMN: there is no word".into(),
            ..Row::new("process::JoinError::Panicked", &panicked, "mend what panicked there")
        },
    );
    rows
}

fn of_programs() -> Vec<Row> {
    let output = || Program::new("sh").args(["-c", "exit 2"]).run().unwrap();
    let path = || PathBuf::from("/opt/tool");
    rows! {
        process::ProgramError::NotFound(path()) => "install it, or mend the name or `PATH`",
        process::ProgramError::NotExecutable(path()) => "name a program, or `chmod +x`",
        process::ProgramError::PermissionDenied(path()) => "run as somebody who may",
        process::ProgramError::Folder(path()) => "make the folder, or name another",
        process::ProgramError::Failed(output()) => "look at its `stderr`, which is in the error",
        process::ProgramError::TimedOut(output()) => "give it more time; what it wrote is in the error",
        process::ProgramError::System { action: "open the program's descriptor", error: emfile() } => "see what the system says",
    }
}

fn of_connections() -> Vec<Row> {
    rows! {
        connection::SendError::Full => "do something else, or wait with `send`",
        connection::SendError::TimedOut => "try again: nothing was sent",
        connection::SendError::Disconnected => "make a new connection",
        connection::SendError::Torn => "make a new connection",
        connection::SendError::OtherProcess => "make a connection in this process",
        connection::SendError::Corrupt => "make a new connection",
        connection::SendError::Io(emfile()) => "see what the system says",
        connection::RecvError::Empty => "do something else, or wait with `recv`",
        connection::RecvError::TimedOut => "try again: nothing is lost",
        connection::RecvError::Disconnected => "stop: all that was sent has been received",
        connection::RecvError::Truncated => "make a new connection",
        connection::RecvError::TooLong { len: 1 << 40, limit: 1 << 30 } => "raise the limit, or let the peer go",
        connection::RecvError::TooShort { message: vec![0; 100] } => "the message is in the error",
        connection::RecvError::TooManyHandles { count: 1000, limit: 253 } => "raise the limit, or let the peer go",
        connection::RecvError::HandlesCutOff => "close descriptors, or raise `RLIMIT_NOFILE`",
        connection::RecvError::Malformed("its header is short") => "the peer is broken or hostile: let it go",
        connection::RecvError::Broken => "make a new connection",
        connection::RecvError::OtherProcess => "make a connection in this process",
        connection::RecvError::Corrupt => "make a new connection",
        connection::RecvError::Io(emfile()) => "see what the system says",
        connection::RequestError::Send(connection::SendError::Disconnected) => "nothing was done: send it elsewhere",
        connection::RequestError::Recv(connection::RecvError::Disconnected) => "it may have been done, or not",
        connection::ConnectError::TimedOut => "look whether the other side runs, or wait longer",
        connection::ConnectError::NotOurs => "look at the address: something else listens there",
        connection::ConnectError::KeyWanted => "connect with the key",
        connection::ConnectError::KeyNotWanted => "connect without a key, or start the listener with one",
        connection::ConnectError::Refused => "use the listener's key",
        connection::ConnectError::Impostor => "do not trust whoever listens there",
        connection::AcceptError::TimedOut => "try again",
        connection::AcceptError::Inherited => "leave it to the process that it was forked from",
        connection::AcceptError::Io(emfile()) => "see what the system says",
    }
}

fn of_pools() -> Vec<Row> {
    rows! {
        pool::PoolError::BadWorkers { most: 1024 } => "ask for a number between these",
        pool::PoolError::Setup("a copy of a process with threads") => "mend what the builder was told",
        pool::PoolError::Start(process::StartError::TimedOut) => "see what it says of the start",
        pool::PoolError::Memory(memory::SegmentError::NoSpace { bytes: 4096 }) => "see what it says of the memory",
        pool::PoolError::Queue(multiproc::queue::QueueError::BadSlotSize) => "see what it says of the queue",
        pool::PoolError::System { action: "make a pair of sockets", error: emfile() } => "see what the system says",
        pool::PoolError::Closed => "make another pool",
        pool::PoolError::NoWorkers("the initializer failed".into()) => "mend what it says, and make another pool",
        pool::PoolError::NotOurs => "make a pool in this process",
        pool::PoolError::NotInProgram => "pass a function of the program itself",
        pool::PoolError::BadChunk => "ask for at least one",
        pool::PoolError::Argument(unencodable()) => "mend the `Serialize` of the argument",
    }
}

fn of_tasks() -> Vec<Row> {
    let pool = Pool::builder().workers(1).build().unwrap();
    let panicked = pool.call(panic_with_words, ()).unwrap_err();
    assert!(panicked.to_string().contains("there is no word"), "{panicked}");
    let status = ExitStatus::Signaled { signal: 9, core_dumped: false };
    let mut rows = rows! {
        pool::TaskError::WorkerDied { pid: 4321, status, n_deaths: 1, max_memory: None, memory_hint: None, tag: None, function: None } => "look what killed it; `Retry` runs such tasks again",
        pool::TaskError::TimedOut { limit: Duration::from_secs(5), pid: 4321, n_deaths: 1, tag: None, function: Some("app::resize".into()) } => "give it more time, or less to do",
        pool::TaskError::Cancelled => "nothing: somebody wanted it so",
        pool::TaskError::Unsendable("it does not want to".into()) => "mend the `Serialize` of the result",
        pool::TaskError::Decode(undecodable()) => "mend the `Deserialize` of the result",
        pool::TaskError::Refused(Refusal::OtherProgram) => "do not replace the program's file while it runs",
        pool::TaskError::Lost("too many open files".into()) => "close descriptors, or raise `RLIMIT_NOFILE`",
        pool::TaskError::Terminated => "nothing: somebody wanted it so",
        pool::TaskError::NoWorkers("the initializer failed".into()) => "mend what it says, and make another pool",
        pool::TaskError::NotTaken(pool::PoolError::Closed) => "see what it says of the pool",
        pool::TaskError::Taken => "join once",
        pool::TaskError::NotOurs => "leave it to the process that submitted it",
    };
    rows.insert(
        0,
        Row {
            message: "the task panicked at FILE:LINE:COLUMN: there is no word".into(),
            ..Row::new("pool::TaskError::Panicked", &panicked, "mend what panicked there")
        },
    );
    rows
}
