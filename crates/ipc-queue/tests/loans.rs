//! Loans and samples: messages that are written and read where they lie.
#![cfg(not(ipc_loom))]

use std::mem;
use std::thread;
use std::time::Duration;

use ipc_queue::{Builder, ByteQueue, GetError, PutError, Sample};
use testkit::Watchdog;

const KIB: u64 = 1 << 10;

fn watch(what: &str) -> Watchdog {
    Watchdog::start(Duration::from_secs(120), what)
}

#[test]
fn what_is_written_to_a_loan_is_read_from_a_sample() {
    let queue = ByteQueue::bounded(4).unwrap();
    for len in [0, 1, 100, 4096, 5000, 3 << 20] {
        let mut loan = queue.loan(len).unwrap();
        assert_eq!(loan.len(), len);
        loan.fill(len.to_le_bytes()[1]);
        assert!(queue.is_empty(), "nobody has heard of it");
        loan.commit().unwrap();
        assert_eq!(queue.len(), 1);
        let sample = queue.get_in_place().unwrap();
        assert_eq!(queue.stats().blocks, 1);
        assert!(*sample == vec![len.to_le_bytes()[1]; len]);
        drop(sample);
        assert_eq!(queue.stats().blocks, 0);
    }
}

#[test]
fn loans_and_copies_mix() {
    let queue = ByteQueue::bounded(4).unwrap();
    let mut loan = queue.try_loan(10_000).unwrap();
    loan.copy_from_slice(&[1; 10_000]);
    loan.try_commit().unwrap();
    queue.put(&[2; 10_000]).unwrap();
    queue.put(b"short").unwrap();
    assert!(queue.get().unwrap() == [1; 10_000]);
    assert!(*queue.try_get_in_place().unwrap() == [2; 10_000]);
    assert_eq!(*queue.try_get_in_place().unwrap(), *b"short");
    assert!(matches!(queue.try_get_in_place(), Err(GetError::Empty)));
    let soon = Duration::from_millis(2);
    assert!(matches!(queue.get_in_place_timeout(soon), Err(GetError::TimedOut)));
    queue.close();
    assert!(queue.get_in_place().unwrap_err().is_closed());
    assert!(queue.loan(1).unwrap_err().is_closed());
}

#[test]
fn an_abandoned_loan_costs_nothing() {
    let queue = Builder::new(2).max_bytes(16 * KIB).without_backstop().bytes().unwrap();
    for _ in 0..1000 {
        drop(queue.try_loan(16 << 10).unwrap());
    }
    assert_eq!((queue.stats().blocks, queue.len()), (0, 0));
    queue.try_put(&[1; 16 << 10]).unwrap();
}

#[test]
fn a_loan_that_is_not_put_comes_back() {
    let queue = Builder::new(1).bytes().unwrap();
    queue.put(b"in the way").unwrap();
    let mut loan = queue.loan(9000).unwrap();
    loan.fill(9);
    let loan = loan.try_commit().unwrap_err().into_inner();
    let loan = loan.commit_timeout(Duration::from_millis(2)).unwrap_err().into_inner();
    assert!(*loan == [9; 9000]);
    assert_eq!(queue.get().unwrap(), b"in the way");
    loan.commit().unwrap();
    assert!(queue.get().unwrap() == [9; 9000]);
    let late = queue.loan(9000).unwrap();
    queue.close();
    assert!(late.commit().unwrap_err().is_closed());
    assert_eq!(queue.stats().blocks, 0);
}

#[test]
fn loans_are_bounded_like_messages() {
    let _watchdog = watch("a loan waits for memory");
    let queue = Builder::new(9).max_bytes(16 * KIB).without_backstop().bytes().unwrap();
    assert!(matches!(queue.loan(16_385), Err(PutError::TooLarge { limit: 16_384, .. })));
    let first = queue.loan(9000).unwrap();
    assert!(queue.try_loan(9000).unwrap_err().is_full());
    assert!(queue.loan_timeout(9000, Duration::from_millis(2)).unwrap_err().is_full());
    thread::scope(|scope| {
        let waiter = scope.spawn(|| queue.loan(9000).unwrap().commit().is_ok());
        while !queue.stats().putters_wait {
            thread::yield_now();
        }
        drop(first);
        assert!(waiter.join().unwrap());
    });
    assert_eq!(queue.get_in_place().unwrap().len(), 9000);
}

