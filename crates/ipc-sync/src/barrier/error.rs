//! Why a barrier was not made, and why a party was not let through.

use ipc_core::SegmentError;

use crate::raw::{Broken, Failed, MOST_MEMBERS, MOST_PARTIES, NotJoined, Refused};

/// Why there is no such barrier.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum NewBarrierError {
    /// Its memory could not be had, or is something else.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// A barrier is for one party at least, and for so many at most.
    #[error("a barrier is for 1 to {MOST_PARTIES} parties, not for {asked}")]
    Parties {
        /// How many were asked for.
        asked: u32,
    },
    /// The bytes are not those of a barrier.
    #[error("the bytes are not those of a barrier")]
    Corrupt,
}

/// Why a thread did not become a [member](crate::Barrier::member) of a barrier.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MemberError {
    /// The calling thread is a member already.
    #[error("this thread is a member of the barrier already")]
    AlreadyMember,
    /// There are as many members as there are parties, or as there can be.
    #[error("there are as many members as parties, or {MOST_MEMBERS}")]
    TooManyMembers,
    /// The calling thread holds as many shared locks as a thread can.
    #[error("this thread holds as many locks as a thread can")]
    TooManyHeld,
    /// Somebody scribbled over the barrier.
    #[error("the bytes are not those of a barrier")]
    Corrupt,
}

impl From<NotJoined> for MemberError {
    fn from(why: NotJoined) -> Self {
        match why {
            NotJoined::IsMember => Self::AlreadyMember,
            NotJoined::TooMany => Self::TooManyMembers,
            NotJoined::TooManyHeld => Self::TooManyHeld,
            NotJoined::Corrupt => Self::Corrupt,
        }
    }
}

/// Why a party was not let through a barrier.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BarrierError {
    /// The timeout of this call passed. If it had arrived, that has broken the barrier.
    #[error("the other parties did not come in time")]
    Timeout,
    /// The timeout of another party passed.
    #[error("another party did not wait any longer")]
    PartyTimedOut,
    /// A party died while it waited, or while it ran the action; or a [member](crate::Barrier::member)
    /// died, wherever it was.
    #[error("a party died: a thread of process {pid}")]
    PartyDied {
        /// The process that the dead thread belonged to.
        pid: u32,
    },
    /// The action of this round panicked.
    #[error("the action did not come to its end")]
    ActionPanicked,
    /// Somebody called [`abort`](crate::Barrier::abort).
    #[error("the barrier was aborted")]
    Aborted,
    /// Somebody called [`reset`](crate::Barrier::reset) while this party waited.
    #[error("the barrier was reset")]
    Reset,
    /// The calling thread is at the barrier already, in the action, and would have waited for itself.
    #[error("this thread is at the barrier already")]
    WouldDeadlock,
    /// The calling thread holds as many shared locks as a thread can.
    #[error("this thread holds as many locks as a thread can")]
    TooManyHeld,
    /// Somebody scribbled over the barrier.
    #[error("the bytes are not those of a barrier")]
    Corrupt,
}

impl BarrierError {
    /// Whether the round is broken, for this party and all others.
    #[must_use]
    pub const fn is_broken(self) -> bool {
        matches!(
            self,
            Self::PartyTimedOut
                | Self::PartyDied { .. }
                | Self::ActionPanicked
                | Self::Aborted
                | Self::Reset
        )
    }

    /// Whether the timeout of this call passed.
    #[must_use]
    pub const fn is_timeout(self) -> bool {
        matches!(self, Self::Timeout)
    }
}

impl From<Broken> for BarrierError {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::TimedOut => Self::PartyTimedOut,
            Broken::Aborted => Self::Aborted,
            Broken::Spoiled => Self::ActionPanicked,
            Broken::Died(pid) => Self::PartyDied { pid },
            Broken::Reset => Self::Reset,
        }
    }
}

impl From<Failed> for BarrierError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::TimedOut | Failed::Refused(Refused::Held) => Self::Timeout,
            Failed::Refused(Refused::WouldDeadlock) => Self::WouldDeadlock,
            Failed::Refused(Refused::TooManyHeld) => Self::TooManyHeld,
            Failed::Refused(_) => Self::Corrupt,
            Failed::Broken(broken) => broken.into(),
        }
    }
}
