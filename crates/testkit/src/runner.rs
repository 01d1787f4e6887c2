//! The runner of test binaries that fork.
//!
//! Each scenario runs in a child process of its own with one thread, while the runner's process
//! keeps watch: a scenario that panics, dies, hangs or leaves processes behind has failed, its
//! whole family is ended, and the next one starts clean.

use std::{
    env,
    error::Error,
    io::{self, Write as _},
    ops::Range,
    process::ExitCode,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, WaitOptions};

use crate::{
    arena::SharedArena,
    child::{self, Child, End},
    clock, lasting, proc,
    report::Report,
    seed,
    text::Text,
    watchdog::Board,
};

/// What a scenario comes to.
pub type Outcome = Result<Report, Box<dyn Error>>;

/// A scenario: a name and the function that plays it.
pub type Scenario = (&'static str, fn() -> Outcome);

/// An entry: a name and the function that a [fresh](crate::child::Fresh) process runs with its
/// arguments; it exits with what the function returns.
pub type Entry = (&'static str, fn(Vec<String>) -> i32);

/// Runs the scenarios that the command line asks for, and prints one line for each and the sums.
///
/// The `main` of a test binary with `harness = false`. See [`Runner`] for more.
///
/// # Examples
///
/// ```no_run
/// use std::process::ExitCode;
/// use testkit::{Outcome, Report};
///
/// fn two_and_two_is_four() -> Outcome {
///     if 2 + 2 == 4 { Ok(Report::PASSED) } else { Err("the world is broken".into()) }
/// }
///
/// fn main() -> ExitCode {
///     testkit::main(&[("two and two is four", two_and_two_is_four)])
/// }
/// ```
#[must_use]
pub fn main(scenarios: &[Scenario]) -> ExitCode {
    Runner::new(scenarios).main()
}

/// Whether the long form of every proof is wanted: `TESTKIT_FULL=1`.
#[must_use]
pub fn full() -> bool {
    env::var_os("TESTKIT_FULL").is_some_and(|value| value != "0" && !value.is_empty())
}

/// The part of a sweep of so many stages that is wanted: `TESTKIT_PART=29..36`, or all of it.
///
/// For sweeps that take hours. A part may lie anywhere; what is beyond the last stage is empty.
///
/// # Errors
///
/// If the variable holds no such range.
pub fn part(n_stages: usize) -> Result<Range<usize>, String> {
    match env::var("TESTKIT_PART") {
        Ok(text) => part_of(n_stages, &text)
            .ok_or_else(|| format!("TESTKIT_PART must be as 29..36, not {text:?}")),
        Err(_) => Ok(0..n_stages),
    }
}

fn part_of(n_stages: usize, text: &str) -> Option<Range<usize>> {
    let (from, to) = text.split_once("..")?;
    let (from, to): (usize, usize) = (from.parse().ok()?, to.parse().ok()?);
    (from <= to).then(|| from.min(n_stages)..to.min(n_stages))
}

/// A test binary that forks: scenarios by name, and how to run them.
///
/// # Process death
///
/// A scenario that dies has failed; its children are ended. If the runner dies, the kernel ends
/// the scenario and its children.
///
/// # The command line
///
/// Words select the scenarios whose names contain one of them (with `--exact`: are one of them);
/// `--skip WORD` leaves some out; `--list` lists; what else libtest knows is accepted and means
/// nothing. The exit code is 0 if everything that ran succeeded.
#[derive(Debug)]
pub struct Runner<'a> {
    scenarios: &'a [Scenario],
    entries: &'a [Entry],
    limit: Duration,
}

impl<'a> Runner<'a> {
    /// A runner of these scenarios, each of which must end within five minutes, in the
    /// [long form](full) within six hours.
    #[must_use]
    pub fn new(scenarios: &'a [Scenario]) -> Self {
        let minutes = if full() { 360 } else { 5 };
        Self { scenarios, entries: &[], limit: Duration::from_secs(minutes * 60) }
    }

    /// Names the functions that [fresh](crate::child::Fresh) processes may run.
    #[must_use]
    pub fn entries(mut self, entries: &'a [Entry]) -> Self {
        self.entries = entries;
        self
    }

    /// Ends scenarios that are not done within `limit`.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Does what the command line (or, in a fresh process, its parent) asks for.
    ///
    /// # Panics
    ///
    /// If this process has more than one thread, or is asked for an entry that does not exist.
    #[must_use]
    pub fn main(self) -> ExitCode {
        if let Some(entry) = child::entry() {
            return self.enter(&entry);
        }
        let selection = Selection::parse(env::args().skip(1));
        if selection.list {
            for (name, _) in self.selected(&selection) {
                println!("{name}: test");
            }
            return ExitCode::SUCCESS;
        }
        self.run(&selection)
    }

    fn enter(&self, entry: &str) -> ExitCode {
        if let Some(parent) = rustix::process::getppid() {
            child::die_with(parent);
        }
        let Some((_, body)) = self.entries.iter().find(|(name, _)| *name == entry) else {
            panic!("no entry {entry:?} in this test binary");
        };
        let code = body(env::args().skip(1).collect());
        ExitCode::from(u8::try_from(code & 0xff).expect("eight bits"))
    }

    fn selected(&self, selection: &Selection) -> impl Iterator<Item = &'a Scenario> {
        self.scenarios.iter().filter(|(name, _)| selection.has(name))
    }

    fn run(&self, selection: &Selection) -> ExitCode {
        // What a dead scenario leaves behind becomes our child, so that we can end it.
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
            .expect("adopting the orphans of scenarios");
        let board = Board::hang_up();
        let mut total = Report::default();
        let mut failed = Vec::new();
        let mut n_run = 0_usize;
        for &(name, body) in self.selected(selection) {
            n_run += 1;
            print!("{name} ... ");
            io::stdout().flush().expect("writing to stdout");
            let start = Instant::now();
            board.wipe();
            let (report, complaint) = self.play(board, body);
            let seconds = start.elapsed().as_secs_f64();
            let words = match complaint {
                None if report == Report::PASSED => "ok".to_owned(),
                None => report.to_string().replace('\n', "; "),
                Some(complaint) => {
                    failed.push(name);
                    format!("FAILED\n{}", complaint.trim_end())
                }
            };
            println!("{words} ({seconds:.1} s)");
            total += report;
        }
        let n_left_out = self.scenarios.len() - n_run;
        println!("\n{n_run} scenarios, {n_left_out} left out, {} failed", failed.len());
        if !total.is_empty() {
            println!("{total}");
        }
        if failed.is_empty() {
            return ExitCode::SUCCESS;
        }
        for name in failed {
            println!("failed: {name}");
        }
        println!("to repeat: {}={}", seed::VARIABLE, seed::seed());
        ExitCode::FAILURE
    }

    /// Plays one scenario and says what it came to, and what is wrong, if anything is.
    fn play(&self, board: &Board, body: fn() -> Outcome) -> (Report, Option<String>) {
        // The seed is drawn here, for all scenarios.
        let seed = seed::seed();
        let outcome = SharedArena::<Text<60_000>>::new(1);
        let mut scenario = child::fork(|| match lasting::play(body).and_then(and_alone) {
            Ok(report) => {
                outcome[0].set(&report.to_string());
                0
            }
            Err(error) => {
                outcome[0].set(&error.to_string());
                1
            }
        });
        let overdue = self.watch(board, &mut scenario);
        if let Some(overdue) = overdue {
            let trace = proc::trace(scenario.pid());
            drop(scenario);
            end_orphans(Duration::ZERO);
            return (Report::FAILED, Some(format!("watchdog: {overdue}\n{trace}")));
        }
        let end = scenario.wait();
        let left_behind = end_orphans(Duration::from_secs(20));
        let words = outcome[0].get();
        let complaint = match end {
            End::Exited(0) => None,
            End::Exited(1) => Some(words.clone()),
            end => Some(format!("the scenario {end}")),
        };
        if let Some(complaint) = complaint {
            return (Report::FAILED, Some(complaint));
        }
        let report: Report = words.lines().flat_map(str::parse::<Report>).sum();
        if !left_behind.is_empty() {
            let all = left_behind.join("\n");
            return (Report::FAILED, Some(format!("left processes behind:\n{all}")));
        }
        let complaint = (!report.is_success()).then(|| format!("{report}\n(seed {seed})"));
        (report, complaint)
    }

    /// Waits for the end of a scenario, or says what hangs.
    fn watch(&self, board: &Board, scenario: &mut Child) -> Option<String> {
        let start = Instant::now();
        let limit = self.limit + lasting::told().unwrap_or_default();
        loop {
            if scenario.wait_within(Duration::from_millis(100)).is_some() {
                return None;
            }
            if let Some(overdue) = board.overdue() {
                return Some(overdue);
            }
            if start.elapsed() > limit {
                return Some(format!("the scenario saw no end within {limit:?}"));
            }
        }
    }
}

