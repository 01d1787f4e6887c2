//! Two who talk through shared memory, killed at random: no message is lost, torn or comes twice, and
//! nobody sleeps for ever.
//!
//! A pipe's end is its user's until that dies, so each round has a pipe of its own: one side is killed,
//! and the other must come to the end by itself. Nobody uses a timeout.
#![expect(clippy::unwrap_used, reason = "a test binary")]

use std::process::ExitCode;
use std::time::Duration;

use ipc_pipe::{RecvError, SendError, shm_pipe};
use testkit::report::Storm;
use testkit::seed::Rng;
use testkit::{Counter, Outcome, Report, SharedArena, child, clock};

fn main() -> ExitCode {
    testkit::main(&[
        ("pipe: senders are killed", senders_are_killed),
        ("pipe: receivers are killed", receivers_are_killed),
        ("pipe: one of two who answer each other is killed", one_who_answers_is_killed),
        ("pipe: one of two who have the halves of an end is killed", one_half_is_killed),
    ])
}

fn rounds() -> u64 {
    if testkit::full() { 20_000 } else { 200 }
}

/// A message that shows which it is and whether it is whole.
fn message(number: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![number.to_le_bytes()[0]; len.max(8)];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    bytes
}

/// Which message it is, if it is whole.
fn number_of(bytes: &[u8]) -> Option<u64> {
    let number = u64::from_le_bytes(*bytes.first_chunk()?);
    (bytes == message(number, bytes.len())).then_some(number)
}

fn random_len(rng: &mut Rng) -> usize {
    if rng.chance(20) { rng.index(60_000) } else { rng.index(300) }
}

fn pause(rng: &mut Rng) {
    clock::pause(Duration::from_micros(rng.range(0..1500)));
}

fn report(kills: u64, messages: u64) -> Outcome {
    let storm = Storm { kills, messages, ..Storm::default() };
    Ok(Report { storm, ..Report::default() })
}

/// The sender is killed, and this process receives all that it had sent.
fn senders_are_killed() -> Outcome {
    let mut rng = Rng::of_run("kills");
    let mut n_received = 0;
    for round in 0..rounds() {
        let (left, right) = shm_pipe::<(), ()>()?;
        let (mut left, mut right) = (Some(left), right);
        let n_sent = SharedArena::<Counter>::new(1);
        let victim = child::fork(|| {
            let mut rng = Rng::of_run(&format!("sender {round}"));
            let mut end = left.take().unwrap();
            for number in 0.. {
                end.send_bytes(&message(number, random_len(&mut rng))).unwrap();
                n_sent[0].set(number + 1);
            }
            0
        });
        if rng.chance(2) {
            pause(&mut rng);
        }
        let until = ipc_core::Deadline::after(Duration::from_micros(rng.range(0..2000)));
        let mut next = 0;
        let mut check = |bytes: Vec<u8>| {
            let number = number_of(&bytes).ok_or("a message is not whole")?;
            let is_next = number == next;
            next += 1;
            if is_next { Ok(()) } else { Err(format!("{number} after {}", next - 1)) }
        };
        while !until.is_past() {
            match right.recv_bytes_deadline(usize::MAX, until) {
                Ok(bytes) => check(bytes)?,
                Err(error) if error.is_timed_out() => {}
                Err(error) => return Err(error.into()),
            }
        }
        drop(victim);
        if round % 2 == 0 {
            // Nobody has the end: if the victim had not used it yet, that is how it ends.
            drop(left.take());
        } else if n_sent[0].get() == 0 {
            continue;
        }
        loop {
            match right.recv_bytes(usize::MAX) {
                Ok(bytes) => check(bytes)?,
                Err(RecvError::Disconnected) => break,
                Err(error) => return Err(error.into()),
            }
        }
        // One may have been sent and not been noted.
        let sent = n_sent[0].get();
        if !(sent..=sent + 1).contains(&next) {
            return Err(format!("{sent} were sent and {next} received").into());
        }
        n_received += next;
    }
    report(rounds(), n_received)
}

