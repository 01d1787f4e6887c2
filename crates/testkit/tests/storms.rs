//! Storms: kills are counted, workers replaced, and the audit finds what is lost or doubled.
#![expect(clippy::disallowed_types, reason = "toys that are stormed, apart from the door")]

use std::{
    fs::File,
    process::{Command, ExitCode},
    sync::atomic::{
        AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
    time::{Duration, Instant},
};

use testkit::{
    Counter, Outcome, Report, SharedArena, clock,
    kill::{Ledger, Message, Storm, Worker},
};

fn main() -> ExitCode {
    testkit::main(&[
        ("a storm over a right toy loses and doubles nothing", right),
        ("a storm over a toy that forgets finds lost messages", forgetful),
        ("a storm over a toy that repeats finds doubled messages", repeating),
        ("a worker that fails ends the storm", failing),
        ("a storm in which nobody gets on is ended with a trace", hung),
        ("workers that do not stop are told of with a trace", stubborn),
        ("workers that are done are not replaced", done),
        ("who is spared lives as long as the storm", spared),
        ("who holds more and more is told of", leaking),
        ("a storm of one kill", brief),
        ("a storm that was told a time lasts so long", lasting),
        ("the ledger tells the dead's messages from lost ones", hands_of_the_dead),
        ("the ledger sees forged, refused and disordered messages", forged),
        ("a payload that is torn is not read", torn),
    ])
}

fn is(condition: bool, what: &dyn std::fmt::Debug) -> Outcome {
    if condition { Ok(Report::PASSED) } else { Err(format!("{what:?}").into()) }
}

const N_SLOTS: usize = 16;
const N_SENDERS: usize = 2;
const N_RECEIVERS: usize = 2;

/// A bag of messages: each slot is empty (0) or holds a message's bits and a mark. A put is one
/// exchange, a get is another, so that whoever dies does it before or after.
struct Toy {
    slots: SharedArena<AtomicU64>,
    ledger: Ledger,
    fault: Fault,
}

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// Every tenth put goes nowhere.
    Forgets,
    /// Every hundredth get leaves the message where it was.
    Repeats,
}

const FULL: u64 = 1 << 63;

impl Toy {
    fn new(fault: Fault) -> Self {
        Self {
            slots: SharedArena::new(N_SLOTS),
            ledger: Ledger::new(N_SENDERS, N_RECEIVERS + 1, 1 << 24),
            fault,
        }
    }

    fn put(&self, message: Message) -> bool {
        if self.fault == Fault::Forgets && message.number % 10 == 9 {
            return true;
        }
        let full = message.to_bits() | FULL;
        self.slots.iter().any(|slot| slot.compare_exchange(0, full, Release, Relaxed).is_ok())
    }

    fn get(&self) -> Option<Message> {
        self.slots.iter().find_map(|slot| {
            let bits = slot.load(Acquire);
            let message = Message::from_bits(bits & !FULL);
            let left = match self.fault {
                Fault::Repeats if message.number % 100 == 99 => bits,
                _ => 0,
            };
            let taken = bits != 0 && slot.compare_exchange(bits, left, Acquire, Relaxed).is_ok();
            // What was left is taken by somebody else, later.
            taken.then_some(message)
        })
    }

    fn send(&self, me: &Worker<'_>) -> i32 {
        while !me.should_stop() {
            let Some(message) = self.ledger.intend(me.place) else { return 0 };
            while !self.put(message) {
                if me.should_stop() {
                    self.ledger.refused(message);
                    return 0;
                }
                rustix::thread::sched_yield();
            }
            self.ledger.committed(message);
        }
        0
    }

    fn receive(&self, me: &Worker<'_>) -> i32 {
        while !me.should_stop() {
            self.take_one(me.place, || me.got_on());
        }
        0
    }

    fn take_one(&self, receiver: usize, got_on: impl FnOnce()) -> bool {
        self.ledger.taking(receiver);
        match self.get() {
            Some(message) => {
                self.ledger.got(receiver, message);
                got_on();
                true
            }
            None => {
                self.ledger.got_nothing(receiver);
                rustix::thread::sched_yield();
                false
            }
        }
    }
}

