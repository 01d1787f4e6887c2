//! What is printed of jobs: each whole, in the order of their ends or of their lines.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use proc_core::ExitStatus;
use serde::Serialize;

use super::job::{Done, Outcome};
use crate::table::printable;

/// A job that is over.
#[derive(Debug)]
pub(super) struct Finished {
    /// How many lines came before its own.
    pub(super) index: u64,
    pub(super) line: Vec<u8>,
    pub(super) done: Done,
    /// How often it was run.
    pub(super) attempts: u32,
}

/// What to print, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub(super) json: bool,
    pub(super) keeps_order: bool,
    pub(super) has_progress: bool,
    /// Whether what is written to the second output can be written over.
    pub(super) is_terminal: bool,
}

/// Prints jobs as they finish.
#[derive(Debug)]
pub(super) struct Report<O, E> {
    style: Style,
    out: O,
    err: E,
    /// Those that wait for an earlier one.
    early: BTreeMap<u64, Finished>,
    n_printed: u64,
    /// The first that failed.
    failures: Vec<String>,
    n_failed: u64,
    /// When progress was told last, if it stands on the terminal now.
    told: Option<Instant>,
}

/// So many failures are named.
const NAMED: usize = 20;

/// How often progress is told at most.
const PAUSE: Duration = Duration::from_millis(100);

/// A job, for a program to read.
#[derive(Debug, Serialize)]
struct JobRow<'j> {
    schema: u32,
    /// Which line of the input, from 1 on.
    job: u64,
    input: &'j str,
    outcome: &'static str,
    code: Option<i32>,
    signal: Option<i32>,
    error: Option<&'j str>,
    attempts: u32,
    seconds: f64,
    stdout: &'j str,
    stderr: &'j str,
}

/// The last row.
#[derive(Debug, Serialize)]
struct SummaryRow {
    schema: u32,
    jobs: u64,
    failed: u64,
    /// Why not all of the input was done, if so.
    stopped: Option<&'static str>,
}

impl<O: Write, E: Write> Report<O, E> {
    pub(super) fn new(style: Style, out: O, err: E) -> Self {
        let (early, failures, told) = Default::default();
        Self { style, out, err, early, n_printed: 0, failures, n_failed: 0, told }
    }

    /// Takes a job that is over, and prints what can be printed now.
    pub(super) fn take(&mut self, finished: Finished) -> io::Result<()> {
        if !self.style.keeps_order {
            self.print(&finished)?;
        } else {
            self.early.insert(finished.index, finished);
            while let Some(next) = self.early.remove(&self.n_printed) {
                self.print(&next)?;
            }
        }
        self.tell_progress(false)
    }

    /// How many jobs were printed.
    pub(super) fn n_printed(&self) -> u64 {
        self.n_printed
    }

    /// How many of them failed.
    pub(super) fn n_failed(&self) -> u64 {
        self.n_failed
    }

    /// Prints what waits for jobs that will not come any more, and the sum of it all.
    pub(super) fn finish(&mut self, stopped: Option<&'static str>) -> io::Result<()> {
        while let Some((_, next)) = self.early.pop_first() {
            self.print(&next)?;
        }
        self.tell_progress(true)?;
        if self.style.json {
            let (jobs, failed) = (self.n_printed, self.n_failed);
            serde_json::to_writer(&mut self.out, &SummaryRow { schema: 1, jobs, failed, stopped })?;
            writeln!(self.out)?;
            return self.out.flush();
        }
        if let Some(reason) = stopped {
            writeln!(self.err, "mproc: stopped: {reason}")?;
        }
        if self.n_failed > 0 {
            writeln!(self.err, "mproc: {} of {} jobs failed:", self.n_failed, self.n_printed)?;
            for failure in &self.failures {
                writeln!(self.err, "  {failure}")?;
            }
            let more = self.n_failed - self.failures.len() as u64;
            if more > 0 {
                writeln!(self.err, "  and {more} more")?;
            }
        }
        self.err.flush()
    }

    fn print(&mut self, finished: &Finished) -> io::Result<()> {
        self.n_printed += 1;
        if !finished.done.is_success() {
            self.n_failed += 1;
            if self.failures.len() < NAMED {
                self.failures.push(finished.failure());
            }
        }
        self.clear_progress()?;
        if self.style.json {
            finished.write_row(&mut self.out)?;
            return self.out.flush();
        }
        let Done { stdout, stderr, .. } = &finished.done;
        if !stderr.is_empty() {
            self.err.write_all(stderr)?;
            self.err.flush()?;
        }
        self.out.write_all(stdout)?;
        self.out.flush()
    }

    fn clear_progress(&mut self) -> io::Result<()> {
        if self.told.is_some() && self.style.is_terminal {
            write!(self.err, "\r\x1b[K")?;
            self.err.flush()?;
        }
        Ok(())
    }

