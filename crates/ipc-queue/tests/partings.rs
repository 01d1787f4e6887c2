//! The ends of queues in several processes: told when the last one of a side is gone, by dropping or
//! by dying, and never before.

use std::process::ExitCode;

#[cfg(not(ipc_loom))]
mod scenarios {
    use std::time::Duration;

    use ipc_core::Deadline;
    use ipc_core::wire::{self, Limits, MessageSocket};
    use ipc_queue::{Builder, ByteReceiver, ByteSender, GetError, PutError, Queue, Sender};
    use testkit::child::{Child, End, fork};
    use testkit::seed::Rng;
    use testkit::{Counter, Outcome, Report, SharedArena, clock};

    /// How long something may take that must happen.
    const LIMIT: Duration = Duration::from_secs(20);

    fn is(holds: bool, what: &dyn std::fmt::Debug) -> Result<(), String> {
        if holds { Ok(()) } else { Err(format!("{what:?}")) }
    }

    fn ends_well(child: &mut Child) -> Result<(), String> {
        match child.wait_within(LIMIT) {
            Some(End::Exited(0)) => Ok(()),
            end => Err(format!("a child: {end:?}\n{}", testkit::trace(child.pid()))),
        }
    }

    fn killed(child: &mut Child) -> Result<(), String> {
        child.kill();
        match child.wait() {
            End::Killed(libc::SIGKILL) => Ok(()),
            end => Err(format!("a child: {end:?}")),
        }
    }

    /// Ends that never look without being woken, but for the looks that the protocol needs.
    fn ends(capacity: usize) -> Result<(ByteSender, ByteReceiver), Box<dyn std::error::Error>> {
        Ok(Builder::new(capacity).without_backstop().bytes()?.split()?)
    }

    /// Lives until it is killed.
    fn live() -> i32 {
        loop {
            clock::pause(LIMIT);
        }
    }

    /// Who keeps a handle: forked with both ends, it drops the other one.
    fn keeper<K, D>(kept: &K, dropped: &mut Option<D>, use_it: impl FnOnce(&K) -> bool) -> Child {
        let is_ready = SharedArena::<Counter>::new(1);
        let child = fork(|| {
            drop(dropped.take());
            if !use_it(kept) {
                return 1;
            }
            is_ready[0].set(1);
            live()
        });
        is_ready[0].wait_until(|it| it == 1);
        child
    }

    /// The last putter is killed, or the last getter, while others of the other side sleep.
    fn last_is_killed(has_seat: bool, is_getter: bool) -> Outcome {
        for _ in 0..10 {
            let (sender, receiver) = ends(1)?;
            let put = |sender: &ByteSender| sender.put(b"x").is_ok();
            let (mut kept_sender, mut kept_receiver) = (Some(sender), Some(receiver));
            let (Some(sender), Some(receiver)) = (kept_sender.clone(), kept_receiver.clone())
            else {
                return Err("the scene".into());
            };
            let mut victim = if is_getter {
                drop(kept_sender.take());
                let mut own = Some(sender.clone());
                let child = keeper(&receiver, &mut own, |it| !has_seat || it.try_get().is_err());
                is(put(&sender), &"put")?;
                child
            } else {
                drop(kept_receiver.take());
                let mut own = Some(receiver.clone());
                keeper(&sender, &mut own, |it| !has_seat || put(it) && receiver.try_get().is_ok())
            };
            drop((kept_sender, kept_receiver));
            // The sleepers are forked with both ends too, and drop the one that is not theirs.
            let mut both = (Some(sender), Some(receiver));
            let mut sleepers: Vec<_> = (0..3)
                .map(|_| {
                    fork(|| {
                        if is_getter {
                            drop(both.1.take());
                            let put = both.0.as_ref().map(|sender| sender.put(b"y"));
                            i32::from(!matches!(put, Some(Err(PutError::Disconnected(_)))))
                        } else {
                            drop(both.0.take());
                            let got = both.1.as_ref().map(ByteReceiver::get);
                            i32::from(!matches!(got, Some(Err(GetError::Disconnected))))
                        }
                    })
                })
                .collect();
            drop(both);
            for sleeper in &mut sleepers {
                sleeper.wait_asleep(LIMIT)?;
                is(sleeper.try_wait().is_none(), &"told too early")?;
            }
            killed(&mut victim)?;
            sleepers.iter_mut().try_for_each(ends_well)?;
        }
        Ok(Report::PASSED)
    }