/// Storms a toy and audits it; a bag keeps no order.
fn storm(fault: Fault) -> Result<Report, String> {
    let toy = Toy::new(fault);
    let end = Storm::new("toy", &toy)
        .role("sender", N_SENDERS, Toy::send)
        .role("receiver", N_RECEIVERS, Toy::receive)
        .on_death(|toy, death| match death.role.as_str() {
            "sender" => toy.ledger.sender_died(death.place),
            _ => toy.ledger.receiver_died(death.place),
        })
        .kills(150)
        .mean(Duration::from_micros(700))
        .run()?;
    if fault != Fault::Repeats {
        while toy.take_one(N_RECEIVERS, || ()) {}
    }
    let mut audit = toy.ledger.audit();
    audit.fell = 0;
    let right = end.kills == 150
        && end.kills_by_role == [audit.sender_deaths, audit.receiver_deaths]
        && audit.received > 0
        && audit.in_doubt <= audit.sender_deaths;
    if !right {
        return Err(format!("{end:?}: {audit}"));
    }
    Ok(audit.report(&end)?.into())
}

fn right() -> Outcome {
    Ok(storm(Fault::None)?)
}

fn forgetful() -> Outcome {
    let report = storm(Fault::Forgets)?;
    is(report.storm.lost > 0 && !report.is_success(), &report)
}

fn repeating() -> Outcome {
    let report = storm(Fault::Repeats)?;
    is(report.storm.doubled > 0 && !report.is_success(), &report)
}

fn failing() -> Outcome {
    let end = Storm::new("failing", &())
        .role("failing", 2, |(), me| {
            me.got_on();
            7
        })
        .mean(Duration::from_millis(20))
        .run();
    is(matches!(&end, Err(why) if why.contains("exited with code 7")), &end)
}

fn hung() -> Outcome {
    let end = Storm::new("hung", &())
        .role("hanger", 1, |(), _| {
            loop {
                clock::pause(Duration::from_secs(60));
            }
        })
        .kills(1)
        .mean(Duration::from_secs(100))
        .limit(Duration::from_millis(200))
        .run();
    is(matches!(&end, Err(why) if why.contains("nobody got on") && why.contains("nanosleep")), &end)
}

fn stubborn() -> Outcome {
    let end = Storm::new("stubborn", &())
        .role("worker", 1, |(), me| {
            loop {
                me.got_on();
                clock::pause(Duration::from_millis(1));
            }
        })
        .kills(3)
        .limit(Duration::from_millis(300))
        .run();
    is(matches!(&end, Err(why) if why.contains("not everybody stopped")), &end)
}

fn done() -> Outcome {
    let end = Storm::new("done", &())
        .role("quick", 3, |(), me| {
            me.got_on();
            0
        })
        .kills(1000)
        .mean(Duration::from_millis(5))
        .run();
    is(matches!(&end, Err(why) if why.contains("all was done after")), &end)
}

fn spared() -> Outcome {
    let starts = SharedArena::<Counter>::new(4);
    let work = |starts: &SharedArena<Counter>, me: &Worker<'_>, role: usize| {
        starts[role * 2 + me.place].add(1);
        while !me.should_stop() {
            me.got_on();
            clock::pause(Duration::from_micros(100));
        }
        0
    };
    let end = Storm::new("spared", &starts)
        .role("one", 2, move |starts, me| work(starts, me, 0))
        .role("other", 2, move |starts, me| work(starts, me, 1))
        .spare_the_first()
        .kills(40)
        .run()?;
    let held = end.flat()?;
    let is_told_of = |role| end.spared.iter().any(|spared| spared.role == role);
    is(["one", "other", "the storm"].into_iter().all(is_told_of), &held)?;
    let starts: Vec<_> = starts.iter().map(Counter::get).collect();
    // One that is killed at once counts nothing.
    is(end.kills == 40 && starts[0] == 1 && starts[2] == 1 && starts[1] + starts[3] <= 42, &starts)
}

/// Workers that keep what `take` gives them; after each kill they take once more at the least.
fn keeping<T>(take: impl Fn() -> T) -> Result<Result<String, String>, String> {
    let taken = SharedArena::<Counter>::new(1);
    let end = Storm::new("leaking", &taken)
        .role("keeper", 2, |taken, me| {
            let mut kept = Vec::new();
            while !me.should_stop() {
                kept.push(take());
                if me.place == 0 {
                    taken[0].add(1);
                }
                me.got_on();
                clock::pause(Duration::from_millis(1));
            }
            0
        })
        .on_death(|taken, _| {
            let before = taken[0].get();
            while taken[0].get() == before {
                clock::pause(Duration::from_micros(100));
            }
        })
        .spare_the_first()
        .kills(40)
        .run()?;
    Ok(end.flat())
}

