//! What other queues between processes were seen to get wrong, as tests of this one.
//!
//! Each scenario is named for the defect that it would have: a receiver that hangs when a sender is
//! killed, messages lost in a recovery, a queue that is wedged after many deaths, and so on.

use std::process::ExitCode;

#[cfg(not(ipc_loom))]
#[expect(dead_code, reason = "only where the words lie is used here")]
mod scribble;

#[cfg(not(ipc_loom))]
mod scenarios {
    use std::os::fd::AsFd as _;
    use std::time::{Duration, Instant};

    use ipc_core::primitive::{AtomicU64, Ordering::Relaxed};
    use ipc_core::wire::Handle;
    use ipc_queue::{Builder, ByteQueue, ByteSender, GetError, PutError, Queue};
    use serde::{Serialize, Serializer};
    use testkit::child::{Child, End, fork};
    use testkit::leaks::Snapshot;
    use testkit::seed::Rng;
    use testkit::{Counter, Outcome, Report, SharedArena, clock};

    use super::scribble::Places;

    /// How long something may take that must happen.
    const LIMIT: Duration = Duration::from_secs(20);

    fn is(holds: bool, what: &dyn std::fmt::Debug) -> Result<(), String> {
        if holds { Ok(()) } else { Err(format!("{what:?}")) }
    }

    fn kill(child: &mut Child) -> Result<(), String> {
        child.kill();
        let end = child.wait();
        is(end == End::Killed(libc::SIGKILL), &end)
    }

    /// Puts numbers under its name for ever, and notes which are put for certain.
    fn putter(queue: &ByteSender, name: u64, notes: &SharedArena<Counter>) -> Child {
        fork(|| {
            for number in 1_u64.. {
                let mut message = name.to_le_bytes().to_vec();
                message.extend(number.to_le_bytes());
                if queue.put(&message).is_err() {
                    return 1;
                }
                notes[usize::try_from(name).unwrap_or(0)].set(number);
            }
            0
        })
    }

    fn read(message: &[u8]) -> Option<(usize, u64)> {
        let (name, number) = message.split_first_chunk()?;
        let number = u64::from_le_bytes(number.try_into().ok()?);
        Some((usize::try_from(u64::from_le_bytes(*name)).ok()?, number))
    }

    /// Several putters in a loop; one is killed and replaced again and again, while this process gets
    /// and counts. At most one message is in doubt for each death.
    fn killed_in_turn(
        n_putters: usize,
        kills: usize,
        capacity: usize,
        mean: Duration,
    ) -> Result<(), Box<dyn std::error::Error>> {
        let queue = Builder::new(capacity).without_backstop().bytes()?;
        let n_names = n_putters + kills;
        let notes = SharedArena::<Counter>::new(n_names);
        let mut rng = Rng::of_run("rivals");
        let sender = queue.sender()?;
        let mut names: Vec<_> = (0..n_putters).collect();
        let mut putters: Vec<_> =
            (0..n_putters).map(|name| putter(&sender, name as u64, &notes)).collect();
        let mut last = vec![0; n_names];
        let mut take = |message: Vec<u8>| match read(&message) {
            Some((name, number)) if last.get(name) == Some(&(number - 1)) => {
                last[name] = number;
                Ok(())
            }
            found => Err(format!("lost, doubled or torn: {found:?}, {:?}", message.len())),
        };
        for name in n_putters..n_names {
            let (start, pause) = (clock::now_ns(), rng.until_next(mean));
            while Duration::from_nanos(clock::now_ns() - start) < pause {
                take(queue.get_timeout(LIMIT)?)?;
            }
            let victim = rng.index(putters.len());
            kill(&mut putters[victim])?;
            // Whoever is left gets through, whatever the dead one left behind.
            if n_putters > 1 {
                for _ in 0..2 * capacity {
                    take(queue.get_timeout(LIMIT)?)?;
                }
            }
            putters[victim] = putter(&sender, name as u64, &notes);
            names[victim] = name;
        }
        for putter in &mut putters {
            kill(putter)?;
        }
        for message in queue.try_iter() {
            take(message?)?;
        }
        for (name, last) in last.iter().enumerate() {
            let committed = notes[name].get();
            is((committed..=committed + 1).contains(last), &(name, committed, last))?;
        }
        let stats = queue.stats();
        is(stats.len == 0 && stats.deaths_repaired <= n_names as u64, &stats)?;
        Ok(())
    }

