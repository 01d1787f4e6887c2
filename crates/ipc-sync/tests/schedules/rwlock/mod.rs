//! `RwLock`: come in to read and to write, repaired or not, downgraded, panicked in and left.
//!
//! The reference has the lock's queue in it, for this is promised: new readers do not pass a writer
//! that waits, and who comes after a reader that waits for room waits behind it. So who waits first
//! in line is *at the door*, and nobody passes.
//!
//! | file | job |
//! |------|-----|
//! | `mod` | the reference |
//! | `calls` | how the lock is called |

mod calls;

use std::collections::BTreeSet;
use std::mem;

use crate::answer::{Answer, Said};
use crate::repair::{Repair, Way};
use crate::worlds::{Reference, Step, answers, goes_on, waits};

pub(crate) use self::calls::any_schedule;

const N_READERS: usize = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Call {
    Read(Way),
    /// Come in to write, and do with a value that may be half changed what is said.
    Write(Way, Repair),
    /// Copy the value.
    Get,
    /// Add one to the value, if inside to write.
    Add,
    /// Become a reader, if inside to write.
    Downgrade,
    /// Leave, if inside.
    Leave,
    /// Panic inside, if there.
    Panic,

    /// At the door to do that, and the first to see what a dead writer has left.
    Heir(Entry),
    /// The same, who has still to count that death.
    Door(Entry),
    /// Waits there until there is room.
    Room(Entry),
    /// Inside to write, and about to be told.
    Tell(Repair),
    MakeWhole(Answer),
    Left(Answer),
}
use Call::{
    Add, Door, Downgrade, Get, Heir, Leave, Left, MakeWhole, Panic, Read, Room, Tell, Write,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Entry {
    /// To read, and to leave again at once or not.
    ToRead(Way, bool),
    ToWrite(Way, Repair),
}
use Entry::{ToRead, ToWrite};

/// What it should be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Inside {
    /// Who is at the door, or inside to write.
    at_door: Option<usize>,
    /// Whether that one is inside to write, or, if there is none, has died there.
    is_written: bool,
    readers: BTreeSet<usize>,
    is_poisoned: bool,
    /// Whether a writer died and nobody was told of it.
    is_untold: bool,
    value: u32,
    dead_writers: u32,
    dead_readers: u32,
}

impl Inside {
    /// How the value is found.
    fn found(&self) -> Answer {
        match (self.is_untold, self.is_poisoned) {
            (true, _) => Said::OwnerDied.of(self.value),
            (false, true) => Said::Poisoned.of(self.value),
            (false, false) => Said::Whole.of(self.value),
        }
    }

    /// Whoever was found a dead writer's heir has been told.
    fn told(&mut self) {
        self.is_poisoned |= mem::take(&mut self.is_untold);
    }

    fn leave(&mut self, who: usize) {
        self.readers.remove(&who);
        if self.at_door == Some(who) {
            (self.at_door, self.is_written) = (None, false);
        }
    }

    fn enter(mut self, who: usize, entry: Entry, is_alone: bool) -> Vec<Step<Self>> {
        let (ToRead(way, _) | ToWrite(way, _)) = entry;
        if self.is_inside(who) {
            return answers(self, way.of_own());
        }
        // Others may be at the door for a moment.
        let mut steps = match way {
            Way::Wait => waits(),
            _ if is_alone => waits(),
            _ => answers(self.clone(), way.in_vain()),
        };
        match (self.at_door, entry) {
            (Some(_), _) if way == Way::Wait => return waits(),
            (Some(_), _) => return answers(self, way.in_vain()),
            (None, ToRead(_, leaves)) if self.has_room() && (!self.is_untold || !is_alone) => {
                // Past the door. Who is just behind a death is told no more than that the value is
                // poisoned.
                let mut inside = self.clone();
                inside.readers.insert(who);
                let answer = match self.is_untold {
                    true => Said::Poisoned.of(self.value),
                    false => self.found(),
                };
                if leaves {
                    steps.extend(goes_on(inside, Left(answer)));
                } else {
                    steps.extend(answers(inside, answer));
                }
            }
            (None, _) => {}
        }
        self.at_door = Some(who);
        let has_seen_death = self.is_written;
        if has_seen_death {
            // Whoever dies now leaves the death for the next one to see.
            self.is_untold = true;
            steps.extend(goes_on(self, Heir(entry)));
        } else {
            steps.extend(goes_on(self, Room(entry)));
        }
        steps
    }

