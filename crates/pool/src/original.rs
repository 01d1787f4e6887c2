//! Which process something belongs to: a copy of it, made by a fork, is another one.

use ipc_core::robust::Thread;

/// A process that something belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Original {
    /// A copy has another one.
    generation: u64,
}

impl Original {
    /// This process.
    #[inline]
    pub(crate) fn this() -> Self {
        Self { generation: Thread::current().generation() }
    }

    /// Whether it is this process, and this is no copy of it.
    #[inline]
    pub(crate) fn is_this(self) -> bool {
        self == Self::this()
    }
}
