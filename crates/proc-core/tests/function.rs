//! Functions that are named to a process which was started already.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]
#![expect(unsafe_code, reason = "the names are from this very program")]

mod common;

use common::start;
use ipc_core::Deadline;
use ipc_core::wire::{self, Limits, Message, MessageSocket};
use proc_core::{Function, Outcome, Refusal, Start};

common::with_each_start! {
    named_functions_are_called_in_a_running_process
}

/// Calls what it is told to, until the other end is closed or it is told to stop.
fn serve(socket: MessageSocket) {
    let hear = || socket.recv(&Limits::NONE, Deadline::NEVER).unwrap();
    while let Some(name) = hear() {
        let Some(name) = wire::decode::<Option<Function>>(name).unwrap() else { return };
        // SAFETY: the parent, which runs this very program, made the name.
        let callable = unsafe { name.find() }.unwrap();
        let answer = callable.call(hear().unwrap());
        let (is_refused, answer) = match answer {
            Ok(answer) => (false, answer),
            Err(refusal) => (true, wire::encode(&refusal).unwrap()),
        };
        socket.send(&wire::encode(&is_refused).unwrap(), Deadline::NEVER).unwrap();
        socket.send(&answer, Deadline::NEVER).unwrap();
    }
}

fn half(x: u64) -> u64 {
    assert!(x.is_multiple_of(2), "{x} is odd");
    x / 2
}

fn shout(text: String) -> String {
    text.to_uppercase()
}

fn named_functions_are_called_in_a_running_process(way: Start) {
    let (ours, of_child) = MessageSocket::pair().unwrap();
    let child = start(way, serve, of_child);
    let send = |message: &Message| ours.send(message, Deadline::NEVER).unwrap();
    let hear = || ours.recv(&Limits::NONE, Deadline::NEVER).unwrap().unwrap();
    let call = |name: Option<Function>, argument: Message| {
        send(&wire::encode(&name).unwrap());
        send(&argument);
        (wire::decode::<bool>(hear()).unwrap(), hear())
    };

    let (is_refused, answer) = call(Function::of(half), wire::encode(&14_u64).unwrap());
    assert!(!is_refused);
    assert_eq!(Function::outcome::<u64>(answer).unwrap(), Outcome::Returned(7));

    let (_, answer) = call(Function::of(shout), wire::encode("quiet").unwrap());
    assert_eq!(Function::outcome(answer).unwrap(), Outcome::Returned("QUIET".to_owned()));

    // A panic ends the call and not the process.
    let (_, answer) = call(Function::of(half), wire::encode(&7_u64).unwrap());
    let Outcome::Panicked(panic) = Function::outcome::<u64>(answer).unwrap() else {
        unreachable!("half of an odd number")
    };
    assert_eq!(panic.message(), "7 is odd");
    assert!(panic.location().is_some());

    let (is_refused, answer) = call(Function::of(shout), Message::default());
    assert!(is_refused);
    assert!(matches!(wire::decode(answer).unwrap(), Refusal::Argument(_)));

    send(&wire::encode(&None::<Function>).unwrap());
    child.join().unwrap();
}