    /// ipc-channel: a length of zero, one beyond all memory, or the name of something that was not
    /// sent along makes the receiver panic.
    pub(crate) fn forged_messages_are_errors() -> Outcome {
        const LARGE: u64 = 1 << 63;
        let queue = Builder::new(2).seats(4).values::<u64>()?;
        let slot = Places { n_slots: 2, n_seats: 4, slot_bytes: 128, slots: None };
        let forged = [0, 11, 113, 1 << 32, LARGE - 1, LARGE | 8, LARGE | 8 << 58 | 5, u64::MAX];
        let turn = SharedArena::<Counter>::new(1);
        let mut receiver = fork(|| {
            // A panic ends the child with another status.
            for round in 1..=forged.len() as u64 {
                turn[0].wait_until(|it| it == 2 * round - 1);
                let refused = matches!(queue.get(), Err(GetError::Corrupt | GetError::Decode(_)));
                if !refused || queue.get().ok() != Some(round) {
                    return 1;
                }
                turn[0].set(2 * round);
            }
            0
        });
        for (round, forged) in (1..).zip(forged) {
            queue.put(round)?;
            let record: &AtomicU64 = queue.segment().at(slot.slot(0) + 8)?;
            record.store(forged, Relaxed);
            queue.put(round)?;
            turn[0].set(2 * round - 1);
            turn[0].wait_within(LIMIT, |it| it == 2 * round).map_err(|_| {
                format!("the receiver after {forged:#x}: {:?}", receiver.try_wait())
            })?;
        }
        let end = receiver.wait_within(LIMIT);
        is(end == Some(End::Exited(0)), &end)?;
        Ok(Report::PASSED)
    }

    /// procspawn: an answer that nobody has taken yet holds up the worker that gave it, and with it
    /// all tasks behind.
    pub(crate) fn untaken_answers_hold_up_nobody() -> Outcome {
        let tasks = Queue::<usize>::bounded(3)?;
        let answers =
            [Queue::<usize>::bounded(1)?, Queue::<usize>::bounded(1)?, Queue::<usize>::bounded(1)?];
        let work = || {
            while let Ok(task) = tasks.get() {
                if answers[task].put(task * task).is_err() {
                    return 1;
                }
            }
            0
        };
        let mut workers = [fork(work), fork(work)];
        for task in 0..3 {
            tasks.put(task)?;
        }
        for task in [2, 1, 0] {
            let answer = answers[task].get_timeout(LIMIT)?;
            is(answer == task * task, &(task, answer))?;
        }
        tasks.close();
        for worker in &mut workers {
            let end = worker.wait_within(LIMIT);
            is(end == Some(End::Exited(0)), &end)?;
        }
        Ok(Report::PASSED)
    }

    /// procspawn: a child that dies before its first message is waited for without end; and how it
    /// died is not known.
    pub(crate) fn a_death_before_the_first_message_is_told_of() -> Outcome {
        let (sender, receiver) = ByteQueue::bounded(1)?.split()?;
        let mut receiver = Some(receiver);
        let sits = SharedArena::<Counter>::new(1);
        let mut child = fork(|| {
            drop(receiver.take());
            // It sits down, and never puts.
            let full = [0; 200];
            sits[0].set(1 + u64::from(sender.try_loan(full.len()).is_err()));
            sits[0].wait_until(|it| it == 3);
            0
        });
        let receiver = receiver.ok_or("the scene")?;
        drop(sender);
        sits[0].wait_within(LIMIT, |it| it == 1).map_err(|_| "it does not sit")?;
        kill(&mut child)?;
        let got = receiver.get_timeout(LIMIT);
        is(matches!(got, Err(GetError::Disconnected)), &got)?;
        let known = receiver.participants();
        let dead = known.iter().find(|it| i64::from(it.pid) == i64::from(child.pid()));
        is(dead.is_some_and(|it| it.tid.is_none() && it.puts == 0), &known)?;
        Ok(Report::PASSED)
    }

    /// `raw_sync`: most waits with a timeout return at once, because a second has but so many
    /// nanoseconds.
    pub(crate) fn no_wait_ends_before_its_time() -> Outcome {
        const WAIT: Duration = Duration::from_millis(26);
        let queue = Queue::<u8>::bounded(1)?;
        let full = Queue::<u8>::bounded(1)?;
        full.put(1)?;
        // Longer than a second altogether, so that one of them goes from one into the next.
        for _ in 0..20 {
            let start = Instant::now();
            let got = queue.get_timeout(WAIT);
            is(matches!(got, Err(GetError::TimedOut)) && start.elapsed() >= WAIT, &got)?;
            let start = Instant::now();
            let put = full.put_timeout(2, WAIT);
            is(matches!(put, Err(PutError::TimedOut(2))) && start.elapsed() >= WAIT, &put)?;
        }
        Ok(Report::PASSED)
    }

