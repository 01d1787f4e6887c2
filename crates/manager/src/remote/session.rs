//! A session: messages both ways, each of them once and in order, through one connection after the other.
//!
//! Each side numbers what it sends, and keeps it until the other says that it has received it. When a
//! connection breaks, and there is another, each side says how many messages it has received, and the
//! other goes on behind these. Here are the numbers and what is kept; who reads and writes is elsewhere.
//!
//! # States of a message
//!
//! | state | it is | it leaves the state when |
//! |---|---|---|
//! | kept | behind those written; not on its way | the window has room: written |
//! | written | on its way through this connection | the receipt comes: gone; the connection breaks: kept |
//! | arrived | whole at the other side | that takes it: received; the connection breaks: forgotten there |
//! | received | taken, and counted | a receipt tells its sender |
//!
//! It is taken once: only what is not counted comes again, and the count and the taking are one step of one
//! process. A session does not outlive the process at either end.
//!
//! # The window
//!
//! A side writes no more than [`WINDOW`] bytes before it hears that they were received, but for a message that
//! is longer; so the other side can always read all that comes, and receipts never stand behind what nobody
//! takes. Of less than [`RECEIPT_AT`] bytes there may be no receipt, so these never hold a message up.

use std::collections::VecDeque;

use super::frame::Frame;
use crate::protocol::bytes::Malformed;

/// How many bytes may be on their way.
///
/// It is small for the tests of this file, so that they reach its ends.
pub(crate) const WINDOW: usize = if cfg!(test) { 1 << 12 } else { 1 << 20 };

/// What a message costs beside its bytes.
const OVERHEAD: usize = 64;

/// So many bytes that were received are told of by themselves.
const RECEIPT_AT: usize = WINDOW / 4;

/// One side of a session.
#[derive(Debug, Default)]
pub(crate) struct Session {
    /// What the other side has not said to have received, in order.
    kept: VecDeque<Vec<u8>>,
    /// How many messages came before these.
    n_gone: u64,
    /// How many of those that are kept are written.
    n_written: usize,
    /// What these cost.
    written_cost: usize,
    /// How many messages were ever written, as a whole or a part.
    n_ever_written: u64,
    /// The bytes of those that are not written.
    n_unwritten_bytes: usize,
    /// What came and is not taken yet.
    arrived: VecDeque<Vec<u8>>,
    arrived_cost: usize,
    /// How many messages were taken.
    n_received: u64,
    /// What those cost of which the other side was not told.
    untold_cost: usize,
    /// The other side has said goodbye.
    is_over: bool,
}

fn cost(message: &[u8]) -> usize {
    message.len().saturating_add(OVERHEAD)
}

impl Session {
    /// Takes over a message that is to be sent. It has a byte at least.
    pub(crate) fn push(&mut self, message: Vec<u8>) {
        self.n_unwritten_bytes += message.len();
        self.kept.push_back(message);
    }

    /// Appends the next frame that may be written; `false` if there is none.
    pub(crate) fn write_to(&mut self, out: &mut Vec<u8>) -> bool {
        let n_received = self.n_received;
        if let Some(message) = self.kept.get(self.n_written)
            && (self.written_cost < RECEIPT_AT
                || self.written_cost.saturating_add(cost(message)) <= WINDOW)
        {
            Frame::Message { n_received, message }.append_to(out);
            self.n_written += 1;
            self.written_cost = self.written_cost.saturating_add(cost(message));
            self.n_unwritten_bytes -= message.len();
            self.n_ever_written = self.n_ever_written.max(self.n_gone + self.n_written as u64);
        } else if self.untold_cost >= RECEIPT_AT {
            Frame::Receipt { n_received }.append_to(out);
        } else {
            return false;
        }
        self.untold_cost = 0;
        true
    }

    /// Takes the frames out of what has come, from its front; a message has no more bytes than `limit`.
    pub(crate) fn read_from(&mut self, bytes: &mut Vec<u8>, limit: usize) -> Result<(), Malformed> {
        let mut n_read = 0;
        while let Some((frame, len)) = Frame::read(bytes.get(n_read..).unwrap_or_default(), limit)?
        {
            match frame {
                _ if self.is_over => return Err(Malformed),
                Frame::Hello(_) => return Err(Malformed),
                Frame::Goodbye => self.is_over = true,
                Frame::Receipt { n_received } => self.heard(n_received)?,
                Frame::Message { n_received, message } => {
                    self.heard(n_received)?;
                    if self.arrived_cost > WINDOW {
                        return Err(Malformed);
                    }
                    self.arrived_cost = self.arrived_cost.saturating_add(cost(message));
                    self.arrived.push_back(message.to_vec());
                }
            }
            n_read += len;
        }
        bytes.drain(..n_read);
        Ok(())
    }

    /// The next message that came, which is received with that.
    pub(crate) fn pop(&mut self) -> Option<Vec<u8>> {
        let message = self.arrived.pop_front()?;
        self.arrived_cost -= cost(&message);
        self.n_received += 1;
        self.untold_cost = self.untold_cost.saturating_add(cost(&message));
        Some(message)
    }

    /// Whether a message came that is not received.
    pub(crate) fn has_arrived(&self) -> bool {
        !self.arrived.is_empty()
    }

    /// Whether the other side has said goodbye.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }

    /// How many messages were received.
    pub(crate) fn n_received(&self) -> u64 {
        self.n_received
    }

    /// How many bytes are not written.
    pub(crate) fn n_unwritten_bytes(&self) -> usize {
        self.n_unwritten_bytes
    }

    /// The messages that were never written, not even a part of them.
    pub(crate) fn never_written(&self) -> impl Iterator<Item = &[u8]> {
        let n_written = usize::try_from(self.n_ever_written.saturating_sub(self.n_gone));
        self.kept.iter().skip(n_written.unwrap_or(usize::MAX)).map(Vec::as_slice)
    }

    /// Whether the other side can have received so many messages.
    pub(crate) fn can_have_received(&self, n_received: u64) -> bool {
        (self.n_gone..=self.n_ever_written).contains(&n_received)
    }

    /// Goes on through another connection, whose other side has received so many messages.
    pub(crate) fn resume(&mut self, n_received: u64) -> Result<(), Malformed> {
        if !self.can_have_received(n_received) {
            return Err(Malformed);
        }
        self.n_written = self.kept.len();
        self.heard(n_received)?;
        self.n_written = 0;
        self.written_cost = 0;
        self.n_unwritten_bytes = self.kept.iter().map(Vec::len).sum();
        // These come again: they are not counted.
        self.arrived.clear();
        self.arrived_cost = 0;
        self.untold_cost = 0;
        Ok(())
    }

    /// The other side has received so many messages.
    fn heard(&mut self, n_received: u64) -> Result<(), Malformed> {
        let n_new = n_received.checked_sub(self.n_gone).ok_or(Malformed)?;
        let n_new = usize::try_from(n_new).map_err(|_| Malformed)?;
        if n_new > self.n_written {
            return Err(Malformed);
        }
        for message in self.kept.drain(..n_new) {
            self.written_cost = self.written_cost.saturating_sub(cost(&message));
        }
        self.n_written -= n_new;
        self.n_gone = n_received;
        Ok(())
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
