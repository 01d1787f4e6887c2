//! Joinable queues between processes: whose items are whose, and what becomes of those of the dead.

use std::process::ExitCode;

#[cfg(not(ipc_loom))]
mod scenarios {
    use std::mem::ManuallyDrop;
    use std::time::Duration;

    use ipc_core::Deadline;
    use ipc_core::wire::{self, Limits, MessageSocket};
    use ipc_queue::{Builder, GetError, JoinableQueue, JoinableReceiver, LeaseError};
    use testkit::child::{Child, End, fork};
    use testkit::{Counter, Outcome, Report, SharedArena};

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

    fn holds(body: impl FnOnce() -> bool) -> Child {
        fork(|| i32::from(!body()))
    }

    fn queue(capacity: usize) -> Result<JoinableQueue<u32>, Box<dyn std::error::Error>> {
        Ok(Builder::new(capacity).seats(8).without_backstop().joinable()?)
    }

    /// Works until the queue is closed.
    fn work(queue: &JoinableQueue<u32>, done: &SharedArena<Counter>) -> bool {
        loop {
            match queue.get() {
                Ok(lease) => {
                    let item = *lease;
                    if lease.done().is_err() {
                        return false;
                    }
                    done[item as usize].add(1);
                }
                Err(error) => return error.is_closed(),
            }
        }
    }

    pub(crate) fn join_waits_for_workers() -> Outcome {
        const N_ITEMS: u32 = 3000;
        let queue = queue(5)?;
        let done = SharedArena::<Counter>::new(N_ITEMS as usize);
        let mut workers: Vec<_> = (0..3).map(|_| holds(|| work(&queue, &done))).collect();
        for item in 0..N_ITEMS {
            queue.put(item)?;
        }
        queue.join()?;
        is(queue.stats().unfinished == 0, &queue)?;
        queue.close();
        workers.iter_mut().try_for_each(ends_well)?;
        is(done.iter().all(|times| times.get() == 1), &"each once")?;
        Ok(Report::PASSED)
    }

    /// One dies with items in its hands, and nobody else does anything but sleep.
    pub(crate) fn a_death_wakes_who_sleeps() -> Outcome {
        let queue = queue(4)?;
        let done = SharedArena::<Counter>::new(3);
        (0..3).try_for_each(|item| queue.put(item))?;
        let holder = holds(|| {
            let leases = [queue.get(), queue.get(), queue.get()];
            done[0].add(100);
            done[1].wait_until(|forever| forever == 1000);
            leases.iter().all(Result::is_ok)
        });
        done[0].wait_until(|held| held == 100);
        let mut worker = holds(|| work(&queue, &done));
        let mut joiner = holds(|| queue.join().is_ok());
        worker.wait_asleep(LIMIT)?;
        joiner.wait_asleep(LIMIT)?;
        holder.kill();
        ends_well(&mut joiner)?;
        queue.close();
        ends_well(&mut worker)?;
        is(done[0].get() == 101 && done[1].get() == 1 && done[2].get() == 1, &done[0].get())?;
        is(queue.stats().redelivered == 3, &queue.stats())?;
        Ok(Report::PASSED)
    }

    /// Nobody dies, so that nobody is woken by that.
    pub(crate) fn what_is_given_back_wakes_who_sleeps() -> Outcome {
        let queue = queue(4)?;
        queue.put(1)?;
        let lease = queue.get()?;
        let mut worker = holds(|| {
            queue.get().is_ok_and(|lease| lease.deliveries() == 2 && lease.done() == Ok(1))
        });
        worker.wait_asleep(LIMIT)?;
        lease.fail()?;
        ends_well(&mut worker)?;
        queue.join()?;
        Ok(Report::PASSED)
    }

    /// The queue is never empty, so nobody sleeps; what a dead one had comes all the same.
    pub(crate) fn a_busy_queue_hands_out_what_the_dead_had() -> Outcome {
        let queue = queue(4)?;
        queue.put(1)?;
        let mut dies = holds(|| ManuallyDrop::new(queue.get()).is_ok());
        ends_well(&mut dies)?;
        queue.put(2)?;
        // Who looks whether all is finished sees it, and says so.
        is(queue.try_join().is_err(), &queue)?;
        let lease = queue.get()?;
        is((*lease, lease.deliveries()) == (1, 2), &lease)?;
        Ok(Report::PASSED)
    }

    pub(crate) fn a_seat_is_given_on_and_its_items_are_not() -> Outcome {
        let queue: JoinableQueue<u32> = Builder::new(4).seats(2).without_backstop().joinable()?;
        queue.put(1)?;
        let mut dies = holds(|| ManuallyDrop::new(queue.get()).is_ok());
        ends_well(&mut dies)?;
        let mut heir = holds(|| queue.put(2).is_ok());
        ends_well(&mut heir)?;
        let stats = queue.stats();
        is(stats.in_hand.len() == 1 && stats.in_hand[0].holder.is_none(), &stats)?;
        let lease = queue.get()?;
        is((*lease, lease.deliveries()) == (1, 2), &lease)?;
        Ok(Report::PASSED)
    }

