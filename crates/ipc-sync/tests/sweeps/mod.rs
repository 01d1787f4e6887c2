//! One operation, a death at every point of it, and those who meet it.
//!
//! The same scenarios run in two binaries: `kill` takes the compiled code instruction by
//! instruction, `crash` the algorithm access by access.
//!
//! Nobody looks twice before going to sleep here, so that who waits sleeps, and who is not woken
//! sleeps for ever, and is found: a partner must come to its end by itself before the lock is
//! touched again.
#![expect(clippy::unwrap_used, reason = "a test binary")]
#![expect(clippy::mem_forget, reason = "who forgets a guard and ends has died holding it")]

mod barrier;
mod condition;
mod event;
mod lock;
mod mutex;
mod once;
mod rlock;
mod rwlock;
mod semaphore;

use std::fs;
use std::time::Duration;

use ipc_core::robust::Thread;
use ipc_sync::{Lock, LockGuard, Mutex};
use testkit::kill::{Partner, Sweep};
use testkit::{Counter, Scenario, SharedArena, child, clock};

use super::run;

/// The scenarios, for both binaries.
pub(crate) const SCENARIOS: &[Scenario] = &[
    ("lock: take a free one", lock::take_a_free_one),
    ("lock: try a free one", lock::try_a_free_one),
    ("lock: try a held one", lock::try_a_held_one),
    ("lock: give back, nobody waits", lock::give_back_while_nobody_waits),
    ("lock: give back, one sleeps", lock::give_back_while_one_sleeps),
    ("lock: give back, two sleep, one barges in", lock::give_back_while_one_barges_in),
    ("lock: wait behind a holder", lock::wait_behind_a_holder),
    ("lock: wait, another behind, one barges in", lock::wait_while_one_barges_in),
    ("lock: wait in vain", lock::wait_in_vain),
    ("lock: take over from the dead", lock::take_over_from_the_dead),
    ("lock: take over, two sleep, one barges in", lock::take_over_while_one_barges_in),
    ("lock: update a mutex", mutex::update),
    ("lock: recover a mutex", mutex::recover),
    ("lock: recover a poisoned mutex", mutex::recover_a_poisoned_one),
    ("lock: leave a mutex unrecovered", mutex::leave_unrecovered),
    ("condition: notify one, two sleep", condition::notify_one_while_two_sleep),
    ("condition: notify all, three sleep", condition::notify_all_while_three_sleep),
    ("condition: wait first in line, another behind", condition::wait_first_in_line),
    ("condition: wait behind another", condition::wait_behind_another),
    ("condition: wait in vain", condition::wait_in_vain),
    ("condition: come late, before those who were called", condition::come_late),
    ("condition: wait at two levels", condition::wait_at_two_levels),
    ("rwlock: read a free one", rwlock::read_a_free_one),
    ("rwlock: read and leave, a writer comes", rwlock::read_and_leave_while_a_writer_comes),
    ("rwlock: write to a free one", rwlock::write_to_a_free_one),
    ("rwlock: update a free one", rwlock::update),
    ("rwlock: leave reading, two sleep", rwlock::leave_reading_while_a_writer_sleeps),
    ("rwlock: leave writing, two sleep, one barges in", rwlock::leave_writing_while_two_sleep),
    ("rwlock: wait to read behind a writer", rwlock::wait_to_read_behind_a_writer),
    ("rwlock: wait to write behind a reader", rwlock::wait_to_write_behind_a_reader),
    ("rwlock: wait for a slot", rwlock::wait_for_a_slot),
    ("rwlock: write after a dead reader", rwlock::write_after_a_dead_reader),
    ("rwlock: read after a dead reader", rwlock::read_after_a_dead_reader),
    ("rwlock: read after a dead writer", rwlock::read_after_a_dead_writer),
    ("rwlock: recover after a dead writer", rwlock::recover_after_a_dead_writer),
    ("rwlock: become a reader, a writer sleeps", rwlock::become_a_reader_while_a_writer_sleeps),
    ("rlock: take and give back, again and again", rlock::take_and_give_back),
    ("rlock: give back the last level, one sleeps", rlock::give_back_while_one_sleeps),
    ("rlock: wait behind a holder", rlock::wait_behind_a_holder),
    ("rlock: take over from one who died deep", rlock::take_over_from_the_deep),
    ("once: do it while one waits", once::do_it_while_one_waits),
    ("once: wait for one who does it", once::wait_for_one_who_does_it),
    ("once: give up while one waits", once::give_up_while_one_waits),
    ("once: take over from the dead", once::take_over_from_the_dead),
    ("barrier: come last, three sleep", barrier::come_last_while_three_sleep),
    ("barrier: wait, two sleep", barrier::wait_while_two_sleep),
    ("barrier: be let through", barrier::be_let_through),
    ("barrier: abort, three sleep", barrier::abort_while_three_sleep),
    ("barrier: reset, three sleep", barrier::reset_while_three_sleep),
    ("barrier: time out, two sleep", barrier::time_out_while_two_sleep),
    ("barrier: come as a member, two sleep", barrier::come_as_a_member_while_two_sleep),
    ("barrier: join and leave, two sleep", barrier::join_and_leave_while_two_sleep),
    ("barrier: replace a dead member", barrier::replace_a_dead_member),
    ("event: set, nobody waits", event::set_while_nobody_waits),
    ("event: set, two sleep", event::set_while_two_sleep),
    ("event: set, two sleep, one clears", event::set_while_one_clears),
    ("event: set and clear, two sleep", event::set_and_clear_while_two_sleep),
    ("event: set in a handler, two sleep", event::set_in_a_handler),
    ("event: wait until set", event::wait_until_set),
    ("event: wait in vain", event::wait_in_vain),
    ("semaphore: take a free one", semaphore::take_a_free_one),
    ("semaphore: acquire a free one", semaphore::acquire_a_free_one),
    (
        "semaphore: acquire and give back, one barges in",
        semaphore::acquire_and_give_back_while_one_barges_in,
    ),
    ("semaphore: forget a permit", semaphore::forget_a_permit),
    ("semaphore: release, two sleep", semaphore::release_while_two_sleep),
    ("semaphore: give back, two sleep, one barges in", semaphore::give_back_while_two_sleep),
    ("semaphore: wait for a release, one barges in", semaphore::wait_for_a_release),
    ("semaphore: wait to acquire, one barges in", semaphore::wait_to_acquire_behind_a_holder),
    ("semaphore: wait in vain", semaphore::wait_in_vain),
    ("semaphore: take over from the dead, one barges in", semaphore::take_over_from_the_dead),
    ("semaphore: bring back a permit", semaphore::bring_a_permit_back),
];

