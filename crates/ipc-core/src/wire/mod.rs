//! A value as bytes plus handles, and a socket that carries both.
//!
//! A descriptor means nothing in another process. So a value that contains some (a segment, a file,
//! the end of a pipe) becomes a [`Message`]: bytes in which each descriptor is an index, and the
//! descriptors themselves, which a Unix socket can carry.
//!
//! ```
//! use std::fs::File;
//! use ipc_core::wire::{self, Handle};
//!
//! let log = Handle::from(File::open("/dev/null")?);
//! let message = wire::encode(&("a log", vec![log]))?;
//! assert_eq!(message.handles.len(), 1);
//!
//! let (name, mut logs): (String, Vec<Handle>) = wire::decode(message)?;
//! assert_eq!(name, "a log");
//! let log = File::from(logs.remove(0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How handles travel
//!
//! [`encode`] opens a *scope* on this thread. Serialising a handle puts a duplicate of its
//! descriptor into the scope and writes the index; outside a scope it is an error, and in
//! [`encode_plain`] it is [`EncodeError::HandleNotAllowed`]. Scopes nest, and each is cleared when
//! its call ends, by an error or a panic too.
//!
//! [`decode`] trusts nothing: an index that is out of range or was used before, a descriptor too
//! few or too many, or one that is not what it should be is an error of its own. Whatever happens,
//! descriptors that did not become part of the value are closed.

mod budget;
mod bytes;
mod codec;
mod decode;
mod draft;
mod encode;
mod error;
mod frame;
mod handle;
mod packet;
mod pieces;
mod scope;
mod scratch;
mod socket;
mod turn;
mod word;

pub use bytes::Bytes;
pub use codec::{Codec, CodecError, Postcard};
pub use decode::{decode, decode_parts, decode_pieces, decode_plain};
pub use draft::{Draft, Sink};
pub use encode::{Message, encode, encode_into, encode_plain};
pub use error::{DecodeError, EncodeError, RecvError, SendError};
pub use frame::Limits;
pub use handle::{Handle, deserialize_fd, file, owned_fd, reject, serialize_fd};
pub use packet::{Packet, PacketSocket};
pub use pieces::Pieces;
pub use scratch::{Buffer, Scratch};
pub use socket::MessageSocket;
pub use word::{Sort, decode_word, encode_word};
