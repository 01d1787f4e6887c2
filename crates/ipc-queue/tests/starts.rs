//! Queues and their ends as arguments of processes, however those are started.

use std::process::ExitCode;

#[cfg(not(ipc_loom))]
mod scenarios {
    use std::time::Duration;

    use ipc_queue::{GetError, Queue, Receiver, Sender};
    use proc_core::{Process, Start, stop_fork_server};
    use testkit::{Outcome, Report};

    const ALL: [Start; 3] = [Start::Spawn, Start::ForkServer, Start::Fork];

    /// Those in which a child has nothing but what it is given. A forked one has all that its parent
    /// has, and is on a side as long as it does not drop it.
    const CLEAN: [Start; 2] = [Start::Spawn, Start::ForkServer];

    fn is(holds: bool, what: &dyn std::fmt::Debug) -> Result<(), String> {
        if holds { Ok(()) } else { Err(format!("{what:?}")) }
    }

    /// Puts as many as it is told, and returns.
    fn put_some((sender, n): (Sender<u32>, u32)) -> bool {
        sender.put_all(0..n).is_ok_and(|n_put| n_put == n as usize)
    }

    /// Puts one, and lives until it is killed.
    fn put_and_stay(sender: Sender<u32>) {
        if sender.put(7).is_ok() {
            loop {
                std::thread::park();
            }
        }
    }

    /// Gets until nobody is left to put, and returns the sum.
    fn sum(receiver: Receiver<u32>) -> Option<u32> {
        receiver.into_iter().sum::<Result<u32, GetError>>().ok()
    }

    pub(crate) fn a_child_that_returns() -> Outcome {
        for start in ALL {
            let (sender, receiver) = ipc_queue::channel::<u32>(4)?;
            let child = Process::builder().start(start).spawn(put_some, (sender, 100))?;
            let got: Vec<u32> = receiver.iter().collect::<Result<_, _>>()?;
            is(got.iter().copied().eq(0..100), &(start, got))?;
            is(child.join()?, &(start, "the child"))?;
        }
        stop_fork_server();
        Ok(Report::PASSED)
    }

    pub(crate) fn a_child_that_is_killed() -> Outcome {
        for start in ALL {
            let (sender, receiver) = ipc_queue::channel::<u32>(4)?;
            let child = Process::builder().start(start).spawn(put_and_stay, sender)?;
            is(receiver.get()? == 7, &(start, "the first"))?;
            let alive = receiver.get_timeout(Duration::from_millis(20));
            is(matches!(alive, Err(GetError::TimedOut)), &(start, alive))?;
            child.kill()?;
            let dead = receiver.get();
            is(matches!(dead, Err(GetError::Disconnected)), &(start, dead))?;
        }
        stop_fork_server();
        Ok(Report::PASSED)
    }

    pub(crate) fn a_child_that_gets() -> Outcome {
        for start in CLEAN {
            let (sender, receiver) = ipc_queue::channel::<u32>(4)?;
            let child = Process::builder().start(start).spawn(sum, receiver)?;
            sender.put_all(1..=100)?;
            drop(sender);
            is(child.join()? == Some(5050), &(start, "the sum"))?;
            // And the other way round: its end was the last of its side.
            let (sender, receiver) = ipc_queue::channel::<u32>(4)?;
            let child = Process::builder().start(start).spawn(sum, receiver)?;
            sender.put(1)?;
            child.kill()?;
            let refused = sender.put_all(0..10).err().ok_or("more than there is room for")?;
            is(refused.error.is_disconnected(), &(start, refused))?;
        }
        stop_fork_server();
        Ok(Report::PASSED)
    }

    /// Children started one after the other by processes with handles that are none of theirs.
    pub(crate) fn a_handle_is_for_whom_it_is_given() -> Outcome {
        for start in CLEAN {
            let (sender, receiver) = ipc_queue::channel::<u32>(4)?;
            let other = Queue::<u32>::bounded(4)?;
            // It has `other`, and nothing of the channel.
            let bystander = Process::builder().start(start).spawn(wait_for_one, other.clone())?;
            drop(sender);
            let got = receiver.get();
            is(matches!(got, Err(GetError::Disconnected)), &(start, got))?;
            other.put(1)?;
            is(bystander.join()? == Some(1), &(start, "the bystander"))?;
        }
        stop_fork_server();
        Ok(Report::PASSED)
    }

    fn wait_for_one(queue: Queue<u32>) -> Option<u32> {
        queue.get().ok()
    }
}

#[cfg(not(ipc_loom))]
fn main() -> ExitCode {
    testkit::main(&[
        ("a child with the only sender returns", scenarios::a_child_that_returns),
        ("a child with the only sender is killed", scenarios::a_child_that_is_killed),
        ("a child with the only receiver returns, or is killed", scenarios::a_child_that_gets),
        (
            "a child is on no side of a queue that it was not given",
            scenarios::a_handle_is_for_whom_it_is_given,
        ),
    ])
}

#[cfg(ipc_loom)]
fn main() -> ExitCode {
    ExitCode::SUCCESS
}
