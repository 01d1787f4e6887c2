//! The keeper: the process that has the pool, hands out lines, and prints what comes back.
//!
//! As many threads as there are workers each take a line, have a worker run the job, and take the next:
//! so no more lines are taken than are worked on. The first thread prints. Another waits for the
//! *lifeline*, a pipe whose other end is `mproc`'s alone.

use std::io::{self, IsTerminal as _, PipeReader, Read as _, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt as _;
use std::process;
use std::sync::mpsc::{self, Receiver, RecvError, SyncSender};
use std::sync::{Arc, OnceLock};
use std::thread;

use ipc_core::wire::Handle;
use pool::{Pool, TaskError};
use proc_core::{Reaper, cpu_count};
use serde::{Deserialize, Serialize};

use super::input::{Line, Lines};
use super::job::{self, Done, Job, Outcome, Recipe};
use super::orphans;
use super::report::{Finished, Report, Style};
use crate::flags;

/// Through the lifeline: no more jobs, and end those that run.
pub(super) const STOP: u8 = b's';

/// What the keeper is told.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Order {
    recipe: Recipe,
    n_workers: usize,
    retries: u32,
    end_of_line: u8,
    keeps_order: bool,
    has_progress: bool,
    halts_on_error: bool,
    json: bool,
}

/// How it all ended.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Ending {
    AllWell,
    SomeFailed,
    /// Nobody reads what is printed.
    OutputClosed,
    Broken(String),
}

impl Order {
    pub(super) fn new(flags: &flags::Map, json: bool) -> Self {
        let command = flags.command.iter().map(|word| word.clone().into_vec()).collect();
        let (is_for_shell, timeout) = (flags.shell, flags.timeout);
        Self {
            recipe: Recipe { command, is_for_shell, timeout },
            n_workers: flags.jobs.map_or_else(|| cpu_count().usable(), usize::from),
            retries: flags.retries,
            end_of_line: if flags.null { 0 } else { b'\n' },
            keeps_order: flags.keep_order,
            has_progress: flags.progress,
            halts_on_error: flags.halt_on_error,
            json,
        }
    }
}

/// What the printing thread hears.
#[derive(Debug)]
enum News {
    Finished(Finished),
    /// A runner has nothing more to do.
    RunnerGone,
    /// Nothing more can be done.
    Broken(String),
    /// `mproc` wanted us to stop, and we have.
    Stopped,
}

/// What all threads share.
#[derive(Debug)]
struct Shop {
    order: Order,
    pool: Pool,
    reaper: Reaper,
    lines: Lines<io::BufReader<io::Stdin>>,
    /// Set when nothing new is to be begun.
    is_over: OnceLock<()>,
}

/// The keeper's life.
pub(super) fn keep((order, lifeline): (Order, Handle)) -> Ending {
    match Shop::open(order) {
        Ok(shop) => shop.run(PipeReader::from(OwnedFd::from(lifeline))),
        Err(reason) => Ending::Broken(reason),
    }
}

impl Shop {
    fn open(order: Order) -> Result<Arc<Self>, String> {
        let reaper = Reaper::adopt_orphans().map_err(|error| error.to_string())?;
        let pool = Pool::builder().workers(order.n_workers).build();
        let pool = pool.map_err(|error| error.to_string())?;
        // Each worker may have finished a few while one is long in its turn.
        let most_ahead = (order.n_workers as u64).saturating_mul(8).max(64);
        let lines = Lines::new(io::BufReader::new(io::stdin()), order.end_of_line, most_ahead);
        Ok(Arc::new(Self { order, pool, reaper, lines, is_over: OnceLock::new() }))
    }

    fn run(self: Arc<Self>, lifeline: PipeReader) -> Ending {
        let (news, hears) = mpsc::sync_channel(self.order.n_workers);
        let runners = (0..self.order.n_workers).try_for_each(|_| {
            let (shop, news) = (Arc::clone(&self), news.clone());
            start_thread("map-runner", move || shop.run_jobs(&news))
        });
        let shop = Arc::clone(&self);
        let watcher = start_thread("map-lifeline", move || shop.watch(lifeline, &news));
        let ending = match runners.and(watcher) {
            Ok(()) => self.print(&hears),
            Err(error) => Ending::Broken(format!("no thread can be started: {error}")),
        };
        self.stop();
        ending
    }

