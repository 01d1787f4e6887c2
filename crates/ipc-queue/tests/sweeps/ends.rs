//! The last handle of a side is dropped, and its holder dies at it.
//!
//! Those on the other side do not look by themselves here. Once the departure is counted, they must be
//! told of it, whoever dies. Before that nobody promises that they are told in time: then this process
//! lets them look, by leaving too.

use std::cell::RefCell;

use ipc_core::Segment;
use ipc_core::primitive::{AtomicU32, Ordering::Relaxed};
use ipc_queue::{Builder, ByteQueue, ByteReceiver, ByteSender, GetError, PutError};
use testkit::kill::{Partner, Ready, Start, Sweep};
use testkit::{Counter, Outcome, SharedArena};

use super::{FIRST, SECOND, expect, run};

/// What a round shares: the ends, of which each process drops those that are not its own.
struct Ends {
    segment: Segment,
    sender: RefCell<Option<ByteSender>>,
    receiver: RefCell<Option<ByteReceiver>>,
    notes: SharedArena<Counter>,
}

/// Places in the notes, behind those of the two who sleep.
const OTHERS_LEFT: usize = 2;
const DEPARTURES: usize = 3;

/// How many messages there is room for.
const CAPACITY: usize = 2;

/// There are as many seats as users, so that the dead one's is needed.
fn ends(messages: &[u8]) -> Ends {
    let queue = Builder::new(CAPACITY).seats(3).without_looks().bytes().unwrap();
    for message in messages {
        queue.put(&[*message]).unwrap();
    }
    let segment = queue.segment().clone();
    // With the handle this process gives its seat back.
    let (sender, receiver) = queue.split().unwrap();
    Ends {
        segment,
        sender: RefCell::new(Some(sender)),
        receiver: RefCell::new(Some(receiver)),
        notes: SharedArena::new(4),
    }
}

impl Ends {
    /// How many departures were counted.
    fn departures(&self) -> u64 {
        // As the drawing in `src/mapped/places.rs` and the struct in `src/ring/bells.rs` have it.
        let word: &AtomicU32 = self.segment.at(384 + 12).unwrap();
        word.load(Relaxed).into()
    }

    fn is_done(&self, place: usize) -> bool {
        self.notes[place].get() != 0
    }
}

/// All but the victim leave a side, by `leave`.
///
/// This comes first of the partners: those that are started later are started by a process that has
/// left.
fn others_leave(leave: fn(&Ends)) -> Partner<'static, Ends> {
    let one = move |ends: &Ends| {
        leave(ends);
        ends.notes[OTHERS_LEFT].set(1);
        0
    };
    // This is asked in the process that starts the others.
    let have_left = move |ends: &Ends| {
        let has_left = ends.is_done(OTHERS_LEFT);
        if has_left {
            leave(ends);
            ends.notes[DEPARTURES].set(ends.departures());
        }
        has_left
    };
    Partner::new("the others", one, Start::AtBegin, Ready::When(Box::new(have_left)))
}

/// Lets those who sleep look, by leaving as well, unless they must have been told.
fn let_them_look(ends: &Ends, leave: fn(&Ends)) {
    if ends.departures() == ends.notes[DEPARTURES].get() {
        leave(ends);
    }
}

fn leave_putters(ends: &Ends) {
    drop(ends.sender.take());
}

fn leave_getters(ends: &Ends) {
    drop(ends.receiver.take());
}

/// That the queue is whole, and has a seat for who comes.
fn works(ends: &Ends, n_left: usize) -> Result<(), String> {
    let queue = ByteQueue::from_segment(ends.segment.clone()).map_err(|error| error.to_string())?;
    let left = queue.try_iter().filter(Result::is_ok).count();
    expect(left == n_left, || format!("{left} messages"))?;
    for round in 0..3 * CAPACITY {
        queue.try_put(&[round.to_le_bytes()[0]]).map_err(|error| error.to_string())?;
        expect(queue.try_get().is_ok(), || format!("nothing in round {round}"))?;
    }
    let stats = queue.stats();
    expect(stats.blocks == 0 && stats.len == 0, || format!("{stats:?}"))
}

/// One on the getters' side, which is told that nobody is left.
fn getter(place: usize) -> impl Fn(&Ends) -> i32 {
    move |ends| {
        let got = ends.receiver.borrow().as_ref().map(ByteReceiver::get);
        ends.notes[place].set(1);
        i32::from(!matches!(got, Some(Err(GetError::Disconnected))))
    }
}

/// One on the putters' side, which is told that nobody is left.
fn putter(place: usize) -> impl Fn(&Ends) -> i32 {
    move |ends| {
        let put = ends.sender.borrow().as_ref().map(|sender| sender.put(b"x"));
        ends.notes[place].set(1);
        i32::from(!matches!(put, Some(Err(PutError::Disconnected(_)))))
    }
}

pub(crate) fn the_last_putter_leaves() -> Outcome {
    run(Sweep::new("last putter", || ends(&[]))
        .victim(|ends, marks| {
            leave_getters(ends);
            // It sits, and has had memory in its hands.
            drop(ends.sender.borrow().as_ref().map(|sender| sender.loan(1).unwrap()));
            let sender = ends.sender.take();
            marks.around(|| drop(sender));
        })
        .partner(others_leave(leave_putters))
        .partner(Partner::sleeper("first getter", getter(FIRST)))
        .partner(Partner::sleeper("second getter", getter(SECOND)))
        .after_death(|ends| let_them_look(ends, leave_getters))
        .check(|ends, _| works(ends, 0)))
}

pub(crate) fn the_last_getter_leaves() -> Outcome {
    run(Sweep::new("last getter", || ends(&[1, 2]))
        .victim(|ends, marks| {
            leave_putters(ends);
            // It has a seat, and leaves a full queue.
            let receiver = ends.receiver.take().unwrap();
            receiver.try_get().unwrap();
            let other = ByteQueue::from_segment(ends.segment.clone()).unwrap();
            other.put(&[3]).unwrap();
            drop(other);
            marks.around(|| drop(receiver));
        })
        .partner(others_leave(leave_getters))
        .partner(Partner::sleeper("first putter", putter(FIRST)))
        .partner(Partner::sleeper("second putter", putter(SECOND)))
        .after_death(|ends| let_them_look(ends, leave_putters))
        .check(|ends, _| works(ends, CAPACITY)))
}
