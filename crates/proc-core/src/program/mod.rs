//! Running other programs.
//!
//! Underneath is `std::process::Command`, which starts a program well. What std does not have, and is
//! here, is what comes after: talking to it through full pipes with a time limit, its death as a
//! descriptor, the end of all that it has started, and pipelines. The crates that offer some of it
//! (`subprocess`, `duct`) read pipes until their end, which a program's own child can hold off for
//! ever, and know a process by its number.

mod error;
mod pipeline;
mod running;
mod talk;

pub use error::ProgramError;
pub use pipeline::{Pipeline, PipelineOutput};
pub use running::{Output, Running};

use std::ffi::{OsStr, OsString};
use std::ops::BitOr;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use ipc_core::Deadline;

use crate::exit::ExitStatus;
use crate::start;
use crate::stdio::Stdio;

/// Another program, and how it shall be run.
///
/// # Process death
///
/// A program that is killed is an [`ExitStatus::Signaled`]. One that dies while we talk to it ends the
/// talk: what it had said is returned, also if a process that it has started holds its pipes open.
/// Programs outlive this process, as they do in a shell.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use proc_core::Program;
///
/// let output = Program::new("sort").arg("-u").communicate(b"b\na\nb\n", Some(Duration::from_secs(5)))?;
/// assert_eq!(output.stdout, b"a\nb\n");
/// assert_eq!(Program::new("echo").arg("hi").check_output()?, b"hi\n");
/// assert_eq!(Program::new("false").call()?.code(), Some(1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "subprocess")]
#[doc(alias = "Popen")]
#[derive(Clone, Debug)]
#[must_use = "nothing is run yet"]
pub struct Program {
    name: OsString,
    arguments: Vec<OsString>,
    /// In the order in which they were said; `None` for a name is all.
    environment: Vec<(Option<OsString>, Option<OsString>)>,
    folder: Option<PathBuf>,
    stdin: Option<Stdio>,
    stdout: Option<Stdio>,
    stderr: Option<Stdio>,
    is_first_of_group: bool,
}

impl Program {
    /// A program by its path, or by its name if there is no `/` in it: then it is looked for in the
    /// folders of `PATH`.
    pub fn new(name: impl AsRef<OsStr>) -> Self {
        Self {
            name: name.as_ref().to_owned(),
            arguments: Vec::new(),
            environment: Vec::new(),
            folder: None,
            stdin: None,
            stdout: None,
            stderr: None,
            is_first_of_group: false,
        }
    }

