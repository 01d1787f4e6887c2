//! Queues between processes: handles that travel, seats of the dead, sleepers elsewhere.
#![cfg_attr(not(ipc_loom), expect(unsafe_code, reason = "a descriptor comes as an argument"))]

use std::process::ExitCode;

#[cfg(not(ipc_loom))]
#[expect(dead_code, reason = "only where the words lie is used here")]
mod scribble;

#[cfg(not(ipc_loom))]
mod scenarios {
    use std::os::fd::{AsFd as _, FromRawFd as _, OwnedFd};
    use std::time::Duration;

    use ipc_core::Deadline;
    use ipc_core::wire::{self, Limits, MessageSocket};
    use ipc_queue::{Builder, ByteQueue, GetError, PutError, Queue, SeatError};
    use serde::de::DeserializeOwned;
    use testkit::child::{Child, End, Fresh, fork};
    use testkit::leaks::Snapshot;
    use testkit::{Counter, Outcome, Report, SharedArena, clock};

    use crate::scribble::{self, Places, slot_bits};

    /// How long something may take that must happen.
    const LIMIT: Duration = Duration::from_secs(20);

    fn is(holds: bool, what: &dyn std::fmt::Debug) -> Result<(), String> {
        if holds { Ok(()) } else { Err(format!("{what:?}")) }
    }

    /// Waits for a child that exits with 0 if all was as it should be.
    fn ends_well(child: &mut Child) -> Result<(), String> {
        match child.wait_within(LIMIT) {
            Some(End::Exited(0)) => Ok(()),
            end => Err(format!("a child: {end:?}\n{}", testkit::trace(child.pid()))),
        }
    }

    /// Forks a child that says by its exit code whether `body` holds.
    fn holds(body: impl FnOnce() -> bool) -> Child {
        fork(|| i32::from(!body()))
    }

    pub(crate) fn messages() -> Outcome {
        const EACH: u32 = 2000;
        let queue = Queue::<(u8, u32)>::bounded(5)?;
        let received = SharedArena::<Counter>::new(3 * EACH as usize);
        let mut putters: Vec<_> = (0..3)
            .map(|putter| holds(|| (0..EACH).all(|number| queue.put((putter, number)).is_ok())))
            .collect();
        let mut getters: Vec<_> = (0..3)
            .map(|_| {
                holds(|| {
                    let mut last = [None; 3];
                    loop {
                        match queue.get() {
                            Ok((putter, number)) => {
                                let place = usize::from(putter);
                                if last[place] >= Some(number) {
                                    return false;
                                }
                                last[place] = Some(number);
                                received[place * EACH as usize + number as usize].add(1);
                            }
                            Err(error) => return error.is_closed(),
                        }
                    }
                })
            })
            .collect();
        putters.iter_mut().try_for_each(ends_well)?;
        queue.close();
        getters.iter_mut().try_for_each(ends_well)?;
        is(received.iter().all(|times| times.get() == 1), &"each once")?;
        is(queue.is_empty(), &queue)?;
        Ok(Report::PASSED)
    }

    pub(crate) fn close_wakes() -> Outcome {
        for is_full in [false, true] {
            let queue = Builder::new(1).without_backstop().bytes()?;
            if is_full {
                queue.put(b"in the way").map_err(|error| error.to_string())?;
            }
            let mut sleepers: Vec<_> = (0..3)
                .map(|_| {
                    holds(|| match is_full {
                        true => queue.put(b"more").is_err_and(|error| error.is_closed()),
                        false => queue.get().is_err_and(|error| error.is_closed()),
                    })
                })
                .collect();
            for sleeper in &mut sleepers {
                sleeper.wait_asleep(LIMIT)?;
            }
            // Closed by a process that has never used the queue, and that dies right after.
            let closer = fork(|| {
                queue.close();
                die()
            })
            .wait();
            is(closer == End::Killed(libc::SIGKILL), &closer)?;
            sleepers.iter_mut().try_for_each(ends_well)?;
            is(queue.is_closed() && queue.len() == usize::from(is_full), &queue)?;
        }
        Ok(Report::PASSED)
    }

    /// Ends this process as a stranger would.
    fn die() -> i32 {
        // SAFETY: a system call that takes numbers.
        unsafe { libc::raise(libc::SIGKILL) }
    }

