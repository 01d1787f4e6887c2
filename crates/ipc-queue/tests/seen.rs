//! What is seen of a queue: its length among many, the end of the other side in tasks and by descriptors,
//! and what it costs to wait.
#![cfg_attr(
    not(ipc_loom),
    expect(unsafe_code, reason = "waits for a descriptor as event loops do")
)]

use std::process::ExitCode;

#[cfg(not(ipc_loom))]
mod scenarios {
    use std::future::Future;
    use std::io;
    use std::os::fd::AsRawFd as _;
    use std::time::Duration;

    use ipc_core::Segment;
    use ipc_queue::{
        Builder, ByteQueue, ByteReceiver, ByteSender, JoinableQueue, Queue, QueueError, Readiness,
    };
    use testkit::child::{Child, End, Fresh, fork};
    use testkit::{Counter, Outcome, Report, SharedArena, clock};

    /// How long something may take that must happen.
    const LIMIT: Duration = Duration::from_secs(60);

    fn is(holds: bool, what: &dyn std::fmt::Debug) -> Result<(), String> {
        if holds { Ok(()) } else { Err(format!("{what:?}")) }
    }

    fn ends_well(child: &mut Child) -> Result<(), String> {
        match child.wait_within(LIMIT) {
            Some(End::Exited(0)) => Ok(()),
            end => Err(format!("a child: {end:?}\n{}", testkit::trace(child.pid()))),
        }
    }

    fn holds(body: impl FnOnce() -> bool) -> Child {
        fork(|| i32::from(!body()))
    }

    fn run<F: Future>(future: F) -> io::Result<F::Output> {
        Ok(tokio::runtime::Builder::new_current_thread().build()?.block_on(future))
    }

    /// Each of several puts and then gets, over and over, so that between two and two and so many are there.
    pub(crate) fn a_length_is_exact_among_many() -> Outcome {
        const OTHERS: usize = 3;
        let queue = Builder::new(8).bytes()?;
        for _ in 0..2 {
            queue.put(b"stays").map_err(|error| error.to_string())?;
        }
        let notes = SharedArena::<Counter>::new(2);
        let work = || {
            while notes[0].get() == 0 {
                if queue.put(b"x").is_err() || queue.get().is_err() {
                    return false;
                }
                notes[1].add(1);
            }
            true
        };
        let mut others = [(); OTHERS].map(|()| holds(work));
        let wanted = if testkit::full() { 20_000_000 } else { 200_000 };
        let mut n_looks = 0;
        while n_looks < wanted || notes[1].get() < 20_000 {
            let len = queue.len();
            is((2..=2 + OTHERS).contains(&len) && !queue.is_empty() && !queue.is_full(), &len)?;
            n_looks += 1;
        }
        notes[0].set(1);
        for other in &mut others {
            ends_well(other)?;
        }
        is(queue.len() == 2, &queue)?;
        Ok(Report::PASSED)
    }

    /// One has a loan and a sample in its hands, and is killed.
    pub(crate) fn the_stats_count_what_the_dead_had() -> Outcome {
        let queue = Builder::new(4).seats(4).bytes()?;
        let notes = SharedArena::<Counter>::new(1);
        let mut victim = holds(|| {
            let lent = queue.put(&[7; 5000]).is_ok().then(|| queue.loan(5000));
            let _held = (lent, queue.get_in_place());
            notes[0].set(1);
            loop {
                clock::pause(LIMIT);
            }
        });
        notes[0].wait_within(LIMIT, |it| it == 1).map_err(|_| "it is not there")?;
        let stats = queue.stats();
        is((stats.len, stats.users, stats.dead_users) == (0, 1, 0), &stats)?;
        is((stats.blocks, stats.blocks_recovered) == (2, 0) && stats.bytes >= 10_000, &stats)?;
        victim.kill();
        victim.wait();
        let stats = queue.stats();
        is((stats.users, stats.dead_users, stats.deaths_repaired) == (0, 1, 0), &stats)?;
        is((stats.blocks, stats.blocks_recovered) == (0, 2), &stats)?;
        Ok(Report::PASSED)
    }

    /// Both ends, and the notes of two children: one waits, and the other is the last of its side.
    struct Scene {
        ends: (Option<ByteSender>, Option<ByteReceiver>),
        notes: SharedArena<Counter>,
    }

    const WAITS: usize = 0;
    const READY: usize = 1;

    impl Scene {
        fn new() -> Result<Self, QueueError> {
            let (sender, receiver) = Builder::new(1).without_backstop().bytes()?.split()?;
            Ok(Self { ends: (Some(sender), Some(receiver)), notes: SharedArena::new(2) })
        }

