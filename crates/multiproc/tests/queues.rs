//! Handles of queues, of every kind and side, in whatever can carry them; and in queues, which cannot.
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

use std::process::ExitCode;

use multiproc::connection::pipe;
use multiproc::process::stop_fork_server;
use multiproc::queue::{
    ByteQueue, ByteReceiver, ByteSender, JoinableQueue, JoinableReceiver, JoinableSender, PutError,
    Queue, Receiver, Sender, SimpleQueue,
};
use multiproc::wire::EncodeError;
use multiproc::{Connection, Pool, Process, Start};
use serde::{Deserialize, Serialize};
use testkit::{Outcome, Report};

const ALL_STARTS: [Start; 3] = [Start::Spawn, Start::ForkServer, Start::Fork];

fn main() -> ExitCode {
    testkit::main(&[
        ("handles of queues are arguments and results of processes", arguments),
        ("handles of queues are parts of messages", messages),
        ("handles of queues are arguments and results of tasks", tasks),
        ("what holds a handle is not put into a queue, and comes back", refused),
    ])
}

fn is(holds: bool, what: impl std::fmt::Debug) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("{what:?}")) }
}

/// One handle of each kind.
#[derive(Serialize, Deserialize)]
struct All {
    values: Queue<u32>,
    simple: SimpleQueue<u32>,
    bytes: ByteQueue,
    joinable: JoinableQueue<u32>,
    ends: (Sender<u32>, Receiver<u32>),
    byte_ends: (ByteSender, ByteReceiver),
    joinable_ends: (JoinableSender<u32>, JoinableReceiver<u32>),
}

impl All {
    fn new() -> Self {
        Self {
            values: Queue::bounded(4).unwrap(),
            simple: SimpleQueue::new().unwrap(),
            bytes: ByteQueue::bounded(4).unwrap(),
            joinable: JoinableQueue::bounded(4).unwrap(),
            ends: multiproc::queue::channel(4).unwrap(),
            byte_ends: multiproc::queue::byte_channel(4).unwrap(),
            joinable_ends: JoinableQueue::bounded(4).unwrap().split().unwrap(),
        }
    }

    fn put(&self, number: u32) {
        self.values.put(number).unwrap();
        self.simple.put(number).unwrap();
        self.bytes.put(&number.to_le_bytes()).unwrap();
        self.joinable.put(number).unwrap();
        self.ends.0.put(number).unwrap();
        self.byte_ends.0.put(&number.to_le_bytes()).unwrap();
        self.joinable_ends.0.put(number).unwrap();
    }

    /// What was put, of each kind.
    fn get(&self) -> Vec<u32> {
        let of_bytes = |bytes: Vec<u8>| u32::from_le_bytes(bytes.try_into().unwrap());
        vec![
            self.values.get().unwrap(),
            self.simple.get().unwrap(),
            of_bytes(self.bytes.get().unwrap()),
            self.joinable.get().unwrap().done().unwrap(),
            self.ends.1.get().unwrap(),
            of_bytes(self.byte_ends.1.get().unwrap()),
            self.joinable_ends.1.get().unwrap().done().unwrap(),
        ]
    }
}

/// Gets a number of each, and puts the next; then gives the handles back.
fn answer(all: All) -> All {
    let next = all.get().iter().sum::<u32>() / 7 + 1;
    all.put(next);
    all
}

fn arguments() -> Outcome {
    for start in ALL_STARTS {
        let (all, others) = (All::new(), All::new());
        all.put(1);
        let child = Process::builder().start(start).spawn(answer, all)?;
        let back = child.join()?;
        is(back.get() == [2; 7], start)?;
        // And those that came back lead to what others have, too.
        others.put(5);
        let values = others.values.clone();
        let back = Process::builder().start(start).spawn(answer, others)?.join()?;
        is(values.get()? == 6 && back.values.same_queue(&values), start)?;
    }
    stop_fork_server();
    Ok(Report::PASSED)
}

fn pass_on(end: Connection<All, All>) {
    let all = end.recv().unwrap();
    end.send(&answer(all)).unwrap();
}

fn messages() -> Outcome {
    for start in ALL_STARTS {
        let (here, there) = pipe::<All, All>()?;
        let child = Process::builder().start(start).spawn(pass_on, there)?;
        let all = All::new();
        all.put(10);
        here.send(&all)?;
        let back = here.recv()?;
        is(back.get() == [11; 7], ("through the connection", start))?;
        child.join()?;
        // The handles that were sent stay good.
        back.put(3);
        is(all.get() == [3; 7], ("those that were kept", start))?;
    }
    stop_fork_server();
    Ok(Report::PASSED)
}

fn tasks() -> Outcome {
    // A pool has threads, and refuses to fork.
    for start in [Start::Spawn, Start::ForkServer] {
        let pool = Pool::builder().workers(2).start(start).build()?;
        let all = All::new();
        all.put(20);
        let back = pool.submit(answer, all)?.join()?;
        is(back.get() == [21; 7], ("through a task", start))?;
        back.put(30);
        let back = pool.submit(answer, back)?.join()?;
        is(back.get() == [31; 7], ("through another", start))?;
        pool.join()?;
    }
    stop_fork_server();
    Ok(Report::PASSED)
}

/// That it is no error but that a handle was in it; and what came back.
fn came_back<T>(put: Result<(), PutError<T>>) -> Result<T, String> {
    match put {
        Err(PutError::Encode { value, source: EncodeError::HandleNotAllowed }) => Ok(value),
        Err(error) => Err(error.to_string()),
        Ok(()) => Err("a handle was put into a queue".to_owned()),
    }
}

fn refused() -> Outcome {
    let inner = Queue::<u32>::bounded(1)?;
    let whole = |value: Queue<u32>| is(value.same_queue(&inner), "another came back");
    let queue = Queue::<Queue<u32>>::bounded(2)?;
    whole(came_back(queue.put(inner.clone()))?)?;
    whole(came_back(queue.try_put(inner.clone()))?)?;
    let batch = queue.put_all([inner.clone(), inner.clone()]).err().ok_or("a batch was put")?;
    is(batch.n_put == 0, batch.n_put)?;
    whole(came_back(Err(batch.error))?)?;
    is(queue.is_empty(), "something was put")?;

    let simple = SimpleQueue::<Queue<u32>>::new()?;
    whole(came_back(simple.put(inner.clone()))?)?;
    let joinable = JoinableQueue::<Queue<u32>>::bounded(1)?;
    whole(came_back(joinable.put(inner.clone()))?)?;
    is(joinable.try_join() == Ok(()), "something is unfinished")?;
    let (sender, _receiver) = multiproc::queue::channel::<Queue<u32>>(1)?;
    whole(came_back(sender.put(inner.clone()))?)?;
    Ok(Report::PASSED)
}
