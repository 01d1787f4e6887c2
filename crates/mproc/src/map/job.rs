//! A job: the command, run once for a line; what a worker of the pool does.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use proc_core::{ExitStatus, Output, Program, ProgramError, Reaper, Stdio};
use serde::{Deserialize, Serialize};

use super::orphans;

/// What stands for the line.
const PLACEHOLDER: &[u8] = b"{}";

/// How the command is put together.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Recipe {
    /// The program and its arguments; or, for a shell, parts of one line.
    pub(super) command: Vec<Vec<u8>>,
    pub(super) is_for_shell: bool,
    pub(super) timeout: Option<Duration>,
}

/// A line, and what to do with it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Job {
    pub(super) recipe: Recipe,
    pub(super) line: Vec<u8>,
}

/// What came of running a command.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Done {
    pub(super) outcome: Outcome,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
    /// How long it took.
    pub(super) time: Duration,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Outcome {
    Ended(ExitStatus),
    /// It was killed, with all that it had started, when its time was over.
    TimedOut,
    /// It never ran.
    NotRun(String),
    /// The worker that ran it was killed, and then the command was.
    Lost(String),
}

impl Done {
    /// A command that came to nothing that could be told.
    pub(super) fn without_output(outcome: Outcome) -> Self {
        Self { outcome, stdout: Vec::new(), stderr: Vec::new(), time: Duration::ZERO }
    }

    pub(super) fn is_success(&self) -> bool {
        matches!(self.outcome, Outcome::Ended(status) if status.success())
    }
}

/// Runs the command, in a worker; when this returns, nothing that it started is left.
pub(super) fn run(job: Job) -> Done {
    let begun = Instant::now();
    let done = match reaper() {
        Ok(reaper) => {
            let ran = job.program().and_then(|program| communicate(program, &job.recipe));
            let ended = orphans::end_all(reaper);
            ended.map_err(|error| error.to_string()).and(ran)
        }
        Err(error) => Err(error.to_string()),
    };
    let done = done.unwrap_or_else(|reason| Done::without_output(Outcome::NotRun(reason)));
    Done { time: begun.elapsed(), ..done }
}

/// Has this worker look after all that its commands leave.
fn reaper() -> io::Result<&'static Reaper> {
    static REAPER: OnceLock<Reaper> = OnceLock::new();
    match REAPER.get() {
        Some(reaper) => Ok(reaper),
        None => {
            let reaper = Reaper::adopt_orphans()?;
            Ok(REAPER.get_or_init(|| reaper))
        }
    }
}

fn communicate(program: Program, recipe: &Recipe) -> Result<Done, String> {
    let (outcome, Output { stdout, stderr, .. }) = match program.communicate(b"", recipe.timeout) {
        Ok(output) => (Outcome::Ended(output.status), output),
        Err(ProgramError::TimedOut(output)) => (Outcome::TimedOut, output),
        Err(error) => return Err(error.to_string()),
    };
    Ok(Done { outcome, stdout, stderr, time: Duration::ZERO })
}

impl Job {
    /// The program, put together for the line.
    fn program(&self) -> Result<Program, String> {
        if self.line.contains(&0) {
            return Err("the line has a zero byte in it, which no argument can have".to_owned());
        }
        let arguments = if self.recipe.is_for_shell {
            shell(&self.recipe.command, &self.line)
        } else {
            plain(&self.recipe.command, &self.line)
        };
        let (name, rest) = arguments.split_first().ok_or("there is no command")?;
        Ok(Program::new(name).args(rest).stdin(Stdio::null()).new_group(true))
    }
}

/// The command with the line in place of each `{}`, or at its end if there is none.
///
/// No shell reads it, so nothing in the line has a meaning.
fn plain(command: &[Vec<u8>], line: &[u8]) -> Vec<OsString> {
    let mut arguments: Vec<OsString> =
        command.iter().map(|argument| OsString::from_vec(replace(argument, line))).collect();
    let is_placed = command.iter().any(|argument| replace(argument, b"") != *argument);
    if !is_placed {
        arguments.push(OsStr::from_bytes(line).to_owned());
    }
    arguments
}

/// The command for a shell: the line is its first parameter, and `{}` stands for `"$1"`.
///
/// So the shell never reads the line as a part of the command, wherever the `{}` stands, also within
/// quotes.
fn shell(command: &[Vec<u8>], line: &[u8]) -> Vec<OsString> {
    let script = OsString::from_vec(replace(&command.join(&b' '), b"\"$1\""));
    vec!["sh".into(), "-c".into(), script, "sh".into(), OsStr::from_bytes(line).to_owned()]
}

/// The text with something in place of each placeholder; what is put in is not looked at again.
fn replace(text: &[u8], with: &[u8]) -> Vec<u8> {
    let mut replaced = Vec::with_capacity(text.len() + with.len());
    let mut rest = text;
    while let Some(first) = rest.first() {
        if let Some(behind) = rest.strip_prefix(PLACEHOLDER) {
            replaced.extend_from_slice(with);
            rest = behind;
        } else {
            replaced.push(*first);
            rest = rest.get(1..).unwrap_or_default();
        }
    }
    replaced
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::{plain, shell};

    fn bytes(words: &[&str]) -> Vec<Vec<u8>> {
        words.iter().map(|word| word.as_bytes().to_vec()).collect()
    }

    #[test]
    fn line_takes_the_place_of_every_placeholder_once() {
        let made = plain(&bytes(&["cp", "{}", "{}.{}", "{"]), b"a{}b");
        assert_eq!(made, ["cp", "a{}b", "a{}b.a{}b", "{"].map(OsString::from));
    }

    #[test]
    fn line_is_the_last_argument_where_no_placeholder_is() {
        assert_eq!(plain(&bytes(&["ls", "-l"]), b"$(x) y"), ["ls", "-l", "$(x) y"]);
    }

    #[test]
    fn a_shell_gets_the_line_as_a_parameter() {
        let made = shell(&bytes(&["wc", "<", "{}"]), b"$(rm -r .)");
        assert_eq!(made, ["sh", "-c", "wc < \"$1\"", "sh", "$(rm -r .)"].map(OsString::from));
        let made = shell(&bytes(&["echo", "hi $1"]), b"x");
        assert_eq!(made[2], "echo hi $1");
    }
}