        /// One child waits for the other side, which another child is that is killed.
        fn play(
            mut self,
            is_getter: bool,
            wait: impl FnOnce(&mut Self) -> Option<bool>,
        ) -> Result<(), String> {
            let mut last = fork(|| {
                if is_getter {
                    drop(self.ends.1.take());
                } else {
                    drop(self.ends.0.take());
                }
                self.notes[READY].set(1);
                loop {
                    clock::pause(LIMIT);
                }
            });
            self.notes[READY].wait_within(LIMIT, |it| it == 1).map_err(|_| "it is not there")?;
            if is_getter {
                drop(self.ends.0.take());
            } else {
                drop(self.ends.1.take());
            }
            let mut waiting = holds(|| wait(&mut self) == Some(true));
            drop(self.ends);
            // Before it waits, or as it does, or asleep.
            self.notes[WAITS].wait_within(LIMIT, |it| it == 1).map_err(|_| "it does not wait")?;
            last.kill();
            last.wait();
            ends_well(&mut waiting)
        }
    }

    pub(crate) fn a_task_is_told_of_the_last_putters_death() -> Outcome {
        for _ in 0..20 {
            Scene::new()?.play(true, |scene| {
                let receiver = scene.ends.1.take()?;
                scene.notes[WAITS].set(1);
                Some(run(receiver.get_async()).ok()?.err()?.is_disconnected())
            })?;
        }
        Ok(Report::PASSED)
    }

    pub(crate) fn a_task_is_told_of_the_last_getters_death() -> Outcome {
        for _ in 0..20 {
            Scene::new()?.play(false, |scene| {
                let sender = scene.ends.0.take()?;
                sender.put(b"no room is left").ok()?;
                scene.notes[WAITS].set(1);
                let refused = run(sender.put_async(b"comes back")).ok()?.err()?;
                Some(refused.is_disconnected() && refused.into_inner() == b"comes back")
            })?;
        }
        Ok(Report::PASSED)
    }

    /// Waits until the descriptor is readable.
    fn is_readable(readiness: &Readiness) -> bool {
        let fd = readiness.as_raw_fd();
        let mut polled = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        // SAFETY: one entry, which lives through the call.
        let n_ready = unsafe { libc::poll(&raw mut polled, 1, -1) };
        n_ready == 1 && polled.revents & libc::POLLIN != 0
    }

    /// That the descriptor is readable from now on, however often somebody has looked.
    fn stays_readable(readiness: &Readiness) -> bool {
        (0..3).all(|_| is_readable(readiness) && readiness.clear().is_ok())
    }

    pub(crate) fn a_descriptor_stays_readable_after_a_death() -> Outcome {
        for _ in 0..10 {
            Scene::new()?.play(true, |scene| {
                let receiver = scene.ends.1.take()?;
                let readiness = receiver.readable().ok()?;
                scene.notes[WAITS].set(1);
                let told = is_readable(&readiness) && stays_readable(&readiness);
                Some(told && receiver.try_get().err()?.is_disconnected())
            })?;
            Scene::new()?.play(false, |scene| {
                let sender = scene.ends.0.take()?;
                let readiness = sender.writable().ok()?;
                sender.put(b"no room is left").ok()?;
                readiness.clear().ok()?;
                scene.notes[WAITS].set(1);
                let told = is_readable(&readiness) && stays_readable(&readiness);
                Some(told && sender.try_put(b"x").err()?.is_disconnected())
            })?;
        }
        Ok(Report::PASSED)
    }

    /// How often the threads of a process have been on a processor and left it.
    fn n_switches(pid: i32) -> u64 {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten();
        let of_task = |status: String| {
            let lines = status.lines().filter(|line| line.contains("ctxt_switches:"));
            let counts = lines.filter_map(|line| line.rsplit(char::is_whitespace).next());
            counts.flat_map(str::parse::<u64>).sum::<u64>()
        };
        let statuses =
            tasks.flatten().map(|task| std::fs::read_to_string(task.path().join("status")));
        statuses.flatten().map(of_task).sum()
    }

