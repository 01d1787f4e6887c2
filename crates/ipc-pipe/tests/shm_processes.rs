//! Connections through shared memory between processes, and how those end.
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

mod alarms;

use std::cell::Cell;
use std::process::ExitCode;
use std::time::Duration;

use alarms::bombard;
use ipc_core::{Deadline, wire};
use ipc_pipe::{
    RecvError, SendError, ShmConnection, ShmReceiver, ShmSender, channel, pipe, shm_pipe, wait,
};
use testkit::leaks::Snapshot;
use testkit::{Outcome, Report, child};

fn main() -> ExitCode {
    testkit::main(&[
        ("two processes talk, awake and asleep", talk),
        ("two processes talk where the system refuses fences", refused_fences),
        ("a descriptor tells what comes, and the end", arrivals),
        ("signals end no call", signals),
        ("an end goes to another process in a message", travels),
        ("the end comes when the user is killed, whoever else has the end", killed),
        ("who waits for the socket beside the ring is told of a death too", killed_beside),
        ("two processes have a half each", halves),
        ("a process that has a half is killed, and the other half goes on", half_killed),
        ("a process that dies before it uses an end ends it for nobody", killed_before_use),
        ("a forked child does not use what its parent uses", forked),
        ("nothing is left open", leaks),
    ])
}

fn is(holds: bool, what: impl std::fmt::Debug) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("{what:?}")) }
}

fn echo(mut end: ShmConnection<u64, u64>) -> i32 {
    while let Ok(number) = end.recv() {
        if end.send(&(number + 1)).is_err() {
            return 1;
        }
    }
    0
}

fn talk() -> Outcome {
    let (mut here, there) = shm_pipe::<u64, u64>()?;
    let mut there = Some(there);
    let mut other = child::fork(|| echo(there.take().unwrap()));
    for number in 0..2000 {
        if number % 100 == 0 {
            // The other falls asleep meanwhile.
            is(!here.poll(Duration::from_millis(1))?, number)?;
        }
        is(here.request(&number)? == number + 1, number)?;
    }
    drop(here);
    is(other.wait().is_success(), "the other")?;
    Ok(Report::PASSED)
}

/// Two who answer each other and never look before they sleep, in a system that refuses fences: to both
/// from the beginning or from some time on, to the one who asks, or to the one who answers.
fn refused_fences() -> Outcome {
    const ROUNDS: u64 = 300;
    const NEVER: u64 = u64::MAX;
    let refuse = |when: u64, now: u64| {
        if when == now {
            testkit::refuse(libc::SYS_membarrier);
        }
    };
    for (asker, answerer) in [(0, 0), (0, NEVER), (NEVER, 0), (100, 100), (NEVER, 100)] {
        let mut both = child::fork(|| {
            ipc_core::primitive::set_spin(0);
            refuse(asker, 0);
            let Ok((mut here, there)) = shm_pipe::<u64, u64>() else { return 1 };
            let mut there = Some(there);
            let mut other = child::fork(|| {
                let mut there = there.take().unwrap();
                for number in 0..ROUNDS {
                    refuse(answerer, number);
                    if there.recv().ok() != Some(number) || there.send(&number).is_err() {
                        return 1;
                    }
                }
                0
            });
            for number in 0..ROUNDS {
                refuse(asker, number + u64::from(asker == 0));
                if here.request(&number).ok() != Some(number) {
                    return 2;
                }
            }
            i32::from(!other.wait().is_success()) * 3
        });
        let end = both.wait_within(Duration::from_secs(60));
        is(end.is_some_and(|end| end.is_success()), (asker, answerer, end))?;
    }
    Ok(Report::PASSED)
}

/// Receives as who waits for other things, too.
fn recv_among_others(end: &mut ShmConnection<u64, u64>) -> Result<u64, RecvError> {
    let (silent, _silent_end) = pipe::<(), ()>().unwrap();
    loop {
        let ready = wait(&[&silent, &end.arrival()?], None).unwrap();
        assert_eq!(ready, [1], "the other one says nothing");
        match end.try_recv() {
            Err(RecvError::Empty) => {}
            received => return received,
        }
    }
}

fn arrivals() -> Outcome {
    let (mut here, there) = shm_pipe::<u64, u64>()?;
    let mut there = Some(there);
    let mut victim = Some(child::fork(|| echo(there.take().unwrap())));
    for number in 0..200 {
        here.send(&number)?;
        is(recv_among_others(&mut here)? == number + 1, number)?;
    }
    here.send(&1)?;
    here.send(&2)?;
    is(here.recv()? == 2 && here.poll(Duration::from_secs(60))?, "two have come")?;
    is(wait(&[&here.arrival()?], None)? == [0], "what is there is told")?;
    is(recv_among_others(&mut here)? == 3, "and received")?;
    // This process has the other end all the time, so only the death itself tells.
    let killer = std::thread::scope(|scope| {
        let killing = scope.spawn(|| drop(victim.take()));
        let told = recv_among_others(&mut here);
        killing.join().unwrap();
        told
    });
    is(killer.unwrap_err().is_disconnected(), "the end")?;
    is(wait(&[&here.arrival()?], None)? == [0], "and the end stays")?;
    Ok(Report::PASSED)
}