    /// Adds an argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// Sets a variable in its environment.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        let (name, value) = (name.as_ref().to_owned(), value.as_ref().to_owned());
        self.environment.push((Some(name), Some(value)));
        self
    }

    /// Takes a variable out of its environment.
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.environment.push((Some(name.as_ref().to_owned()), None));
        self
    }

    /// Gives it an empty environment, but for what is set after this.
    pub fn env_clear(mut self) -> Self {
        self.environment.push((None, None));
        self
    }

    /// Sets its working directory.
    pub fn current_dir(mut self, folder: impl AsRef<Path>) -> Self {
        self.folder = Some(folder.as_ref().to_owned());
        self
    }

    /// Sets its standard input; that of this process if not said, unless it is talked to.
    pub fn stdin(mut self, stdio: Stdio) -> Self {
        self.stdin = Some(stdio);
        self
    }

    /// Sets its standard output; that of this process if not said, unless it is listened to.
    pub fn stdout(mut self, stdio: Stdio) -> Self {
        self.stdout = Some(stdio);
        self
    }

    /// Sets its standard error; that of this process if not said, unless it is listened to.
    pub fn stderr(mut self, stdio: Stdio) -> Self {
        self.stderr = Some(stdio);
        self
    }

    /// Makes it the first of a process group of its own; Ctrl-C at a terminal does not reach it then.
    pub fn new_group(mut self, new: bool) -> Self {
        self.is_first_of_group = new;
        self
    }

    /// Runs it and waits for its end.
    ///
    /// # Errors
    ///
    /// [`ProgramError`] if it cannot be run. That it failed is no error, but its status.
    pub fn call(self) -> Result<ExitStatus, ProgramError> {
        self.spawn()?.wait().map_err(ProgramError::system("wait for the program"))
    }

    /// Runs it with nothing to read, waits for its end and returns what it wrote.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    pub fn run(mut self) -> Result<Output, ProgramError> {
        self.stdin.get_or_insert(Stdio::null());
        self.communicate(b"", None)
    }

    /// As [`run`](Self::run), but it is an error if the program fails; returns its standard output.
    ///
    /// # Errors
    ///
    /// [`ProgramError::Failed`] if it ended in another way than with code 0, and as
    /// [`call`](Self::call).
    pub fn check_output(self) -> Result<Vec<u8>, ProgramError> {
        let output = self.run()?;
        if output.status.success() { Ok(output.stdout) } else { Err(ProgramError::Failed(output)) }
    }

    /// Runs it, has it read `input`, waits for its end and returns what it wrote.
    ///
    /// However much both sides write, neither waits for the other for ever. If the time is up, the
    /// program is killed, with all that it has started. To go on then, talk to a [`Running`] one.
    ///
    /// # Errors
    ///
    /// [`ProgramError::TimedOut`], with what it wrote, if the time is up, and as [`call`](Self::call).
    pub fn communicate(
        self,
        input: &[u8],
        timeout: Option<Duration>,
    ) -> Result<Output, ProgramError> {
        let deadline = timeout.map_or(Deadline::NEVER, Deadline::after);
        let mut running = self.talk_to()?;
        match running.communicate(input, deadline) {
            Err(ProgramError::TimedOut(_)) => {
                running.kill_tree().map_err(ProgramError::system("kill the program"))?;
                // It has ended, so this is what is left in the pipes.
                running
                    .communicate(b"", Deadline::NEVER)
                    .and_then(|output| Err(ProgramError::TimedOut(output)))
            }
            result => result,
        }
    }

    /// Makes a pipeline: what this one writes, the other reads. Also written `this | other`.
    pub fn pipe(self, other: Self) -> Pipeline {
        Pipeline::new(self, other)
    }

    /// Starts it, and does not wait.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    pub fn spawn(self) -> Result<Running, ProgramError> {
        let mut command = Command::new(&self.name);
        command.args(&self.arguments);
        for (name, value) in &self.environment {
            match (name, value) {
                (Some(name), Some(value)) => command.env(name, value),
                (Some(name), None) => command.env_remove(name),
                (None, _) => command.env_clear(),
            };
        }
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        let open = |stdio: Option<&Stdio>| stdio.map(Stdio::for_std).transpose();
        let opened = ProgramError::system("open the program's standard streams");
        let [stdin, stdout, stderr] =
            match [&self.stdin, &self.stdout, &self.stderr].map(|stdio| open(stdio.as_ref())) {
                [Ok(stdin), Ok(stdout), Ok(stderr)] => [stdin, stdout, stderr],
                [Err(error), ..] | [_, Err(error), _] | [.., Err(error)] => {
                    return Err(opened(error));
                }
            };
        stdin.map(|stdio| command.stdin(stdio));
        stdout.map(|stdio| command.stdout(stdio));
        stderr.map(|stdio| command.stderr(stdio));
        if self.is_first_of_group {
            command.process_group(0);
        }
        let mut started = command.spawn().map_err(|error| self.explain(error))?;
        let pipes = talk::Pipes {
            stdin: started.stdin.take().map(OwnedFd::from),
            stdout: started.stdout.take().map(OwnedFd::from),
            stderr: started.stderr.take().map(OwnedFd::from),
        };
        let pid = started.id();
        match start::adopt(pid) {
            Ok(child) => Ok(Running::new(child, pipes)),
            Err(error) => {
                start::discard(pid);
                Err(ProgramError::system("open the program's descriptor")(error))
            }
        }
    }

    /// Starts it with pipes for all that was not said.
    fn talk_to(mut self) -> Result<Running, ProgramError> {
        for stdio in [&mut self.stdin, &mut self.stdout, &mut self.stderr] {
            stdio.get_or_insert(Stdio::piped());
        }
        self.spawn()
    }

    /// Why it could not be run.
    fn explain(&self, error: std::io::Error) -> ProgramError {
        let changes = self.environment.iter().rev();
        let mut of_path = changes.filter(|(name, _)| {
            name.as_ref().is_none_or(|name| name.as_os_str() == OsStr::new("PATH"))
        });
        let path = match of_path.next() {
            Some((_, value)) => value.clone(),
            None => std::env::var_os("PATH"),
        };
        error::explain(&self.name, self.folder.as_deref(), path.as_deref(), error)
    }
}

impl BitOr for Program {
    type Output = Pipeline;

    fn bitor(self, other: Self) -> Pipeline {
        self.pipe(other)
    }
}