    pub(crate) fn who_waits_takes_no_processor() -> Outcome {
        let shape = |capacity| Builder::new(capacity).without_backstop();
        let empty = shape(1).bytes()?;
        let full = shape(1).bytes()?;
        full.put(b"x").map_err(|error| error.to_string())?;
        let held = shape(1).joinable::<u32>()?;
        held.put(1)?;
        let watched = shape(1).bytes()?;
        let taken = held.get()?;
        let mut waiting = [
            holds(|| empty.get().is_err()),
            holds(|| full.put(b"y").is_err()),
            holds(|| held.get().is_err()),
            holds(|| held.join().is_ok()),
            holds(|| run(watched.get_async()).is_ok_and(|got| got.is_err())),
            holds(|| {
                let readiness = watched.readable();
                readiness.is_ok_and(|readiness| is_readable(&readiness))
            }),
        ];
        // They have come to rest when nothing has happened for a while, and not now and then.
        let all = || waiting.iter().map(|child| n_switches(child.pid())).sum();
        let start = clock::now_ns();
        let (mut seen, mut since): (u64, _) = (all(), start);
        while clock::now_ns() - since < 500_000_000 {
            clock::pause(Duration::from_millis(50));
            let now = all();
            if now != seen {
                (seen, since) = (now, clock::now_ns());
            }
            if Duration::from_nanos(clock::now_ns() - start) > LIMIT {
                let traces = waiting.iter().map(|child| testkit::trace(child.pid()));
                return Err(traces.collect::<String>().into());
            }
        }
        taken.done()?;
        for queue in [&empty, &full, &watched] {
            queue.close();
        }
        held.close();
        for child in &mut waiting {
            ends_well(child)?;
        }
        Ok(Report::PASSED)
    }

    /// Programs that have nothing of each other but a name; one is killed, the queue stays.
    pub(crate) fn programs_that_know_a_name_meet() -> Outcome {
        let me = ipc_core::ProcessId::current()?;
        let name = format!("multiproc-test-queue-{me}-programs");
        let mut first = Fresh::new("makes a queue").arg(&name).start();
        let end = first.wait_within(LIMIT);
        is(end == Some(End::Killed(libc::SIGKILL)), &end)?;
        let met = meet(&name);
        Segment::unlink(&name).ok();
        met?;
        Ok(Report::PASSED)
    }

    fn meet(name: &str) -> Result<(), Box<dyn std::error::Error>> {
        let mut stranger = Fresh::new("takes it for another").arg(name).start();
        ends_well(&mut stranger)?;
        let queue = Queue::<(u32, String)>::open_named(name)?;
        is(queue.get()? == (1, "from one who is dead".to_owned()), &queue)?;
        is(queue.capacity() == 3 && queue.is_empty(), &queue)?;
        let mut second = Fresh::new("puts into it").arg(name).start();
        is(queue.get_timeout(LIMIT)? == (2, "from one who lives".to_owned()), &queue)?;
        ends_well(&mut second)?;
        Ok(())
    }

    /// The entry of the program that makes the queue, puts something, and is killed.
    pub(crate) fn make(args: Vec<String>) -> i32 {
        let put = args.first().is_some_and(|name| {
            let queue = Queue::<(u32, String)>::create_named(name, 3);
            queue.is_ok_and(|queue| queue.put((1, "from one who is dead".to_owned())).is_ok())
        });
        if put {
            // SAFETY: it ends this process.
            unsafe { libc::raise(libc::SIGKILL) };
        }
        1
    }

    /// The entry of a program that puts.
    pub(crate) fn put(args: Vec<String>) -> i32 {
        let queue = args.first().map(|name| Queue::<(u32, String)>::open_named(name));
        let Some(Ok(queue)) = queue else { return 1 };
        i32::from(queue.put((2, "from one who lives".to_owned())).is_err())
    }

    /// The entry of a program that has another idea of what the name means.
    pub(crate) fn mistake(args: Vec<String>) -> i32 {
        let Some(name) = args.first() else { return 1 };
        let refused = Queue::<(u64, String)>::open_named(name).is_err()
            && Queue::<u32>::open_named(name).is_err()
            && JoinableQueue::<(u32, String)>::open_named(name).is_err()
            && ByteQueue::open_named(name).is_err()
            && Queue::<(u32, String)>::create_named(name, 3).is_err();
        i32::from(!refused)
    }
}

#[cfg(not(ipc_loom))]
fn main() -> ExitCode {
    use scenarios as s;

    testkit::Runner::new(&[
        ("a length is exact among many", s::a_length_is_exact_among_many),
        ("the stats count what the dead had", s::the_stats_count_what_the_dead_had),
        (
            "a task is told when the last putter is killed",
            s::a_task_is_told_of_the_last_putters_death,
        ),
        (
            "a task is told when the last getter is killed",
            s::a_task_is_told_of_the_last_getters_death,
        ),
        ("a descriptor stays readable after a death", s::a_descriptor_stays_readable_after_a_death),
        ("who waits takes no processor", s::who_waits_takes_no_processor),
        ("programs that know a name meet", s::programs_that_know_a_name_meet),
    ])
    .entries(&[
        ("makes a queue", s::make),
        ("puts into it", s::put),
        ("takes it for another", s::mistake),
    ])
    .main()
}

#[cfg(ipc_loom)]
fn main() -> ExitCode {
    ExitCode::SUCCESS
}