    /// Ends all jobs, and sees to it that no other begins.
    fn stop(&self) {
        // Whoever was first.
        let _first = self.is_over.set(());
        self.lines.close();
        // It is our pool, and these are our orphans: nothing fails but for want of memory.
        let _ended = self.pool.terminate();
        let _ended = orphans::end_all(&self.reaper);
    }

    fn is_over(&self) -> bool {
        self.is_over.get().is_some()
    }

    /// A runner's life: a line, a job, the next line.
    fn run_jobs(&self, news: &SyncSender<News>) {
        loop {
            let said = match self.lines.next() {
                Ok(Some(line)) if !self.is_over() => self.run_job(line),
                Ok(_) => News::RunnerGone,
                Err(error) => News::Broken(format!("cannot read the input: {error}")),
            };
            let is_last = !matches!(said, News::Finished(_));
            // Nobody hears it any more if it is over.
            if news.send(said).is_err() || is_last {
                return;
            }
        }
    }

    /// Runs a job until it succeeds, or as often as it may be run.
    fn run_job(&self, Line { index, bytes: line }: Line) -> News {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let job = Job { recipe: self.order.recipe.clone(), line: line.clone() };
            let done = match self.pool.call(job::run, job) {
                Ok(done) => done,
                Err(TaskError::Terminated) => return News::RunnerGone,
                Err(error @ TaskError::NoWorkers(_)) => return News::Broken(error.to_string()),
                Err(error) => {
                    // What a dead worker ran is ours now. As for `stop`.
                    let _ended = orphans::end_all(&self.reaper);
                    Done::without_output(Outcome::Lost(error.to_string()))
                }
            };
            if done.is_success() || attempts > self.order.retries || self.is_over() {
                return News::Finished(Finished { index, line, done, attempts });
            }
        }
    }

    /// Waits until `mproc` says that we are to stop, or is gone.
    fn watch(&self, mut lifeline: PipeReader, news: &SyncSender<News>) {
        let mut said = [0];
        let is_asked = matches!(lifeline.read(&mut said), Ok(1) if said == [STOP]);
        self.stop();
        if is_asked {
            // Nobody hears it if all was done anyway.
            let _heard = news.send(News::Stopped);
        } else {
            // Nobody waits for what we could still print, and whoever is to read it may not do so.
            end_now();
        }
    }

    /// Prints what comes, until nothing more does.
    fn print(&self, news: &Receiver<News>) -> Ending {
        let (out, err) = (io::stdout(), io::stderr());
        let style = Style {
            json: self.order.json,
            keeps_order: self.order.keeps_order,
            has_progress: self.order.has_progress,
            is_terminal: err.is_terminal(),
        };
        let mut report = Report::new(style, out, err);
        match self.print_all(news, &mut report) {
            Ok(ending) => ending,
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ending::OutputClosed,
            Err(error) => Ending::Broken(format!("cannot write the output: {error}")),
        }
    }

    fn print_all(
        &self,
        news: &Receiver<News>,
        report: &mut Report<impl Write, impl Write>,
    ) -> io::Result<Ending> {
        let mut n_runners = self.order.n_workers;
        let (mut stopped, mut broken) = (None, None);
        while n_runners > 0 && stopped.is_none() {
            match news.recv() {
                Ok(News::Finished(finished)) => {
                    let is_bad = !finished.done.is_success();
                    report.take(finished)?;
                    self.lines.finished(report.n_printed());
                    if is_bad && self.order.halts_on_error {
                        stopped = Some("a job failed");
                    }
                }
                Ok(News::RunnerGone) => n_runners -= 1,
                Ok(News::Broken(reason)) => {
                    stopped = Some("something broke");
                    broken = Some(reason);
                }
                Ok(News::Stopped) | Err(RecvError) => stopped = Some("a signal"),
            }
        }
        if self.is_over() {
            // The runners may have been faster than the word of it.
            stopped = stopped.or(Some("a signal"));
        }
        if stopped.is_some() {
            self.stop();
            for news in news.try_iter() {
                if let News::Finished(finished) = news {
                    report.take(finished)?;
                }
            }
        }
        report.finish(stopped)?;
        Ok(match broken {
            Some(reason) => Ending::Broken(reason),
            None if report.n_failed() > 0 => Ending::SomeFailed,
            None => Ending::AllWell,
        })
    }
}

fn start_thread(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(name.to_owned()).spawn(work).map(drop)
}

#[expect(clippy::exit, reason = "a thread that others may wait for has to end the process")]
fn end_now() -> ! {
    process::exit(1)
}
