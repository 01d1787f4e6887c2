//! What the sleeping protocols assume of the kernel, asked of the kernel.
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]
#![expect(unsafe_code, reason = "a pending word")]

use std::process::ExitCode;
use std::ptr;
use std::time::Duration;

use ipc_core::primitive::Ordering::{AcqRel, Acquire, Relaxed};
use ipc_core::primitive::{
    AtomicU32, AtomicU64, Wait, Woken, fence_heavy, fence_light, futex_n_asleep, futex_wait,
    futex_wait_any, futex_wake, join_heavy_fences, pause,
};
use ipc_core::{Deadline, Kind, Segment};
use rustix::mm::{MapFlags, ProtFlags, mmap};
use testkit::child::{End, fork};
use testkit::{Outcome, Report};

fn main() -> ExitCode {
    testkit::main(&[
        ("of two words that wake a sleeper at once, the last is reported", the_last_is_reported),
        ("a sleeper whose word has changed does not sleep", changed),
        ("who sleeps on both halves of a word sleeps on all of it", halves),
        ("who sleeps is counted and sleeps on, and the dead is not", counted),
        (
            "who sleeps on a word that may only be read is counted",
            counted_where_it_may_only_be_read,
        ),
        ("a death wakes who sleeps on the pending word, and changes nothing", pending),
        ("of a light and a heavy fence, one side sees the other", unequal_fences),
    ])
}

const LIMIT: Duration = Duration::from_secs(60);

fn words() -> Segment {
    Segment::create(Kind::new(*b"twowords", 1), 0, 128).unwrap()
}

fn word(segment: &Segment, place: usize) -> &AtomicU32 {
    segment.at(64 * place).unwrap()
}

/// Sleeps on two words and says which woke it: 10 and more for the word, less for anything else.
fn sleeper(segment: &Segment) -> i32 {
    let waits = [Wait::on(word(segment, 0), 0), Wait::on(word(segment, 1), 0)];
    match futex_wait_any(&waits, Deadline::NEVER) {
        Woken::By(index) => 10 + i32::try_from(index).unwrap(),
        Woken::Changed => 1,
        Woken::TimedOut => 2,
    }
}

/// The queue's sleepers are told of a death through a word behind the one that brings news; if both
/// come at once, the death must not be lost.
fn the_last_is_reported() -> Outcome {
    // The sleeper may come to itself between the two; then it is no case of both at once.
    let mut cases = 0;
    for round in 0..2000 {
        let segment = words();
        let mut child = fork(|| sleeper(&segment));
        child.wait_asleep(LIMIT)?;
        let (first, second) = (word(&segment, round % 2), word(&segment, 1 - round % 2));
        let woken = (futex_wake(first, 1), futex_wake(second, 1));
        let end = child.wait();
        if woken == (1, 1) {
            assert_eq!(end, End::Exited(11), "word {} was woken first", round % 2);
            cases += 1;
        }
        if cases == 20 {
            return Ok(Report::PASSED);
        }
    }
    Err(format!("only {cases} of 2000 sleepers were woken by both").into())
}

fn changed() -> Outcome {
    let segment = words();
    word(&segment, 1).store(7, Relaxed);
    let mut child = fork(|| sleeper(&segment));
    assert_eq!(child.wait(), End::Exited(1));
    Ok(Report::PASSED)
}

fn halves() -> Outcome {
    const HELD: u64 = 0x0123_4567_89ab_cdef;
    let segment = words();
    let wide: &AtomicU64 = segment.at(8)?;
    wide.store(HELD, Relaxed);
    let sleeps = |expected| {
        let waits = [Wait::on_low_half(wide, expected), Wait::on_high_half(wide, expected)];
        // It looks before it finds that there is no time.
        match futex_wait_any(&waits, Deadline::now()) {
            Woken::TimedOut => true,
            Woken::Changed => false,
            Woken::By(_) => unreachable!("nobody wakes"),
        }
    };
    assert!(sleeps(HELD));
    for bit in 0..64 {
        assert!(!sleeps(HELD ^ (1 << bit)), "bit {bit}");
    }
    Ok(Report::PASSED)
}