    /// ipmpsc: a sender was killed, and the receiver's timeout no longer ends.
    pub(crate) fn receive_ends_in_time() -> Outcome {
        for _ in 0..20 {
            let queue = ByteQueue::bounded(4)?;
            let sender = queue.sender()?;
            let notes = SharedArena::<Counter>::new(8);
            let mut putters: Vec<_> = (0..8).map(|name| putter(&sender, name, &notes)).collect();
            for _ in 0..100 {
                queue.get_timeout(LIMIT)?;
            }
            let victim = Rng::of_run("one of eight").index(8);
            kill(&mut putters[victim])?;
            for _ in 0..100 {
                queue.get_timeout(LIMIT)?;
            }
            for (place, putter) in putters.iter_mut().enumerate() {
                if place != victim {
                    kill(putter)?;
                }
            }
            while queue.try_get().is_ok() {}
            let late = queue.get_timeout(Duration::from_millis(1));
            is(matches!(late, Err(GetError::TimedOut)), &late)?;
        }
        Ok(Report::PASSED)
    }

    /// cloudtoid: messages of those who live lost when one that died is recovered from.
    pub(crate) fn committed_messages_stay() -> Outcome {
        killed_in_turn(3, if testkit::full() { 4000 } else { 150 }, 16, Duration::from_millis(2))?;
        Ok(Report::PASSED)
    }

    /// shaq: wedged after a thousand deaths, with others alive.
    pub(crate) fn never_wedged() -> Outcome {
        killed_in_turn(3, if testkit::full() { 4000 } else { 300 }, 2, Duration::from_micros(300))?;
        Ok(Report::PASSED)
    }

    /// ringfire: slots of the dead are never used again, and puts that lose their message succeed.
    pub(crate) fn slots_of_the_dead_are_used_again() -> Outcome {
        let queue = Builder::new(8).without_backstop().bytes()?;
        let sender = queue.sender()?;
        let mut rng = Rng::of_run("slots");
        let notes = SharedArena::<Counter>::new(2);
        let (n_dead, limit) = if testkit::full() { (50, LIMIT) } else { (2, LIMIT / 5) };
        let start = Instant::now();
        // Most die asleep, or with nothing in hand; on a busy machine perhaps all.
        while queue.stats().deaths_repaired < n_dead && start.elapsed() < limit {
            let mut putters = [0, 1].map(|name| putter(&sender, name, &notes));
            let (start, pause) = (Instant::now(), rng.until_next(Duration::from_micros(300)));
            while start.elapsed() < pause {
                queue.get_timeout(LIMIT)?;
            }
            for putter in &mut putters {
                kill(putter)?;
            }
            while queue.try_get().is_ok() {}
        }
        // One quiet putter finds all slots as good as new.
        for number in 0..512_u32 {
            sender.try_put(&number.to_le_bytes()).map_err(|error| error.to_string())?;
            if number % 8 == 7 {
                is(queue.is_full(), &queue)?;
                let got: Vec<_> = queue.try_iter().collect::<Result<_, _>>()?;
                let expected = (number - 7..=number).map(|it| it.to_le_bytes());
                is(got.iter().eq(expected.collect::<Vec<_>>().iter()), &got)?;
            }
        }
        Ok(Report::PASSED)
    }

