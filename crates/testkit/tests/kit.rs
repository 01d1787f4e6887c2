//! The runner, the watchdog, children, leaks and moments: each does what it promises, above all
//! when the tested code does not.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test binary")]
#![expect(clippy::disallowed_types, reason = "a futex to sleep on")]

use std::{
    env, fs,
    mem::ManuallyDrop,
    panic,
    process::{Command, ExitCode, Output},
    sync::atomic::AtomicU32,
    thread,
    time::Duration,
};

use rustix::{process::Signal, thread::futex};
use testkit::{
    Counter, Outcome, Report, Runner, SharedArena, Watchdog,
    child::{self, End, Fresh, PANICKED},
    clock,
    kill::{Moments, Paused},
    leaks::Snapshot,
    seed,
};

const LIMIT: Duration = Duration::from_secs(20);

fn main() -> ExitCode {
    match env::var(INNER).as_deref() {
        Ok("runner") => inner_runner(),
        Ok("thread") => inner_thread(),
        Ok("forks with threads") => {
            thread::spawn(sleep_for_good);
            child::fork(|| 0);
            ExitCode::SUCCESS
        }
        _ => Runner::new(&[
            ("scenarios that pass are counted", passing),
            ("a scenario that fails, panics or dies fails the run", failing),
            ("a scenario that hangs is ended with a trace of its family", hanging),
            ("a scenario beyond the runner's limit is ended", limited),
            ("a scenario that leaves processes behind fails", leaving),
            ("a listing names the scenarios that are selected", listing),
            ("a failing run prints the seed to repeat it with", seeded),
            ("a watchdog in a process with threads aborts with a trace", threaded),
            ("a watchdog that is dropped in time does nothing", dropped),
            ("the watchdog of a dead process ends nobody", dead_watchdog),
            ("a child's end is told as what it was", ends),
            ("a child that nobody waits for is killed", dropped_child),
            ("a process with threads is not forked", with_threads),
            ("a child is seen asleep on a futex and not asleep in a nap", asleep),
            ("a survivor that does not come back is told of with a trace", within),
            ("a fresh child runs its entry with arguments, descriptors and the seed", fresh),
            ("a leaked descriptor is seen", leaked_descriptor),
            ("a leaked mapping is seen", leaked_mapping),
            ("a leaked zombie and a leaked child are seen", leaked_children),
            ("a leaked name in /dev/shm is seen", leaked_name),
            ("what has leaked is listed", listed_leaks),
            ("a victim is killed at its named moment", moment),
            ("a fresh victim is killed at its named moment", fresh_moment),
            ("a victim that never comes to its moment is told of", no_moment),
        ])
        .entries(&[("greeter", greeter), ("steps", steps)])
        .main(),
    }
}

fn is(condition: bool, what: &dyn std::fmt::Debug) -> Outcome {
    if condition { Ok(Report::PASSED) } else { Err(format!("{what:?}").into()) }
}

/// Says what this binary is to play instead of its tests.
const INNER: &str = "TESTKIT_INNER";

fn inner_runner() -> ExitCode {
    Runner::new(&[
        ("passes one", || Ok(Report::PASSED)),
        ("passes two", || Ok(Report::PASSED)),
        ("says no", || Err("no is no".into())),
        (
            "reports a failure",
            || Ok("kill: 2 instructions, 1 survivors went on, 1 failed".parse()?),
        ),
        ("panics", || panic!("at the disco")),
        ("dies", || {
            rustix::process::kill_process(rustix::process::getpid(), Signal::KILL)?;
            Ok(Report::PASSED)
        }),
        ("hangs", || {
            let _sleeper = child::fork(sleep_for_good);
            let _long = Watchdog::start(LIMIT, "something that has time");
            let _watchdog = Watchdog::start(Duration::from_millis(300), "waiting for Godot");
            clock::pause(LIMIT * 10);
            Ok(Report::PASSED)
        }),
        ("dawdles", || {
            clock::pause(LIMIT * 10);
            Ok(Report::PASSED)
        }),
        ("leaves a child", || {
            let _left = ManuallyDrop::new(child::fork(sleep_for_good));
            Ok(Report::PASSED)
        }),
        ("leaves a zombie", || {
            let mut left = ManuallyDrop::new(child::fork(|| 0));
            while !left_is_zombie(&left) {
                clock::pause(Duration::from_millis(1));
            }
            let _ = &mut left;
            Ok(Report::PASSED)
        }),
        ("leaves a grandchild", || {
            let mut child = child::fork(|| {
                // Without our kit's handle, the kernel does not end it with its parent.
                match Command::new("sleep").arg("1000").spawn() {
                    Ok(_) => 0,
                    Err(_) => 1,
                }
            });
            is(child.wait() == End::Exited(0), &child)
        }),
    ])
    .limit(match env::var("TESTKIT_INNER_LIMIT") {
        Ok(ms) => Duration::from_millis(ms.parse().unwrap()),
        Err(_) => LIMIT,
    })
    .main()
}