/// The receiver is killed, and this process, which sends, hears of it as soon as there is no room.
fn receivers_are_killed() -> Outcome {
    let mut rng = Rng::of_run("kills");
    let mut n_sent = 0;
    for round in 0..rounds() {
        let (mut left, right) = shm_pipe::<(), ()>()?;
        let mut right = Some(right);
        let n_received = SharedArena::<Counter>::new(1);
        let mut victim = Some(child::fork(|| {
            let mut end = right.take().unwrap();
            for number in 0.. {
                let bytes = end.recv_bytes(usize::MAX).unwrap();
                if number_of(&bytes) != Some(number) {
                    return 1;
                }
                n_received[0].set(number + 1);
            }
            0
        }));
        n_received[0].wait_until(|_| true);
        let until = ipc_core::Deadline::after(Duration::from_micros(rng.range(0..3000)));
        for number in 0.. {
            if until.is_past()
                && n_received[0].get() > 0
                && victim.take().is_some()
                && round % 2 == 0
            {
                drop(right.take());
            }
            match left.send_bytes(&message(number, random_len(&mut rng))) {
                Ok(()) => n_sent += 1,
                Err(SendError::Disconnected) => break,
                Err(error) => return Err(error.into()),
            }
        }
        if victim.is_some() {
            return Err("it was told of a death before there was one".into());
        }
    }
    report(rounds(), n_sent)
}

/// Two answer each other; one is killed, asleep or awake.
fn one_who_answers_is_killed() -> Outcome {
    let mut rng = Rng::of_run("kills");
    let mut n_answers = 0;
    for round in 0..rounds() {
        let (mut left, right) = shm_pipe::<u64, u64>()?;
        let mut right = Some(right);
        let victim = child::fork(|| {
            let mut rng = Rng::of_run(&format!("answers {round}"));
            let mut end = right.take().unwrap();
            loop {
                let number = end.recv().unwrap();
                if rng.chance(50) {
                    pause(&mut rng);
                }
                end.send(&(number + 1)).unwrap();
            }
        });
        let until = ipc_core::Deadline::after(Duration::from_micros(rng.range(0..3000)));
        let mut victim = Some(victim);
        for number in 0.. {
            if rng.chance(50) {
                pause(&mut rng);
            }
            // The request may be the last thing that the victim hears.
            if left.send(&number).is_err_and(|error| !error.is_disconnected()) {
                return Err("a request was refused".into());
            }
            // One is answered first, so that the victim has the end.
            if until.is_past() && number > 0 {
                drop(victim.take());
            }
            match left.recv() {
                Ok(answer) if answer == number + 1 => n_answers += 1,
                Ok(answer) => return Err(format!("{answer} for {number}").into()),
                Err(RecvError::Disconnected) if victim.is_none() => break,
                Err(error) => return Err(error.into()),
            }
        }
    }
    report(rounds(), n_answers)
}

/// Two processes have the halves of an end: one sends to this one, and one receives from it. One of the two is
/// killed; this process is told by the way that it has to that one, and the other way goes on.
fn one_half_is_killed() -> Outcome {
    let mut rng = Rng::of_run("kills");
    let mut n_messages = 0;
    for round in 0..rounds() {
        let (here, there) = shm_pipe::<(), ()>()?;
        let (mut to_them, mut from_them) = here.split();
        let (mut sends, mut receives) = there.split();
        let notes = SharedArena::<Counter>::new(2);
        let sender = child::fork(|| {
            let mut rng = Rng::of_run(&format!("half {round}"));
            for number in 0.. {
                sends.send_bytes(&message(number, random_len(&mut rng))).unwrap();
                notes[0].set(number + 1);
            }
            0
        });
        let receiver = child::fork(|| {
            for number in 0.. {
                if number_of(&receives.recv_bytes(usize::MAX).unwrap()) != Some(number) {
                    return 1;
                }
                notes[1].set(number + 1);
            }
            0
        });
        // Both have their halves, of which this process has copies all the time.
        to_them.send_bytes(&message(0, 8))?;
        notes[1].wait_until(|n_received| n_received > 0);
        let mut next = 0;
        let mut receive = || match from_them.recv_bytes(usize::MAX) {
            Ok(bytes) if number_of(&bytes) == Some(next) => {
                next += 1;
                Ok(true)
            }
            Err(RecvError::Disconnected) => Ok(false),
            other => Err(format!("{other:?} for {next}")),
        };
        receive()?;
        pause(&mut rng);
        if rng.chance(2) {
            drop(sender);
            while receive()? {}
            let sent = notes[0].get();
            if !(sent..=sent + 1).contains(&next) {
                return Err(format!("{sent} were sent and {next} received").into());
            }
            for number in 1..100 {
                to_them.send_bytes(&message(number, random_len(&mut rng)))?;
            }
            notes[1].wait_until(|n_received| n_received == 100);
            n_messages += next + 100;
        } else {
            drop(receiver);
            let is_told = (1..).find_map(|number| to_them.send_bytes(&message(number, 100)).err());
            if !is_told.is_some_and(|error| error.is_disconnected()) {
                return Err("a message was refused".into());
            }
            for _ in 0..100 {
                if !receive()? {
                    return Err("the other half does not go on".into());
                }
            }
            n_messages += next;
        }
    }
    report(rounds(), n_messages)
}