fn leaking() -> Outcome {
    let descriptors = keeping(|| File::open("/dev/null"))?;
    is(matches!(&descriptors, Err(held) if held.contains("keeper: ")), &descriptors)?;
    let memory = keeping(|| vec![1_u8; 1 << 18])?;
    is(memory.is_err(), &memory)?;
    let nothing = keeping(|| ())?;
    is(nothing.is_ok(), &nothing)
}

/// The second in its place has nothing to do, so that a storm that goes on finds nobody.
fn brief() -> Outcome {
    let end = Storm::new("brief", &())
        .role("one", 1, |(), me| {
            while me.generation == 0 && !me.should_stop() {
                me.got_on();
                clock::pause(Duration::from_micros(100));
            }
            0
        })
        .kills(1)
        .run()?;
    Ok(end.report(0, 0, 0).into())
}

fn lasting() -> Outcome {
    let start = Instant::now();
    let output = Command::new(std::env::current_exe()?)
        .args(["--exact", "a storm of one kill"])
        .env("TESTKIT_MINUTES", "0.03")
        .output()?;
    let took = start.elapsed();
    let words = String::from_utf8_lossy(&output.stdout);
    let report: Report = words.lines().flat_map(str::parse::<Report>).sum();
    // It was played again and again.
    let right = output.status.success()
        && report.storm.kills > 1
        && took >= Duration::from_secs_f64(0.03 * 60.0);
    is(right, &(words, took))
}

fn hands_of_the_dead() -> Outcome {
    let ledger = Ledger::new(1, 2, 10);
    let put = || {
        let message = ledger.intend(0).ok_or("no room")?;
        ledger.committed(message);
        Ok::<Message, &str>(message)
    };
    // Received as it should be.
    ledger.taking(0);
    ledger.got(0, put()?);
    // In the hands of a dead receiver, one that cannot be known, and one that died idle.
    put()?;
    ledger.taking(1);
    ledger.receiver_died(1);
    ledger.receiver_died(1);
    // A sender who died in the put.
    ledger.intend(0).ok_or("no room")?;
    ledger.sender_died(0);
    let audit = ledger.audit();
    let right = audit.committed == 2
        && audit.received == 1
        && audit.missing == 1
        && audit.died_taking == 1
        && audit.in_doubt == 1
        && audit.lost() == 0
        && audit.unexplained == 0;
    is(right, &audit)?;
    // One more is missing, and nobody died for it.
    put()?;
    // And one more in doubt.
    ledger.intend(0).ok_or("no room")?;
    let audit = ledger.audit();
    is(audit.lost() == 1 && audit.unexplained == 1, &audit)
}

fn forged() -> Outcome {
    let ledger = Ledger::new(2, 1, 4);
    let mut messages = Vec::new();
    while let Some(message) = ledger.intend(1) {
        ledger.committed(message);
        messages.push(message);
    }
    is(messages.len() == 4, &messages)?;
    ledger.refused(messages[3]);
    for message in [messages[1], messages[0], messages[3]] {
        ledger.got(0, message);
    }
    // Never begun, beyond the room, from a sender who does not exist.
    for (sender, number) in [(0, 0), (1, 4), (9, 0)] {
        ledger.got(0, Message { sender, number });
    }
    let audit = ledger.audit();
    is(audit.fell == 1 && audit.invented == 4 && audit.missing == 1, &audit)
}

fn torn() -> Outcome {
    let one = Message { sender: 3, number: 77 };
    let two = Message { sender: 3, number: 78 };
    is(Message::from_bits(one.to_bits()) == one, &one)?;
    for len in [8, 9, 100] {
        let (mut payload, mut other) = (vec![0; len], vec![0; len]);
        one.fill(&mut payload);
        two.fill(&mut other);
        is(Message::read(&payload) == Some(one), &payload)?;
        if len > 8 {
            payload[len - 1] ^= other[len - 1] ^ 1;
            is(Message::read(&payload).is_none(), &payload)?;
        }
    }
    is(Message::read(&[0; 7]).is_none(), &"too short")
}
