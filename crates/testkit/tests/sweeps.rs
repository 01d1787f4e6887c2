//! The sweeps find what is broken, and find nothing in what is not.
#![expect(clippy::disallowed_types, reason = "toys that are swept, apart from the door")]
#![expect(clippy::unwrap_used, reason = "a test binary")]

use std::{
    process::ExitCode,
    sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst},
    time::{Duration, Instant},
};

use rustix::thread::futex;
use testkit::{
    Counter, Outcome, Report, SharedArena,
    kill::{KillPoint, Partner, Sweep},
};

fn main() -> ExitCode {
    testkit::main(&[
        ("a pair set in one store is never seen half done", one_store),
        ("a pair set in two stores is seen half done", two_stores),
        ("a lock that dies with its holder is found", lost_lock),
        ("a wake that is not made is found", lost_wake),
        ("a victim is killed asleep and after it was woken", asleep),
        ("a victim that nobody wakes is killed asleep and no more", never_woken),
        ("a barger acts before the death and after it", barger),
        ("latecomers start between the last instruction and the death", latecomer),
        ("an operation without end is given up", endless),
        ("an operation that reads the clock ends, however slowly it is stepped", clock),
        ("a victim that ends by itself is no sweep", early_end),
        ("the crash sweep dies before every access", accesses),
        ("the crash sweep finds a pair half done", half_accesses),
        ("the crash sweep kills asleep once and goes on behind it", asleep_accesses),
    ])
}

fn is(condition: bool, what: &dyn std::fmt::Debug) -> Outcome {
    if condition { Ok(Report::PASSED) } else { Err(format!("{what:?}").into()) }
}

/// Both words, which must be equal.
fn pair() -> SharedArena<AtomicU64> {
    SharedArena::new(2)
}

fn equal(pair: &SharedArena<AtomicU64>, point: &KillPoint) -> Result<(), String> {
    let (one, two) = (pair[0].load(SeqCst), pair[1].load(SeqCst));
    let may_be_set = *point != KillPoint::Survived;
    match (one, two) {
        (0, 0) if may_be_set => Ok(()),
        (1, 1) => Ok(()),
        _ => Err(format!("{one} and {two}")),
    }
}

fn one_store() -> Outcome {
    let swept = Sweep::new("one store", || SharedArena::<AtomicU64>::new(1))
        .victim(|word, marks| marks.around(|| word[0].store(0x0001_0000_0001, SeqCst)))
        .check(|word, point| match (word[0].load(SeqCst), point) {
            (0, KillPoint::Survived) => Err("not set".to_owned()),
            (0 | 0x0001_0000_0001, _) => Ok(()),
            (other, _) => Err(format!("{other:#x}")),
        })
        .at_every_instruction()?;
    let kill = swept.report.kill;
    is(kill.points >= 2 && kill.survived == kill.points && kill.failed == 0, &swept)?;
    Ok(swept.into())
}

fn two_stores() -> Outcome {
    let swept = Sweep::new("two stores", pair)
        .victim(|pair, marks| {
            marks.around(|| {
                pair[0].store(1, SeqCst);
                pair[1].store(1, SeqCst);
            });
        })
        .check(equal)
        .max_failures(usize::MAX)
        .at_every_instruction()?;
    let kill = swept.report.kill;
    let found = kill.failed > 0 && kill.survived > 0 && kill.failed + kill.survived == kill.points;
    is(found && swept.failures.iter().all(|why| why.contains("1 and 0")), &swept)
}

/// A futex lock of the textbook, which knows nothing of death.
struct Lock<'a>(&'a AtomicU32);

impl Lock<'_> {
    fn lock(&self) {
        while self.0.compare_exchange(0, 1, SeqCst, SeqCst).is_err() {
            sleep_on(self.0, 1);
        }
    }

    fn unlock(&self) {
        self.0.store(0, SeqCst);
        wake(self.0);
    }
}

fn sleep_on(word: &AtomicU32, value: u32) {
    // Awake for whatever reason: the caller looks again.
    futex::wait(word, futex::Flags::empty(), value, None).unwrap_or_default();
}

fn wake(word: &AtomicU32) {
    futex::wake(word, futex::Flags::empty(), u32::MAX).unwrap();
}

fn lock_words() -> SharedArena<AtomicU32> {
    SharedArena::new(4)
}

