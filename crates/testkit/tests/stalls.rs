//! Stalls: they are measured, and what is not the workers' own is taken off.

use std::{process::ExitCode, time::Duration};

use rustix::process::{Pid, Signal};
use testkit::{
    Counter, Outcome, Report, SharedArena, clock,
    kill::{StallMeter, Storm},
};

fn main() -> ExitCode {
    testkit::main(&[
        ("a stall is measured over all processes", meter),
        ("a stall over the bound fails", stalled),
        ("waits for a processor are no stall of the workers' own", crowded_out),
        ("what stands still with the machine is no stall of the workers' own", stood_still),
    ])
}

fn is(condition: bool, what: &dyn std::fmt::Debug) -> Outcome {
    if condition { Ok(Report::PASSED) } else { Err(format!("{what:?}").into()) }
}

fn meter() -> Outcome {
    let meter = StallMeter::new();
    clock::pause(Duration::from_millis(30));
    let mut other = testkit::child::fork(|| {
        meter.got_on();
        0
    });
    is(other.wait().is_success(), &other)?;
    is(meter.longest() >= Duration::from_millis(30), &meter)?;
    is(meter.since_last() < meter.longest(), &meter)
}

fn stalled() -> Outcome {
    let mut seen = Vec::new();
    // Where all wait for a processor most of the time, a stall is not always told from that.
    for _ in 0..20 {
        let end = Storm::new("stalled", &())
            .role("slow", 1, |(), me| {
                while !me.should_stop() {
                    clock::pause(Duration::from_millis(15));
                    me.got_on();
                }
                0
            })
            .kills(5)
            .mean(Duration::from_millis(40))
            .longest_stall(Duration::from_millis(2))
            .run();
        match end {
            Err(why) if why.contains("nobody got on for") => return Ok(Report::PASSED),
            end => seen.push(end),
        }
    }
    is(false, &seen)
}

/// One who gets on whenever it runs, on a processor that others are at as well.
fn crowded_out() -> Outcome {
    let processor = first_processor()?;
    let stays = move || rustix::thread::sched_setaffinity(None, &processor).is_ok();
    let busy = move || {
        while stays() {
            std::hint::black_box(clock::now_ns());
        }
        1
    };
    let crowd: Vec<_> = (0..4).map(|_| testkit::child::fork(busy)).collect();
    let mut seen = Vec::new();
    // Nobody counts what the whole machine waits for: if that was the longest stall, once more.
    for _ in 0..10 {
        let end = Storm::new("crowded out", &())
            .role("worker", 1, |(), me| {
                while stays() && !me.should_stop() {
                    me.got_on();
                }
                0
            })
            .kills(5)
            .mean(Duration::from_millis(30))
            .run()?;
        // Or the kernel does not count at all.
        if end.own_stall.is_none_or(|own| own < end.longest_stall) {
            drop(crowd);
            return Ok(Report::PASSED);
        }
        seen.push((end.own_stall, end.longest_stall));
    }
    is(false, &seen)
}

/// The first processor that this process may use.
fn first_processor() -> Result<rustix::thread::CpuSet, Box<dyn std::error::Error>> {
    let all = rustix::thread::sched_getaffinity(None)?;
    let first = (0..rustix::thread::CpuSet::MAX_CPU).find(|n| all.is_set(*n));
    let mut one = rustix::thread::CpuSet::new();
    one.set(first.ok_or("no processor")?);
    Ok(one)
}

/// How long a machine stands still.
const STILL: Duration = Duration::from_millis(300);
/// How long a storm may take to begin, and to end.
const LIMIT: Duration = Duration::from_secs(60);

/// The notes of a storm that is stopped as a whole: how far it is, how often somebody got on, and its stalls.
const STEP: usize = 0;
const SIGNS: usize = 1;
const LONGEST: usize = 2;
const OWN: usize = 3;

/// A machine stands still for a while that has nothing but a storm on it.
fn stood_still() -> Outcome {
    let mut seen = Vec::new();
    // If another stall was the longest, whatever it was: once more.
    for _ in 0..10 {
        let notes = SharedArena::<Counter>::new(4);
        let mut storm = testkit::child::fork(|| storm_in_a_group(&notes));
        let group = Pid::from_raw(storm.pid()).ok_or("a child has a number")?;
        notes[STEP].wait_within(LIMIT, |step| step == 1).map_err(|_| "the storm did not begin")?;
        rustix::process::kill_process_group(group, Signal::STOP)?;
        clock::pause(STILL);
        rustix::process::kill_process_group(group, Signal::CONT)?;
        notes[STEP].set(2);
        let end = storm.wait_within(LIMIT);
        is(end.is_some_and(|end| end.is_success()), &end)?;
        let (longest, own) = (notes[LONGEST].get(), notes[OWN].get());
        // Or the kernel does not count at all.
        if own == u64::MAX || own < longest / 2 {
            return Ok(Report::PASSED);
        }
        seen.push((longest, own));
    }
    is(false, &seen)
}

/// A storm, and all that belongs to it, in a group of processes of its own. It is stopped between its one
/// kill and its end.
fn storm_in_a_group(notes: &SharedArena<Counter>) -> i32 {
    if rustix::process::setpgid(None, None).is_err() {
        return 1;
    }
    let end = Storm::new("stopped", notes)
        .role("worker", 2, |notes, me| {
            while !me.should_stop() {
                me.got_on();
                notes[SIGNS].add(1);
                clock::pause(Duration::from_micros(100));
            }
            0
        })
        .on_death(|notes, _| {
            notes[STEP].set(1);
            notes[STEP].wait_until(|step| step == 2);
            // One of the two was stopped before this sign at the latest, so that the stall is over.
            let signs = notes[SIGNS].get();
            notes[SIGNS].wait_until(|it| it >= signs + 4);
        })
        .kills(1)
        .run();
    let Ok(end) = end else { return 2 };
    let ns = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    notes[LONGEST].set(ns(end.longest_stall));
    notes[OWN].set(end.own_stall.map_or(u64::MAX, ns));
    0
}