fn signals() -> Outcome {
    let (mut here, there) = shm_pipe::<u64, u64>()?;
    let there = Cell::new(Some(there));
    let mut other = child::fork(|| {
        // It sleeps at once, so that the alarms come while it does.
        ipc_core::primitive::set_spin(0);
        bombard();
        let mut there = there.take().unwrap();
        let (mut n_bytes, mut buffer) = (0, vec![0; 50_000]);
        loop {
            match there.recv_bytes_into(&mut buffer) {
                Ok(0) => there.send(&n_bytes).unwrap(),
                Ok(len) => n_bytes += len as u64,
                Err(error) => return i32::from(!error.is_disconnected()),
            }
        }
    });
    ipc_core::primitive::set_spin(0);
    bombard();
    let later = || Deadline::after(Duration::from_secs(200));
    let mut n_bytes = 0;
    for round in 0..200_usize {
        // More than the ring, or the socket beside it, has room for.
        let (count, len) = if round.is_multiple_of(10) { (20, 50_000) } else { (100, 1000) };
        for _ in 0..count {
            here.send_bytes_deadline(&vec![7; len], later())?;
        }
        n_bytes += (count * len) as u64;
        here.send_bytes(&[])?;
        let told = match round % 4 {
            0 => here.recv()?,
            1 => here.recv_deadline(later())?,
            2 => {
                is(here.poll(Duration::from_secs(200))?, "poll")?;
                here.try_recv()?
            }
            _ => recv_among_others(&mut here)?,
        };
        is(told == n_bytes, (round, told))?;
    }
    is(here.recv_timeout(Duration::from_millis(5)).unwrap_err().is_timed_out(), "time is up")?;
    drop(here);
    is(other.wait().is_success(), "the other")?;
    Ok(Report::PASSED)
}

fn travels() -> Outcome {
    let (ends, theirs) = pipe::<ShmConnection<u64, u64>, ()>()?;
    let mut other = child::fork(|| echo(theirs.recv().unwrap()));
    let (mut here, there) = shm_pipe::<u64, u64>()?;
    ends.send(&there)?;
    is(here.request(&1)? == 2, "this process has the end too, and does not use it")?;
    drop(there);
    is(here.request(&2)? == 3, "and drops it")?;
    drop(here);
    is(other.wait().is_success(), "the other")?;
    Ok(Report::PASSED)
}

fn killed() -> Outcome {
    let (mut here, there) = shm_pipe::<u64, u64>()?;
    let mut there = Some(there);
    let mut victim = Some(child::fork(|| echo(there.take().unwrap())));
    is(here.request(&1)? == 2, "it lives")?;
    is(!here.closed() && matches!(here.try_recv(), Err(RecvError::Empty)), "and is there")?;
    let waiting = std::thread::spawn(move || (here.recv(), here));
    drop(victim.take());
    // This process has the other end all the time.
    let (told, mut here) = waiting.join().unwrap();
    is(told.unwrap_err().is_disconnected() && here.closed(), "who waits is told")?;
    while here.send(&1).is_ok() {}
    is(here.send(&1).unwrap_err().is_disconnected(), "and who sends")?;
    is(matches!(there.unwrap().recv(), Err(RecvError::OtherProcess)), "nobody takes its place")?;
    Ok(Report::PASSED)
}

/// The process that receives is killed while the other waits for room in the socket for long messages.
fn killed_beside() -> Outcome {
    let (mut here, there) = shm_pipe::<u64, u64>()?;
    let there = Cell::new(Some(there));
    let victim = child::fork(|| {
        let mut there = there.take().unwrap();
        there.send(&1).unwrap();
        loop {
            std::thread::park();
        }
    });
    is(here.recv()? == 1, "it has the end")?;
    let long = vec![7; 50_000];
    while here.send_bytes_deadline(&long, Deadline::now()).is_ok() {}
    is(here.writable()?, "the ring has room")?;
    let told = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| here.send_bytes(&long));
        drop(victim);
        waiting.join().unwrap()
    });
    // This process has the other end all the time.
    is(told.is_err_and(|error| error.is_disconnected()), "who waits is told")?;
    drop(there);
    Ok(Report::PASSED)
}