    pub(crate) fn stats_say_who_has_what() -> Outcome {
        let queue = queue(8)?;
        (0..3).try_for_each(|item| queue.put(item))?;
        let mine = queue.get()?;
        let stats = queue.stats();
        is((stats.unfinished, stats.in_hand.len(), stats.redelivered) == (3, 1, 0), &stats)?;
        let holder = stats.in_hand[0].holder.ok_or("nobody")?;
        let me = ipc_core::ProcessId::current()?.pid();
        is(holder.pid == me && holder.tid == Some(me), &holder)?;
        let mut dies = holds(|| ManuallyDrop::new(queue.get()).is_ok());
        let dead = dies.pid();
        ends_well(&mut dies)?;
        let stats = queue.stats();
        is((stats.unfinished, stats.in_hand.len()) == (3, 2), &stats)?;
        let holder = stats.in_hand[1].holder.ok_or("nobody")?;
        is(i64::from(holder.pid) == i64::from(dead) && holder.tid.is_none(), &holder)?;
        is(stats.in_hand[1].deliveries == 1, &stats)?;
        let next = queue.get()?;
        is((*next, next.deliveries()) == (2, 1), &next)?;
        let again = queue.get()?;
        is((*again, again.deliveries()) == (1, 2), &again)?;
        again.fail()?;
        let stats = queue.stats();
        is(stats.in_hand[1].holder.is_none() && stats.redelivered == 1, &stats)?;
        let shown = "JoinableQueue { len: 0, unfinished: 3, capacity: 8, closed: false, .. }";
        is(format!("{queue:?}") == shown, &queue)?;
        drop(mine);
        Ok(Report::PASSED)
    }

    pub(crate) fn a_forked_child_has_no_leases() -> Outcome {
        let queue = queue(2)?;
        queue.put(1)?;
        queue.put(2)?;
        let (mut one, mut two) = (Some(queue.get()?), Some(queue.get()?));
        let mut child = holds(|| {
            drop(two.take());
            one.take().map(|lease| lease.done()) == Some(Err(LeaseError::Inherited))
                && queue.unfinished() == 2
        });
        ends_well(&mut child)?;
        is(queue.unfinished() == 2, &queue)?;
        one.ok_or("it is here")?.done()?;
        two.ok_or("it is here")?.done()?;
        queue.join()?;
        Ok(Report::PASSED)
    }

    pub(crate) fn handles_travel() -> Outcome {
        let (here, there) = MessageSocket::pair()?;
        // Forked before there is a handle, so that it has none but the one that it is sent.
        let mut worker = holds(|| {
            let Ok(Some(message)) = there.recv(&Limits::default(), Deadline::after(LIMIT)) else {
                return false;
            };
            let Ok(queue) = wire::decode::<JoinableReceiver<u32>>(message) else { return false };
            loop {
                match queue.get() {
                    Ok(lease) if *lease == 2 && lease.deliveries() == 1 => {
                        if lease.fail().is_err() {
                            return false;
                        }
                    }
                    Ok(lease) => {
                        if lease.done().is_err() {
                            return false;
                        }
                    }
                    Err(error) => return error.is_disconnected(),
                }
            }
        });
        let (sender, receiver) = queue(4)?.split()?;
        here.send(&wire::encode(&receiver)?, Deadline::after(LIMIT))?;
        drop(receiver);
        (0..5).try_for_each(|item| sender.put(item))?;
        sender.join()?;
        is(sender.stats().redelivered == 1, &sender.stats())?;
        drop(sender);
        ends_well(&mut worker)?;
        Ok(Report::PASSED)
    }

    /// All workers are dead, and one comes afterwards.
    pub(crate) fn a_worker_that_comes_late_gets_what_is_left() -> Outcome {
        let queue = queue(4)?;
        (0..3).try_for_each(|item| queue.put(item))?;
        for _ in 0..3 {
            let mut dies = holds(|| ManuallyDrop::new(queue.get()).is_ok());
            ends_well(&mut dies)?;
        }
        let mut joiner = holds(|| queue.join().is_ok());
        joiner.wait_asleep(LIMIT)?;
        for item in 0..3 {
            let lease = queue.get()?;
            is((*lease, lease.deliveries()) == (item, 2), &lease)?;
        }
        ends_well(&mut joiner)?;
        is(matches!(queue.try_get(), Err(GetError::Empty)), &queue)?;
        Ok(Report::PASSED)
    }
}

#[cfg(not(ipc_loom))]
fn main() -> ExitCode {
    use scenarios as s;
    testkit::main(&[
        ("join waits for workers", s::join_waits_for_workers),
        ("a death wakes who sleeps", s::a_death_wakes_who_sleeps),
        ("what is given back wakes who sleeps", s::what_is_given_back_wakes_who_sleeps),
        ("a busy queue hands out what the dead had", s::a_busy_queue_hands_out_what_the_dead_had),
        ("a seat is given on and its items are not", s::a_seat_is_given_on_and_its_items_are_not),
        ("stats say who has what", s::stats_say_who_has_what),
        ("a forked child has no leases", s::a_forked_child_has_no_leases),
        ("handles travel", s::handles_travel),
        (
            "a worker that comes late gets what is left",
            s::a_worker_that_comes_late_gets_what_is_left,
        ),
    ])
}

#[cfg(ipc_loom)]
fn main() -> ExitCode {
    ExitCode::SUCCESS
}
