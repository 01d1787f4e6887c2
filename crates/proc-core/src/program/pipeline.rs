//! Programs in a row, each reading what the one before it writes.

use std::ops::BitOr;
use std::time::Duration;

use ipc_core::Deadline;

use crate::exit::ExitStatus;
use crate::program::{Program, ProgramError, Running};
use crate::stdio::Stdio;

/// Programs in a row, each reading what the one before it writes.
///
/// # Examples
///
/// ```
/// use proc_core::Program;
///
/// let pipeline = Program::new("sort") | Program::new("uniq").arg("-c") | Program::new("wc").arg("-l");
/// let output = pipeline.communicate(b"b\na\nb\n", None)?;
/// assert_eq!(output.stdout, b"2\n");
/// assert!(output.statuses.iter().all(|status| status.success()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is run yet"]
pub struct Pipeline {
    programs: Vec<Program>,
}

/// What became of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PipelineOutput {
    /// How each of the programs ended, in their order.
    pub statuses: Vec<ExitStatus>,
    /// What the last one wrote to its standard output.
    pub stdout: Vec<u8>,
}

impl Pipeline {
    pub(super) fn new(first: Program, second: Program) -> Self {
        Self { programs: vec![first, second] }
    }

    /// Adds a program at the end. Also written `this | other`.
    pub fn pipe(mut self, other: Program) -> Self {
        self.programs.push(other);
        self
    }

    /// Runs all of them at the same time, has the first one read `input`, waits until all have ended
    /// and returns what the last one wrote.
    ///
    /// What they write to their standard errors goes where each was told. If the time is up, all are
    /// killed, with all that they have started.
    ///
    /// # Errors
    ///
    /// [`ProgramError::TimedOut`], with what the last one wrote, if the time is up; and a variant for
    /// each way in which one of them cannot be run: those before it are killed then.
    pub fn communicate(
        self,
        input: &[u8],
        timeout: Option<Duration>,
    ) -> Result<PipelineOutput, ProgramError> {
        let deadline = timeout.map_or(Deadline::NEVER, Deadline::after);
        let mut all = Killed(Vec::new());
        let n_programs = self.programs.len();
        let mut stdin = Some(Stdio::piped());
        for (at, mut program) in self.programs.into_iter().enumerate() {
            program.stdin = stdin.take();
            if at + 1 < n_programs || program.stdout.is_none() {
                program.stdout = Some(Stdio::piped());
            }
            let mut running = program.spawn()?;
            if at + 1 < n_programs {
                stdin = running.take_stdout().map(Stdio::from);
            }
            all.0.push(running);
        }
        let writer = all.0.first_mut().and_then(Running::take_stdin);
        let Some(last) = all.0.last_mut() else {
            return Ok(PipelineOutput { statuses: Vec::new(), stdout: Vec::new() });
        };
        last.talk().pipes.stdin = writer.map(Into::into);
        let output = last.communicate(input, deadline)?;
        let mut statuses = Vec::with_capacity(n_programs);
        for running in &all.0 {
            let status = running.child_wait(deadline)?;
            statuses.push(status.ok_or_else(|| ProgramError::TimedOut(output.clone()))?);
        }
        all.0.clear();
        Ok(PipelineOutput { statuses, stdout: output.stdout })
    }
}

impl BitOr<Program> for Pipeline {
    type Output = Self;

    fn bitor(self, other: Program) -> Self {
        self.pipe(other)
    }
}

/// Programs that are killed unless all went well.
struct Killed(Vec<Running>);

impl Drop for Killed {
    fn drop(&mut self) {
        for running in &self.0 {
            // What cannot be killed is not ours to kill any more.
            let _killed = running.kill_tree();
        }
    }
}
