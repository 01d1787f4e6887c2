//! The state of a barrier: what its one word says, and what follows from that.

use super::Broken;

/// A round, as its parties remember it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Round {
    number: u64,
    resets: u64,
}

/// A value of the state.
///
/// ```text
///  0   3   6        32      54      64
///  | kind | resets | round | value | last reset |
/// ```
///
/// The value is how many have arrived, or the id of the process whose death broke the round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State(u64);

/// Nothing has broken the round.
pub(super) const OPEN: u64 = 0;
const TIMED_OUT: u64 = 1;
const ABORTED: u64 = 2;
const SPOILED: u64 = 3;
const DIED: u64 = 4;

const KIND: u64 = 0b111;
const RESETS: u64 = 0b111;
const ROUND: u64 = (1 << 26) - 1;
const VALUE: u64 = (1 << 22) - 1;
const LAST_RESET: u64 = (1 << 10) - 1;

impl State {
    fn new(kind: u64, round: Round, value: u64, last_reset: u64) -> Self {
        Self(
            kind & KIND
                | (round.resets & RESETS) << 3
                | (round.number & ROUND) << 6
                | (value & VALUE) << 32
                | (last_reset & LAST_RESET) << 54,
        )
    }

    pub(super) fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    pub(super) fn bits(self) -> u64 {
        self.0
    }

    /// A state of that round, to find its row and bell.
    pub(super) fn of(round: Round) -> Self {
        Self::new(OPEN, round, 0, 0)
    }

    pub(super) fn kind(self) -> u64 {
        self.0 & KIND
    }

    pub(super) fn round(self) -> Round {
        Round { number: self.0 >> 6 & ROUND, resets: self.0 >> 3 & RESETS }
    }

    pub(super) fn value(self) -> u64 {
        self.0 >> 32 & VALUE
    }

    fn last_reset(self) -> u64 {
        self.0 >> 54
    }

    /// Which row of seats, and which bell, it is the turn of.
    pub(super) fn row(self) -> usize {
        usize::from(self.round().number & 1 == 1)
    }

    pub(super) fn broken(self) -> Option<Broken> {
        match self.kind() {
            OPEN => None,
            TIMED_OUT => Some(Broken::TimedOut),
            SPOILED => Some(Broken::Spoiled),
            DIED => Some(Broken::Died(low_bits(self.value()))),
            // Whatever else somebody wrote there, nobody comes through.
            _ => Some(Broken::Aborted),
        }
    }

    pub(super) fn with_arrival(self) -> Self {
        Self::new(OPEN, self.round(), self.value() + 1, self.last_reset())
    }

    pub(super) fn tripped(self) -> Self {
        let Round { number, resets } = self.round();
        Self::new(OPEN, Round { number: number + 1, resets }, 0, self.last_reset())
    }

    pub(super) fn reset(self) -> Self {
        let Round { number, resets } = self.round();
        Self::new(OPEN, Round { number: number + 1, resets: resets + 1 }, 0, number)
    }

    pub(super) fn broken_by(self, cause: Broken) -> Self {
        let (kind, value) = match cause {
            Broken::TimedOut => (TIMED_OUT, 0),
            Broken::Spoiled => (SPOILED, 0),
            Broken::Died(pid) => (DIED, u64::from(pid)),
            Broken::Aborted | Broken::Reset => (ABORTED, 0),
        };
        Self::new(kind, self.round(), value, self.last_reset())
    }

    /// How `round` ended, if it has.
    pub(super) fn end_of(self, round: Round) -> Option<Result<(), Broken>> {
        if self.round().number == round.number {
            return self.broken().map(Err);
        }
        match self.round().resets.wrapping_sub(round.resets) & RESETS {
            0 => Some(Ok(())),
            1 if self.last_reset() != round.number & LAST_RESET => Some(Ok(())),
            _ => Some(Err(Broken::Reset)),
        }
    }
}

/// A part of the state that has less than 32 bits.
pub(super) fn low_bits(value: u64) -> u32 {
    u32::try_from(value & VALUE).unwrap_or(0)
}
