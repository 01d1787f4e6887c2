//! One operation on a connection through shared memory, a death at every point of it, and those who
//! meet it.
//!
//! The same scenarios run in two binaries: `kill` takes the compiled code instruction by instruction,
//! `crash` the algorithm access by access. Nobody here uses a timeout: who is not woken sleeps for ever,
//! and is found.
#![expect(clippy::unwrap_used, reason = "a test binary")]

use std::fs;
use std::sync::{Mutex, MutexGuard};

use ipc_pipe::{RecvError, SendError, ShmConnection, shm_pipe};
use testkit::kill::{KillPoint, Partner, Ready, Start, Sweep};
use testkit::{Counter, Outcome, SharedArena};

use super::run;

/// A pipe, of whose ends each process uses one.
pub(crate) struct State {
    left: Mutex<Option<ShmConnection<(), ()>>>,
    right: Mutex<Option<ShmConnection<(), ()>>>,
    notes: SharedArena<Counter>,
}

/// Who the partner is, and what it has come to: one more than what it got, or `GONE`.
const PARTNER: usize = 0;
const RESULT: usize = 1;
/// How many the partner has sent or received.
const COUNT: usize = 2;

const GONE: u64 = u64::MAX;

fn state() -> State {
    let (left, right) = shm_pipe().unwrap();
    let notes = SharedArena::new(3);
    State { left: Mutex::new(Some(left)), right: Mutex::new(Some(right)), notes }
}

type End<'s> = MutexGuard<'s, Option<ShmConnection<(), ()>>>;

fn left(state: &State) -> End<'_> {
    state.left.lock().unwrap()
}

fn right(state: &State) -> End<'_> {
    state.right.lock().unwrap()
}

/// Goes through the code once, by another pipe, and has the end.
fn warm_up(end: &mut End<'_>) {
    let (mut one, mut other) = shm_pipe::<(), ()>().unwrap();
    one.send_bytes(&[1; 100]).unwrap();
    other.recv_bytes(100).unwrap();
    one.send_bytes(&[1; 40_000]).unwrap();
    other.recv_bytes(40_000).unwrap();
    end.as_mut().unwrap().poll(std::time::Duration::ZERO).unwrap();
}

/// All that comes until the other end is gone.
fn drain(state: &State) -> Result<Vec<Vec<u8>>, String> {
    let mut end = right(state);
    let end = end.as_mut().ok_or("no end")?;
    let mut messages = Vec::new();
    loop {
        match end.recv_bytes(usize::MAX) {
            Ok(message) => messages.push(message),
            Err(RecvError::Disconnected) => return Ok(messages),
            Err(error) => return Err(error.to_string()),
        }
    }
}

fn expect(found: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if found { Ok(()) } else { Err(what()) }
}

/// Whether the partner sleeps, in whatever call.
fn is_asleep(state: &State) -> bool {
    let pid = state.notes[PARTNER].get();
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    pid != 0 && stat.rsplit(')').next().is_some_and(|rest| rest.starts_with(" S"))
}

fn introduce(state: &State) {
    let me = rustix::process::getpid().as_raw_nonzero().get();
    state.notes[PARTNER].set(u64::from(me.unsigned_abs()));
}

fn message(len: usize) -> Vec<u8> {
    (0..=250).cycle().take(len).collect()
}

/// The victim sends two messages, the second of that length; a survivor gets what is there.
fn send(name: &str, len: usize) -> Outcome {
    run(Sweep::new(name, state)
        .victim(move |state, marks| {
            let mut end = left(state);
            warm_up(&mut end);
            let bytes = message(len);
            let end = end.as_mut().unwrap();
            end.send_bytes(&[1]).unwrap();
            marks.around(|| end.send_bytes(&bytes)).unwrap();
        })
        .check(move |state, point| {
            let got = drain(state)?;
            let sent = got == [vec![1], message(len)];
            let not_sent = got == [vec![1]] && *point != KillPoint::Survived;
            expect(sent || not_sent, || format!("{} messages", got.len()))
        }))
}

pub(crate) fn send_a_short_message() -> Outcome {
    send("send", 100)
}

pub(crate) fn send_a_long_message() -> Outcome {
    send("send by the socket", 40_000)
}

/// The victim sends while the partner sleeps for it.
pub(crate) fn send_wakes_a_sleeper() -> Outcome {
    run(Sweep::new("send for a sleeper", state)
        .victim(|state, marks| {
            let mut end = left(state);
            warm_up(&mut end);
            let end = end.as_mut().unwrap();
            marks.around(|| end.send_bytes(&[7]).unwrap());
        })
        .partner(Partner::new(
            "receiver",
            |state: &State| {
                let mut end = right(state);
                let end = end.as_mut().unwrap();
                introduce(state);
                let result = match end.recv_bytes(1) {
                    Ok(bytes) => u64::from(bytes[0]) + 1,
                    Err(RecvError::Disconnected) => GONE,
                    Err(_) => return 1,
                };
                state.notes[RESULT].set(result);
                0
            },
            Start::AtBegin,
            Ready::When(Box::new(is_asleep)),
        ))
        .check(|state, point| {
            let result = state.notes[RESULT].get();
            let not_sent = result == GONE && *point != KillPoint::Survived;
            expect(result == 8 || not_sent, || format!("{result}"))
        }))
}