fn lost_lock() -> Outcome {
    let swept = Sweep::new("a lock without owner", lock_words)
        .victim(|words, marks| {
            marks.around(|| Lock(&words[0]).lock());
            Lock(&words[0]).unlock();
        })
        .check(|words, _| {
            Lock(&words[0]).lock();
            Ok(())
        })
        .limit(Duration::from_secs(1))
        .max_failures(1)
        .at_every_instruction()?;
    let told = swept.failures.iter().all(|why| {
        why.contains("did not come back") && why.contains("thread") && why.contains("sweeps")
    });
    is(swept.report.kill.failed == 1 && swept.report.kill.survived > 0 && told, &swept)
}

fn lost_wake() -> Outcome {
    let swept = Sweep::new("unlock without a net", lock_words)
        .victim(|words, marks| {
            Lock(&words[0]).lock();
            marks.around(|| Lock(&words[0]).unlock());
        })
        .partner(Partner::sleeper("sleeper", |words: &SharedArena<AtomicU32>| {
            Lock(&words[0]).lock();
            Lock(&words[0]).unlock();
            0
        }))
        .limit(Duration::from_secs(1))
        .max_failures(1)
        .at_every_instruction()?;
    let told = swept.failures.iter().all(|why| why.contains("\"sleeper\" did not go on"));
    is(swept.report.kill.failed == 1 && told, &swept)
}

/// The victim sleeps until the second word is set; the flags say how far it came.
fn sleeping_victim<'a>(name: &str) -> Sweep<'a, SharedArena<AtomicU32>> {
    Sweep::new(name, lock_words).victim(|words, marks| {
        marks.around(|| {
            words[2].store(1, SeqCst);
            while words[1].load(SeqCst) == 0 {
                sleep_on(&words[1], 0);
            }
            words[2].store(2, SeqCst);
        });
    })
}

fn asleep() -> Outcome {
    let (n_asleep, n_woken) = (&Count::new(), &Count::new());
    let swept = sleeping_victim("asleep")
        .while_asleep(|words| {
            words[1].store(1, SeqCst);
            wake(&words[1]);
        })
        .after_death(|words| {
            n_woken.add(u64::from(words[1].load(SeqCst) == 1));
        })
        .check(|words, point| {
            n_asleep.add(u64::from(matches!(point, KillPoint::Asleep { .. })));
            match (point, words[2].load(SeqCst)) {
                (KillPoint::Asleep { .. }, 1) | (KillPoint::Survived, 2) => Ok(()),
                (KillPoint::Instruction { .. }, _) => Ok(()),
                (point, far) => Err(format!("{point} at {far}")),
            }
        })
        .at_every_instruction()?;
    is(swept.report.is_success() && n_asleep.get() == 1 && n_woken.get() > 1, &swept)
}

fn never_woken() -> Outcome {
    let n_asleep = &Count::new();
    let swept = sleeping_victim("never woken")
        .check(|words, point| {
            n_asleep.add(u64::from(matches!(point, KillPoint::Asleep { .. })));
            // It never came behind its sleep.
            if words[2].load(SeqCst) < 2 { Ok(()) } else { Err(point.to_string()) }
        })
        .at_every_instruction()?;
    is(swept.report.is_success() && n_asleep.get() == 1 && swept.report.kill.points > 1, &swept)
}

fn barger() -> Outcome {
    let swept = Sweep::new("barger", lock_words)
        .victim(|words, marks| marks.around(|| words[0].store(1, SeqCst)))
        .barge(|words| {
            words[1].store(words[0].load(SeqCst) + 1, SeqCst);
            Box::new(move || words[2].store(words[1].load(SeqCst), SeqCst))
        })
        .check(|words, point| {
            let seen = (words[0].load(SeqCst) + 1) * u32::from(*point != KillPoint::Survived);
            if words[2].load(SeqCst) == seen { Ok(()) } else { Err(format!("not {seen}")) }
        })
        .at_every_instruction()?;
    is(swept.report.is_success() && swept.report.kill.points > 1, &swept)
}

fn latecomer() -> Outcome {
    let swept = Sweep::new("latecomer", lock_words)
        .victim(|words, marks| marks.around(|| words[0].store(1, SeqCst)))
        .partner(Partner::latecomer("late", |words: &SharedArena<AtomicU32>| {
            words[1].store(words[0].load(SeqCst) + 1, SeqCst);
            0
        }))
        .check(|words, point| {
            let seen = (words[0].load(SeqCst) + 1) * u32::from(*point != KillPoint::Survived);
            if words[1].load(SeqCst) == seen { Ok(()) } else { Err(format!("not {seen}")) }
        })
        .at_every_instruction()?;
    is(swept.report.is_success() && swept.report.kill.points > 1, &swept)
}

