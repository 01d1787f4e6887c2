//! Connections between processes, and however those end.
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

mod alarms;

use std::os::fd::AsRawFd as _;
use std::process::ExitCode;
use std::time::Duration;

use alarms::bombard;
use ipc_core::Deadline;
use ipc_pipe::{Limits, Receiver, RecvError, channel, pipe, wait};
use testkit::seed::Rng;
use testkit::{Counter, Outcome, Report, SharedArena, child};

fn main() -> ExitCode {
    testkit::main(&[
        ("the end comes when the last holder is killed", killed),
        ("who waits for room hears that the last reader is killed", killed_reader),
        ("an end that others hold too stays open when one of them dies", one_of_two),
        ("processes that send at one end do not mix their messages", no_mixing),
        ("processes that receive at one end get each message once", each_once),
        ("senders killed at random leave whole messages only", killed_senders),
        ("receivers killed at random leave the memory of long messages whole", killed_receivers),
        ("signals end no call", signals),
        ("a message of gigabytes", gigabytes),
    ])
}

fn is(holds: bool, what: impl std::fmt::Debug) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("{what:?}")) }
}

fn killed() -> Outcome {
    let (here, there) = pipe::<u32, u32>()?;
    let victim = child::fork(|| {
        there.send(&1).unwrap();
        loop {
            std::thread::park();
        }
    });
    drop(there);
    is(here.recv()? == 1, "what it sent")?;
    is(!here.closed()?, "it lives")?;
    let waiting = std::thread::spawn({
        let here = here.clone();
        move || here.recv()
    });
    drop(victim);
    is(waiting.join().unwrap().unwrap_err().is_disconnected(), "who waits is told")?;
    is(here.closed()? && here.send(&1).unwrap_err().is_disconnected(), "and who sends")?;
    Ok(Report::PASSED)
}

fn killed_reader() -> Outcome {
    let (here, there) = channel::<Vec<u8>>()?;
    let victim = child::fork(|| {
        loop {
            std::thread::park();
        }
    });
    drop(there);
    while here.try_send(&vec![0; 10_000]).is_ok() {}
    let waiting = std::thread::spawn(move || here.send(&vec![0; 10_000]));
    drop(victim);
    is(waiting.join().unwrap().unwrap_err().is_disconnected(), "who waits is told")?;
    Ok(Report::PASSED)
}

fn one_of_two() -> Outcome {
    let (here, there) = pipe::<u32, u32>()?;
    let victim = child::fork(|| {
        loop {
            std::thread::park();
        }
    });
    let mut other = child::fork(|| {
        let number = there.recv().unwrap();
        there.send(&(number + 1)).unwrap();
        0
    });
    drop(there);
    drop(victim);
    is(matches!(here.try_recv(), Err(RecvError::Empty)), "one is left")?;
    here.send(&1)?;
    is(here.recv()? == 2, "the other answers")?;
    is(other.wait().is_success(), "the other")?;
    is(here.recv().unwrap_err().is_disconnected(), "now all are gone")?;
    Ok(Report::PASSED)
}

/// A message that shows whose it is, which, and whether it is whole.
fn message(sender: u8, number: u32, len: usize) -> Vec<u8> {
    let mut bytes = vec![sender.wrapping_add(number.to_le_bytes()[0]); len.max(16)];
    bytes[0] = sender;
    bytes[1..5].copy_from_slice(&number.to_le_bytes());
    let len = u32::try_from(bytes.len()).unwrap();
    bytes[5..9].copy_from_slice(&len.to_le_bytes());
    bytes
}

/// Who sent a message, and which it is, if it is whole.
fn origin(bytes: &[u8]) -> Option<(u8, u32)> {
    let (sender, number) = (*bytes.first()?, u32::from_le_bytes(*bytes.get(1..)?.first_chunk()?));
    (bytes == message(sender, number, bytes.len())).then_some((sender, number))
}