/// What a round shares.
pub(crate) struct State {
    lock: Lock,
    /// Two numbers that are always equal when it is free.
    pair: Mutex<[u64; 2]>,
    notes: SharedArena<Counter>,
}

// Places in the notes.
const HELD: usize = 0;
const RELEASE: usize = 1;
const FOLLOW: usize = 2;
const FOLLOWER: usize = 3;

fn state() -> State {
    ipc_sync::raw::set_spin(0);
    State {
        lock: Lock::new().unwrap(),
        pair: Mutex::new([0, 0]).unwrap(),
        notes: SharedArena::new(4),
    }
}

/// Goes through the code once, so that the sweep sees the operation alone.
fn warm_up() {
    let other = Lock::new().unwrap();
    drop(other.lock().unwrap());
    drop(other.try_lock().unwrap());
    let other = Mutex::new(0).unwrap();
    other.update(|value| value + 1).unwrap();
}

/// Lets a process die while it does `what`, before this one goes on.
fn die_in(state: &State, what: impl Fn(&State)) {
    let end = child::fork(|| {
        what(state);
        0
    })
    .wait();
    assert!(end.is_success());
}

/// Takes the lock, whatever became of its last holder, and says whether that died.
fn take(lock: &Lock) -> Result<(LockGuard<'_>, bool), String> {
    match lock.lock() {
        Ok(guard) => Ok((guard, false)),
        Err(error) => {
            let died = error.is_owner_died();
            let guard = error.into_inner().ok_or("the lock cannot be taken")?;
            Ok((guard, died))
        }
    }
}

/// That the lock is as good as new once the first to take it was told, or not, of a death.
fn works(state: &State) -> Result<bool, String> {
    let (guard, told) = take(&state.lock)?;
    expect(state.lock.try_lock().is_err(), || "it can be taken twice".to_owned())?;
    drop(guard);
    for _ in 0..3 {
        let (_guard, told) = take(&state.lock)?;
        expect(!told, || "a death is told twice".to_owned())?;
    }
    let stats = state.lock.stats();
    expect(stats.holder.is_none(), || format!("still held: {stats:?}"))?;
    Ok(told)
}

fn expect(found: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if found { Ok(()) } else { Err(what()) }
}

/// One that takes the lock and gives it back.
fn passer_by(state: &State) -> i32 {
    i32::from(take(&state.lock).is_err())
}

/// One that holds the lock until it is told to release it.
fn holder<'a>() -> Partner<'a, State> {
    let body = |state: &State| {
        let _guard = take(&state.lock).unwrap();
        state.notes[HELD].set(1);
        state.notes[RELEASE].wait_until(|release| release == 1);
        0
    };
    Partner::holder("holder", body, |state| state.notes[HELD].get() == 1)
}

/// One that wants the lock only when it is told to follow.
fn follower<'a>() -> Partner<'a, State> {
    let body = |state: &State| {
        // A process of one thread: its id is the process's, too.
        state.notes[FOLLOWER].set(u64::from(Thread::current().tid()));
        state.notes[FOLLOW].wait_until(|follow| follow == 1);
        passer_by(state)
    };
    Partner::holder("follower", body, |state| state.notes[FOLLOWER].get() != 0)
}

/// Lets the holder release the lock.
fn release(state: &State) {
    state.notes[RELEASE].set(1);
}

/// Lets the follower fall asleep behind the victim, then lets the holder release the lock.
fn follow_and_release(state: &State) {
    if state.notes[FOLLOW].get() == 0 {
        state.notes[FOLLOW].set(1);
        let follower = state.notes[FOLLOWER].get();
        while !is_asleep_on_futex(follower) {
            clock::pause(Duration::from_micros(50));
        }
    }
    release(state);
}

/// Whether a process sleeps on a futex; one that has ended does, too, for the purpose.
fn is_asleep_on_futex(pid: u64) -> bool {
    match fs::read_to_string(format!("/proc/{pid}/syscall")) {
        Ok(call) => {
            let number = call.split(' ').next().and_then(|number| number.parse().ok());
            [libc::SYS_futex, libc::SYS_futex_waitv].map(Some).contains(&number)
        }
        Err(_) => true,
    }
}

/// Takes the lock between the victim's last instruction and its death, if it is free, and gives
/// it back after the death.
fn barge(state: &State) -> Box<dyn FnOnce() + '_> {
    let guard = state.lock.try_lock().or_else(|error| error.into_inner().ok_or(())).ok();
    Box::new(move || drop(guard))
}

fn sweep<'a>(name: &str) -> Sweep<'a, State> {
    Sweep::new(name, state)
}
