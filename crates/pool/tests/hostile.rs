//! Workers that write anything anywhere in the memory that they share with the parent: it goes on, every
//! wait with a limit returns, and every task has its end when the pool has.
//!
//! What a script of such things does to the parent's side alone is in `src/hostile.rs`.

#![expect(clippy::unwrap_used, reason = "tests end when something is not as it should be")]
#![expect(unsafe_code, reason = "what is hostile writes through pointers")]

use std::time::Duration;

use pool::{Pool, Retry};
use testkit::seed::Rng;

use common::{STARTS, square, watch};

mod common;

const SOON: Duration = Duration::from_millis(5);

/// Longer than any task here takes, unless somebody has written on the board.
const LIMIT: Duration = Duration::from_secs(10);

/// Where this process has memory that others write too.
fn shared_mappings() -> Vec<(usize, usize)> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let shared = maps.lines().filter(|line| line.contains(" rw-s ") && line.contains("/memfd:"));
    let range = |line: &str| {
        let (from, rest) = line.split_once('-').unwrap();
        let (to, _) = rest.split_once(' ').unwrap();
        [from, to].map(|number| usize::from_str_radix(number, 16).unwrap()).into()
    };
    shared.map(range).collect()
}

/// Writes so many words of all that its worker shares, each at a place and with a value of the script.
fn scribble(script: &[(u64, u64)]) -> usize {
    let mappings = shared_mappings();
    for (at, value) in script {
        let at = usize::try_from(*at).unwrap();
        let (from, to) = mappings[at % mappings.len()];
        // Most of what counts stands at the beginning.
        let len = if at & 1 << 20 == 0 { (to - from).min(4096) } else { to - from };
        let place = from + (at >> 21) % len / 8 * 8;
        let word = std::ptr::with_exposed_provenance_mut::<u64>(place);
        // SAFETY: a word of a mapping of this process. What others make of it is what is tested.
        unsafe { word.write_volatile(*value) };
    }
    mappings.len()
}

fn script(rng: &mut Rng) -> Vec<(u64, u64)> {
    let n_words = rng.range(1..60);
    let value = |rng: &mut Rng| match rng.index(4) {
        0 => rng.range(0..70),
        1 => u64::MAX - rng.range(0..3),
        2 => 1 << rng.range(0..64),
        _ => rng.next_u64(),
    };
    (0..n_words).map(|_| (rng.next_u64() >> 1, value(rng))).collect()
}

/// A task that scribbles if it is told how, and squares a number if not.
fn work((number, script): (u64, Option<Vec<(u64, u64)>>)) -> u64 {
    if let Some(script) = script {
        assert!(scribble(&script) >= 3, "the board and both rings");
    }
    square(number)
}

#[test]
fn workers_that_scribble_end_no_parent_and_every_task_has_its_end() {
    let _watchdog = watch("scribble");
    let mut rng = Rng::of_run("scribble");
    let n_rounds = if testkit::full() { 500 } else { 8 };
    for start in (0..n_rounds).flat_map(|_| STARTS) {
        let builder = Pool::builder().workers(2).start(start);
        let pool = builder.on_worker_death(Retry::times(1)).build().unwrap();
        assert_eq!(pool.call(work, (9, None)).unwrap(), 81);
        let mut tasks = Vec::new();
        for number in 0..80 {
            // Between others, so that there is something under way.
            let script = (number % 20 == 10).then(|| script(&mut rng));
            // It is refused when the pool has given up.
            tasks.extend(pool.task(work).timeout(LIMIT).submit((number, script)));
        }
        for task in &tasks {
            // It may never come, and the wait ends.
            let _come = task.join_timeout(SOON);
        }
        pool.terminate().unwrap();
        for task in &tasks {
            let ended = task.join_timeout(Duration::ZERO).transpose();
            assert!(ended.is_some(), "a task has no end: {:?}", pool.stats());
        }
    }
    assert_eq!(common::pool(1).call(square, 5).unwrap(), 25);
}
