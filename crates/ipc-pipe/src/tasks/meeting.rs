//! Accepting, connecting, and waiting for many in a task.

use std::future::poll_fn;
use std::io;
use std::os::fd::AsFd as _;
use std::task::Poll;

use ipc_core::Deadline;
use tokio::task::spawn_blocking;

use super::{LazyWatch, Watch, any_ready};
use crate::address::Address;
use crate::connect::connect;
use crate::connection::Connection;
use crate::error::{AcceptError, ConnectError};
use crate::key::Key;
use crate::listener::{Listener, Step};
use crate::sys::ready::{self, Ready};
use crate::wait::Source;

impl Listener {
    /// Waits in a task until somebody has connected and is let in, as [`accept`](Self::accept) does in
    /// a thread.
    ///
    /// A future that is dropped loses nobody: handshakes go on in the next call.
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept).
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, and in one that does no input and output.
    ///
    /// # Examples
    ///
    /// ```
    /// use ipc_pipe::{Address, Connection, Listener, connect_async};
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    /// # runtime.block_on(async {
    /// let listener = Listener::bind(&Address::tcp("127.0.0.1:0")?)?;
    /// let address = listener.address().clone();
    /// let client = tokio::spawn(async move {
    ///     let mut server: Connection<u32, u32> = connect_async(&address, None).await.unwrap();
    ///     server.request_async(&20).await.unwrap()
    /// });
    /// let connection: Connection<u32, u32> = listener.accept_async().await?;
    /// connection.send_async(&(connection.recv_async().await? + 1)).await?;
    /// assert_eq!(client.await?, 21);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn accept_async<S, R>(&self) -> Result<Connection<S, R>, AcceptError> {
        let mut door = LazyWatch::default();
        loop {
            let next = match self.step()? {
                Step::LetIn(connection) => return Ok(connection),
                Step::Nobody { next } => next,
            };
            // Who says nothing is shown out then.
            let alarm = Watch::owned(ready::alarm(next)?, Ready::Read)?;
            poll_fn(|context| match door.poll(self.as_fd(), Ready::Read, context)? {
                Poll::Ready(()) => Poll::Ready(Ok::<(), io::Error>(())),
                Poll::Pending => alarm.poll(context),
            })
            .await?;
        }
    }
}

/// Connects to a [`Listener`] in a task, as [`connect`] does in a thread.
///
/// It is one of tokio's threads for what blocks that connects. If the future is dropped, it gives up
/// after ten seconds, or closes the connection that it has got.
///
/// # Errors
///
/// As [`connect`].
///
/// # Panics
///
/// Outside of a tokio runtime.
pub async fn connect_async<S: 'static, R: 'static>(
    address: &Address,
    key: Option<&Key>,
) -> Result<Connection<S, R>, ConnectError> {
    let (address, key) = (address.clone(), key.cloned());
    let connecting = spawn_blocking(move || connect(&address, key.as_ref()));
    // It does not panic, and is not given up unless the runtime ends.
    connecting.await.unwrap_or_else(|gone| Err(io::Error::other(gone).into()))
}

/// Waits in a task until at least one of the sources is ready, and returns the places of all that are;
/// with no sources, for ever.
///
/// See [`wait`](crate::wait()). The future borrows nothing.
///
/// # Errors
///
/// If the process has no room for as many descriptors again, or the system has no memory.
///
/// # Panics
///
/// Outside of a tokio runtime, and in one that does no input and output.
///
/// # Examples
///
/// ```
/// use ipc_pipe::{channel, wait_async};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
/// # runtime.block_on(async {
/// let (_first, from_first) = channel::<u32>()?;
/// let (second, from_second) = channel::<u32>()?;
/// second.send(&7)?;
/// assert_eq!(wait_async(&[&from_first, &from_second]).await?, [1]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn wait_async(
    sources: &[&dyn Source],
) -> impl Future<Output = io::Result<Vec<usize>>> + Send + use<> {
    let watches: io::Result<Vec<Watch>> =
        sources.iter().map(|source| Watch::new(source.descriptor(), Ready::Read)).collect();
    async {
        let watches = watches?;
        loop {
            poll_fn(|context| any_ready(&watches, context)).await?;
            let files: Vec<_> = watches.iter().map(|watch| (watch.as_fd(), Ready::Read)).collect();
            let mut found = Vec::new();
            ready::wait(&files, Deadline::now(), |at| found.push(at))?;
            // Somebody else may have been faster.
            if !found.is_empty() {
                return Ok(found);
            }
        }
    }
}
