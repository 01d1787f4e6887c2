//! Owner words: which process has a half.
//!
//! | word | meaning |
//! |------|---------|
//! | `NOBODY` | nobody has used the half yet; it may travel |
//! | pid and start time | that process uses the half, or died using it |
//! | the same, with `WHOLE` | it uses the whole end: it has the other half of it too, or is about to |
//! | `LEFT` | it has left the half |
//!
//! Who uses a whole end claims the half that writes, and then the half that reads. Should it die between the
//! two, the second half is nobody's, and nobody would ever claim it; so it counts as owned by who has the
//! first, if that one wanted both.
//!
//! # Edges
//!
//! | edge | release side | acquire side | carries |
//! |------|--------------|--------------|---------|
//! | E1 | `claim`, `leave` | `Owner::word`, `Owner::has_left`, `claim` | that all that was sent is there |

use ipc_core::ProcessId;
use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::{AcqRel, Acquire};

/// Nobody uses the half yet.
pub(super) const NOBODY: u64 = 0;
/// Whoever used the half has left it, and nobody will use it again.
pub(super) const LEFT: u64 = u64::MAX;

/// A pid has 22 bits.
const PID_BITS: u32 = 22;
/// The user of the half wants the other half of the end too. Start times do not come so far.
const WHOLE: u64 = 1 << 63;

/// A process as an owner word has it.
pub(super) fn owner_word(process: ProcessId) -> u64 {
    (process.start_time() << PID_BITS) & !WHOLE | u64::from(process.pid())
}

/// The same for who wants a whole end.
pub(super) const fn of_whole(word: u64) -> u64 {
    word | WHOLE
}

/// The process that a word says.
pub(super) fn process(word: u64) -> Option<ProcessId> {
    let pid = u32::try_from(word & ((1 << PID_BITS) - 1)).ok()?;
    let start_time = (word & !WHOLE) >> PID_BITS;
    (word != NOBODY && word != LEFT).then(|| ProcessId::from_parts(pid, start_time))
}

/// Writes who has a half, if nobody has it; whether it was so.
pub(super) fn claim(half: &AtomicU64, word: u64) -> bool {
    // E1 release, E1 acquire.
    half.compare_exchange(NOBODY, word, AcqRel, Acquire).is_ok()
}

/// Writes that a half was left.
pub(super) fn leave(half: &AtomicU64) {
    // E1 release.
    half.swap_and_fence(LEFT);
}

/// Who has the half at the other side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner<'m> {
    pub(super) half: &'m AtomicU64,
    /// The half of the same end that is claimed first.
    pub(super) first: &'m AtomicU64,
}

impl Owner<'_> {
    /// The process that has it, `NOBODY` or `LEFT`.
    pub(super) fn word(self) -> u64 {
        // E1 acquire.
        let word = match self.half.load(Acquire) {
            // E1 acquire.
            NOBODY => match self.first.load(Acquire) {
                LEFT => NOBODY,
                word if word & WHOLE != 0 => word,
                _ => NOBODY,
            },
            word => word,
        };
        if word == LEFT { LEFT } else { word & !WHOLE }
    }

    /// Whether it was left, which is all that can be seen at once.
    #[inline]
    pub(super) fn has_left(self) -> bool {
        // E1 acquire.
        self.half.load(Acquire) == LEFT
    }
}
