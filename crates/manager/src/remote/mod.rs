//! What clients and servers on different machines need beside what is said: a stream of frames that may be
//! encrypted, the proof of a key, and a session that goes on when a connection breaks.
//!
//! | file | job |
//! |------|-----|
//! | `frame` | where a message ends and the next begins |
//! | `session` | what is sent is kept until it is received |
//! | `wire` | one connection: bytes both ways, without waiting |
//! | `tls` | the same, encrypted (feature `tls`) |
//! | `opening` | a client's way in: the connection, the key, the hellos |
//!
//! # The order of things
//!
//! ```text
//! client                                server
//!   (TLS, if there is)            <-->
//!                                 <--    the key's challenge          as in `ipc-pipe`
//!   proof                          -->
//!                                 <--    verdict, and proof
//!   hello, with the session if     -->
//!   there was one                 <--    hello, with the session
//!   messages and receipts         <-->   messages and receipts
//! ```
//!
//! The proof of the key comes inside of TLS: else somebody in the middle could pass it on and be let in.

pub(crate) mod frame;
mod opening;
mod session;
#[cfg(feature = "tls")]
mod tls;
mod wire;

pub(crate) use opening::{Door, NETWORK_TIMEOUT, open, poll_until};
pub(crate) use session::Session;
#[cfg(feature = "tls")]
pub(crate) use tls::Tls;
#[cfg(feature = "tls")]
pub use tls::{TlsClient, TlsServer};
pub(crate) use wire::{Stop, Wire, pump, push_out};