    /// ipc-channel: a descriptor of a value that could not be sent rides on the next one.
    pub(crate) fn a_failed_put_leaves_nothing() -> Outcome {
        /// Serialises a handle, and then fails.
        struct Fails(Handle);
        impl Serialize for Fails {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.0.serialize(serializer)?;
                Err(serde::ser::Error::custom("after the handle"))
            }
        }
        impl<'de> serde::Deserialize<'de> for Fails {
            fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
                Err(serde::de::Error::custom("never"))
            }
        }
        let before = Snapshot::take();
        {
            let queue = Queue::<Fails>::bounded(2)?;
            let (pipe, _write) = std::io::pipe()?;
            let inside = Snapshot::take();
            let handle = Handle::from(pipe.as_fd().try_clone_to_owned()?);
            let refused = queue.put(Fails(handle)).err().ok_or("it was put")?;
            is(matches!(refused, PutError::Encode { .. }) && queue.is_empty(), &refused)?;
            drop(refused.into_inner());
            is(inside.leaks().is_empty(), &inside.leaks())?;
        }
        is(before.leaks().is_empty(), &before.leaks())?;
        Ok(Report::PASSED)
    }

    /// ipc-channel: eight bytes come in an allocation of 212,448.
    pub(crate) fn a_short_message_takes_little() -> Outcome {
        let queue = ByteQueue::bounded(2)?;
        queue.put(&[7; 8]).map_err(|error| error.to_string())?;
        let got = queue.get()?;
        is(got == [7; 8] && got.capacity() <= 256, &got.capacity())?;
        Ok(Report::PASSED)
    }

    /// ipc-channel: a send that is said never to block does, and there is no other.
    pub(crate) fn a_full_queue_says_so() -> Outcome {
        let queue = Queue::<u64>::bounded(300)?;
        for number in 0..300 {
            queue.try_put(number)?;
        }
        is(matches!(queue.try_put(300), Err(PutError::Full(300))), &queue)?;
        let late = queue.put_timeout(300, Duration::from_millis(1));
        is(matches!(late, Err(PutError::TimedOut(300))), &late)?;
        is(queue.len() == 300 && queue.is_full(), &queue)?;
        Ok(Report::PASSED)
    }

    /// procspawn: hundreds of tasks in a queue take two sockets each, and then there is a panic.
    pub(crate) fn messages_take_no_descriptors() -> Outcome {
        let queue = Queue::<Vec<u8>>::bounded(5000)?;
        queue.put(vec![0])?;
        let before = Snapshot::take();
        for number in 1..5000_u32 {
            queue.put(number.to_le_bytes().to_vec())?;
        }
        is(before.leaks().is_empty(), &before.leaks())?;
        is(queue.iter().take(5000).all(|got| got.is_ok()), &queue)?;
        Ok(Report::PASSED)
    }

    /// Python: whether there is something is only known a while after a put, and the size not at all.
    pub(crate) fn what_is_put_is_there() -> Outcome {
        let queue = Queue::<u32>::bounded(4)?;
        for number in 0..2000 {
            queue.put(number)?;
            is(!queue.is_empty() && queue.len() == 1, &queue)?;
            is(queue.try_get()? == number && queue.is_empty(), &queue)?;
        }
        Ok(Report::PASSED)
    }

    /// Python: a child that has put cannot exit before somebody has got.
    pub(crate) fn a_child_exits_before_its_messages_are_got() -> Outcome {
        let queue = Builder::new(1000).message_bytes(1100).values::<Vec<u8>>()?;
        let sender = queue.sender()?;
        // More than any pipe holds.
        let body = || (0..1000).filter(|_| sender.put(vec![7; 1000]).is_err()).count();
        let mut child = fork(|| i32::from(body() != 0));
        let end = child.wait_within(LIMIT);
        is(end == Some(End::Exited(0)), &end)?;
        let got: Vec<_> = queue.try_iter().collect::<Result<_, _>>()?;
        is(got.len() == 1000 && got.iter().all(|it| *it == [7; 1000]), &got.len())?;
        Ok(Report::PASSED)
    }

    /// Python: a reader that is killed as it waits takes the lock of all others with it.
    pub(crate) fn a_reader_killed_in_get_harms_nobody() -> Outcome {
        let queue = Builder::new(4).without_backstop().bytes()?;
        for number in 0..20_u8 {
            let mut reader = fork(|| i32::from(queue.get().is_ok()));
            reader.wait_asleep(LIMIT)?;
            kill(&mut reader)?;
            queue.put(&[number]).map_err(|error| error.to_string())?;
            is(queue.get()? == [number], &number)?;
        }
        Ok(Report::PASSED)
    }
}

#[cfg(not(ipc_loom))]
fn main() -> ExitCode {
    testkit::main(&[
        ("a forged message is an error", scenarios::forged_messages_are_errors),
        ("an answer that nobody takes holds up nobody", scenarios::untaken_answers_hold_up_nobody),
        (
            "a death before the first message is told of",
            scenarios::a_death_before_the_first_message_is_told_of,
        ),
        ("no wait ends before its time", scenarios::no_wait_ends_before_its_time),
        ("a get ends in time when a putter is killed", scenarios::receive_ends_in_time),
        ("what the living have put stays when others die", scenarios::committed_messages_stay),
        ("a small queue is never wedged by deaths", scenarios::never_wedged),
        ("the slots of the dead are used again", scenarios::slots_of_the_dead_are_used_again),
        ("a put that fails leaves no descriptor behind", scenarios::a_failed_put_leaves_nothing),
        ("a short message takes little memory", scenarios::a_short_message_takes_little),
        ("a full queue says so instead of blocking", scenarios::a_full_queue_says_so),
        ("messages that wait take no descriptors", scenarios::messages_take_no_descriptors),
        ("what is put is there at once, and counted", scenarios::what_is_put_is_there),
        (
            "a child may exit before its messages are got",
            scenarios::a_child_exits_before_its_messages_are_got,
        ),
        (
            "a reader that is killed in a get harms nobody",
            scenarios::a_reader_killed_in_get_harms_nobody,
        ),
    ])
}

#[cfg(ipc_loom)]
fn main() -> ExitCode {
    ExitCode::SUCCESS
}
