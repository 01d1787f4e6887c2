//! Errors of managers.

use multiproc::{Manager, connection, manager};

use crate::shared::emfile;
use crate::{Row, rows};

pub(crate) fn rows() -> Vec<Row> {
    [of_calls(), of_managers()].into_iter().flatten().collect()
}

fn of_calls() -> Vec<Row> {
    let m = Manager::start().unwrap();
    let numbers: manager::Dict<u8, u8> = m.dict().unwrap();
    numbers.set(&1, &1).unwrap();
    let panicked = numbers.update(&1, |(n, by)| n.map(|n| n / by), &0).unwrap_err();
    assert!(panicked.to_string().contains("divide by zero"), "{panicked}");
    let mut rows = rows! {
        manager::Error::Disconnected => "start the manager anew, or connect to another",
        manager::Error::Lost => "it may have been done, or not; then as of `Disconnected`",
        manager::Error::NoSuchObject => "keep a proxy as long as the object is wanted",
        manager::Error::NoSuchMethod("add".into()) => "mend the name, or add it to the type's methods",
        manager::Error::NoSuchType("Counter".into()) => "register the type when the manager is built",
        manager::Error::NoSuchName => "publish it first, or look for a slip in the name",
        manager::Error::NameTaken => "choose another name, or unpublish it",
        manager::Error::OtherType { found: "list<u8>".into() } => "look it up as what it is",
        manager::Error::BadArgument("too few bytes".into()) => "pass what the method takes",
        manager::Error::TimedOut => "try again, or do something else",
        manager::Error::WouldBlock => "do something else, or call what waits",
        manager::Error::Closed => "stop: nothing comes any more",
        manager::Error::OutOfRange { len: 3 } => "look at its length",
        manager::Error::WouldDeadlock => "use the guard that the thread has, or an `RLock`",
        manager::Error::NotHeld => "give back once, and only what you have",
        manager::Error::TooMany => "give back as often as was taken, and no more",
        manager::Error::Broken => "reset the barrier, or give up",
        manager::Error::Full { kept: 990, limit: 1000 } => "take something out, or raise the limit",
        manager::Error::ShareFull { kept: 990, limit: 1000 } => "take out what this program put in, or raise the limit",
        manager::Error::NoRoom => "make it with more room, or take something out",
        manager::Error::Corrupt => "clear it, and look who writes there by other means",
        manager::Error::WorkerDied { pid: 4711, status: multiproc::ExitStatus::Signaled { signal: 9, core_dumped: false } } => "look who killed it; let the pool retry, if the task may run twice",
        manager::Error::TookTooLong { limit: std::time::Duration::from_secs(5) } => "give it more time, or less to do",
        manager::Error::Cancelled => "nothing: it was asked for",
        manager::Error::Terminated => "nothing: it was asked for",
        manager::Error::Taken => "join a task once",
        manager::Error::Refused("too many calls wait".into()) => "do less at a time, or raise the limit",
        manager::Error::TooLong { len: 1 << 31, limit: 1 << 30 } => "send less, or raise the limit",
        manager::Error::Malformed => "build both programs with the same version",
        manager::Error::Io(emfile()) => "see what the system says",
    };
    let message = "it panicked at FILE:LINE:COLUMN: attempt to divide by zero".into();
    let advice = "mend what panicked there; the manager goes on";
    rows.push(Row { message, ..Row::new("manager::Error::Panicked", &panicked, advice) });
    rows
}

fn of_managers() -> Vec<Row> {
    rows! {
        manager::ConnectError::Pipe(connection::ConnectError::Refused) => "see what it says of the connection",
        manager::ConnectError::NotAManager => "look at the address: something else listens there",
        manager::ConnectError::OtherVersion { ours: 1, theirs: 2 } => "build both programs with the same version",
        manager::ConnectError::Tls("invalid peer certificate: UnknownIssuer".into()) => "look at the certificate, its name and its dates, and at what the client believes",
        manager::ConnectError::OtherManager => "connect anew, and look its objects up again",
        manager::ConnectError::Io(emfile()) => "see what the system says",
        manager::StartError::Listen("the address is in use".into()) => "choose another address",
        manager::StartError::Died => "look who killed it; try again",
        manager::StartError::Unnameable("Counter") => "register a type of the program itself",
        manager::StartError::Io(emfile()) => "see what the system says",
        manager::LockError::OwnerDied(()) => "you hold the lock: look at what it protects, mend it, go on",
        manager::LockError::<()>::Call(manager::Error::WouldBlock) => "as of `Error`",
    }
}