/// The report of a scenario, if it has reaped all its children.
fn and_alone(report: Report) -> Outcome {
    let me = rustix::process::getpid().as_raw_nonzero().get();
    let children = proc::children(me);
    if children.is_empty() {
        return Ok(report);
    }
    let traces: String = children.into_iter().map(proc::trace).collect();
    Err(format!("{report}\nleft children behind:\n{traces}").into())
}

/// Reaps what is left of a scenario's family; ends what does not end by itself within `grace`, and
/// says what that was. Those whose parent has died are on their way out, killed by the kernel.
fn end_orphans(grace: Duration) -> Vec<String> {
    let me = rustix::process::getpid().as_raw_nonzero().get();
    let start = Instant::now();
    let mut running = Vec::new();
    loop {
        let orphans = proc::children(me);
        if orphans.is_empty() {
            return running;
        }
        for orphan in orphans {
            let Some(name) = Pid::from_raw(orphan) else { continue };
            if !proc::Stat::has_ended(orphan) {
                if start.elapsed() < grace {
                    continue;
                }
                running.push(proc::trace(orphan));
                // It is our child and not reaped, so the number is its own.
                rustix::process::kill_process(name, Signal::KILL).expect("ending an orphan");
            }
            rustix::process::waitpid(Some(name), WaitOptions::empty()).expect("reaping an orphan");
        }
        clock::pause(Duration::from_millis(1));
    }
}

