//! Members of a barrier: threads that are missed when they die, wherever they are.
//!
//! # Words
//!
//! - A member has a *place*: two [life words](Life), one for each row of seats, and a note, which
//!   says which process it belongs to and is the commit point of joining, of leaving, and of being
//!   told dead.
//! - The *roster* says how many places may be in use, and how often somebody has joined.
//!
//! # States of a place
//!
//! | life words | note | meaning |
//! |------------|------|---------|
//! | `0` | no process | free |
//! | a thread's | no process | that thread joins, or leaves |
//! | a thread's | a process | it is a member, and lives |
//! | `OWNER_DIED` | a process | it was a member and died: whoever meets it breaks the round |
//! | `OWNER_DIED` | no process | the same, and all were told; or it died before it was a member: free |
//!
//! The kernel marks one life word after the other. A place is a dead one's as soon as one of them is
//! marked and the note names a process.
//!
//! # Moves
//!
//! | move | steps |
//! |------|-------|
//! | join | take both life words; exchange the roster and wake all who sleep on it; then the note |
//! | leave | the note; then both life words |
//! | tell | see that the round is broken; then take the process from the note, by an exchange |
//!
//! A note counts how often it was written, so that *tell* does not take another member's from it.
//! Whoever resets the barrier tells of all the dead first, and who joins in place of a dead one tells
//! of that: so a death is told until the barrier is reset, and not after.
//!
//! # Who sees a death
//!
//! - M1: Whoever sleeps in a round sleeps on the life words of all members, each in the row of the
//!   round, and on the roster. Who joins has woken all, and has changed the roster, before it is a
//!   member; so nobody sleeps who does not sleep on its words. Held life words are always marked for
//!   the kernel, so that a death wakes one who sleeps on that row.
//! - M2: Who was woken looks at all places and breaks the round. If its round is over, it may have been
//!   woken in place of one who sleeps in a later round of the same row; but that one has announced
//!   itself at the bell of the row, so that it is rung for. If it dies before, it had that bell
//!   pending.
//! - M3: Who completes a round has looked at all places before, and so has who goes to sleep.
//!
//! The second life word is what keeps the rows apart: with one for both, who sleeps in this round
//! might not be woken, because one who has not got up from the last round was; and that one has nothing
//! to do with the bell of this.

#![expect(unsafe_code, reason = "the kernel keeps the addresses of words that are held")]

use ipc_core::primitive::Ordering::{AcqRel, Acquire, Relaxed, Release};
use ipc_core::primitive::{AtomicU32, Wait, futex_wake};
use ipc_core::robust::{Alive, Life, Thread, TooManyHeld};

use super::super::planted::{BARRIER_CALLS_ROSTER, BARRIER_TELLS};
use super::state::State;
use super::{Broken, RawBarrier, TRIES};

/// The most members that a barrier can have: who sleeps sleeps on the words of all.
pub const MOST_MEMBERS: usize = 120;

/// How many places a barrier for so many parties has for members.
#[must_use]
pub const fn n_places(parties: u32) -> usize {
    if (parties as usize) < MOST_MEMBERS { parties as usize } else { MOST_MEMBERS }
}

/// The words of a member's place; zeros are a free one.
#[cfg_attr(not(ipc_loom), repr(C))]
#[derive(Debug, Default)]
pub struct MemberWords {
    /// One for each row.
    lives: [Life; 2],
}

// SAFETY: it is `repr(C)` and consists of life words.
#[cfg(not(ipc_loom))]
unsafe impl ipc_core::Shared for MemberWords {}

/// What a note says: `process | how often it was written << 32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Note(u64);

impl Note {
    /// The process that the member belongs to, if there is one.
    fn pid(self) -> Option<u32> {
        #[expect(clippy::cast_possible_truncation, reason = "the low half is what is asked for")]
        let pid = self.0 as u32;
        (pid != 0).then_some(pid)
    }

    /// What is written over it, for a process or for none.
    fn next(self, pid: u32) -> Self {
        Self((self.0 >> 32).wrapping_add(1) << 32 | u64::from(pid))
    }
}

impl MemberWords {
    /// The life word for the row of `now`, and its value.
    pub(super) fn life(&self, now: State) -> (&Life, u32) {
        let life = &self.lives[now.row()];
        (life, life.value())
    }

    /// The process of a member that died and that not all were told of, if this is its place.
    pub(super) fn dead(&self) -> Option<u32> {
        self.dead_note()?.pid()
    }

    fn dead_note(&self) -> Option<Note> {
        let note = self.note();
        note.pid()?;
        let is_dead = self.lives.iter().any(|life| life.alive() == Alive::Died);
        // The words may be of one who came after that.
        (is_dead && self.note() == note).then_some(note)
    }

    fn note(&self) -> Note {
        // E3 acquire.
        Note(self.lives[0].notes()[0].load(Acquire))
    }

    fn write(&self, pid: u32) {
        let next = self.note().next(pid);
        // E3 release.
        self.lives[0].notes()[0].store(next.0, Release);
    }

    /// Takes both life words, if the place is free.
    ///
    /// # Safety
    ///
    /// As for [`RawBarrier::join`].
    unsafe fn take(&self, me: Thread) -> Result<bool, TooManyHeld> {
        for life in &self.lives {
            let taken = match life.alive() {
                Alive::Yes(_) => Ok(false),
                // SAFETY: the caller vouches for the words.
                Alive::Nobody => unsafe { life.join_watched(me) },
                // SAFETY: the caller vouches for the words.
                Alive::Died => unsafe { life.replace(me) },
            };
            if taken != Ok(true) {
                self.give_back(me);
                return taken;
            }
        }
        Ok(true)
    }

