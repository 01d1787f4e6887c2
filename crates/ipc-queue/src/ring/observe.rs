//! Waiting without claiming: for one who tells others that something can be got or put.
//!
//! An observer sleeps like a getter or putter, and takes nothing. It may have been woken in place of
//! one who would, so when it has seen what it waited for it calls all who sleep on that bell. Before it
//! has, it has the alarm pending, like any sleeper: should it die, the kernel wakes one, and that one
//! calls all.

use ipc_core::Deadline;

use super::attempt::Attempt;
use super::{Blocked, Memory, Patience, Ring, Watched};

const FOREVER: Patience = Patience::Until(Deadline::NEVER);

impl<'m, M: Memory> Ring<'m, M> {
    /// Waits until a get would not have to wait, whatever it would come to, or until `is_over`.
    ///
    /// The caller has the alarm pending, and is a [watcher](Memory::is_watcher): so it looks whether it
    /// is over whenever somebody [leaves](Self::tell_left).
    pub(crate) fn await_message(self, is_over: impl Fn() -> bool) {
        self.await_message_or(is_over, || false, || Watched::NONE);
    }

    /// The same, or until one that came some other way `is_there`; sleeps on what it is to `watch`, too.
    pub(crate) fn await_message_or(
        self,
        is_over: impl Fn() -> bool,
        is_there: impl Fn() -> bool,
        watch: impl Fn() -> Watched<'m>,
    ) {
        let bell = &self.0.bells().items;
        let look = || match self.find_message(&mut Attempt::new()) {
            Err(Blocked::ByState(_) | Blocked::Closed) if is_there() => Ok(()),
            found => found.map(|_| ()),
        };
        self.wait_watching(bell, FOREVER, || unless(&is_over, look), watch).ok();
        bell.call_all();
    }

    /// Waits until a put would not have to wait for a slot, whatever it would come to, or until
    /// `is_over`.
    ///
    /// As [`await_message`](Self::await_message).
    pub(crate) fn await_room(self, is_over: impl Fn() -> bool) {
        let bell = &self.0.bells().space;
        let look = || self.find_room(&mut Attempt::new()).map(|_| ());
        self.wait(bell, FOREVER, || unless(&is_over, look)).ok();
        bell.call_all();
    }
}

fn unless(
    is_over: impl Fn() -> bool,
    look: impl Fn() -> Result<(), Blocked>,
) -> Result<(), Blocked> {
    if is_over() { Ok(()) } else { look() }
}
