//! Waiting for an item without taking it: for one who tells others that there is something to get.

use ipc_core::robust::Thread;

use super::{Leases, Memory};
use crate::heap::Heap;
use crate::ring::Ring;
use crate::ring::slot::Owner;

impl<M: Memory> Leases<'_, M> {
    /// Waits until a take would not have to wait, whatever it would come to, or until `is_over`.
    ///
    /// As [`Ring::await_message`], of which this has the duties; and it looks for strays, and sleeps on
    /// the life words of all who sit, as one who takes does: nobody puts what comes back from the dead.
    pub(crate) fn await_item(self, thread: Thread, is_over: impl Fn() -> bool) {
        let has_stray =
            || Heap(self.0).blocks().any(|id| self.is_stray(self.0.block(id).word.look()));
        let watch = || self.watched(Owner::NOBODY, thread);
        Ring(self.0).await_message_or(is_over, has_stray, watch);
    }
}
