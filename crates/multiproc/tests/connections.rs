//! Connections as arguments and in messages of processes, however those are started.
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

use std::process::ExitCode;
use std::time::Duration;

use multiproc::connection::{
    Receiver, Sender, ShmConnection, ShmReceiver, ShmSender, Source, channel, wait,
};
use multiproc::process::stop_fork_server;
use multiproc::wire::Handle;
use multiproc::{Connection, Process, Queue, Start, pipe, shm_pipe};
use testkit::{Outcome, Report};

fn main() -> ExitCode {
    testkit::main(&[
        ("ends are arguments, however a process is started", arguments),
        ("ends in shared memory are arguments, whole and in halves", arguments_in_memory),
        ("a connection goes on to a third process", passed_on),
        ("a large value and many handles go to another process", large_and_many),
        ("a wait sees the end of a process and a message alike", wait_for_both),
        ("a wait sees what comes into a queue, and the room in one", wait_for_queues),
    ])
}

const ALL: [Start; 3] = [Start::Spawn, Start::ForkServer, Start::Fork];

fn is(holds: bool, what: impl std::fmt::Debug) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("{what:?}")) }
}

fn echo(end: Connection<String, String>) -> usize {
    end.iter().map(|text| end.send(&text.unwrap()).unwrap()).count()
}

fn arguments() -> Outcome {
    for start in ALL {
        let (mut here, there) = pipe::<String, String>()?;
        let child = Process::builder().start(start).spawn(echo, there.clone())?;
        drop(there);
        for text in ["", "one", "two"] {
            is(here.request(&text.to_owned())? == text, (start, text))?;
        }
        // A forked child has all that its parent had, so its copy of this end has to go too.
        if start == Start::Fork {
            child.terminate()?;
            is(child.join().is_err(), "it was ended")?;
        } else {
            drop(here);
            is(child.join()? == 3, start)?;
        }
    }
    stop_fork_server();
    Ok(Report::PASSED)
}

fn echo_in_memory(mut end: ShmConnection<String, String>) -> usize {
    let mut count = 0;
    while let Ok(text) = end.recv() {
        end.send(&text).unwrap();
        count += 1;
    }
    count
}

fn tell((mut receiver, teller): (ShmReceiver<String>, Sender<String>)) -> usize {
    receiver.iter().map(|text| teller.send(&text.unwrap()).unwrap()).count()
}

fn say((told, mut sender): (Receiver<String>, ShmSender<String>)) -> usize {
    told.iter().map(|text| sender.send(&text.unwrap()).unwrap()).count()
}

fn arguments_in_memory() -> Outcome {
    const TEXTS: [&str; 3] = ["", "one", "two"];
    for start in ALL {
        let start_one = || Process::builder().start(start);
        let (mut here, there) = shm_pipe::<String, String>()?;
        let child = start_one().spawn(echo_in_memory, there)?;
        // The halves of another go to two processes, the first of which tells the second what it receives.
        let (mut asker, there) = shm_pipe::<String, String>()?;
        let (sender, receiver) = there.split();
        let (teller, told) = channel::<String>()?;
        let telling = start_one().spawn(tell, (receiver, teller))?;
        let saying = start_one().spawn(say, (told, sender))?;
        for text in TEXTS {
            is(here.request(&text.to_owned())? == text, (start, text))?;
            is(asker.request(&text.to_owned())? == text, (start, "halves", text))?;
        }
        // This process has both ends, so all end because it leaves one.
        drop((here, asker));
        is(child.join()? == TEXTS.len(), start)?;
        is(telling.join()? == TEXTS.len(), (start, "the half that receives"))?;
        is(saying.join()? == TEXTS.len(), (start, "the half that sends"))?;
    }
    stop_fork_server();
    Ok(Report::PASSED)
}

fn pass_on(ends: Connection<(), Connection<u32, u32>>) {
    let end = ends.recv().unwrap();
    let child = Process::builder().start(Start::Spawn).spawn(double, end).unwrap();
    child.join().unwrap();
}

fn double(end: Connection<u32, u32>) {
    for number in end.iter() {
        end.send(&(number.unwrap() * 2)).unwrap();
    }
}

