//! The same script of scribbles, played on a joinable queue.

use std::hint::black_box;
use std::time::Duration;

use ipc_core::Deadline;
use ipc_queue::{Builder, JoinableQueue};
use testkit::Script;

use super::{MAX_BYTES, Places, scribble};

/// A joinable queue for which the drawing is known.
pub(crate) fn queue(n_slots: usize, n_seats: usize) -> Option<(JoinableQueue<Vec<u8>>, Places)> {
    let builder = Builder::new(n_slots).seats(n_seats).max_bytes(MAX_BYTES);
    let queue = builder.retain_bytes(MAX_BYTES / 4).joinable().ok()?;
    Some((queue, Places { n_slots, n_seats, slot_bytes: 64, slots: None }))
}

/// How many ways there are to use a joinable queue.
pub(crate) const N_FORMS: u8 = 12;

/// One operation, which must not wait for long.
pub(crate) fn operate(queue: &JoinableQueue<Vec<u8>>, form: u8, item: &[u8]) {
    const SOON: Duration = Duration::from_micros(30);
    match form % N_FORMS {
        0 => drop(queue.try_put(item.to_vec())),
        1 => drop(queue.put_timeout(item.to_vec(), SOON)),
        2 => drop(queue.try_get().map(|lease| lease.done())),
        3 => drop(queue.get_timeout(SOON)),
        4 => drop(queue.get_deadline(Deadline::now()).map(|lease| lease.fail())),
        // Kept over other operations, and done with whatever became of it.
        5 => {
            let held = queue.try_get();
            queue.try_put(item.to_vec()).ok();
            drop(queue.try_get().map(|lease| black_box(lease.deliveries())));
            drop(held);
        }
        6 => drop(black_box(queue.try_join())),
        7 => drop(black_box(queue.join_timeout(SOON))),
        8 => drop(black_box((queue.len(), queue.unfinished(), queue.is_closed()))),
        9 => drop(black_box(queue.stats())),
        10 => drop(black_box(format!("{queue:?}"))),
        // Sits down anew, in a seat of the dead if need be, and leaves it.
        _ => drop(JoinableQueue::<Vec<u8>>::from_segment(queue.segment().clone()).map(|other| {
            other.try_put(item.to_vec()).ok();
            drop(other.try_get());
        })),
    }
}

/// Every operation that there is.
pub(crate) fn use_all(queue: &JoinableQueue<Vec<u8>>) {
    for len in [0, 5000, 40_000, queue.max_message()] {
        operate(queue, 0, &vec![7; len]);
    }
    for form in 0..N_FORMS {
        operate(queue, form, b"short");
    }
}

/// Plays a script: a shape, then steps, until the bytes are at an end.
pub(crate) fn play(script: &[u8]) {
    let mut script = Script::new(script);
    let n_slots = 1 + usize::from(script.byte() % 9);
    let n_seats = 1 + usize::from(script.byte() % 4);
    let Some((queue, places)) = queue(n_slots, n_seats) else { return };
    let item = vec![5; 1 << 14];
    while !script.is_over() {
        match script.byte() % 4 {
            0 | 1 => scribble(queue.segment(), places, &mut script),
            2 => {
                let len = usize::from(script.byte()) << 6;
                operate(&queue, script.byte(), item.get(..len).unwrap_or(&item));
            }
            _ => match script.byte() {
                0 => queue.close(),
                form => operate(&queue, form, b"short"),
            },
        }
    }
    // Whatever the words say now.
    use_all(&queue);
}
