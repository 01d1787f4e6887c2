//! Two ends, whole messages between them.
//!
//! ```
//! use ipc_pipe::pipe;
//!
//! // One end sends numbers and hears text, the other the reverse.
//! let (asker, answerer) = pipe::<u32, String>()?;
//! asker.send(&7)?;
//! let number = answerer.recv()?;
//! answerer.send(&format!("{number} it is"))?;
//! assert_eq!(asker.recv()?, "7 it is");
//!
//! // When nobody has the other end any more, that is the end.
//! drop(answerer);
//! assert!(asker.recv().unwrap_err().is_disconnected());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! An end is a value: it travels as an argument of a process, or in a message through another
//! connection, and so do files, sockets, segments, locks and queues inside what you send.
//!
//! # What is in it
//!
//! | for | there is |
//! |-----|----------|
//! | two who talk | [`pipe()`]: a [`Connection`] for each |
//! | one who talks to another | [`channel()`]: a [`Sender`] and a [`Receiver`] |
//! | two who talk all the time | [`shm_pipe()`]: a [`ShmConnection`] for each, through shared memory |
//! | an event loop and many who talk to it all the time | [`lane`]: shared memory beside their sockets |
//! | programs that meet by an address | [`Listener`] and [`connect()`], with an [`Address`] and a [`Key`] |
//! | the first of many to be ready | [`wait()`]: connections, processes, sockets, whatever has a descriptor |
//!
//! With feature `tokio`, what waits can wait in a task: `send_async`, `recv_async`, `request_async`,
//! `accept_async`, `connect_async`, `wait_async`; and `into_messages` makes a stream and a sink of a
//! connection.
//!
//! # What holds everywhere
//!
//! - A message comes whole, once, and in order, or not at all. Any number of threads and processes may
//!   send at one end, and receive at the other, at the same time; who dies in the middle of sending has
//!   not sent.
//! - When the last who has the other end closes it or dies, receiving is
//!   [`RecvError::Disconnected`] as soon as all that was sent is received, and sending is
//!   [`SendError::Disconnected`].
//! - A call that waits comes in four forms: `op`, `try_op`, `op_timeout`, `op_deadline`. Signals do not
//!   end it.
//! - What a peer sends is input: it never makes this crate panic, leak a descriptor, or take more
//!   memory than [the limits](Limits) say.

mod address;
mod connect;
mod connection;
mod error;
mod frame;
mod handshake;
mod items;
mod key;
mod line;
mod listener;
mod lobby;
mod looks;
mod packets;
mod peer;
mod pipe;
mod place;
mod scratch;
mod sheets;
mod shm;
mod spool;
mod sys;
#[cfg(feature = "tokio")]
mod tasks;
mod wait;

pub use ipc_core::wire::Limits;

#[cfg(feature = "tokio")]
pub use crate::tasks::{Messages, connect_async, wait_async};
pub use crate::{
    address::Address,
    connect::{connect, connect_deadline, connect_timeout},
    connection::{Connection, Nothing, Receiver, Sender},
    error::{AcceptError, ConnectError, RecvError, RequestError, SendError},
    handshake::{Answer, Challenge},
    key::Key,
    listener::{Builder, Listener},
    peer::Peer,
    pipe::{channel, pipe},
    shm::{ShmConnection, ShmReceiver, ShmSender, lane, shm_pipe},
    wait::{Source, wait, wait_deadline},
};