    pub(crate) fn seats_of_the_killed() -> Outcome {
        let queue = Builder::new(4).seats(2).bytes()?;
        queue.put(b"mine").map_err(|error| error.to_string())?;
        for round in 0..30_u8 {
            let at_work = SharedArena::<Counter>::new(1);
            let mut child = fork(|| {
                if queue.put(&[round]).is_ok() {
                    at_work[0].set(1);
                }
                // Holds its seat until it is killed.
                loop {
                    clock::pause(LIMIT);
                }
            });
            at_work[0].wait_within(LIMIT, |it| it == 1).map_err(|_| "it could not put")?;
            is(queue.stats().users == 2, &queue.stats())?;
            // No third one while both live.
            let mut third = holds(|| {
                let all_taken = SeatError::AllTaken { n_seats: 2 };
                matches!(queue.try_get(), Err(GetError::NoSeat(error)) if error == all_taken)
                    && matches!(queue.try_put(b"x"), Err(PutError::NoSeat { .. }))
            });
            ends_well(&mut third)?;
            child.kill();
            child.wait();
            let stats = queue.stats();
            is((stats.users, stats.dead_users, stats.len) == (1, 1, 2), &stats)?;
            let expected: &[u8] = if round == 0 { b"mine" } else { &[round - 1] };
            is(queue.get()? == expected, &round)?;
        }
        is(queue.stats().deaths_repaired == 0, &queue.stats())?;
        Ok(Report::PASSED)
    }

    /// Two who answer each other and never look before they sleep, in a system that refuses fences: to
    /// all from the beginning, to one of them, or to neither.
    pub(crate) fn refused_fences() -> Outcome {
        const ROUNDS: u32 = 1000;
        for (to_all, to_one) in [(true, false), (false, true), (false, false)] {
            let mut both = holds(|| {
                ipc_core::primitive::set_spin(0);
                if to_all {
                    testkit::refuse(libc::SYS_membarrier);
                }
                let Ok(there) = Queue::<u32>::bounded(1) else { return false };
                let Ok(back) = Queue::<u32>::bounded(1) else { return false };
                let mut other = holds(|| {
                    if to_one {
                        testkit::refuse(libc::SYS_membarrier);
                    }
                    (0..ROUNDS).all(|_| there.get().is_ok_and(|number| back.put(number).is_ok()))
                });
                let answered = (0..ROUNDS).all(|number| {
                    there.put(number).is_ok() && back.get().is_ok_and(|found| found == number)
                });
                answered && ends_well(&mut other).is_ok()
            });
            ends_well(&mut both)?;
        }
        Ok(Report::PASSED)
    }

    pub(crate) fn claims_of_the_dead() -> Outcome {
        for living in [false, true] {
            let queue = Builder::new(3).seats(2).without_backstop().message_bytes(48).bytes()?;
            let places = Places { n_slots: 3, n_seats: 2, slot_bytes: 64, slots: None };
            // The first seat's holder died with a message half written.
            let mut dead = fork(|| i32::from(queue.try_get().is_ok()));
            ends_well(&mut dead)?;
            scribble::write(&queue, places.slot(0), slot_bits(0, 1, 0));
            queue.put(b"behind the hole").map_err(|error| error.to_string())?;
            let at_work = SharedArena::<Counter>::new(1);
            let mut heir = living.then(|| {
                fork(|| {
                    let put = queue.put(b"by the heir").is_ok();
                    at_work[0].set(1 + u64::from(put));
                    // It lives, in the dead one's seat, and is not taken for the writer.
                    loop {
                        clock::pause(LIMIT);
                    }
                })
            });
            if living {
                let put = at_work[0].wait_within(LIMIT, |it| it != 0);
                is(put == Ok(2) && queue.stats().users == 2, &queue.stats())?;
            }
            is(queue.get_timeout(LIMIT)? == b"behind the hole", &queue)?;
            is(queue.stats().deaths_repaired == 1, &queue.stats())?;
            is(queue.len() == usize::from(living), &queue)?;
            if let Some(heir) = &mut heir {
                heir.kill();
                heir.wait();
                is(queue.get_timeout(LIMIT)? == b"by the heir", &queue)?;
            }
        }
        Ok(Report::PASSED)
    }

