//! The audit of every message: who sent it, whether it was committed, who received it.
//!
//! # What can be known
//!
//! Sender and receiver write into the ledger before and after each operation on the queue, and
//! may be killed between any two of these writes:
//!
//! | killed | the ledger says | so the message |
//! |---|---|---|
//! | before the put began | nothing | was never sent |
//! | in the put, or before the note after it | intended | may be received once, or not |
//! | later | committed | must be received once, or be in a dead receiver's hands |
//! | in the get, or before the note after it | the receiver is taking | at most one message is in its hands, unknown which |
//! | after that note | the receiver has got this one | is received, or marked so for the dead |
//!
//! So at the end, when everything was drained:
//! - no message is received twice, and none that was never sent, or whose put was refused;
//! - the committed messages that nobody received are at most as many as receivers died taking;
//!   what is above that is lost;
//! - what a receiver gets from one sender rises.
#![expect(unsafe_code, reason = "its rows live in an arena")]

use std::{
    fmt,
    sync::atomic::{
        AtomicU8, AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
};

use crate::{
    arena::{SharedArena, Zeroed},
    kill::{Message, StormEnd},
    report,
};

/// The book of all messages of a storm, in memory that its processes share.
///
/// # Process death
///
/// Every note is one store. The storm's own process must call [`sender_died`](Self::sender_died)
/// and [`receiver_died`](Self::receiver_died) before the place is taken again.
#[derive(Debug)]
pub struct Ledger {
    n_receivers: usize,
    room: u64,
    senders: SharedArena<SenderRow>,
    receivers: SharedArena<ReceiverRow>,
    /// For each sender and number: what the sender said.
    sent: SharedArena<AtomicU8>,
    /// For each sender and number: how often it was received, and by whom first.
    received: SharedArena<AtomicU8>,
    /// For each receiver and sender: one more than the last number received.
    last: SharedArena<AtomicU64>,
}

#[derive(Debug)]
#[repr(C, align(64))]
struct SenderRow {
    /// How many messages were begun.
    next: AtomicU64,
    deaths: AtomicU64,
}

// SAFETY: atomics only, `repr(C)`; zero is a sender who sent nothing.
unsafe impl Zeroed for SenderRow {}

#[derive(Debug)]
#[repr(C, align(64))]
struct ReceiverRow {
    /// [`IDLE`], [`TAKING`], or a message that was got, as bits and [`GOT`].
    hand: AtomicU64,
    deaths: AtomicU64,
    /// How many died taking.
    died_taking: AtomicU64,
    /// How often what it got did not rise.
    fell: AtomicU64,
    /// How often it got what nobody can have sent.
    invented: AtomicU64,
    /// How many messages it got.
    got: AtomicU64,
}

// SAFETY: atomics only, `repr(C)`; zero is a receiver who is idle and got nothing.
unsafe impl Zeroed for ReceiverRow {}

const IDLE: u64 = 0;
const TAKING: u64 = 1;
/// The number is shifted above this flag: senders' places stay below 2^14 for it.
const GOT: u64 = 2;
const HAND_SHIFT: u32 = 2;

const INTENDED: u8 = 1;
const COMMITTED: u8 = 2;
const REFUSED: u8 = 3;

/// The low bits of a received byte count, up to this; the others name the first receiver.
const TIMES_MASK: u8 = 3;
const MAX_RECEIVERS: usize = 63;

impl Ledger {
    /// A book for so many senders and receivers, and so many messages of each sender.
    ///
    /// Room costs two bytes a message, and nothing until it is used.
    ///
    /// # Panics
    ///
    /// If there are more than 63 receivers or 16,383 senders, or no memory.
    #[must_use]
    pub fn new(n_senders: usize, n_receivers: usize, room: u64) -> Self {
        assert!(n_receivers <= MAX_RECEIVERS, "at most {MAX_RECEIVERS} receivers");
        assert!(n_senders < 1 << 14, "fewer than 2^14 senders");
        let per_sender = usize::try_from(room).expect("room that fits into memory");
        let n_messages = n_senders.checked_mul(per_sender).expect("room that fits into memory");
        Self {
            n_receivers,
            room,
            senders: SharedArena::new(n_senders),
            receivers: SharedArena::new(n_receivers),
            sent: SharedArena::new(n_messages),
            received: SharedArena::new(n_messages),
            last: SharedArena::new(n_senders * n_receivers),
        }
    }

    /// The sender is about to put its next message; nothing if the room is used up.
    #[must_use]
    pub fn intend(&self, sender: usize) -> Option<Message> {
        let row = &self.senders[sender];
        let number = row.next.load(Relaxed);
        if number >= self.room {
            return None;
        }
        let message = Message { sender, number };
        // The message first: one killed between the two leaves a message that looks intended,
        // and whose number is used again; nothing was put in between.
        self.sent[self.index(message)].store(INTENDED, Relaxed);
        row.next.store(number + 1, Release);
        Some(message)
    }

    /// The put has returned: the message is in.
    pub fn committed(&self, message: Message) {
        self.sent[self.index(message)].store(COMMITTED, Release);
    }

    /// The put has failed: the message is not in.
    pub fn refused(&self, message: Message) {
        self.sent[self.index(message)].store(REFUSED, Release);
    }

    /// The receiver is about to get.
    pub fn taking(&self, receiver: usize) {
        self.receivers[receiver].hand.store(TAKING, Release);
    }

    /// The get has returned without a message.
    pub fn got_nothing(&self, receiver: usize) {
        self.receivers[receiver].hand.store(IDLE, Release);
    }

    /// The get has returned this message.
    pub fn got(&self, receiver: usize, message: Message) {
        let row = &self.receivers[receiver];
        if !self.is_possible(message) {
            row.invented.fetch_add(1, Relaxed);
            row.hand.store(IDLE, Release);
            return;
        }
        row.hand.store(message.to_bits() << HAND_SHIFT | GOT, Release);
        let last = &self.last[receiver * self.senders.len() + message.sender];
        if last.load(Relaxed) > message.number {
            row.fell.fetch_add(1, Relaxed);
        }
        last.store(message.number + 1, Relaxed);
        row.got.fetch_add(1, Relaxed);
        self.mark(receiver, message);
        row.hand.store(IDLE, Release);
    }

    /// The process in a sender's place was killed.
    pub fn sender_died(&self, sender: usize) {
        self.senders[sender].deaths.fetch_add(1, Relaxed);
    }

    /// The process in a receiver's place was killed.
    pub fn receiver_died(&self, receiver: usize) {
        let row = &self.receivers[receiver];
        row.deaths.fetch_add(1, Relaxed);
        match row.hand.swap(IDLE, Acquire) {
            IDLE => {}
            TAKING => {
                row.died_taking.fetch_add(1, Relaxed);
            }
            hand => {
                // It had this one, and may not have come to mark it. (That its place has had the
                // same message before, and it died in between, is a doubling that is not seen.)
                let message = Message::from_bits(hand >> HAND_SHIFT);
                let marks = self.received[self.index(message)].load(Relaxed);
                if marks & TIMES_MASK == 0 || first_receiver(marks) != Some(receiver) {
                    self.mark(receiver, message);
                }
            }
        }
    }

    /// How many messages were received so far.
    #[must_use]
    pub fn n_received(&self) -> u64 {
        self.receivers.iter().map(|row| row.got.load(Relaxed)).sum()
    }

    /// Compares all that was written, when everything was drained and nobody is at work.
    pub fn audit(&self) -> Audit {
        let mut audit = Audit::default();
        for (sender, row) in self.senders.iter().enumerate() {
            audit.sender_deaths += row.deaths.load(Acquire);
            let mut in_doubt = 0;
            for number in 0..row.next.load(Acquire) {
                let idx = self.index(Message { sender, number });
                let sent = self.sent[idx].load(Acquire);
                let times = u64::from(self.received[idx].load(Acquire) & TIMES_MASK);
                audit.received += times.min(1);
                audit.doubled += times.saturating_sub(1);
                audit.committed += u64::from(sent == COMMITTED);
                in_doubt += u64::from(sent == INTENDED);
                audit.missing += u64::from(sent == COMMITTED && times == 0);
                audit.invented += u64::from(times > 0 && sent == REFUSED);
            }
            audit.in_doubt += in_doubt;
            audit.unexplained += in_doubt.saturating_sub(row.deaths.load(Acquire));
        }
        for row in self.receivers.iter() {
            audit.receiver_deaths += row.deaths.load(Acquire);
            audit.died_taking += row.died_taking.load(Acquire);
            audit.fell += row.fell.load(Acquire);
            audit.invented += row.invented.load(Acquire);
        }
        audit
    }

    fn mark(&self, receiver: usize, message: Message) {
        let first = u8::try_from(receiver + 1).expect("at most 63 receivers") << 2 | 1;
        let marks = &self.received[self.index(message)];
        // Two receivers of the same message may meet here, which is what is looked for.
        let marked = marks.try_update(Relaxed, Relaxed, |marks| match marks & TIMES_MASK {
            0 => Some(first),
            TIMES_MASK => None,
            _ => Some(marks + 1),
        });
        debug_assert!(marked.is_ok() || marks.load(Relaxed) & TIMES_MASK == TIMES_MASK);
    }

    fn is_possible(&self, message: Message) -> bool {
        let sender = self.senders.get(message.sender);
        sender.is_some_and(|row| message.number < row.next.load(Acquire))
    }

    fn index(&self, message: Message) -> usize {
        let per_sender = usize::try_from(self.room).expect("it was made of this size");
        let number = usize::try_from(message.number).expect("a number within the room");
        assert!(number < per_sender, "a message within the room");
        message.sender * per_sender + number
    }

    /// The number of receivers the book was made for.
    #[must_use]
    pub fn n_receivers(&self) -> usize {
        self.n_receivers
    }

    /// The number of senders the book was made for.
    #[must_use]
    pub fn n_senders(&self) -> usize {
        self.senders.len()
    }
}

fn first_receiver(marks: u8) -> Option<usize> {
    usize::from(marks >> 2).checked_sub(1)
}

/// What an audit found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use = "it may say that messages were lost"]
pub struct Audit {
    /// Messages whose put returned.
    pub committed: u64,
    /// Messages whose sender was killed in the put: received or not, either is right.
    pub in_doubt: u64,
    /// Messages that were received, each counted once.
    pub received: u64,
    /// Further receptions of messages.
    pub doubled: u64,
    /// Committed messages that nobody received.
    pub missing: u64,
    /// Receptions of what nobody sent.
    pub invented: u64,
    /// Receptions out of their sender's order.
    pub fell: u64,
    /// Messages left in doubt without a death of their sender: the scenario noted wrongly.
    pub unexplained: u64,
    /// Senders killed.
    pub sender_deaths: u64,
    /// Receivers killed.
    pub receiver_deaths: u64,
    /// Receivers killed in a get, or between its return and the note of it.
    pub died_taking: u64,
}

impl Audit {
    /// Committed messages that are in no dead receiver's hands either.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.missing.saturating_sub(self.died_taking)
    }

    /// The storm's summary.
    ///
    /// # Errors
    ///
    /// If the summary has no number for what is wrong: a message that nobody sent, or one out of
    /// order, or a ledger that was kept wrongly.
    pub fn report(&self, end: &StormEnd) -> Result<report::Storm, String> {
        if self.invented > 0 || self.fell > 0 || self.unexplained > 0 {
            return Err(self.to_string());
        }
        Ok(end.report(self.received, self.lost(), self.doubled))
    }
}

impl fmt::Display for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} committed, {} in doubt after {} deaths of senders ({} unexplained), {} received, \
             {} doubled, {} missing after {} deaths of receivers ({} taking), {} invented, {} out \
             of order",
            self.committed,
            self.in_doubt,
            self.sender_deaths,
            self.unexplained,
            self.received,
            self.doubled,
            self.missing,
            self.receiver_deaths,
            self.died_taking,
            self.invented,
            self.fell,
        )
    }
}
