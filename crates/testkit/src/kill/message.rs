//! A message of a storm: its name, and a payload that shows when it is torn.

use crate::seed::Rng;

/// Names one message: its sender, and the how-manieth of that sender it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Message {
    /// The sender's place, below 65,536.
    pub sender: usize,
    /// Counted from zero, over all generations of the sender.
    pub number: u64,
}

const NUMBER_BITS: u32 = 48;

impl Message {
    /// The message as one number, to be sent.
    ///
    /// # Panics
    ///
    /// If the sender's place or the number does not fit.
    #[must_use]
    pub fn to_bits(self) -> u64 {
        let sender = u16::try_from(self.sender).expect("a sender's place below 65,536");
        assert!(self.number >> NUMBER_BITS == 0, "a number below 2^48");
        u64::from(sender) << NUMBER_BITS | self.number
    }

    /// The message that was sent as this number.
    #[must_use]
    pub fn from_bits(bits: u64) -> Self {
        let [low, high, ..] = (bits >> NUMBER_BITS).to_le_bytes();
        Self {
            sender: usize::from(u16::from_le_bytes([low, high])),
            number: bits & ((1 << NUMBER_BITS) - 1),
        }
    }

    /// Fills a payload of at least eight bytes with this message and what follows from it.
    ///
    /// # Panics
    ///
    /// If the payload is too short.
    pub fn fill(self, payload: &mut [u8]) {
        let (head, body) = payload.split_first_chunk_mut().expect("eight bytes at least");
        *head = self.to_bits().to_le_bytes();
        Rng::new(self.to_bits().into(), "payload").fill(body);
    }

    /// Reads the message from a payload; nothing if it is torn.
    #[must_use]
    pub fn read(payload: &[u8]) -> Option<Self> {
        let (head, body) = payload.split_first_chunk()?;
        let message = Self::from_bits(u64::from_le_bytes(*head));
        let mut expected = vec![0; body.len()];
        Rng::new(message.to_bits().into(), "payload").fill(&mut expected);
        (expected == body).then_some(message)
    }
}