fn left_is_zombie(child: &child::Child) -> bool {
    fs::read_to_string(format!("/proc/{}/stat", child.pid())).unwrap().contains(") Z ")
}

fn inner_thread() -> ExitCode {
    let _watchdog = Watchdog::start(Duration::from_millis(100), "a test with threads");
    clock::pause(LIMIT);
    ExitCode::SUCCESS
}

fn sleep_for_good() -> i32 {
    let words = SharedArena::<AtomicU32>::new(1);
    loop {
        futex::wait(&words[0], futex::Flags::empty(), 0, None).unwrap();
    }
}

fn inner(what: &str, args: &[&str]) -> Output {
    inner_with(what, args, "20000")
}

fn inner_with(what: &str, args: &[&str], limit_ms: &str) -> Output {
    let mut command = Command::new("/proc/self/exe");
    command.env(INNER, what).env("TESTKIT_INNER_LIMIT", limit_ms).args(args);
    command.output().unwrap()
}

/// The inner run succeeded or not, and its output contains all of these.
fn shows(output: &Output, success: bool, words: &[&str]) -> Outcome {
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    let missing: Vec<_> = words.iter().filter(|word| !text.contains(**word)).collect();
    if output.status.success() == success && missing.is_empty() {
        Ok(Report::PASSED)
    } else {
        Err(format!("{}, without {missing:?}:\n{text}", output.status).into())
    }
}

fn passing() -> Outcome {
    let output = inner("runner", &["passes"]);
    shows(&output, true, &["passes one ... ok", "passes two ... ok", "checks: 2 passed, 0 failed"])
}

fn failing() -> Outcome {
    let output = inner("runner", &["passes one", "says no", "reports", "panics", "dies"]);
    shows(
        &output,
        false,
        &[
            "no is no",
            "1 survivors went on, 1 failed",
            "at the disco",
            "the scenario panicked",
            "the scenario was killed by signal 9",
            "passes one ... ok",
            "checks: 1 passed, 3 failed",
            "5 scenarios, 6 left out, 4 failed",
        ],
    )
}

fn hanging() -> Outcome {
    let output = inner("runner", &["hangs", "passes one"]);
    shows(
        &output,
        false,
        &[
            "watchdog: waiting for Godot",
            "saw no end within 300ms",
            "thread",
            "state S",
            "passes one ... ok",
            "failed: hangs",
        ],
    )
}

fn limited() -> Outcome {
    let output = inner_with("runner", &["dawdles"], "200");
    shows(&output, false, &["the scenario saw no end within 200ms", "failed: dawdles"])
}

fn leaving() -> Outcome {
    let output = inner("runner", &["leaves"]);
    shows(
        &output,
        false,
        &[
            "left children behind",
            "state S",
            "state Z",
            "left processes behind",
            "(sleep)",
            "checks: 0 passed, 3 failed",
        ],
    )
}

fn listing() -> Outcome {
    let output = inner("runner", &["--list", "--format", "terse", "passes", "--skip", "two"]);
    is(output.status.success() && output.stdout == b"passes one: test\n", &output)
}

fn seeded() -> Outcome {
    let output = inner("runner", &["says no"]);
    shows(&output, false, &[&format!("to repeat: {}={}", seed::VARIABLE, "0x")])
}

fn threaded() -> Outcome {
    let output = inner("thread", &[]);
    shows(&output, false, &["watchdog: a test with threads: no end within 100ms", "nanosleep"])
}