    fn give_back(&self, me: Thread) {
        for life in &self.lives {
            life.leave(me);
        }
    }
}

/// What the roster said when it was looked at: `places in use | how often somebody joined << 8`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Roster<'words> {
    word: &'words AtomicU32,
    seen: u32,
}

impl<'words> Roster<'words> {
    const N_OPEN: u32 = 0xff;

    /// How many places may be in use.
    pub(super) fn n_open(self) -> usize {
        ((self.seen & Self::N_OPEN) as usize).min(MOST_MEMBERS)
    }

    /// What to sleep on until somebody joins.
    pub(super) fn wait(self) -> Wait<'words> {
        Wait::on(self.word, self.seen)
    }

    fn with_joined(self, place: usize) -> u32 {
        #[expect(clippy::cast_possible_truncation, reason = "there are at most 120 places")]
        let n_open = self.n_open().max(place + 1) as u32;
        (self.seen & !Self::N_OPEN).wrapping_add(Self::N_OPEN + 1) | n_open
    }
}

/// Why a thread is no member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotJoined {
    /// It is one already.
    IsMember,
    /// All places are taken.
    TooMany,
    /// It holds as many words as a thread can.
    TooManyHeld,
    /// Somebody scribbled over the barrier.
    Corrupt,
}

impl From<TooManyHeld> for NotJoined {
    fn from(_: TooManyHeld) -> Self {
        Self::TooManyHeld
    }
}

impl<'words> RawBarrier<'words> {
    /// Makes the calling thread, of the process `pid`, a member until it leaves; returns its place.
    ///
    /// # Errors
    ///
    /// [`NotJoined`] says why not.
    ///
    /// # Safety
    ///
    /// The words must stay where they are, mapped and not used for anything else, until the thread
    /// has left the place or has ended.
    pub unsafe fn join(self, me: Thread, pid: u32) -> Result<usize, NotJoined> {
        if self.members.iter().any(|member| member.lives[0].is_held_by(me)) {
            return Err(NotJoined::IsMember);
        }
        for (place, member) in self.members.iter().enumerate().take(MOST_MEMBERS) {
            self.tell(me, member);
            // SAFETY: the caller vouches for the words.
            if !unsafe { member.take(me) }? {
                continue;
            }
            // Of the one whose words these were until now.
            if let Some(pid) = member.note().pid() {
                self.break_now(me, Broken::Died(pid));
                member.write(0);
            }
            if !self.enroll(place) {
                member.give_back(me);
                return Err(NotJoined::Corrupt);
            }
            member.write(pid);
            return Ok(place);
        }
        Err(NotJoined::TooMany)
    }

    /// Ends the membership at that place; nothing happens if it is not the calling thread's.
    ///
    /// A forked child is no member.
    pub fn resign(self, me: Thread, place: usize) {
        if let Some(member) = self.members.get(place) {
            if member.lives[0].is_held_by(me) {
                member.write(0);
            }
            member.give_back(me);
        }
    }

    /// The same for a member that fails, as if it died: breaks the round.
    pub fn fail(self, me: Thread, place: usize) {
        if let Some(member) = self.members.get(place)
            && member.lives[0].is_held_by(me)
            && let Some(pid) = member.note().pid()
        {
            self.break_now(me, Broken::Died(pid));
        }
        self.resign(me, place);
    }

    /// The members that live: their threads and processes.
    pub fn members(self) -> impl Iterator<Item = (u32, u32)> {
        self.open_members(self.roster()).filter_map(|member| match member.lives[0].alive() {
            Alive::Yes(tid) => Some((tid, member.note().pid()?)),
            _ => None,
        })
    }

    /// The places that may be in use.
    pub(super) fn open_members(
        self,
        roster: Roster<'words>,
    ) -> impl Iterator<Item = &'words MemberWords> {
        self.members.iter().take(roster.n_open())
    }

    pub(super) fn roster(self) -> Roster<'words> {
        let word = &self.words.roster;
        // E4 acquire.
        Roster { word, seen: word.load(Acquire) }
    }

    /// The process of a member that died, if there is one and the round is not broken.
    pub(super) fn find_dead_member(self, now: State) -> Option<u32> {
        if now.broken().is_some() {
            return None;
        }
        self.open_members(self.roster()).find_map(MemberWords::dead)
    }

    /// Sees that all are told of the members that died, and that they are not told again.
    pub(super) fn tell_all(self, me: Thread) {
        for member in self.open_members(self.roster()) {
            self.tell(me, member);
        }
    }

    fn tell(self, me: Thread, member: &MemberWords) {
        if let Some(note) = member.dead_note()
            && let Some(pid) = note.pid()
        {
            self.break_now(me, Broken::Died(pid));
            if BARRIER_TELLS {
                let word = &member.lives[0].notes()[0];
                // If it is another by now, it was told by somebody else.
                word.compare_exchange(note.0, note.next(0).0, Relaxed, Relaxed).ok();
            }
        }
    }

    /// Says in the roster that somebody joins, and sees that all who sleep look at it.
    fn enroll(self, place: usize) -> bool {
        for _ in 0..TRIES {
            let roster = self.roster();
            let next = roster.with_joined(place);
            // E4 release.
            if roster.word.compare_exchange(roster.seen, next, AcqRel, Relaxed).is_ok() {
                if BARRIER_CALLS_ROSTER {
                    futex_wake(roster.word, u32::MAX);
                }
                return true;
            }
        }
        false
    }
}
