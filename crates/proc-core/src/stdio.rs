//! `Stdio`: what a child has as its standard input and outputs.

use std::fs::File;
use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::StartError;
use crate::sys::files;

/// What a child has as its standard input, or as one of its standard outputs.
///
/// # Examples
///
/// ```
/// use std::io::{Read as _, Write as _};
///
/// use proc_core::{Process, Stdio};
///
/// fn shout(_: ()) {
///     let mut text = String::new();
///     std::io::stdin().read_to_string(&mut text).unwrap();
///     println!("{}!", text.to_uppercase());
/// }
///
/// let child = Process::builder()
///     .stdin(Stdio::piped())
///     .stdout(Stdio::piped())
///     .spawn(shout, ())?;
/// child.take_stdin().unwrap().write_all(b"hello")?;
/// assert_eq!(std::io::read_to_string(child.take_stdout().unwrap())?, "HELLO!\n");
/// # child.join()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Stdio(Way);

#[derive(Clone, Debug)]
enum Way {
    Inherit,
    Null,
    Piped,
    File(Arc<OwnedFd>),
}

impl Stdio {
    /// The one that this process has when it starts the child.
    #[must_use]
    pub const fn inherit() -> Self {
        Self(Way::Inherit)
    }

    /// Nothing: reading finds the end, what is written is gone.
    #[must_use]
    pub const fn null() -> Self {
        Self(Way::Null)
    }

    /// A pipe, whose other end is had from the [`Process`](crate::Process).
    #[must_use]
    pub const fn piped() -> Self {
        Self(Way::Piped)
    }
}

impl Stdio {
    /// The same, as std says it.
    pub(crate) fn for_std(&self) -> io::Result<std::process::Stdio> {
        Ok(match &self.0 {
            Way::Inherit => std::process::Stdio::inherit(),
            Way::Null => std::process::Stdio::null(),
            Way::Piped => std::process::Stdio::piped(),
            Way::File(file) => file.try_clone()?.into(),
        })
    }
}

impl From<OwnedFd> for Stdio {
    /// A file, a socket or an end of a pipe.
    fn from(file: OwnedFd) -> Self {
        Self(Way::File(Arc::new(file)))
    }
}

impl From<File> for Stdio {
    fn from(file: File) -> Self {
        OwnedFd::from(file).into()
    }
}

impl From<PipeReader> for Stdio {
    fn from(pipe: PipeReader) -> Self {
        OwnedFd::from(pipe).into()
    }
}

impl From<PipeWriter> for Stdio {
    fn from(pipe: PipeWriter) -> Self {
        OwnedFd::from(pipe).into()
    }
}

/// What the child is told of one of its streams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Stream {
    /// It stays what it is.
    #[default]
    AsItIs,
    /// It is `/dev/null`.
    Null,
    /// It is the next of the descriptors that came with this.
    Given,
}

/// What was said about the three streams.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    pub(crate) stdin: Option<Stdio>,
    pub(crate) stdout: Option<Stdio>,
    pub(crate) stderr: Option<Stdio>,
}

/// The streams of one child.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    pub(crate) told: [Stream; 3],
    /// For those that are given, in their order.
    pub(crate) given: Vec<OwnedFd>,
    pub(crate) pipes: Pipes,
}

/// This process's ends of a child's pipes.
#[derive(Debug, Default)]
pub(crate) struct Pipes {
    pub(crate) stdin: Option<PipeWriter>,
    pub(crate) stdout: Option<PipeReader>,
    pub(crate) stderr: Option<PipeReader>,
}

impl Said {
    /// Opens what is needed for one child.
    pub(crate) fn open(self) -> Result<Streams, StartError> {
        let Self { stdin, stdout, stderr } = self;
        let mut streams = Streams::default();
        let [of_stdin, of_stdout, of_stderr] = &mut streams.told;
        let given = &mut streams.given;
        let pipes = &mut streams.pipes;
        open(stdin, io::stdin(), of_stdin, given, || {
            let (reader, writer) = io::pipe()?;
            pipes.stdin = Some(writer);
            Ok(reader.into())
        })?;
        open(stdout, io::stdout(), of_stdout, given, || {
            let (reader, writer) = io::pipe()?;
            pipes.stdout = Some(reader);
            Ok(writer.into())
        })?;
        open(stderr, io::stderr(), of_stderr, given, || {
            let (reader, writer) = io::pipe()?;
            pipes.stderr = Some(reader);
            Ok(writer.into())
        })?;
        Ok(streams)
    }
}

fn open(
    said: Option<Stdio>,
    own: impl std::os::fd::AsFd,
    told: &mut Stream,
    given: &mut Vec<OwnedFd>,
    pipe: impl FnOnce() -> io::Result<OwnedFd>,
) -> Result<(), StartError> {
    let Some(Stdio(way)) = said else { return Ok(()) };
    let opened = match way {
        // One that is closed here is nothing there.
        Way::Inherit if !files::is_open(own.as_fd()) => None,
        Way::Inherit => Some(own.as_fd().try_clone_to_owned()),
        Way::Null => None,
        Way::Piped => Some(pipe()),
        Way::File(file) => Some(file.try_clone()),
    };
    *told = if opened.is_some() { Stream::Given } else { Stream::Null };
    let opened = opened.transpose();
    given.extend(opened.map_err(StartError::system("open the child's standard streams"))?);
    Ok(())
}