    pub(crate) fn last_putter_is_killed() -> Outcome {
        last_is_killed(true, false)
    }

    pub(crate) fn last_putter_that_never_put_is_killed() -> Outcome {
        last_is_killed(false, false)
    }

    pub(crate) fn last_getter_is_killed() -> Outcome {
        last_is_killed(true, true)
    }

    pub(crate) fn last_getter_that_never_got_is_killed() -> Outcome {
        last_is_killed(false, true)
    }

    /// Putters and getters, killed in a random order: the others are told when the last is dead.
    pub(crate) fn storm() -> Outcome {
        let rounds = if testkit::full() { 2000 } else { 150 };
        let mut rng = Rng::of_run("partings");
        for _ in 0..rounds {
            let (sender, receiver) = ends(2)?;
            let n_putters = 1 + rng.index(4);
            let at_work = SharedArena::<Counter>::new(n_putters);
            let mut slot = Some(receiver);
            let mut putters: Vec<_> = (0..n_putters)
                .map(|place| {
                    fork(|| {
                        drop(slot.take());
                        // In the middle of a put whenever it dies.
                        while sender.put(&[7]).is_ok() {
                            at_work[place].add(1);
                        }
                        1
                    })
                })
                .collect();
            drop(sender);
            let Some(receiver) = slot else { return Err("the scene".into()) };
            let got = SharedArena::<Counter>::new(1);
            let mut getters: Vec<_> = (0..2)
                .map(|_| {
                    fork(|| {
                        loop {
                            match receiver.get() {
                                Ok(message) if message == [7] => got[0].add(1),
                                Err(GetError::Disconnected) => return 0,
                                _ => return 1,
                            };
                        }
                    })
                })
                .collect();
            drop(receiver);
            for place in 0..n_putters {
                at_work[place].wait_within(LIMIT, |it| it > 0).map_err(|_| "nothing is put")?;
            }
            while !putters.is_empty() {
                clock::pause(Duration::from_micros(rng.index(300) as u64));
                for getter in &mut getters {
                    let end = getter.try_wait();
                    is(end.is_none(), &("told with putters alive", end))?;
                }
                killed(&mut putters.swap_remove(rng.index(putters.len())))?;
            }
            getters.iter_mut().try_for_each(ends_well)?;
        }
        Ok(Report::PASSED)
    }

    /// The last putter is killed at about the time at which it drops its handle: others are told,
    /// whether it had dropped it, was about to tell them, or had not begun.
    pub(crate) fn killed_as_it_leaves() -> Outcome {
        let rounds = if testkit::full() { 5000 } else { 300 };
        let mut rng = Rng::of_run("leaving");
        for _ in 0..rounds {
            let (sender, receiver) = ends(1)?;
            let stage = SharedArena::<Counter>::new(1);
            let mut both = (Some(sender), Some(receiver));
            let mut getters: Vec<_> = (0..2)
                .map(|_| {
                    fork(|| {
                        drop(both.0.take());
                        stage[0].add(1);
                        let got = both.1.as_ref().map(ByteReceiver::get);
                        i32::from(!matches!(got, Some(Err(GetError::Disconnected))))
                    })
                })
                .collect();
            drop(both.1.take());
            let mut victim = fork(|| {
                stage[0].wait_until(|it| it == 3);
                drop(both.0.take());
                live()
            });
            drop(both);
            stage[0].wait_within(LIMIT, |it| it == 2).map_err(|_| "nobody gets")?;
            if rng.chance(2) {
                getters.iter_mut().try_for_each(|getter| getter.wait_asleep(LIMIT))?;
            }
            stage[0].add(1);
            let (start, pause) = (clock::now_ns(), rng.range(0..60_000));
            while clock::now_ns() - start < pause {
                ipc_core::primitive::pause();
            }
            killed(&mut victim)?;
            getters.iter_mut().try_for_each(ends_well)?;
        }
        Ok(Report::PASSED)
    }