    pub(crate) fn fork_sits_down() -> Outcome {
        let queue = Builder::new(4).seats(3).bytes()?;
        let put = |queue: &ByteQueue, what: &[u8]| queue.put(what).map_err(|e| e.to_string());
        put(&queue, b"by the parent")?;
        let go_on = SharedArena::<Counter>::new(2);
        let mut child = holds(|| {
            // It has its parent's handle, but neither its seat nor its memory of one.
            let had = queue.stats().users;
            let got = queue.get().is_ok_and(|bytes| bytes == b"by the parent");
            let users = queue.stats().users;
            let mut its_own_child = holds(|| {
                let users = queue.stats().users;
                put(&queue, b"by the grandchild").is_ok() && users == 2 && queue.stats().users == 3
            });
            let ended = ends_well(&mut its_own_child).is_ok();
            go_on[0].set(1);
            go_on[1].wait_until(|it| it == 1);
            // The grandchild ended without its destructors, so it is counted among the dead.
            let stats = queue.stats();
            got && ended && (had, users) == (1, 2) && (stats.users, stats.dead_users) == (2, 1)
        });
        go_on[0].wait_within(LIMIT, |it| it == 1).map_err(|_| "the child hangs")?;
        is(queue.get()? == b"by the grandchild", &queue)?;
        put(&queue, b"again")?;
        go_on[1].set(1);
        ends_well(&mut child)?;
        // The child's end took no seat from its parent.
        is(queue.stats().users == 1, &queue.stats())?;
        is(queue.get()? == b"again", &queue)?;
        Ok(Report::PASSED)
    }

    pub(crate) fn fork_drops() -> Outcome {
        let queue = Builder::new(2).seats(1).bytes()?;
        queue.put(b"one").map_err(|error| error.to_string())?;
        let clone = queue.clone();
        let mut handles = Some((queue, clone));
        let mut child = holds(|| {
            drop(handles.take());
            // The memory that it dropped was its own mapping.
            let other = Builder::new(1).bytes();
            other.is_ok_and(|other| other.put(b"x").is_ok())
        });
        ends_well(&mut child)?;
        let Some((queue, clone)) = handles else { return Err("the child's doing".into()) };
        is(clone.get()? == b"one", &clone)?;
        queue.put(b"two").map_err(|error| error.to_string())?;
        is(queue.stats().users == 1 && queue.stats().dead_users == 0, &queue.stats())?;
        drop(clone);
        is(queue.get()? == b"two", &queue)?;
        Ok(Report::PASSED)
    }

    fn send<T: serde::Serialize>(socket: &MessageSocket, value: &T) -> Result<(), String> {
        let message = wire::encode(value).map_err(|error| error.to_string())?;
        socket.send(&message, Deadline::after(LIMIT)).map_err(|error| error.to_string())
    }

    fn receive<T: DeserializeOwned>(socket: &MessageSocket) -> Result<T, String> {
        let message = socket.recv(&Limits::default(), Deadline::after(LIMIT));
        let message = message.map_err(|error| error.to_string())?.ok_or("the end")?;
        wire::decode(message).map_err(|error| error.to_string())
    }

    /// What a process does that is sent two handles to two queues.
    fn echo(socket: &MessageSocket) -> Result<(), String> {
        let (name, to_us, from_us): (String, Queue<String>, ByteQueue) = receive(socket)?;
        while let Ok(text) = to_us.get() {
            let answer = format!("{name}: {text}");
            from_us.put(answer.as_bytes()).map_err(|error| error.to_string())?;
        }
        from_us.close();
        Ok(())
    }

    fn talk(socket: &MessageSocket) -> Result<(), String> {
        let to_them = Queue::<String>::bounded(2).map_err(|error| error.to_string())?;
        let from_them = ByteQueue::bounded(2).map_err(|error| error.to_string())?;
        send(socket, &("echo", &to_them, &from_them))?;
        for text in ["one", "two", "three"] {
            to_them.put(text.to_owned()).map_err(|error| error.to_string())?;
            let answer = from_them.get().map_err(|error| error.to_string())?;
            is(answer == format!("echo: {text}").as_bytes(), &answer)?;
        }
        to_them.close();
        is(from_them.get().is_err_and(|error| error.is_closed()), &from_them)
    }

    pub(crate) fn sent_to_a_fork() -> Outcome {
        let (here, there) = MessageSocket::pair()?;
        // Forked before there is any queue, so that all it has of one is what was sent.
        let mut child = holds(|| echo(&there).is_ok());
        talk(&here)?;
        ends_well(&mut child)?;
        Ok(Report::PASSED)
    }

    pub(crate) fn sent_to_a_fresh_process() -> Outcome {
        let (here, there) = MessageSocket::pair()?;
        let mut child = Fresh::new("echo").fd(there.as_fd()).start();
        drop(there);
        talk(&here)?;
        ends_well(&mut child)?;
        Ok(Report::PASSED)
    }