    /// Says how far it is: now and then on a terminal, and at the end everywhere.
    fn tell_progress(&mut self, is_last: bool) -> io::Result<()> {
        let is_due = self.told.is_none_or(|told| told.elapsed() >= PAUSE);
        if !self.style.has_progress || !(is_last || self.style.is_terminal && is_due) {
            return Ok(());
        }
        self.clear_progress()?;
        write!(self.err, "{} done, {} failed", self.n_printed, self.n_failed)?;
        if is_last {
            writeln!(self.err)?;
        }
        self.told = Some(Instant::now());
        self.err.flush()
    }
}

impl Finished {
    /// The line that failed, and why, for people.
    fn failure(&self) -> String {
        const SHOWN: usize = 60;

        let line = printable(&String::from_utf8_lossy(&self.line));
        let shown: String = line.chars().take(SHOWN).collect();
        let dots = if shown.len() < line.len() { "…" } else { "" };
        let why = match &self.done.outcome {
            Outcome::Ended(status) => status.to_string(),
            Outcome::TimedOut => "timed out".to_owned(),
            Outcome::NotRun(reason) | Outcome::Lost(reason) => printable(reason),
        };
        let tries =
            if self.attempts > 1 { format!(", {} tries", self.attempts) } else { String::new() };
        format!("line {}: {why}{tries}: {shown}{dots}", self.index + 1)
    }

    fn write_row(&self, out: &mut impl Write) -> io::Result<()> {
        let Done { outcome, stdout, stderr, time } = &self.done;
        let text = |bytes| String::from_utf8_lossy(bytes);
        let (name, status, error) = match outcome {
            Outcome::Ended(status @ ExitStatus::Exited(_)) => ("exited", Some(status), None),
            Outcome::Ended(status) => ("killed", Some(status), None),
            Outcome::TimedOut => ("timed-out", None, None),
            Outcome::NotRun(reason) => ("not-run", None, Some(reason.as_str())),
            Outcome::Lost(reason) => ("lost", None, Some(reason.as_str())),
        };
        let row = JobRow {
            schema: 1,
            job: self.index + 1,
            input: &text(&self.line),
            outcome: name,
            code: status.and_then(|status| status.code()),
            signal: status.and_then(|status| status.signal()),
            error,
            attempts: self.attempts,
            seconds: time.as_secs_f64(),
            stdout: &text(stdout),
            stderr: &text(stderr),
        };
        serde_json::to_writer(&mut *out, &row)?;
        writeln!(out)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proc_core::ExitStatus;

    use super::{Done, Finished, Outcome, Report, Style};

    const PLAIN: Style =
        Style { json: false, keeps_order: false, has_progress: false, is_terminal: false };

    fn finished(index: u64, code: i32) -> Finished {
        let stdout = format!("out {index}\n").into_bytes();
        let outcome = Outcome::Ended(ExitStatus::Exited(code));
        let done = Done { outcome, stdout, stderr: Vec::new(), time: Duration::ZERO };
        Finished { index, line: b"x\x1b".to_vec(), done, attempts: 1 }
    }

    /// What both outputs are when these jobs have finished, in this order.
    fn printed(style: Style, jobs: &[(u64, i32)]) -> (String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut report = Report::new(style, &mut out, &mut err);
        for &(index, code) in jobs {
            report.take(finished(index, code)).unwrap();
        }
        report.finish(None).unwrap();
        (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    #[test]
    fn jobs_are_printed_as_they_come_or_in_their_order() {
        let jobs = [(1, 0), (0, 0), (2, 0)];
        assert_eq!(printed(PLAIN, &jobs).0, "out 1\nout 0\nout 2\n");
        let ordered = Style { keeps_order: true, ..PLAIN };
        assert_eq!(printed(ordered, &jobs).0, "out 0\nout 1\nout 2\n");
    }

    #[test]
    fn what_waits_for_a_job_that_never_comes_is_printed_at_the_end() {
        let ordered = Style { keeps_order: true, ..PLAIN };
        assert_eq!(printed(ordered, &[(2, 0), (1, 0)]).0, "out 1\nout 2\n");
    }

    #[test]
    fn failures_are_counted_and_named() {
        let (_, err) = printed(PLAIN, &[(0, 0), (4, 7)]);
        assert_eq!(err, "mproc: 1 of 2 jobs failed:\n  line 5: exit code 7: x?\n");
        let many: Vec<_> = (0..25).map(|index| (index, 1)).collect();
        let (_, err) = printed(PLAIN, &many);
        assert!(err.starts_with("mproc: 25 of 25 jobs failed:\n"), "{err}");
        assert!(err.ends_with("\n  and 5 more\n"), "{err}");
    }

    #[test]
    fn progress_is_written_over_on_a_terminal_and_told_once_elsewhere() {
        let style = Style { has_progress: true, ..PLAIN };
        assert_eq!(printed(style, &[(0, 0), (1, 0)]).1, "2 done, 0 failed\n");
        let terminal = Style { is_terminal: true, ..style };
        let (_, err) = printed(terminal, &[(0, 0), (1, 0)]);
        assert!(err.starts_with("1 done, 0 failed\r\x1b[K"), "{err:?}");
        assert!(err.ends_with("\r\x1b[K2 done, 0 failed\n"), "{err:?}");
    }
}
