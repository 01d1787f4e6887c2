//! `Barrier`, with and without members, and `Condition` over a `Mutex`.

use ipc_sync::{Barrier, Condition, Mutex};

use crate::Result;
use crate::crew::Kind;
use crate::subjects::sync::meeting::{Meeting, Turns};

/// A death is told to who waits if the dead had come.
pub(crate) struct OurBarrier(Barrier);

/// A death is told to who waits wherever the dead was.
pub(crate) struct OurMembers(Barrier);

/// Two that take turns.
pub(crate) struct OurTurns {
    turn: Mutex<u64>,
    changed: Condition,
}

impl Meeting for OurBarrier {
    const KIND: Kind = Kind::Processes;

    fn new() -> Result<Self> {
        Ok(Self(Barrier::new(2)?))
    }

    fn meet_while(&self, mut goes_on: impl FnMut() -> bool) -> Result {
        while goes_on() {
            self.0.wait()?;
        }
        Ok(())
    }
}

impl Meeting for OurMembers {
    const KIND: Kind = Kind::Processes;

    fn new() -> Result<Self> {
        Ok(Self(Barrier::new(2)?))
    }

    fn meet_while(&self, mut goes_on: impl FnMut() -> bool) -> Result {
        let member = self.0.member()?;
        while goes_on() {
            member.wait()?;
        }
        Ok(())
    }
}

impl Turns for OurTurns {
    const KIND: Kind = Kind::Processes;

    fn new() -> Result<Self> {
        Ok(Self { turn: Mutex::new(0)?, changed: Condition::new()? })
    }

    fn take(&self, mine: u64) -> Result {
        let turn = self.turn.lock().map_err(|error| error.without_lock())?;
        let waited = self.changed.wait_while(turn, |turn| *turn != mine);
        let mut turn = waited.map_err(|error| error.without_lock())?;
        *turn = 1 - mine;
        drop(turn);
        self.changed.notify_one();
        Ok(())
    }
}