    /// The entry of the fresh process.
    #[expect(clippy::needless_pass_by_value, reason = "the form of an entry")]
    pub(crate) fn fresh_echo(args: Vec<String>) -> i32 {
        let Some(number) = args.first().and_then(|arg| arg.parse().ok()) else { return 2 };
        // SAFETY: the parent left this descriptor open for us, and nobody else here knows of it.
        let fd = unsafe { OwnedFd::from_raw_fd(number) };
        let socket = MessageSocket::from_fd(fd).map_err(|error| error.to_string());
        i32::from(socket.and_then(|socket| echo(&socket)).is_err())
    }

    pub(crate) fn wrong_type() -> Outcome {
        let (here, there) = MessageSocket::pair()?;
        let mut child = holds(|| {
            let before = Snapshot::take();
            let refused = receive::<Queue<i64>>(&there).is_err()
                && receive::<ByteQueue>(&there).is_err()
                && before.leaks().is_empty();
            refused && receive::<Queue<u64>>(&there).is_ok()
        });
        let queue = Queue::<u64>::bounded(1)?;
        for _ in 0..3 {
            send(&here, &queue)?;
        }
        ends_well(&mut child)?;
        Ok(Report::PASSED)
    }

    pub(crate) fn outlives_its_maker() -> Outcome {
        let (here, there) = MessageSocket::pair()?;
        let mut maker = fork(|| {
            let Ok(queue) = Queue::<String>::bounded(4) else { return 1 };
            if queue.put("last words".into()).is_err() || send(&there, &queue).is_err() {
                return 1;
            }
            die()
        });
        let queue: Queue<String> = receive(&here)?;
        let end = maker.wait();
        is(end == End::Killed(libc::SIGKILL), &end)?;
        is(queue.get()? == "last words", &queue)?;
        queue.put("and more".into()).map_err(|error| error.to_string())?;
        is(queue.get()? == "and more", &queue)?;
        let stats = queue.stats();
        is((stats.users, stats.dead_users, stats.deaths_repaired) == (1, 1, 0), &stats)?;
        Ok(Report::PASSED)
    }

    pub(crate) fn killed_asleep() -> Outcome {
        let queue = Builder::new(1).without_backstop().bytes()?;
        for round in 0..20_u8 {
            let mut victim = holds(|| queue.get().is_ok());
            victim.wait_asleep(LIMIT)?;
            let mut other = holds(|| queue.get().is_ok_and(|bytes| bytes == [round]));
            other.wait_asleep(LIMIT)?;
            victim.kill();
            victim.wait();
            // The one that lives is woken, and nothing is in a dead one's hands.
            queue.put(&[round]).map_err(|error| error.to_string())?;
            ends_well(&mut other)?;
        }
        is(queue.is_empty() && queue.stats().deaths_repaired == 0, &queue.stats())?;
        Ok(Report::PASSED)
    }

    pub(crate) fn killed_holding() -> Outcome {
        const ALL: usize = 8 << 10;
        let queue = Builder::new(4).max_bytes(ALL as u64).without_backstop().bytes()?;
        for round in 0..20_u8 {
            let notes = SharedArena::<Counter>::new(1);
            let mut victim = holds(|| {
                let mut loan = queue.loan(ALL).ok();
                if round % 2 == 0 {
                    loan.take().and_then(|loan| loan.commit().ok());
                }
                let sample = loan.is_none().then(|| queue.get_in_place().ok());
                notes[0].set(1);
                notes[0].wait_until(|it| it == 2);
                loan.is_some() && sample.is_some()
            });
            notes[0].wait_until(|it| it == 1);
            let putters = [(); 2].map(|()| {
                let mut putter = holds(|| queue.put(&[round; ALL / 2]).is_ok());
                putter.wait_asleep(LIMIT).map(|()| putter)
            });
            // It does nothing at all when it dies.
            victim.kill();
            victim.wait();
            for putter in putters {
                ends_well(&mut putter?)?;
            }
            for _ in 0..2 {
                is(queue.get()? == [round; ALL / 2], &queue)?;
            }
        }
        is(queue.stats().blocks == 0, &queue.stats())?;
        Ok(Report::PASSED)
    }