fn endless() -> Outcome {
    let swept = Sweep::new("endless", pair)
        .victim(|pair, marks| marks.around(|| while pair[0].load(SeqCst) == 0 {}))
        .max_points(50)
        .at_every_instruction();
    is(matches!(&swept, Err(why) if why.contains("has no end")), &swept)
}

/// The kernel's code for reading the clock begins anew when the time has moved on meanwhile, which a victim
/// that is stepped slowly never gets out of: so it is not stepped through.
fn clock() -> Outcome {
    let swept = Sweep::new("clock", pair)
        .victim(|pair, marks| {
            marks.around(|| {
                let before = Instant::now();
                pair[0].store(1, SeqCst);
                std::hint::black_box(before.elapsed());
                pair[1].store(1, SeqCst);
            });
        })
        .check(|pair, point| match point {
            KillPoint::Instruction { place, .. } if place.starts_with("[vdso]") => {
                Err(format!("stepped to {place}"))
            }
            _ if pair[0].load(SeqCst) < pair[1].load(SeqCst) => Err("the second first".to_owned()),
            _ => Ok(()),
        })
        .at_every_instruction()?;
    is(swept.report.is_success() && swept.report.kill.points > 10, &swept)
}

fn early_end() -> Outcome {
    let swept = Sweep::new("early end", pair)
        .victim(|_, marks| {
            marks.begin();
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM)
                .unwrap();
        })
        .at_every_instruction();
    is(matches!(&swept, Err(why) if why.contains("signal 15")), &swept)
}

/// A crash world of our own: the victim counts its accesses.
#[derive(Debug)]
struct Armed {
    left: Counter,
}

impl Armed {
    const fn new() -> Self {
        Self { left: Counter::new(u64::MAX) }
    }

    fn access(&self) {
        match self.left.get() {
            0 => rustix::process::kill_process(
                rustix::process::getpid(),
                rustix::process::Signal::KILL,
            )
            .unwrap(),
            u64::MAX => {}
            left => self.left.set(left - 1),
        }
    }
}

static ARMED: Armed = Armed::new();

fn arm(n: u64) {
    ARMED.left.set(n);
}

fn accesses() -> Outcome {
    let swept = Sweep::new("accesses", pair)
        .victim(|pair, marks| {
            marks.around(|| {
                for _ in 0..5 {
                    ARMED.access();
                    pair[0].fetch_add(1, SeqCst);
                }
            });
            ARMED.access();
        })
        .check(|pair, point| match (pair[0].load(SeqCst), point) {
            (made, KillPoint::Access { n }) if usize::try_from(made) == Ok(*n) => Ok(()),
            (5, KillPoint::Survived) => Ok(()),
            (made, point) => Err(format!("{point}: {made}")),
        })
        .at_every_access(arm)?;
    is(swept.report.crash.points == 5 && swept.report.crash.survived == 5, &swept)?;
    Ok(swept.into())
}

fn half_accesses() -> Outcome {
    let swept = Sweep::new("half accesses", pair)
        .victim(|pair, marks| {
            marks.around(|| {
                for word in pair.iter() {
                    ARMED.access();
                    word.store(1, SeqCst);
                }
            });
        })
        .check(equal)
        .at_every_access(arm)?;
    is(swept.report.crash.points == 2 && swept.report.crash.failed == 1, &swept)
}

fn asleep_accesses() -> Outcome {
    let n_asleep = &Count::new();
    let swept = Sweep::new("asleep accesses", lock_words)
        .victim(|words, marks| {
            marks.around(|| {
                ARMED.access();
                while words[1].load(SeqCst) == 0 {
                    sleep_on(&words[1], 0);
                }
                ARMED.access();
                words[2].store(1, SeqCst);
                ARMED.access();
            });
        })
        .while_asleep(|words| {
            words[1].store(1, SeqCst);
            wake(&words[1]);
        })
        .check(|_, point| {
            n_asleep.add(u64::from(matches!(point, KillPoint::Asleep { .. })));
            Ok(())
        })
        .at_every_access(arm)?;
    let crash = swept.report.crash;
    is(crash.points == 4 && crash.survived == 4 && n_asleep.get() == 1, &swept)
}

/// A number that survivors can change, too.
#[derive(Debug)]
struct Count(SharedArena<Counter>);

impl Count {
    fn new() -> Self {
        Self(SharedArena::new(1))
    }

    fn get(&self) -> u64 {
        self.0[0].get()
    }

    fn add(&self, more: u64) {
        self.0[0].add(more);
    }
}