fn no_mixing() -> Outcome {
    const EACH: u32 = 1500;
    let (sender, receiver) = channel::<Vec<u8>>()?;
    let mut senders: Vec<_> = (0..3_u8)
        .map(|me| {
            let sender = &sender;
            child::fork(move || {
                let mut rng = Rng::of_run(&format!("sender {me}"));
                for number in 0..EACH {
                    let len = if rng.chance(4) { rng.index(200_000) } else { rng.index(300) };
                    sender.send_bytes(&message(me, number, len)).unwrap();
                }
                0
            })
        })
        .collect();
    drop(sender);
    let mut next = [0; 3];
    while let Ok(bytes) = receiver.recv_bytes(usize::MAX) {
        let (who, number) = origin(&bytes).ok_or("a message is not whole")?;
        let expected = &mut next[usize::from(who)];
        is(number == *expected, (who, number, &expected))?;
        *expected += 1;
    }
    is(next == [EACH; 3], next)?;
    is(senders.iter_mut().all(|sender| sender.wait().is_success()), "the senders")?;
    Ok(Report::PASSED)
}

fn each_once() -> Outcome {
    const ALL: u32 = 3000;
    let (sender, receiver) = channel::<Vec<u8>>()?;
    let (results, counts) = channel::<Vec<u32>>()?;
    let mut receivers: Vec<_> = (0..3)
        .map(|_| {
            let (sender, receiver, results) = (&sender, &receiver, &results);
            child::fork(move || {
                // A forked child has this end too, and has to let it go.
                close(sender.as_raw_fd());
                let mut got = Vec::new();
                while let Ok(bytes) = receiver.recv_bytes(usize::MAX) {
                    got.push(origin(&bytes).unwrap().1);
                }
                results.send(&got).unwrap();
                0
            })
        })
        .collect();
    drop((receiver, results));
    for number in 0..ALL {
        let len = if number % 10 == 0 { 50_000 } else { 20 };
        sender.send_bytes(&message(0, number, len))?;
    }
    drop(sender);
    let mut all: Vec<u32> = counts.iter().flat_map(Result::unwrap).collect();
    all.sort_unstable();
    is(all.into_iter().eq(0..ALL), "each once")?;
    is(receivers.iter_mut().all(|receiver| receiver.wait().is_success()), "the receivers")?;
    Ok(Report::PASSED)
}

#[expect(unsafe_code, reason = "a forked child closes what it inherited")]
fn close(fd: i32) {
    // SAFETY: the child ends without running the destructors of what it inherited.
    unsafe { libc::close(fd) };
}

fn killed_senders() -> Outcome {
    let rounds = if testkit::full() { 5000 } else { 150 };
    let (sender, receiver) = channel::<Vec<u8>>()?;
    let mut rng = Rng::of_run("kills");
    let mut n_received = 0_u64;
    for round in 0..rounds {
        let senders: Vec<_> = (0..2_u8)
            .map(|me| {
                let sender = &sender;
                let mut rng = Rng::of_run(&format!("sender {me} {round}"));
                child::fork(move || {
                    for number in 0.. {
                        let len = if rng.chance(2) { rng.index(300_000) } else { rng.index(300) };
                        sender.send_bytes(&message(me, number, len)).unwrap();
                    }
                    0
                })
            })
            .collect();
        let until = Deadline::after(Duration::from_micros(rng.index(3000) as u64));
        let mut next = [0, 0];
        let mut check = |bytes: Vec<u8>| {
            let (who, number) = origin(&bytes).ok_or("a message is not whole")?;
            is(number == next[usize::from(who)], (who, number, next))?;
            next[usize::from(who)] += 1;
            n_received += 1;
            Ok::<_, String>(())
        };
        while !until.is_past() {
            if let Ok(bytes) = receiver.recv_bytes_deadline(usize::MAX, until) {
                check(bytes)?;
            }
        }
        drop(senders);
        // They are dead: what they had sent is here, whole, and nothing else.
        loop {
            match receiver.recv_bytes_deadline(usize::MAX, Deadline::now()) {
                Ok(bytes) => check(bytes)?,
                Err(RecvError::TimedOut) => break,
                Err(error) => return Err(error.into()),
            }
        }
    }
    drop(sender);
    is(receiver.recv().unwrap_err().is_disconnected(), "the end")?;
    is(n_received > rounds, n_received)?;
    Ok(Report::PASSED)
}

