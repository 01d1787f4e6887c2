//! Where the victim of a sweep dies, and how it marks the operation that is swept.

use std::fmt;

use crate::{Counter, SharedArena, sys};

/// Where a victim died.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KillPoint {
    /// After so many instructions of the operation, at this place in the code.
    Instruction {
        /// How many instructions of the operation were executed.
        n: usize,
        /// The next instruction: the file, and the address as `addr2line` takes it.
        place: String,
    },
    /// Asleep in the kernel, in the last of so many instructions.
    Asleep {
        /// How many instructions of the operation were begun.
        n: usize,
        /// The system call instruction, as above.
        place: String,
    },
    /// Before this access through the door, counted from zero.
    Access {
        /// How many accesses were made.
        n: usize,
    },
    /// It did not die: the operation came to its end, and the process to its own.
    Survived,
}

impl fmt::Display for KillPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instruction { n, place } => write!(f, "killed after instruction {n}, at {place}"),
            Self::Asleep { n, place } => write!(f, "killed asleep in instruction {n}, at {place}"),
            Self::Access { n } => write!(f, "killed before access {n}"),
            Self::Survived => write!(f, "not killed"),
        }
    }
}

/// How the victim marks where the operation begins and ends.
pub struct Marks<'a> {
    way: Way<'a>,
}

enum Way<'a> {
    /// Traced: the marker instruction stops the victim.
    Traced,
    /// In the crash world: the victim waits at the beginning, then arms its own death.
    Armed { gate: &'a Gate, arm: &'a dyn Fn(u64), n: u64 },
}

impl<'a> Marks<'a> {
    pub(super) fn traced() -> Self {
        Self { way: Way::Traced }
    }

    pub(super) fn armed(gate: &'a Gate, arm: &'a dyn Fn(u64), n: u64) -> Self {
        Self { way: Way::Armed { gate, arm, n } }
    }

    /// Runs the operation: the victim dies somewhere in here.
    ///
    /// What stands before it in the victim (taking the lock that the operation frees, a first
    /// round that warms up the dynamic linker) and after it is not swept.
    #[inline]
    pub fn around<R>(&self, operation: impl FnOnce() -> R) -> R {
        self.begin();
        let result = operation();
        self.end();
        result
    }

    /// Marks the beginning, where [`around`](Self::around) does not fit.
    #[inline]
    pub fn begin(&self) {
        match &self.way {
            Way::Traced => sys::marker(),
            Way::Armed { gate, arm, n } => {
                gate.arrive();
                arm(*n);
            }
        }
    }

    /// Marks the end, where [`around`](Self::around) does not fit.
    #[inline]
    pub fn end(&self) {
        match &self.way {
            Way::Traced => sys::marker(),
            Way::Armed { arm, .. } => arm(u64::MAX),
        }
    }
}

impl fmt::Debug for Marks<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = match &self.way {
            Way::Traced => "traced",
            Way::Armed { .. } => "armed",
        };
        f.debug_struct("Marks").field("way", &way).finish_non_exhaustive()
    }
}

/// Where a victim of the crash world waits until it may begin.
#[derive(Debug)]
pub(super) struct Gate {
    words: SharedArena<Counter>,
}

impl Gate {
    pub(super) fn new() -> Self {
        Self { words: SharedArena::new(2) }
    }

    fn arrive(&self) {
        self.words[0].set(1);
        self.words[1].wait_until(|open| open == 1);
    }

    pub(super) fn has_arrived(&self) -> bool {
        self.words[0].get() == 1
    }

    pub(super) fn open(&self) {
        self.words[1].set(1);
    }
}