fn dropped() -> Outcome {
    for _ in 0..200 {
        let _watchdog = Watchdog::start(Duration::from_millis(400), "a short thing");
    }
    // Would end us, if one were left.
    clock::pause(Duration::from_millis(600));
    Ok(Report::PASSED)
}

fn dead_watchdog() -> Outcome {
    let started = SharedArena::<Counter>::new(1);
    let mut child = child::fork(|| {
        let _watchdog = Watchdog::start(Duration::from_millis(100), "a short life");
        started[0].set(1);
        sleep_for_good()
    });
    started[0].wait_until(|started| started == 1);
    child.kill();
    child.wait();
    clock::pause(Duration::from_millis(400));
    Ok(Report::PASSED)
}

fn ends() -> Outcome {
    let end = |body: fn() -> i32| child::fork(body).wait();
    is(end(|| 0).is_success(), &"0")?;
    is(end(|| 7) == End::Exited(7), &"7")?;
    is(end(|| panic_quietly()) == End::Exited(PANICKED), &"a panic")?;
    let mut killed = child::fork(sleep_for_good);
    is(killed.try_wait().is_none() && killed.wait_within(Duration::ZERO).is_none(), &killed)?;
    killed.kill();
    is(killed.wait_within(LIMIT) == Some(End::Killed(libc::SIGKILL)), &killed)?;
    // Once more: it is remembered, and signals go nowhere.
    killed.kill();
    is(killed.wait() == End::Killed(libc::SIGKILL), &killed)
}

/// Panics without telling whoever reads the tests' output.
fn panic_quietly() -> ! {
    panic::set_hook(Box::new(|_| ()));
    panic!("as it should")
}

fn dropped_child() -> Outcome {
    let before = Snapshot::with_names("nothing of ours");
    let pid = child::fork(sleep_for_good).pid();
    is(!fs::exists(format!("/proc/{pid}"))?, &pid)?;
    before.assert_none();
    Ok(Report::PASSED)
}

fn with_threads() -> Outcome {
    let output = inner("forks with threads", &[]);
    shows(&output, false, &["a process with 2 threads must not be forked"])
}

fn asleep() -> Outcome {
    let mut sleeper = child::fork(sleep_for_good);
    sleeper.wait_asleep(LIMIT)?;
    is(sleeper.is_asleep(), &sleeper)?;
    let mut napper = child::fork(|| {
        loop {
            clock::pause(LIMIT);
        }
    });
    is(child::are_all_asleep(&[]) && child::are_all_asleep(&[&sleeper]), &sleeper)?;
    is(!child::are_all_asleep(&[&sleeper, &napper]), &napper)?;
    let not_asleep = napper.wait_asleep(Duration::from_millis(300));
    is(matches!(&not_asleep, Err(why) if why.contains("did not get there")), &not_asleep)?;
    let mut child = child::fork(|| 3);
    let ended = child.wait_asleep(LIMIT);
    is(!child::are_all_asleep(&[&sleeper, &child]), &child)?;
    is(matches!(&ended, Err(why) if why.contains("exited with code 3")), &ended)
}

fn within() -> Outcome {
    is(child::within(LIMIT, || Ok(())).is_ok(), &"ok")?;
    let said = child::within(LIMIT, || Err("it is broken".to_owned()));
    is(said == Err("it is broken".to_owned()), &said)?;
    let panicked = child::within(LIMIT, || panic_quietly());
    is(panicked == Err("a survivor panicked".to_owned()), &panicked)?;
    let hung = child::within(Duration::from_millis(200), || {
        sleep_for_good();
        Ok(())
    });
    is(matches!(&hung, Err(why) if why.contains("futex")), &hung)
}

/// An entry: writes its argument and the seed to the descriptor it was given.
fn greeter(args: Vec<String>) -> i32 {
    let [name, fd] = args.as_slice() else { return 2 };
    let text = format!("hello {name} {}", seed::seed());
    match fs::write(format!("/proc/self/fd/{fd}"), text) {
        Ok(()) => 17,
        Err(_) => 3,
    }
}

fn fresh() -> Outcome {
    let (reader, writer) = std::io::pipe()?;
    let mut child = Fresh::new("greeter").arg("you").fd(&writer).start();
    drop(writer);
    let text = std::io::read_to_string(reader)?;
    is(child.wait() == End::Exited(17), &child)?;
    is(text == format!("hello you {}", seed::seed()), &text)
}