/// The victim receives while the partner sleeps for room.
pub(crate) fn recv_wakes_a_sleeper() -> Outcome {
    run(Sweep::new("receive for a sleeper", state)
        .victim(|state, marks| {
            let mut end = right(state);
            warm_up(&mut end);
            let end = end.as_mut().unwrap();
            let mut buffer = [0; 100];
            marks.around(|| end.recv_bytes_into(&mut buffer)).unwrap();
        })
        .partner(Partner::new(
            "sender",
            |state: &State| {
                let mut end = left(state);
                let end = end.as_mut().unwrap();
                introduce(state);
                let bytes = message(100);
                // As many as have room, and one more if one was received: then it is the end.
                loop {
                    match end.send_bytes(&bytes) {
                        Ok(()) => state.notes[COUNT].add(1),
                        Err(SendError::Disconnected) => return 0,
                        Err(_) => return 1,
                    };
                }
            },
            Start::AtBegin,
            Ready::When(Box::new(is_asleep)),
        ))
        .check(|state, _| {
            let count = state.notes[COUNT].get();
            expect((511..=512).contains(&count), || format!("{count}"))
        }))
}

/// The victim sleeps for a message, and gets one.
///
/// The sweep by accesses knows of sleeps on words only, and this one is on sockets.
#[cfg(not(ipc_crash))]
pub(crate) fn a_receiver_dies_asleep() -> Outcome {
    run(Sweep::new("sleeping receive", state)
        .victim(|state, marks| {
            let mut end = right(state);
            warm_up(&mut end);
            let end = end.as_mut().unwrap();
            // It does not look before it sleeps: that would be many instructions, all the same.
            ipc_core::primitive::set_spin(0);
            let got = marks.around(|| end.recv_bytes(1));
            assert_eq!(got.unwrap(), [7]);
        })
        .while_asleep(|state| left(state).as_mut().unwrap().send_bytes(&[7]).unwrap())
        .check(|state, _| {
            // Whatever it was at, whoever waits for an answer is told.
            let told = left(state).as_mut().ok_or("no end")?.recv_bytes(1);
            // If it was woken, the end is that of who woke it, and nobody else's.
            let is_right = matches!(told, Err(RecvError::Disconnected | RecvError::OtherProcess));
            expect(is_right, || format!("{told:?}"))
        }))
}

/// The victim takes the end, uses it, and leaves it.
pub(crate) fn take_and_leave() -> Outcome {
    run(Sweep::new("first use and leaving", state)
        .victim(|state, marks| {
            let (mut one, other) = shm_pipe::<(), ()>().unwrap();
            one.send_bytes(&[1]).unwrap();
            drop((one, other));
            let mut end = left(state).take().unwrap();
            marks.around(move || {
                end.send_bytes(&[7]).unwrap();
                drop(end);
            });
        })
        .partner(Partner::new(
            "receiver",
            |state: &State| {
                introduce(state);
                // The copy of the victim's end that this process has inherited is not to be the last.
                drop(left(state).take());
                match drain(state) {
                    Ok(messages) if messages.is_empty() => state.notes[RESULT].set(GONE),
                    Ok(messages) if messages == [[7]] => state.notes[RESULT].set(8),
                    _ => return 1,
                }
                0
            },
            Start::AtBegin,
            Ready::When(Box::new(is_asleep)),
        ))
        .after_death(|state| {
            // If the victim has not taken the end, it is this process's copy that keeps it open.
            drop(left(state).take());
        })
        .check(|state, point| {
            let result = state.notes[RESULT].get();
            let not_sent = result == GONE && *point != KillPoint::Survived;
            expect(result == 8 || not_sent, || format!("{result}"))
        }))
}

/// The victim takes a whole end, of which it has both halves or none: who waits for the second is told too.
pub(crate) fn take_both_halves() -> Outcome {
    run(Sweep::new("first use, and who waits for room", state)
        .victim(|state, marks| {
            let (mut one, _other) = shm_pipe::<(), ()>().unwrap();
            one.send_bytes(&[1]).unwrap();
            let mut end = right(state);
            let end = end.as_mut().unwrap();
            marks.around(|| end.readable()).unwrap();
        })
        .partner(Partner::new(
            "sender",
            |state: &State| {
                introduce(state);
                let mut end = left(state);
                let end = end.as_mut().unwrap();
                loop {
                    match end.send_bytes(&[7; 1000]) {
                        Ok(()) => {}
                        Err(error) => return i32::from(!error.is_disconnected()),
                    }
                }
            },
            Start::AtBegin,
            Ready::When(Box::new(is_asleep)),
        ))
        .after_death(|state| {
            let mut end = right(state);
            // If the victim has not taken the end, this process can, and leaves it. If it has, this copy
            // stays, and only the death itself is to be seen.
            if !matches!(end.as_mut().unwrap().readable(), Err(RecvError::OtherProcess)) {
                drop(end.take());
            }
        })
        .check(|_, _| Ok(())))
}
