//! `pipe()` and `channel()`: two ends at once.

use std::io;

use ipc_core::wire::PacketSocket;

use crate::connection::{Connection, Receiver, Sender};
use crate::line::Line;

/// Makes two ends of a connection that goes both ways: the first sends `S` and receives `R`.
///
/// # Errors
///
/// If the process has too many descriptors.
///
/// # Examples
///
/// ```
/// let (left, right) = ipc_pipe::pipe::<u8, String>()?;
/// left.send(&5)?;
/// right.send(&"five".to_owned())?;
/// assert_eq!((left.recv()?, right.recv()?), ("five".to_owned(), 5));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "Pipe")]
#[doc(alias = "socketpair")]
pub fn pipe<S, R>() -> io::Result<(Connection<S, R>, Connection<R, S>)> {
    let (left, right) = PacketSocket::pair()?;
    Ok((Connection::new(Line::packets(left)), Connection::new(Line::packets(right))))
}

/// Makes two ends of a connection that goes one way.
///
/// # Errors
///
/// If the process has too many descriptors.
///
/// # Examples
///
/// ```
/// let (sender, receiver) = ipc_pipe::channel::<u32>()?;
/// for number in 0..3 {
///     sender.send(&number)?;
/// }
/// drop(sender);
/// let numbers: Result<Vec<u32>, _> = receiver.iter().collect();
/// assert_eq!(numbers?, [0, 1, 2]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn channel<T>() -> io::Result<(Sender<T>, Receiver<T>)> {
    let (left, right) = PacketSocket::pair()?;
    Ok((Connection::new(Line::packets(left)), Connection::new(Line::packets(right))))
}