/// The memory of a message comes back when its receiver dies, and not before others have read theirs.
fn killed_receivers() -> Outcome {
    let rounds = if testkit::full() { 3000 } else { 100 };
    let (sender, receiver) = channel::<Vec<u8>>()?;
    let mut rng = Rng::of_run("kills");
    let (mut n_sent, mut n_received) = (0_u32, 0_u32);
    let n_torn = SharedArena::<Counter>::new(1);
    for _ in 0..rounds {
        let receive = || {
            while let Ok(bytes) = receiver.recv_bytes(usize::MAX) {
                n_torn[0].add(u64::from(origin(&bytes).is_none()));
            }
            0
        };
        let victims = [child::fork(receive), child::fork(receive)];
        let until = Deadline::after(Duration::from_micros(rng.index(5000) as u64));
        while !until.is_past() {
            let bytes = message(0, n_sent, 40_000 + rng.index(300_000));
            n_sent += u32::from(sender.send_bytes_deadline(&bytes, until).is_ok());
        }
        drop(victims);
        // What they had not taken is here, in order, and whole.
        sender.send_bytes_deadline(&message(1, n_sent, 100_000), Deadline::now()).ok();
        let mut next = 0;
        while let Ok(bytes) = receiver.recv_bytes_deadline(usize::MAX, Deadline::now()) {
            let (_, number) = origin(&bytes).ok_or("a message is not whole")?;
            is(number >= next, (number, next))?;
            next = number + 1;
            n_received += 1;
        }
    }
    is(n_torn[0].get() == 0, "messages that victims had were torn")?;
    is(n_received >= rounds, n_received)?;
    Ok(Report::PASSED)
}

fn signals() -> Outcome {
    let (mut here, there) = pipe::<Vec<u8>, Vec<u8>>()?;
    let mut echo = child::fork(|| {
        // A forked child has this end too, and has to let it go.
        close(here.as_raw_fd());
        bombard();
        for number in 0.. {
            let deadline = if number % 2 == 0 {
                Deadline::NEVER
            } else {
                Deadline::after(Duration::from_secs(200))
            };
            let Ok(bytes) = there.recv_bytes_deadline(usize::MAX, deadline) else { break };
            there.send_bytes_deadline(&bytes, deadline).unwrap();
        }
        0
    });
    bombard();
    drop(there);
    let later = || Deadline::after(Duration::from_secs(200));
    for number in 0..400_usize {
        // Long enough for some alarms to come while each of the two waits.
        let bytes = vec![1; if number % 3 == 0 { 3 << 20 } else { 20_000 }];
        here.send_bytes_deadline(&bytes, later())?;
        if number % 5 == 0 {
            is(here.poll(Duration::from_secs(200))?, "poll")?;
            is(wait(&[&here], None)? == [0], "wait")?;
        }
        is(here.recv_bytes_deadline(usize::MAX, later())? == bytes, number)?;
        here.send_bytes(&bytes)?;
        is(here.recv_bytes(usize::MAX)? == bytes, number)?;
        is(here.request(&vec![3])? == [3], number)?;
    }
    is(here.recv_timeout(Duration::from_millis(5)).unwrap_err().is_timed_out(), "time is up")?;
    is(wait(&[&here], Some(Duration::from_millis(5)))?.is_empty(), "time is up for a wait")?;
    drop(here);
    is(echo.wait().is_success(), "the echo")?;
    Ok(Report::PASSED)
}

fn gigabytes() -> Outcome {
    let len: usize = if testkit::full() { (4 << 30) + 1 } else { 300 << 20 };
    let (sender, receiver) = channel::<Vec<u8>>()?;
    let receiver: Receiver<Vec<u8>> = receiver.with_limits(Limits::NONE);
    let mut child = child::fork(|| {
        let mut bytes = vec![0; len];
        (bytes[0], bytes[len / 2], bytes[len - 1]) = (1, 2, 3);
        sender.send_bytes(&bytes).unwrap();
        0
    });
    let bytes = receiver.recv_bytes(len)?;
    is(bytes.len() == len, bytes.len())?;
    is((bytes[0], bytes[len / 2], bytes[len - 1]) == (1, 2, 3), "what was sent")?;
    is(child.wait().is_success(), "the child")?;
    Ok(Report::PASSED)
}