    pub(crate) fn fork_inherits_no_memory() -> Outcome {
        let queue = Builder::new(4).max_bytes(16 << 10).bytes()?;
        queue.put(&[5; 5000]).map_err(|error| error.to_string())?;
        let mut sample = Some(queue.get_in_place()?);
        let mut loan = Some(queue.loan(5000).map_err(|error| error.to_string())?);
        if let Some(loan) = &mut loan {
            loan.fill(6);
        }
        let mut child = holds(|| {
            let (Some(loan), Some(sample)) = (loan.take(), sample.take()) else { return false };
            let looks = |look: &dyn Fn() -> usize| {
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(look)).is_ok()
            };
            std::panic::set_hook(Box::new(|_| ()));
            let may_look = looks(&|| loan.len()) || looks(&|| sample.len());
            let Err(PutError::Inherited(loan)) = loan.commit() else { return false };
            drop(loan);
            drop(sample);
            // The memory is the parent's still, and what is left is for all.
            let is_full = queue.try_loan(1).is_err_and(|error| error.is_full());
            !may_look && is_full && queue.is_empty()
        });
        ends_well(&mut child)?;
        let (Some(loan), Some(sample)) = (loan, sample) else { return Err("the child's".into()) };
        is(sample.iter().all(|byte| *byte == 5) && loan.iter().all(|byte| *byte == 6), &loan)?;
        loan.commit().map_err(|error| error.to_string())?;
        drop(sample);
        is(queue.get()? == [6; 5000], &queue)?;
        is(queue.stats().blocks == 0, &queue.stats())?;
        Ok(Report::PASSED)
    }

    pub(crate) fn unmaps() -> Outcome {
        // What the first use of anything leaves for good.
        Queue::<u8>::bounded(1)?.put(1).map_err(|error| error.to_string())?;
        let before = Snapshot::take();
        let queue = Queue::<String>::bounded(10)?;
        is(before.leaks().len() == 2, &before.leaks())?;
        queue.put("x".repeat(500)).map_err(|error| error.to_string())?;
        let (clone, other) =
            (queue.clone(), Queue::<String>::from_segment(queue.segment().clone())?);
        is(other.get()? == "x".repeat(500), &other)?;
        drop(queue);
        drop(other);
        is(before.leaks().len() == 2, &before.leaks())?;
        clone.put("y".into()).map_err(|error| error.to_string())?;
        drop(clone);
        is(before.leaks().is_empty(), &before.leaks())?;

        // The same with threads that end, and one that drops another's handle.
        let queue = ByteQueue::bounded(10)?;
        queue.put(b"x").map_err(|error| error.to_string())?;
        let moved = queue.clone();
        let used = std::thread::spawn(move || moved.get().is_ok()).join();
        is(used.is_ok_and(|got| got), &"got by a thread")?;
        let dropped = std::thread::spawn(move || drop(queue)).join();
        is(dropped.is_ok(), &"dropped by a thread")?;
        // This thread's seat keeps the memory until it sits down somewhere else.
        let next = ByteQueue::bounded(1)?;
        next.put(b"x").map_err(|error| error.to_string())?;
        drop(next);
        is(before.leaks().is_empty(), &before.leaks())?;
        Ok(Report::PASSED)
    }
}

#[cfg(not(ipc_loom))]
fn main() -> ExitCode {
    testkit::Runner::new(&[
        ("each message of several processes arrives once and in order", scenarios::messages),
        ("a process that closes wakes all sleepers, even if it dies", scenarios::close_wakes),
        ("the seats of killed processes are given out again", scenarios::seats_of_the_killed),
        ("what the dead had claimed is not its heir's", scenarios::claims_of_the_dead),
        ("who may not fence others is called all the same", scenarios::refused_fences),
        ("a forked child sits down anew", scenarios::fork_sits_down),
        ("a forked child that drops its handles harms nobody", scenarios::fork_drops),
        ("a handle that is sent leads to the same queue", scenarios::sent_to_a_fork),
        ("a handle leads a fresh process to the queue", scenarios::sent_to_a_fresh_process),
        ("a handle of another type is refused at the other end", scenarios::wrong_type),
        ("a queue outlives the process that made it", scenarios::outlives_its_maker),
        ("a sleeper that is killed takes nothing with it", scenarios::killed_asleep),
        ("a forked child has no loans and no samples", scenarios::fork_inherits_no_memory),
        ("who waits for memory is woken by the death of an idle holder", scenarios::killed_holding),
        ("the last handle gives the memory back", scenarios::unmaps),
    ])
    .entries(&[("echo", scenarios::fresh_echo)])
    .main()
}

#[cfg(ipc_loom)]
fn main() -> ExitCode {
    ExitCode::SUCCESS
}