/// What the command line asks for.
#[derive(Debug, Default)]
struct Selection {
    words: Vec<String>,
    skip: Vec<String>,
    exact: bool,
    list: bool,
}

impl Selection {
    fn parse(mut args: impl Iterator<Item = String>) -> Self {
        let mut selection = Self::default();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--list" => selection.list = true,
                "--exact" => selection.exact = true,
                // There are none that are ignored.
                "--ignored" => selection.skip.push(String::new()),
                "--skip" => selection.skip.extend(args.next()),
                // These take a value, which is no word of ours.
                "--test-threads" | "--format" | "--color" | "--logfile" | "--shuffle-seed"
                | "-Z" => drop(args.next()),
                option if option.starts_with('-') => {
                    selection.skip.extend(option.strip_prefix("--skip=").map(str::to_owned));
                }
                word => selection.words.push(word.to_owned()),
            }
        }
        selection
    }

    fn has(&self, name: &str) -> bool {
        let fits = |word: &String| if self.exact { name == word } else { name.contains(word) };
        (self.words.is_empty() || self.words.iter().any(fits))
            && !self.skip.iter().any(|word| name.contains(word))
    }
}

#[cfg(test)]
mod tests {
    use super::{Selection, part_of};

    #[test]
    fn parts_are_ranges_of_stages_that_exist() {
        assert_eq!(part_of(98, "29..36"), Some(29..36));
        assert_eq!(part_of(30, "29..36"), Some(29..30));
        assert_eq!(part_of(20, "29..36"), Some(20..20));
        for text in ["", "29", "36..29", "29..", "29-36", "-1..3"] {
            assert_eq!(part_of(98, text), None, "{text:?}");
        }
    }

    fn selects(args: &str, name: &str) -> bool {
        Selection::parse(args.split_ascii_whitespace().map(str::to_owned)).has(name)
    }

    #[test]
    fn words_select_and_skips_leave_out() {
        assert!(selects("", "lock free"));
        assert!(selects("lock", "lock free"));
        assert!(selects("ring lock", "lock free"));
        assert!(!selects("ring", "lock free"));
        assert!(!selects("lock --skip free", "lock free"));
        assert!(!selects("lock --skip=free", "lock free"));
    }

    #[test]
    fn exact_words_are_whole_names() {
        assert!(!selects("--exact lock", "lock free"));
        assert!(selects("--exact lock", "lock"));
    }

    #[test]
    fn values_of_libtest_options_are_no_words() {
        for args in ["--test-threads 1", "--test-threads=1", "--nocapture -q", "-Z unstable"] {
            assert!(selects(args, "lock free"), "{args}");
        }
        assert!(!selects("--ignored", "lock free"));
    }
}