fn passed_on() -> Outcome {
    for start in [Start::Spawn, Start::ForkServer] {
        let (ends, there) = pipe::<Connection<u32, u32>, ()>()?;
        let child = Process::builder().start(start).spawn(pass_on, there)?;
        let (mut here, there) = pipe::<u32, u32>()?;
        ends.send(&there)?;
        drop(there);
        is(here.request(&21)? == 42, start)?;
        drop(here);
        child.join()?;
    }
    stop_fork_server();
    Ok(Report::PASSED)
}

/// Handles and bytes.
type Load = (Vec<Handle>, Vec<u8>);

fn count_and_return(end: Connection<(usize, Vec<u8>), Load>) {
    let (handles, bytes) = end.recv().unwrap();
    end.send(&(handles.len(), bytes)).unwrap();
}

fn large_and_many() -> Outcome {
    for start in ALL {
        let (here, there) = pipe::<Load, (usize, Vec<u8>)>()?;
        let child = Process::builder().start(start).spawn(count_and_return, there)?;
        let null = || std::fs::File::open("/dev/null").map(Handle::from);
        let handles = (0..300).map(|_| null()).collect::<Result<Vec<_>, _>>()?;
        let bytes: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
        here.send(&(handles, bytes.clone()))?;
        let (count, back) = here.recv()?;
        is(count == 300 && back == bytes, (start, count, back.len()))?;
        child.join()?;
    }
    stop_fork_server();
    Ok(Report::PASSED)
}

fn answer_and_stay(end: Connection<u32, u32>) {
    end.send(&1).unwrap();
    end.recv().unwrap();
}

fn wait_for_both() -> Outcome {
    let (here, there) = pipe::<u32, u32>()?;
    let child = Process::spawn(answer_and_stay, there.clone())?;
    is(wait(&[&child.sentinel(), &here], None)? == [1], "a message")?;
    is(here.recv()? == 1, "the message")?;
    is(wait(&[&child.sentinel(), &here], Some(Duration::ZERO))?.is_empty(), "neither")?;
    here.send(&2)?;
    is(wait(&[&child.sentinel(), &here], None)? == [0], "the process has ended, the end is open")?;
    drop(there);
    is(wait(&[&child.sentinel(), &here], None)? == [0, 1], "both")?;
    child.join()?;
    Ok(Report::PASSED)
}

fn put_and_take((into, out, end): (Queue<u32>, Queue<u32>, Connection<(), ()>)) {
    end.recv().unwrap();
    into.put(1).unwrap();
    end.recv().unwrap();
    assert_eq!(out.get().unwrap(), 7);
    end.recv().unwrap();
}

fn wait_for_queues() -> Outcome {
    // What is readable for a queue needs a thread, and a process with threads is not forked.
    for start in [Start::Fork, Start::Spawn, Start::ForkServer] {
        // Nothing in the one, no room in the other.
        let (into, out) = (Queue::bounded(2)?, Queue::bounded(1)?);
        out.put(7)?;
        let (here, there) = pipe::<(), ()>()?;
        let shared = (into.clone(), out.clone(), there);
        let child = Process::builder().start(start).spawn(put_and_take, shared)?;
        let (news, room) = (into.readable()?, out.writable()?);
        let sources: [&dyn Source; 4] = [&news, &room, &here, &child.sentinel()];
        is(wait(&sources, Some(Duration::ZERO))?.is_empty(), (start, "nothing yet"))?;
        here.send(&())?;
        is(wait(&sources, None)? == [0], (start, "a message"))?;
        is(wait(&sources, None)? == [0], (start, "which is still there"))?;
        is(into.get()? == 1, (start, "the message"))?;
        // It is readable until this is said, and may be so once more for what was got.
        news.clear()?;
        while !wait(&sources, Some(Duration::ZERO))?.is_empty() {
            news.clear()?;
        }
        here.send(&())?;
        is(wait(&sources, None)? == [1], (start, "room"))?;
        here.send(&())?;
        // The other end may be seen to be closed a moment before the process has ended.
        is(wait(&[&child.sentinel()], None)? == [0], (start, "the end"))?;
        child.join()?;
    }
    stop_fork_server();
    Ok(Report::PASSED)
}
