//! Children whose parent dies.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod common;

use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::time::Duration;

use ipc_core::wire::{self, Handle, Limits, MessageSocket};
use ipc_core::{Deadline, DeathWatch, ProcessId};
use proc_core::{Process, Start, parent};

common::with_each_start! {
    child_that_dies_with_its_parent_dies_with_it
    child_that_dies_with_its_parent_outlives_the_thread_that_started_it
    child_goes_on_without_its_parent_and_knows_it
    child_does_not_need_a_dying_parent_to_die_with_its_grandparent
}

type Family = (Process<()>, ProcessId, MessageSocket);

/// A parent, its child, and a channel to the child.
fn family(way: Start, dies_with_parent: bool, child: fn(MessageSocket)) -> Family {
    fn start((way, dies, child, socket): (u8, bool, u8, MessageSocket)) {
        let way = [Start::Spawn, Start::ForkServer, Start::Fork][usize::from(way)];
        let child = [busy, hears_of_its_parent][usize::from(child)];
        let builder = Process::builder().start(way).dies_with_parent(dies);
        let child = builder.spawn(child, socket).unwrap();
        child.join().unwrap();
    }
    let way = match way {
        Start::Spawn => 0,
        Start::ForkServer => 1,
        _ => 2,
    };
    #[expect(unpredictable_function_pointer_comparisons, reason = "each has a name of its own")]
    let child = u8::from(child == hears_of_its_parent as fn(MessageSocket));
    let (ours, of_child) = MessageSocket::pair().unwrap();
    let parent = Process::spawn(start, (way, dies_with_parent, child, of_child)).unwrap();
    let id = hear::<ProcessId>(&ours);
    (parent, id, ours)
}

fn say<T: serde::Serialize>(socket: &MessageSocket, value: &T) {
    socket.send(&wire::encode(value).unwrap(), Deadline::NEVER).unwrap();
}

fn hear<T: serde::de::DeserializeOwned>(socket: &MessageSocket) -> T {
    wire::decode(socket.recv(&Limits::NONE, Deadline::NEVER).unwrap().unwrap()).unwrap()
}

/// Works for ever, and looks at nothing.
fn busy(socket: MessageSocket) {
    say(&socket, &ProcessId::current().unwrap());
    loop {
        std::hint::black_box(&socket);
    }
}

fn hears_of_its_parent(socket: MessageSocket) {
    let parent = parent().unwrap();
    assert!(parent.is_alive());
    say(&socket, &ProcessId::current().unwrap());
    assert!(parent.wait(Deadline::NEVER).unwrap());
    assert!(!parent.is_alive());
    say(&socket, &parent.pid());
}

fn child_that_dies_with_its_parent_dies_with_it(way: Start) {
    let (parent, child, _channel) = family(way, true, busy);
    let watch = DeathWatch::open(child).unwrap().unwrap();
    assert!(!watch.is_dead().unwrap());
    parent.kill().unwrap();
    assert!(watch.wait(Deadline::NEVER).unwrap());
    parent.wait().unwrap();
}

fn child_that_dies_with_its_parent_outlives_the_thread_that_started_it(way: Start) {
    let (reader, writer) = std::io::pipe().unwrap();
    let reader = Handle::from(OwnedFd::from(reader));
    let start = move || {
        let builder = Process::builder().start(way).dies_with_parent(true);
        builder.spawn(read_one, reader)
    };
    let child = if way == Start::Fork {
        // There is only one thread to do it.
        start().unwrap()
    } else {
        std::thread::spawn(start).join().unwrap().unwrap()
    };
    // The thread is gone; if the child had gone with it, it would not be long in doing so.
    assert_eq!(child.wait_timeout(Duration::from_millis(50)).unwrap(), None);
    std::io::Write::write_all(&mut &writer, b"x").unwrap();
    assert_eq!(child.join().unwrap(), b'x');
}

fn read_one(reader: Handle) -> u8 {
    let mut byte = [0];
    std::fs::File::from(reader).read_exact(&mut byte).unwrap();
    byte[0]
}

fn child_goes_on_without_its_parent_and_knows_it(way: Start) {
    let (parent, _child, channel) = family(way, false, hears_of_its_parent);
    parent.kill().unwrap();
    assert_eq!(hear::<u32>(&channel), parent.pid());
    parent.wait().unwrap();
}

/// Tells who it is, and starts a child that dies with it.
fn child_of_a_child((way, socket): (Start, MessageSocket)) {
    say(&socket, &ProcessId::current().unwrap());
    let builder = Process::builder().start(way).dies_with_parent(true);
    let child = builder.spawn(busy, socket).unwrap();
    child.join().unwrap();
}

/// Here the parent cannot die, since it was stopped: it is a parent that gets no processor.
fn child_does_not_need_a_dying_parent_to_die_with_its_grandparent(way: Start) {
    fn grandparent((way, socket): (Start, MessageSocket)) {
        let builder = Process::builder().start(way).dies_with_parent(true);
        // It has a second thread, which waits for the death, and so it cannot be copied.
        let next = if way == Start::Fork { Start::Spawn } else { way };
        let child = builder.spawn(child_of_a_child, (next, socket)).unwrap();
        child.join().unwrap();
    }
    let (ours, theirs) = MessageSocket::pair().unwrap();
    let eldest = Process::spawn(grandparent, (way, theirs)).unwrap();
    let [parent, child] = [(); 2].map(|()| hear::<ProcessId>(&ours));
    let pid = nix::unistd::Pid::from_raw(parent.pid().cast_signed());
    let child = DeathWatch::open(child).unwrap().unwrap();
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGSTOP).unwrap();
    eldest.kill().unwrap();
    let has_ended = child.wait(Deadline::after(Duration::from_secs(10))).unwrap();
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    assert!(has_ended, "it waits for its parent");
    eldest.wait().unwrap();
}