/// One leak is seen, and it is this one; without it there is none.
fn sees<T>(make: impl FnOnce() -> T, words: &[&str], end: impl FnOnce(T)) -> Outcome {
    let before = Snapshot::with_names("testkit-");
    let leak = make();
    let leaks = before.leaks();
    let seen = words.iter().all(|word| leaks.iter().any(|leak| leak.contains(word)));
    is(seen && leaks.len() == words.len(), &leaks)?;
    end(leak);
    before.assert_none();
    Ok(Report::PASSED)
}

fn leaked_descriptor() -> Outcome {
    sees(|| fs::File::open("/proc/self/status").unwrap(), &["1 more: descriptor of /proc/"], drop)?;
    let words = ["2 more: descriptor of pipe"];
    sees(|| std::io::pipe().unwrap(), &words, drop)
}

fn leaked_mapping() -> Outcome {
    sees(|| SharedArena::<Counter>::new(5), &["1 more: mapping of /dev/zero"], drop)
}

fn leaked_children() -> Outcome {
    let words = ["1 more: child ", "1 more: descriptor of anon_inode:[pidfd]"];
    sees(|| child::fork(sleep_for_good), &words, drop)?;
    let zombie = || {
        let child = child::fork(|| 0);
        while !left_is_zombie(&child) {
            clock::pause(Duration::from_millis(1));
        }
        child
    };
    sees(zombie, &["1 more: zombie ", "1 more: descriptor of anon_inode:[pidfd]"], drop)
}

fn leaked_name() -> Outcome {
    let path = format!("/dev/shm/testkit-{:?}", rustix::process::getpid());
    let make = || fs::write(&path, "left").unwrap();
    sees(make, &["1 more: /dev/shm/testkit-"], |()| fs::remove_file(&path).unwrap())
}

fn listed_leaks() -> Outcome {
    let mut child = child::fork(|| {
        let before = Snapshot::with_names("nothing of ours");
        let _left = std::io::pipe().unwrap();
        panic::set_hook(Box::new(|_| ()));
        before.assert_none();
        0
    });
    is(child.wait() == End::Exited(PANICKED), &child)
}

fn count_steps(moments: &Moments, far: &Counter) -> i32 {
    for (step, name) in [(1, "one"), (2, "two"), (3, "three")] {
        far.set(step);
        moments.reached(name);
    }
    far.set(4);
    0
}

fn moment() -> Outcome {
    let far = SharedArena::<Counter>::new(1);
    let mut victim = Paused::fork(|moments| count_steps(moments, &far[0]));
    victim.wait_for("two", LIMIT)?;
    is(far[0].get() == 2, &far[0])?;
    victim.kill();
    is(far[0].get() == 2, &far[0])?;
    let mut victim = Paused::fork(|moments| count_steps(moments, &far[0]));
    is(victim.wait_for_any(LIMIT)? == "one", &victim)?;
    victim.wait_for("three", LIMIT)?;
    is(far[0].get() == 3, &far[0])?;
    is(victim.finish(LIMIT)? == End::Exited(0) && far[0].get() == 4, &far[0])
}

fn steps(mut args: Vec<String>) -> i32 {
    let moments = Moments::from_args(&mut args).unwrap();
    i32::from(!args.is_empty()) + count_steps(&moments, &Counter::new(0))
}

fn fresh_moment() -> Outcome {
    let mut victim = Paused::fresh(Fresh::new("steps"));
    victim.wait_for("two", LIMIT)?;
    victim.kill();
    let mut victim = Paused::fresh(Fresh::new("steps"));
    victim.wait_for("three", LIMIT)?;
    let end = victim.finish(LIMIT)?;
    is(end == End::Exited(0), &end)
}

fn no_moment() -> Outcome {
    let mut victim = Paused::fork(|_| 5);
    let never = victim.wait_for("never", LIMIT);
    is(matches!(&never, Err(why) if why.contains("exited with code 5")), &never)?;
    let mut victim = Paused::fork(|_| sleep_for_good());
    let never = victim.wait_for("never", Duration::from_millis(200));
    is(matches!(&never, Err(why) if why.contains("futex")), &never)
}