/// One process receives by one half and tells another, which sends by the other half.
fn halves() -> Outcome {
    let (mut here, there) = shm_pipe::<u64, u64>()?;
    let (sender, receiver) = there.split();
    let (teller, told) = channel::<u64>()?;
    let (sender, receiver) = (Cell::new(Some(sender)), Cell::new(Some(receiver)));
    let mut receiving = child::fork(|| {
        drop(sender.take());
        let mut receiver = receiver.take().unwrap();
        i32::from(receiver.iter().any(|number| teller.send(&number.unwrap()).is_err()))
    });
    drop((receiver.take(), teller));
    let mut sending = child::fork(|| {
        let mut sender = sender.take().unwrap();
        i32::from(told.iter().any(|number| sender.send(&(number.unwrap() + 1)).is_err()))
    });
    drop((sender.take(), told));
    for number in 0..2000 {
        if number % 100 == 0 {
            // The others fall asleep meanwhile.
            is(!here.poll(Duration::from_millis(1))?, number)?;
        }
        is(here.request(&number)? == number + 1, number)?;
    }
    drop(here);
    is(receiving.wait().is_success() && sending.wait().is_success(), "the others")?;
    Ok(Report::PASSED)
}

/// This process has copies of both halves all the time.
fn half_killed() -> Outcome {
    let stay = || loop {
        std::thread::park();
    };
    let play = |sender_dies: bool| -> Outcome {
        let (mut here, there) = shm_pipe::<u64, u64>()?;
        let (mut sender, mut receiver) = there.split();
        let sending = child::fork(|| {
            sender.send(&1).unwrap();
            stay()
        });
        is(here.recv()? == 1, "the sender is there")?;
        let (news, told) = channel::<u64>()?;
        let receiving = child::fork(|| {
            receiver.iter().for_each(|number| news.send(&number.unwrap()).unwrap());
            0
        });
        here.send(&2)?;
        is(told.recv()? == 2, "the receiver is there")?;
        if sender_dies {
            let (mut sends, mut receives) = here.split();
            let waiting = std::thread::spawn(move || receives.recv());
            drop(sending);
            is(waiting.join().unwrap().is_err_and(|end| end.is_disconnected()), "it is told")?;
            sends.send(&3)?;
            is(told.recv()? == 3, "the receiver goes on")?;
        } else {
            drop(receiving);
            while here.send(&4).is_ok() {}
            is(here.send(&4).is_err_and(|end| end.is_disconnected()), "nobody receives")?;
            is(!here.closed() && matches!(here.try_recv(), Err(RecvError::Empty)), "it is there")?;
            drop(sending);
            is(here.recv().is_err_and(|end| end.is_disconnected()) && here.closed(), "the end")?;
        }
        Ok(Report::PASSED)
    };
    play(true)?;
    play(false)
}

fn killed_before_use() -> Outcome {
    let (mut here, there) = shm_pipe::<u64, u64>()?;
    let mut there = Some(there);
    drop(child::fork(|| {
        let _end = there.take();
        loop {
            std::thread::park();
        }
    }));
    is(!here.poll(Duration::from_millis(1))?, "nothing has happened")?;
    let mut other = child::fork(|| echo(there.take().unwrap()));
    is(here.request(&1)? == 2, "another uses it")?;
    drop(here);
    is(other.wait().is_success(), "the other")?;
    Ok(Report::PASSED)
}

fn forked() -> Outcome {
    let (mut here, mut there) = shm_pipe::<u64, u64>()?;
    here.send(&1)?;
    is(there.recv()? == 1, "both are this process's")?;
    let mut copy = child::fork(|| {
        let is_right = matches!(here.send(&2), Err(SendError::OtherProcess))
            && matches!(there.recv(), Err(RecvError::OtherProcess));
        // As a forked child drops what it has inherited.
        // SAFETY: the child ends without looking at it again.
        #[expect(unsafe_code, reason = "a forked child drops what it inherited")]
        drop(unsafe { std::ptr::read(&raw const here) });
        i32::from(!is_right)
    });
    is(copy.wait().is_success(), "the child")?;
    here.send(&3)?;
    is(there.recv()? == 3, "it is not closed by that")?;
    Ok(Report::PASSED)
}

fn leaks() -> Outcome {
    let play = || -> Result<(), Box<dyn std::error::Error>> {
        let (mut here, there) = shm_pipe::<u64, u64>()?;
        let copy = wire::encode(&there)?;
        drop(wire::decode::<ShmConnection<u64, u64>>(copy)?);
        let mut there = Some(there);
        let victim = child::fork(|| echo(there.take().unwrap()));
        here.request(&1)?;
        here.poll(Duration::from_millis(1))?;
        here.send_bytes(&[1; 100_000])?;
        drop(victim);
        let (sender, _receiver) = here.split();
        drop(sender);
        let (_, unused) = shm_pipe::<u64, u64>()?;
        let (sender, receiver) = unused.split();
        drop(wire::decode::<ShmSender<u64>>(wire::encode(&sender)?)?);
        drop(wire::decode::<ShmReceiver<u64>>(wire::encode(&receiver)?)?);
        Ok(())
    };
    play()?;
    let before = Snapshot::take();
    play()?;
    before.assert_none();
    Ok(Report::PASSED)
}