fn counted() -> Outcome {
    let segment = words();
    let (first, second) = (word(&segment, 0), word(&segment, 1));
    let n_asleep = || (futex_n_asleep(first), futex_n_asleep(second));
    assert_eq!(n_asleep(), (0, 0));
    let mut of_both = [fork(|| sleeper(&segment)), fork(|| sleeper(&segment))];
    let mut of_first = fork(|| match futex_wait(first, 0, Deadline::NEVER) {
        Woken::By(_) => 10,
        other => unreachable!("{other:?}"),
    });
    for child in of_both.iter_mut().chain([&mut of_first]) {
        child.wait_asleep(LIMIT)?;
    }
    assert_eq!(n_asleep(), (3, 2));
    // It asks for the number, not for what the words hold.
    first.store(7, Relaxed);
    assert_eq!(n_asleep(), (3, 2));
    of_both[0].kill();
    of_both[0].wait();
    assert_eq!(n_asleep(), (2, 1));
    // Nobody was woken, and nobody has moved: each is where a wake-up finds it.
    assert_eq!(futex_wake(second, 2), 1);
    assert_eq!(of_both[1].wait(), End::Exited(11));
    assert_eq!(n_asleep(), (1, 0));
    assert_eq!(futex_wake(first, 2), 1);
    assert_eq!(of_first.wait(), End::Exited(10));
    assert_eq!(n_asleep(), (0, 0));
    Ok(Report::PASSED)
}

fn counted_where_it_may_only_be_read() -> Outcome {
    let segment = words();
    let mut child = fork(|| sleeper(&segment));
    child.wait_asleep(LIMIT)?;
    let (len, read, shared) = (4096, ProtFlags::READ, MapFlags::SHARED);
    // SAFETY: a fresh mapping, which stays to the end of the process.
    let mapped = unsafe { mmap(ptr::null_mut(), len, read, shared, &segment, 0) }?;
    let body = segment.as_ptr().as_ptr().addr() % len;
    // SAFETY: the header of a segment ends before the first page does, and so do the words.
    let read_only: &AtomicU32 = unsafe { &*mapped.cast::<u8>().wrapping_add(body).cast() };
    assert_eq!(futex_n_asleep(read_only), 1);
    futex_wake(word(&segment, 0), 1);
    assert_eq!(child.wait(), End::Exited(10));
    assert_eq!(futex_n_asleep(read_only), 0);
    Ok(Report::PASSED)
}

fn pending() -> Outcome {
    let segment = words();
    let mut child = fork(|| sleeper(&segment));
    child.wait_asleep(LIMIT)?;
    let mut victim = fork(|| {
        // SAFETY: the word lies in a segment that this process never unmaps.
        unsafe { ipc_core::robust::Thread::current().pend(word(&segment, 1)) };
        word(&segment, 0).store(1, Relaxed);
        loop {
            std::thread::yield_now();
        }
    });
    while word(&segment, 0).load(Relaxed) == 0 {
        std::thread::yield_now();
    }
    victim.kill();
    victim.wait();
    assert_eq!(child.wait(), End::Exited(11));
    assert_eq!(word(&segment, 1).load(Relaxed), 0);
    Ok(Report::PASSED)
}

/// Two processes that each write a word and look at the other's, very often at the same moment.
fn unequal_fences() -> Outcome {
    const ROUNDS: u32 = 20_000;
    let segment = Segment::create(Kind::new(*b"twowords", 1), 0, 512).unwrap();
    let [light, heavy, begin, missed] = [0, 2, 4, 6].map(|place| word(&segment, place));
    let in_step = |phase: u32, who: u32| {
        begin.fetch_add(1, AcqRel);
        let mut looks = 0;
        while begin.load(Acquire) < 2 * phase {
            looks += 1;
            if looks % 1000 == 0 { std::thread::yield_now() } else { pause() }
        }
        // Now the one, now the other is a little later.
        for _ in 0..(phase / 7 * (who + 1)) % 40 {
            pause();
        }
    };
    join_heavy_fences();
    let mut child = fork(|| {
        for round in 1..=ROUNDS {
            in_step(2 * round - 1, 0);
            light.store(round, Relaxed);
            fence_light();
            if heavy.load(Relaxed) != round {
                missed.fetch_add(1, Relaxed);
            }
            in_step(2 * round, 0);
        }
        0
    });
    let mut both_missed = 0;
    for round in 1..=ROUNDS {
        let before = missed.load(Relaxed);
        in_step(2 * round - 1, 1);
        heavy.store(round, Relaxed);
        assert!(fence_heavy(), "the system refuses heavy fences");
        let seen = light.load(Relaxed) == round;
        in_step(2 * round, 1);
        both_missed += u32::from(!seen && missed.load(Relaxed) != before);
    }
    assert_eq!(child.wait(), End::Exited(0));
    assert_eq!(both_missed, 0, "of {ROUNDS} rounds");
    Ok(Report::PASSED)
}