#[test]
fn a_queue_without_memory_for_large_messages_lends_nothing_and_says_so() {
    let _watchdog = watch("a loan that can never be had");
    let queue = Builder::new(4).max_bytes(0).bytes().unwrap();
    for len in [0, 1, 100] {
        let refused = queue.loan(len).unwrap_err();
        assert!(matches!(refused, PutError::TooLarge { limit: 0, .. }), "{refused}");
    }
    // A slot may hold more than can be lent.
    let queue = Builder::new(4).message_bytes(9000).max_bytes(4 * KIB).bytes().unwrap();
    assert!(matches!(queue.loan(5000), Err(PutError::TooLarge { limit: 4096, .. })));
    queue.put(&[1; 5000]).unwrap();
    queue.loan(4096).unwrap().commit().unwrap();
    assert_eq!((queue.get().unwrap().len(), queue.get().unwrap().len()), (5000, 4096));
}

#[test]
fn a_sample_keeps_its_memory_and_not_its_place() {
    let queue = Builder::new(1).max_bytes(32 * KIB).bytes().unwrap();
    let mut samples = Vec::new();
    for number in 0..4_u8 {
        queue.try_put(&[number; 8000]).unwrap();
        samples.push(queue.try_get_in_place().unwrap());
    }
    assert!(queue.try_put(&[9; 8000]).unwrap_err().is_full());
    assert!(samples.iter().zip(0..).all(|(sample, number)| **sample == [number; 8000]));
    samples.swap_remove(1);
    queue.try_put(&[9; 8000]).unwrap();
    assert!(samples.iter().all(|sample: &Sample<'_>| sample[0] != 1 && sample[7999] == sample[0]));
    assert_eq!(*queue.try_get_in_place().unwrap(), [9; 8000]);
}

#[test]
fn plain_data_is_lent_and_read_as_what_it_is() {
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
    struct Point {
        x: f64,
        y: f64,
        count: u64,
    }
    let queue = ByteQueue::bounded(4).unwrap();
    let point = Point { x: 1.5, y: -2.0, count: 3 };
    let mut loan = queue.loan_of::<Point>().unwrap();
    *loan = point;
    assert_eq!(loan.count, 3);
    loan.commit().unwrap();
    let mut loan = queue.loan_slice::<u32>(1000).unwrap();
    assert_eq!(loan.len(), 1000);
    for (at, number) in loan.iter_mut().enumerate() {
        *number = u32::try_from(at).unwrap();
    }
    loan.commit().unwrap();
    let sample = queue.get_in_place().unwrap();
    assert_eq!(sample.value_of::<Point>(), Some(&point));
    assert_eq!(sample.value_of::<u64>(), None);
    assert_eq!(sample.slice_of::<u64>().unwrap()[2], 3);
    let sample = queue.get_in_place().unwrap();
    assert!(sample.slice_of::<u32>().unwrap().iter().copied().eq(0..1000));
    assert_eq!(sample.slice_of::<[u8; 3]>(), None, "not a whole number of them");
    assert!(queue.loan_slice::<u64>(usize::MAX).is_err());
}

#[test]
fn what_is_read_is_checked() {
    let queue = ByteQueue::bounded(4).unwrap();
    for bytes in [[0, 1, 1, 0], [0, 1, 2, 0]] {
        queue.put(&bytes).unwrap();
        let mut large = queue.loan(5000).unwrap();
        large.fill(bytes[2]);
        large.commit().unwrap();
        let is_valid = bytes[2] < 2;
        let (short, large) = (queue.get_in_place().unwrap(), queue.get_in_place().unwrap());
        assert_eq!(short.slice_of::<bool>().is_some(), is_valid);
        assert_eq!(large.slice_of::<bool>().is_some(), is_valid);
    }
}

#[test]
fn a_loan_may_be_put_shorter_than_it_is() {
    let queue = ByteQueue::bounded(4).unwrap();
    let mut loan = queue.loan(9000).unwrap();
    loan.fill(3);
    loan.truncate(10_000);
    assert_eq!(loan.len(), 9000);
    loan.truncate(5);
    loan.commit().unwrap();
    assert_eq!(queue.get().unwrap(), [3; 5]);
}

#[test]
fn what_a_thread_forgets_comes_back_when_it_has_ended() {
    let _watchdog = watch("forgotten loans");
    let queue = Builder::new(4).seats(3).max_bytes(16 * KIB).without_backstop().bytes().unwrap();
    for _ in 0..5 {
        let forget = {
            let queue = queue.clone();
            move || {
                #[expect(clippy::mem_forget, reason = "that is what is tested")]
                mem::forget(queue.loan(5000).unwrap());
                queue.put(&[1; 5000]).unwrap();
                #[expect(clippy::mem_forget, reason = "that is what is tested")]
                mem::forget(queue.get_in_place().unwrap());
            }
        };
        testkit::Mortal::spawn(forget).wait();
        // All of the memory is to be had, without further ado.
        queue.put(&[2; 16 << 10]).unwrap();
        assert!(queue.get().unwrap() == [2; 16 << 10]);
    }
    assert_eq!(queue.stats().blocks_recovered, 10);
}
