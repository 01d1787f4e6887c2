//! The crew: processes that call what they are told to call, and answer what came of it.

use std::io::{PipeReader, PipeWriter, Read as _, Write as _, pipe};
use std::time::{Duration, Instant};

use testkit::child::{self, Child};
use testkit::clock;
use testkit::{Counter, SharedArena};

use crate::answer::Answer;

/// Longer than anything here takes: who waits so long waits in vain.
const LONG: Duration = Duration::from_secs(20);

/// Processes that call what they are told to call.
pub(crate) struct Crew<W> {
    workers: Vec<Worker>,
    /// What each has answered; zero for nothing.
    answers: SharedArena<Counter>,
    /// Whether each has begun to do what it was told.
    begun: SharedArena<Counter>,
    work: W,
}

struct Worker {
    child: Child,
    orders: PipeWriter,
    /// Whether it was told something, and its answer was not seen.
    is_busy: bool,
}

impl<W: Fn(Orders<'_>)> Crew<W> {
    /// So many processes, each of which does `work`.
    pub(crate) fn new(n_workers: usize, work: W) -> Self {
        let (answers, begun) = (SharedArena::new(n_workers), SharedArena::new(n_workers));
        let mut crew = Self { workers: Vec::new(), answers, begun, work };
        crew.workers = (0..n_workers).map(|who| crew.start(who)).collect();
        crew
    }

    pub(crate) fn pid(&self, who: usize) -> u32 {
        u32::try_from(self.workers[who].child.pid()).unwrap()
    }

    /// The number of the worker with this process id.
    pub(crate) fn who(&self, pid: u32) -> Option<usize> {
        (0..self.workers.len()).find(|&who| self.pid(who) == pid)
    }

    pub(crate) fn is_busy(&self, who: usize) -> bool {
        self.workers[who].is_busy
    }

    /// Tells an idle worker to do what has this number.
    pub(crate) fn tell(&mut self, who: usize, order: u32) {
        let worker = &mut self.workers[who];
        self.begun[who].set(0);
        worker.orders.write_all(&order.to_ne_bytes()).unwrap();
        worker.is_busy = true;
    }

    /// Waits until a doomed worker has died, has answered in time, or sleeps.
    #[cfg(ipc_crash)]
    pub(crate) fn meet_doom(&mut self, who: usize) -> Result<(), String> {
        let child = &mut self.workers[who].child;
        let start = Instant::now();
        while self.answers[who].get() == 0
            && child.try_wait().is_none()
            && !child::are_all_asleep(&[child])
        {
            if start.elapsed() > LONG {
                return Err(format!("no end:\n{}", testkit::trace(child.pid())));
            }
        }
        Ok(())
    }

    /// Waits until a doomed worker has begun what it is to be killed in.
    #[cfg(not(ipc_crash))]
    #[expect(clippy::unnecessary_wraps, reason = "it can fail in the crash world")]
    pub(crate) fn meet_doom(&mut self, who: usize) -> Result<(), String> {
        while self.begun[who].get() == 0 {}
        Ok(())
    }

    /// The answer of a busy worker, if it has answered; then it is idle.
    pub(crate) fn answer(&mut self, who: usize) -> Option<Answer> {
        let answer = Answer::of_note(self.answers[who].get())?;
        self.answers[who].set(0);
        self.workers[who].is_busy = false;
        Some(answer)
    }

    /// Waits until all workers have answered or sleep; says who has answered what.
    pub(crate) fn rest(&mut self) -> Result<Vec<(usize, Answer)>, String> {
        let (start, mut answers) = (Instant::now(), Vec::new());
        loop {
            for who in 0..self.workers.len() {
                answers.extend(self.answer(who).map(|answer| (who, answer)));
            }
            let busy = self.workers.iter().filter(|worker| worker.is_busy);
            let busy: Vec<_> = busy.map(|worker| &worker.child).collect();
            if child::are_all_asleep(&busy) {
                return Ok(answers);
            }
            if start.elapsed() > LONG {
                let traces: String = busy.iter().map(|child| testkit::trace(child.pid())).collect();
                return Err(format!("no rest:\n{traces}"));
            }
            std::thread::yield_now();
        }
    }

    /// Kills a worker wherever it is, and puts another in its place; says what it has answered
    /// before.
    pub(crate) fn kill(&mut self, who: usize) -> Option<Answer> {
        self.workers[who].child.kill();
        self.workers[who].child.wait();
        let answer = self.answer(who);
        self.workers[who] = self.start(who);
        answer
    }

    fn start(&self, who: usize) -> Worker {
        let (ordered, orders) = pipe().unwrap();
        let child = child::fork(|| {
            let (answer, begun) = (&self.answers[who], &self.begun[who]);
            (self.work)(Orders { ordered, begun, answer });
            0
        });
        Worker { child, orders, is_busy: false }
    }
}

/// What a worker is told, and where it answers.
pub(crate) struct Orders<'crew> {
    ordered: PipeReader,
    begun: &'crew Counter,
    answer: &'crew Counter,
}

impl Orders<'_> {
    /// Waits for the next order, which is begun then.
    pub(crate) fn next(&mut self) -> u32 {
        let mut order = [0; 4];
        self.ordered.read_exact(&mut order).unwrap();
        self.begun.set(1);
        u32::from_ne_bytes(order)
    }

    pub(crate) fn answer(&self, answer: Answer) {
        self.answer.set(answer.to_note());
    }
}

/// Lets the calling process die after so many accesses to shared memory.
#[cfg(ipc_crash)]
pub(crate) fn doom(steps: u64) {
    ipc_core::primitive::crash::arm(steps);
}

/// Gives whoever kills the calling process a start of so many steps, as long as an access to shared
/// memory takes at most.
#[cfg(not(ipc_crash))]
pub(crate) fn doom(steps: u64) {
    pass_ns(300 * steps);
}

/// Lets so much time pass, doing nothing else.
pub(crate) fn pass_ns(time: u64) {
    let start = clock::now_ns();
    while clock::now_ns() - start < time {}
}