    pub(crate) fn fork_is_a_holder() -> Outcome {
        let (sender, receiver) = ends(1)?;
        let go_on = SharedArena::<Counter>::new(1);
        let mut slot = Some(sender);
        let mut child = fork(|| {
            // It never uses its copy, and drops it when it is told.
            go_on[0].wait_until(|it| it == 1);
            drop(slot.take());
            go_on[0].set(2);
            live()
        });
        drop(slot);
        is(matches!(receiver.try_get(), Err(GetError::Empty)), &"the child has a copy")?;
        go_on[0].set(1);
        is(receiver.get().is_err_and(|error| error.is_disconnected()), &"dropped by the child")?;
        go_on[0].wait_within(LIMIT, |it| it == 2).map_err(|_| "the child hangs")?;
        killed(&mut child)?;
        Ok(Report::PASSED)
    }

    pub(crate) fn sent_away() -> Outcome {
        let (here, there) = MessageSocket::pair()?;
        let queue = Queue::<Sender<u32>>::bounded(1)?;
        // Handles do not go into queues, but the value comes back, and is whole.
        let (sender, receiver) = ipc_queue::channel::<u32>(1)?;
        let refused = queue.put(sender).err().ok_or("a handle in a queue")?;
        let sender = refused.into_inner();
        here.send(&wire::encode(&sender)?, Deadline::after(LIMIT))?;
        drop((sender, queue));
        is(matches!(receiver.try_get(), Err(GetError::Empty)), &"on its way")?;
        let mut child = fork(|| {
            let message = there.recv(&Limits::default(), Deadline::after(LIMIT));
            let Ok(Some(message)) = message else { return 1 };
            let Ok(sender) = wire::decode::<Sender<u32>>(message) else { return 1 };
            if sender.put(7).is_err() {
                return 1;
            }
            live()
        });
        is(receiver.get()? == 7, &"put by the child")?;
        is(matches!(receiver.try_get(), Err(GetError::Empty)), &"the child lives")?;
        killed(&mut child)?;
        is(receiver.get().is_err_and(|error| error.is_disconnected()), &"it has died")?;
        // One that is never received ends with the socket.
        let (sender, receiver) = ipc_queue::channel::<u32>(1)?;
        here.send(&wire::encode(&sender)?, Deadline::after(LIMIT))?;
        drop(sender);
        is(matches!(receiver.try_get(), Err(GetError::Empty)), &"on its way")?;
        drop((here, there));
        is(receiver.get().is_err_and(|error| error.is_disconnected()), &"nobody received it")?;
        Ok(Report::PASSED)
    }

    pub(crate) fn exits_after_put() -> Outcome {
        let (sender, receiver) = ipc_queue::channel::<Vec<u8>>(8)?;
        let mut slot = Some(receiver);
        let mut child = fork(|| {
            drop(slot.take());
            (0..8_u8).map(|number| i32::from(sender.put(vec![number; 100]).is_err())).sum()
        });
        drop(sender);
        ends_well(&mut child)?;
        let Some(receiver) = slot else { return Err("the scene".into()) };
        for number in 0..8_u8 {
            is(receiver.get()? == vec![number; 100], &number)?;
        }
        is(receiver.get().is_err_and(|error| error.is_disconnected()), &"all is got")?;
        Ok(Report::PASSED)
    }

