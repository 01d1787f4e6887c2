//! The whole command line.

use std::ffi::OsString;
use std::time::Duration;

use clap::builder::{OsStringValueParser, RangedU64ValueParser};
use clap::{Args, Parser, Subcommand};

/// See the processes and shared objects of multiproc, and run jobs that no kill leaves behind.
#[derive(Debug, Parser)]
#[command(name = "mproc", version, propagate_version = true)]
pub(crate) struct Flags {
    /// Print JSON in place of text, in the form that docs/mproc.md describes.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List segments, queues, locks and pools of this user.
    ///
    /// For each it says how much is in it and how much there can be, which threads hold or use it,
    /// whether somebody waits, how many deaths were repaired, and which processes have it open. Nobody is
    /// disturbed: objects are opened for reading and copied, and no word of them is written.
    Ls(Ls),
    /// List processes that programs of this user have started with multiproc, as trees.
    ///
    /// For each it says its name, what it does now, how much memory it has, and, for a worker of a pool,
    /// which task it is at. A process that multiproc has started is known by a badge that it holds; those
    /// that it has started in other ways are listed below it.
    Ps(Ps),
    /// Show processes and objects, and look again every second.
    ///
    /// q, Esc or Ctrl-C quit. With --json, each look is a row.
    Top(Top),
    /// Say whether the system lets programs that use multiproc work, and what to do where not.
    ///
    /// It looks at limits of this process, its user and its control group, tries what the kernel must be
    /// able to do, and looks for memory with a name that nobody has open any more. The status is 1 if there
    /// is a problem; hints are no problems.
    Doctor,
    /// Run a command for each line of the standard input, several at a time.
    ///
    /// {} in the command stands for the line; without one, the line is the last argument. No shell reads
    /// the line, nor the command, unless --shell is given. What a job writes is printed when it is over,
    /// whole; it reads from /dev/null.
    ///
    /// A job is over when its command has ended; what that has left running is ended too. No job outlives
    /// mproc: an interrupt ends them all, and so does a kill of mproc, or of any of its processes.
    ///
    /// The status is 0 if all jobs succeeded, 1 if any did not, 128 and the number of the signal if one
    /// ended it.
    #[command(
        after_help = "Examples:\n  ls *.wav | mproc map -j4 --timeout 5m lame --quiet {}\n  \
        seq 100 | mproc map --keep-order --shell 'curl -s http://host/{} | wc -c'\n  \
        find . -print0 | mproc map -0 --retries 2 --progress gzip -k"
    )]
    Map(Map),
}

/// Flags of `ls`.
#[derive(Args, Debug)]
pub(crate) struct Ls {
    /// Only what this process has open.
    #[arg(long)]
    pub(crate) pid: Option<u32>,
}

/// Flags of `ps`.
#[derive(Args, Debug)]
pub(crate) struct Ps {
    /// Only the tree that this process is in.
    #[arg(long)]
    pub(crate) pid: Option<u32>,
}

/// Flags of `top`.
#[derive(Args, Debug)]
pub(crate) struct Top {
    /// How long to wait between two looks: 1, 200ms, 1m.
    #[arg(long, value_parser = duration, default_value = "1s")]
    pub(crate) interval: Duration,
    /// How often to look; until it is told to quit if not said.
    #[arg(short = 'n', long, value_parser = RangedU64ValueParser::<u64>::new().range(1..))]
    pub(crate) count: Option<u64>,
}

/// Flags of `map`.
#[derive(Args, Debug)]
pub(crate) struct Map {
    /// How many jobs run at a time; as many as there are usable processors if not said.
    #[arg(short, long, value_parser = RangedU64ValueParser::<u16>::new().range(1..=256))]
    pub(crate) jobs: Option<u16>,
    /// How many more times a job is run that failed.
    #[arg(long, default_value_t = 0)]
    pub(crate) retries: u32,
    /// How long a job may take before it is killed: 10, 1.5s, 200ms, 3m, 2h.
    #[arg(long, value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
    /// Print what jobs write in the order of the lines, not of their ends.
    #[arg(short, long)]
    pub(crate) keep_order: bool,
    /// Say on the standard error how far it is.
    #[arg(long)]
    pub(crate) progress: bool,
    /// End all jobs as soon as one has failed.
    #[arg(long)]
    pub(crate) halt_on_error: bool,
    /// Lines end with a zero byte.
    #[arg(short = '0', long)]
    pub(crate) null: bool,
    /// Have sh run the command: the line is $1 there, and {} is "$1", so no line is read as a command.
    #[arg(short, long)]
    pub(crate) shell: bool,
    /// The command and its arguments.
    #[arg(required = true, trailing_var_arg = true,
        value_parser = OsStringValueParser::new())]
    pub(crate) command: Vec<OsString>,
}

/// A time: a number of seconds, or of what its unit says.
fn duration(text: &str) -> Result<Duration, String> {
    const UNITS: [(&str, f64); 4] = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];

    let found = UNITS.iter().find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, *seconds)));
    let (number, seconds) = found.unwrap_or((text, 1.0));
    let number: f64 = number.parse().map_err(|_| "a time is like 10, 1.5s, 200ms, 3m or 2h")?;
    match Duration::try_from_secs_f64(number * seconds) {
        Ok(time) if time > Duration::ZERO => Ok(time),
        _ => Err("a time is more than nothing, and less than for ever".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::CommandFactory as _;

    use super::{Flags, duration};

    #[test]
    fn the_command_line_is_sound() {
        Flags::command().debug_assert();
    }

    #[test]
    fn times_have_units() {
        assert_eq!(duration("10"), Ok(Duration::from_secs(10)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("200ms"), Ok(Duration::from_millis(200)));
        assert_eq!(duration("3m"), Ok(Duration::from_secs(180)));
        assert_eq!(duration("2h"), Ok(Duration::from_secs(7200)));
        for wrong in ["", "s", "-1", "0", "NaN", "inf", "1e300", "5x"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