    /// Whether readers may come in without a look at what the dead have left.
    fn has_room(&self) -> bool {
        !self.is_written && self.readers.len() < N_READERS
    }

    fn is_inside(&self, who: usize) -> bool {
        self.readers.contains(&who) || (self.at_door == Some(who) && self.is_written)
    }
}

impl Reference for Inside {
    type Call = Call;
    type View = View;

    fn steps(&self, who: usize, call: Call, is_alone: bool) -> Vec<Step<Self>> {
        let mut next = self.clone();
        let writes = self.at_door == Some(who) && self.is_written;
        match call {
            Read(way) => next.enter(who, ToRead(way, false), is_alone),
            Get => next.enter(who, ToRead(Way::Wait, true), is_alone),
            Write(way, repair) => next.enter(who, ToWrite(way, repair), is_alone),
            Heir(entry) => {
                next.is_written = false;
                goes_on(next, Door(entry))
            }
            Door(entry) => {
                next.dead_writers += 1;
                goes_on(next, Room(entry))
            }
            Room(ToRead(_, leaves)) if self.readers.len() < N_READERS => {
                let answer = self.found();
                next.told();
                next.at_door = None;
                next.readers.insert(who);
                if leaves { goes_on(next, Left(answer)) } else { answers(next, answer) }
            }
            Room(ToWrite(_, repair)) if self.readers.is_empty() => {
                next.is_written = true;
                goes_on(next, Tell(repair))
            }
            Room(ToRead(Way::Wait, _) | ToWrite(Way::Wait, _)) => waits(),
            Room(ToRead(way, _) | ToWrite(way, _)) => {
                next.at_door = None;
                answers(next, way.in_vain())
            }
            Tell(repair) => {
                let answer = self.found();
                next.told();
                match repair {
                    _ if !next.is_poisoned => answers(next, answer),
                    Repair::Recover => {
                        next.value = 0;
                        goes_on(next, MakeWhole(answer))
                    }
                    Repair::Keep => goes_on(next, MakeWhole(answer)),
                    Repair::Ignore => answers(next, answer),
                    Repair::GiveUp => goes_on(next, Left(answer)),
                }
            }
            MakeWhole(answer) => {
                next.is_poisoned = false;
                answers(next, answer)
            }
            Left(answer) => {
                next.leave(who);
                answers(next, answer)
            }
            Add | Downgrade if !writes => answers(next, Said::NothingInHand),
            Leave | Panic if !self.is_inside(who) => answers(next, Said::NothingInHand),
            Add => {
                next.value += 1;
                answers(next, Said::Done)
            }
            Downgrade if !self.readers.contains(&who) => {
                next.readers.insert(who);
                goes_on(next, Downgrade)
            }
            Downgrade => {
                (next.at_door, next.is_written) = (None, false);
                answers(next, Said::Done)
            }
            Leave => goes_on(next, Left(Said::Done.into())),
            Panic => {
                next.is_poisoned |= writes;
                goes_on(next, Left(Said::Done.into()))
            }
        }
    }

    fn die(mut self, who: usize, _: u32, in_a_call: bool) -> Vec<Self> {
        let has_read = self.readers.remove(&who);
        if self.at_door == Some(who) {
            // That it was inside to write stays to be seen.
            self.at_door = None;
        }
        let mut counted = self.clone();
        counted.dead_readers += 1;
        match (has_read, in_a_call) {
            (true, _) => vec![counted],
            // It may have had a reader's share, or what looks like one, for a moment.
            (false, true) => vec![self, counted],
            (false, false) => vec![self],
        }
    }

    fn view(&self, asleep: &[Option<Call>]) -> View {
        View {
            at_door: self.at_door,
            is_written: self.is_written && self.at_door.is_some(),
            readers: self.readers.iter().copied().map(Some).collect(),
            is_poisoned: self.is_poisoned || self.is_untold,
            dead_writers: self.dead_writers,
            dead_readers: self.dead_readers,
            asleep: asleep.iter().flatten().count(),
        }
    }
}

/// What it says of itself.
#[derive(Debug, PartialEq)]
struct View {
    at_door: Option<usize>,
    is_written: bool,
    readers: BTreeSet<Option<usize>>,
    is_poisoned: bool,
    dead_writers: u32,
    dead_readers: u32,
    asleep: usize,
}