    pub(crate) fn participants() -> Outcome {
        let queue = Builder::new(1).without_backstop().bytes()?;
        is(queue.participants().is_empty(), &queue.participants())?;
        let mut getter = fork(|| i32::from((0..3).any(|_| queue.get().is_err())));
        for number in 0..2_u8 {
            getter.wait_asleep(LIMIT)?;
            queue.put(&[number]).map_err(|error| error.to_string())?;
        }
        getter.wait_asleep(LIMIT)?;
        let find = |pid: i32| {
            let mut all = queue.participants().into_iter();
            all.find(|it| i64::from(it.pid) == i64::from(pid)).ok_or("it is not listed")
        };
        let its = find(getter.pid())?;
        is(its.tid.is_some() && (its.puts, its.gets) == (0, 2), &its)?;
        is(its.waits_to_get && !its.waits_to_put, &its)?;
        let mine = queue.participants().into_iter().find(|it| it.puts == 2).ok_or("myself")?;
        is(mine.gets == 0 && !mine.waits_to_get && !mine.waits_to_put, &mine)?;
        queue.put(&[9]).map_err(|error| error.to_string())?;
        ends_well(&mut getter)?;
        queue.put(&[9]).map_err(|error| error.to_string())?;
        let mut putter = fork(|| i32::from(queue.put(&[7]).is_err()));
        putter.wait_asleep(LIMIT)?;
        let its = find(putter.pid())?;
        is(its.waits_to_put && !its.waits_to_get && its.puts == 0, &its)?;
        killed(&mut putter)?;
        // It is known who died, and as what; a child here ends without its destructors as well.
        let its = find(putter.pid())?;
        is(its.tid.is_none() && its.waits_to_put, &its)?;
        let its = find(getter.pid())?;
        is(its.tid.is_none() && (its.gets, its.waits_to_get) == (3, false), &its)?;
        is(queue.participants().len() == 3, &queue.participants())?;
        Ok(Report::PASSED)
    }

    pub(crate) fn descriptors_run_out() -> Outcome {
        let queue = Queue::<u32>::bounded(1)?;
        let mut child = fork(|| {
            let mut files = Vec::new();
            while let Ok(file) = std::fs::File::open("/dev/null") {
                files.push(file);
                if files.len() > 100_000 {
                    return 77;
                }
            }
            let refused = queue.sender().is_err() && Queue::<u32>::bounded(1).is_err();
            files.truncate(files.len().saturating_sub(2));
            let given = queue.sender().and_then(|sender| Ok((sender, queue.receiver()?)));
            let Ok((sender, receiver)) = given else { return 1 };
            let works = sender.put(7).is_ok() && receiver.get().is_ok_and(|got| got == 7);
            i32::from(!(refused && works))
        });
        match child.wait_within(LIMIT) {
            Some(End::Exited(0 | 77)) => Ok(Report::PASSED),
            end => Err(format!("the child: {end:?}").into()),
        }
    }
}

#[cfg(not(ipc_loom))]
fn main() -> ExitCode {
    testkit::main(&[
        ("getters are told when the last putter is killed", scenarios::last_putter_is_killed),
        (
            "getters are told when one is killed that could have put and never did",
            scenarios::last_putter_that_never_put_is_killed,
        ),
        ("putters are told when the last getter is killed", scenarios::last_getter_is_killed),
        (
            "putters are told when one is killed that could have got and never did",
            scenarios::last_getter_that_never_got_is_killed,
        ),
        ("random kills: told when the last is dead, never before", scenarios::storm),
        ("one is killed as it leaves: the others are told", scenarios::killed_as_it_leaves),
        ("a forked child is on a side as long as it has the handle", scenarios::fork_is_a_holder),
        ("a handle that is sent is counted all the way", scenarios::sent_away),
        ("a process may exit right after its last put", scenarios::exits_after_put),
        ("it is known who uses a queue, and who waits", scenarios::participants),
        ("without a descriptor to spare there is an error", scenarios::descriptors_run_out),
    ])
}

#[cfg(ipc_loom)]
fn main() -> ExitCode {
    ExitCode::SUCCESS
}
