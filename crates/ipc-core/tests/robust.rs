//! The kernel's robust list, shared with libc: whoever dies, each word that was held says so.

use std::process::ExitCode;

#[cfg(not(ipc_loom))]
fn main() -> ExitCode {
    testkit::main(&[
        ("any order of libc's mutexes and ours is told", robust::any_order_is_told),
        ("threads leave libc's list in order", robust::threads_leave_libcs_list_in_order),
        ("a thread's death is told while its process lives", robust::a_threads_death_is_told),
        ("a forked child's list is empty", robust::a_forked_childs_list_is_empty),
        ("the pending word is marked", robust::the_pending_word_is_marked),
        ("a pending word that is free wakes one", robust::a_free_pending_word_wakes_one),
        ("a life word shows a death", robust::a_life_word_shows_a_death),
        ("whoever asks in vain harms no list", robust::asking_in_vain_harms_no_list),
        ("memory stays mapped while a thread holds a word in it", robust::held_memory_stays),
        ("memory stays mapped when a thread ended holding a word", robust::left_memory_stays),
        ("a pending word for now gives way to the one before", robust::pending_for_now),
        ("woken by two words, the last is told", robust::woken_by_two_the_last_is_told),
    ])
}

#[cfg(ipc_loom)]
fn main() -> ExitCode {
    // The model has no kernel to share a list with.
    ExitCode::SUCCESS
}

#[cfg(not(ipc_loom))]
mod robust {
    #![expect(unsafe_code, reason = "libc's mutexes and scheduler")]
    #![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

    use std::mem;
    use std::ptr;
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use ipc_core::primitive::Ordering::{Acquire, Relaxed, Release};
    use ipc_core::primitive::{AtomicU32, Wait, Woken, futex_wait, futex_wait_any, futex_wake};
    use ipc_core::robust::{
        Alive, Life, OWNER_DIED, RobustWord, Thread, TooManyHeld, WAITERS, with_pending,
    };
    use ipc_core::{Deadline, Kind, Placed, Segment};
    use rustix::thread::gettid;
    use testkit::child::{self, Child};
    use testkit::report::Report;
    use testkit::seed::Rng;
    use testkit::{Counter, Outcome, SharedArena};

    /// How many mutexes of libc's there are, and how many words of ours.
    const N: usize = 8;
    const LONG: Duration = Duration::from_secs(20);
    /// Where libc's mutexes begin in the segment.
    const LIBC: usize = N * size_of::<RobustWord>();

    /// Words and mutexes that processes share.
    struct Shared {
        segment: Segment,
    }

    impl Shared {
        fn new() -> Self {
            let len = LIBC + N * size_of::<libc::pthread_mutex_t>();
            let segment = Segment::create(Kind::new(*b"robust\0\0", 1), 0, len).unwrap();
            let shared = Self { segment };
            for idx in 0..N {
                shared.make_mutex(idx);
            }
            shared
        }

        fn make_mutex(&self, idx: usize) {
            let mut attributes = mem::MaybeUninit::uninit();
            // SAFETY: initialises the attributes.
            unsafe { libc::pthread_mutexattr_init(attributes.as_mut_ptr()) };
            let attributes = attributes.as_mut_ptr();
            // SAFETY: the attributes were initialised above.
            unsafe { libc::pthread_mutexattr_setrobust(attributes, libc::PTHREAD_MUTEX_ROBUST) };
            let shared = libc::PTHREAD_PROCESS_SHARED;
            // SAFETY: as above.
            unsafe { libc::pthread_mutexattr_setpshared(attributes, shared) };
            // SAFETY: the mutex lies in the segment, where nothing else does.
            unsafe { libc::pthread_mutex_init(self.mutex(idx), attributes) };
        }

        fn mutex(&self, idx: usize) -> *mut libc::pthread_mutex_t {
            let offset = LIBC + idx * size_of::<libc::pthread_mutex_t>();
            let len = size_of::<libc::pthread_mutex_t>();
            self.segment.bytes_at(offset, len).unwrap().cast().as_ptr()
        }

        fn word(&self, idx: usize) -> &RobustWord {
            self.segment.at(idx * size_of::<RobustWord>()).unwrap()
        }

        /// Takes one of the sixteen: first ours, then libc's.
        fn take(&self, idx: usize) {
            if idx < N {
                hold(self.word(idx));
            } else {
                // SAFETY: an initialised mutex.
                let error = unsafe { libc::pthread_mutex_lock(self.mutex(idx - N)) };
                assert_eq!(error, 0);
            }
        }

        fn give_back(&self, idx: usize) {
            if idx < N {
                let_go(self.word(idx));
            } else {
                // SAFETY: a mutex that this thread holds.
                let error = unsafe { libc::pthread_mutex_unlock(self.mutex(idx - N)) };
                assert_eq!(error, 0);
            }
        }

        /// Whether the last holder died holding it; asked once.
        fn is_told(&self, idx: usize) -> bool {
            if idx < N {
                let found = self.word(idx).word.swap(0, Relaxed);
                assert!(found == 0 || found == OWNER_DIED, "{found:#x}");
                return found == OWNER_DIED;
            }
            let mutex = self.mutex(idx - N);
            // SAFETY: an initialised mutex.
            let error = unsafe { libc::pthread_mutex_trylock(mutex) };
            assert!(error == 0 || error == libc::EOWNERDEAD, "{error}");
            if error == libc::EOWNERDEAD {
                // SAFETY: a mutex that this thread holds, and that is to be made consistent.
                unsafe { libc::pthread_mutex_consistent(mutex) };
            }
            // SAFETY: a mutex that this thread holds.
            unsafe { libc::pthread_mutex_unlock(mutex) };
            error == libc::EOWNERDEAD
        }
    }

    fn pend(word: &AtomicU32) {
        // SAFETY: all words here lie in segments that outlive their pending.
        unsafe { Thread::current().pend(word) };
    }

    fn join(life: &Life, me: Thread) -> Result<bool, TooManyHeld> {
        // SAFETY: all words here lie in segments.
        unsafe { life.join(me) }
    }

    fn replace(life: &Life, me: Thread) -> Result<bool, TooManyHeld> {
        // SAFETY: all words here lie in segments.
        unsafe { life.replace(me) }
    }

    fn hold(word: &RobustWord) {
        let me = Thread::current();
        me.reserve(word).unwrap();
        pend(&word.word);
        word.word.compare_exchange(0, me.tid(), Acquire, Relaxed).unwrap();
        // SAFETY: all words here lie in segments.
        unsafe { me.link(word) };
        me.pend_clear();
    }

    fn let_go(word: &RobustWord) {
        let me = Thread::current();
        pend(&word.word);
        assert!(me.unlink(word));
        word.word.store(0, Release);
        me.pend_clear();
    }

    fn passed() -> Outcome {
        Ok(Report::PASSED)
    }

    /// Runs `body` in a forked child that is then killed.
    fn then_killed(body: impl FnOnce()) {
        let done = SharedArena::<Counter>::new(1);
        let child = child::fork(|| {
            body();
            done[0].set(1);
            loop {
                thread::park();
            }
        });
        done[0].wait_within(LONG, |done| done == 1).unwrap();
        end(child);
    }

    fn end(mut child: Child) {
        child.kill();
        child.wait();
    }

    pub(crate) fn any_order_is_told() -> Outcome {
        let shared = Shared::new();
        let held = SharedArena::<Counter>::new(1);
        let mut rng = Rng::of_run("orders");
        let mut n_held = 0;
        for round in 0..2000 {
            held[0].set(0);
            then_killed(|| {
                for _ in 0..rng.range(1..40) {
                    let idx = rng.index(2 * N);
                    if held[0].get() & 1 << idx == 0 {
                        shared.take(idx);
                    } else {
                        shared.give_back(idx);
                    }
                    held[0].set(held[0].get() ^ 1 << idx);
                }
            });
            // The child drew from a copy.
            rng.next_u64();
            for idx in 0..2 * N {
                let expected = held[0].get() & 1 << idx != 0;
                assert_eq!(shared.is_told(idx), expected, "round {round}, number {idx}");
            }
            n_held += held[0].get().count_ones();
        }
        assert!(n_held > 2000, "most died with something in hand");
        passed()
    }

    pub(crate) fn threads_leave_libcs_list_in_order() -> Outcome {
        let shared = Shared::new();
        let (ours, libcs, other) = (0, N, N + 1);
        let orders: [&[usize]; 5] = [
            // What is named twice is given back the second time.
            &[ours, libcs, ours],
            &[libcs, ours, ours],
            &[libcs, ours, other, ours],
            &[ours, libcs, other, ours, libcs],
            &[ours, ours, libcs],
        ];
        for order in orders {
            let mut left = 0_u64;
            for &idx in order {
                left ^= 1 << idx;
            }
            // The thread ends with nothing of ours, and takes our entries off libc's list.
            let work = || {
                let mut held = 0_u64;
                for &idx in order {
                    if held & 1 << idx == 0 {
                        shared.take(idx);
                    } else {
                        shared.give_back(idx);
                    }
                    held ^= 1 << idx;
                }
            };
            thread::scope(|scope| scope.spawn(work).join()).unwrap();
            for idx in 0..2 * N {
                assert_eq!(shared.is_told(idx), left & 1 << idx != 0, "{order:?}, {idx}");
            }
        }
        passed()
    }

    pub(crate) fn a_threads_death_is_told() -> Outcome {
        let shared = Shared::new();
        let work = || {
            for idx in 0..N {
                shared.take(idx);
            }
            shared.give_back(3);
        };
        thread::scope(|scope| scope.spawn(work).join()).unwrap();
        for idx in 0..N {
            assert_eq!(shared.is_told(idx), idx != 3, "{idx}");
        }
        passed()
    }

    pub(crate) fn a_forked_childs_list_is_empty() -> Outcome {
        let shared = Shared::new();
        let parent = Thread::current();
        // A `Thread` names what is the calling thread's now; these are the parent's for good.
        let (tid, generation) = (parent.tid(), parent.generation());
        shared.take(0);
        shared.take(1);
        then_killed(|| {
            let me = Thread::current();
            assert!(me.tid() != tid && me.generation() != generation);
            assert!(!me.holds(shared.word(0)));
            assert!(!me.unlink(shared.word(1)));
            shared.take(2);
            shared.take(N);
            shared.take(3);
            shared.give_back(2);
        });
        let words = [0, 1, 2, 3].map(|idx| shared.word(idx).word.load(Relaxed));
        assert_eq!(words, [tid, tid, 0, OWNER_DIED]);
        assert!(shared.is_told(N));
        assert!(parent.holds(shared.word(0)) && parent.holds(shared.word(1)));
        shared.give_back(0);
        shared.give_back(1);
        passed()
    }

    pub(crate) fn the_pending_word_is_marked() -> Outcome {
        let shared = Shared::new();
        let word = &shared.word(0).word;
        for waiters in [0, WAITERS] {
            then_killed(|| {
                let me = Thread::current();
                pend(word);
                word.store(me.tid() | waiters, Relaxed);
            });
            assert_eq!(word.load(Relaxed), OWNER_DIED | waiters);
        }
        // One that was pending is not.
        then_killed(|| {
            let me = Thread::current();
            pend(word);
            me.pend_clear();
            word.store(me.tid(), Relaxed);
        });
        assert_eq!(word.load(Relaxed) & OWNER_DIED, 0);
        passed()
    }

    pub(crate) fn a_free_pending_word_wakes_one() -> Outcome {
        let shared = Shared::new();
        let word = &shared.word(0).word;
        for value in [0, WAITERS, WAITERS | OWNER_DIED] {
            word.store(value, Relaxed);
            let woken = SharedArena::<Counter>::new(1);
            let mut sleepers = [(); 2].map(|()| {
                child::fork(|| {
                    while woken[0].get() == 0
                        && futex_wait(word, value, Deadline::NEVER) != Woken::By(0)
                    {
                    }
                    woken[0].add(1);
                    0
                })
            });
            for sleeper in &mut sleepers {
                sleeper.wait_asleep(LONG)?;
            }
            then_killed(|| pend(word));
            woken[0].wait_within(LONG, |woken| woken > 0).unwrap();
            assert_eq!(word.load(Relaxed), value, "the word is as it was");
            // The other one sleeps on.
            assert_eq!(futex_wake(word, u32::MAX), 1, "{value:#x}");
            for sleeper in &mut sleepers {
                assert!(sleeper.wait_within(LONG).unwrap().is_success());
            }
        }
        passed()
    }

    pub(crate) fn a_life_word_shows_a_death() -> Outcome {
        let shared = Shared::new();
        let life: &Life = shared.segment.at(0)?;
        let me = Thread::current();
        assert_eq!(life.alive(), Alive::Nobody);
        assert!(!replace(life, me)?, "nobody died");
        then_killed(|| assert!(join(life, Thread::current()).unwrap()));
        assert_eq!(life.alive(), Alive::Died);
        assert!(!join(life, me)?, "first it must be cleaned up after the dead");
        assert!(replace(life, me)?);
        assert_eq!(life.alive(), Alive::Yes(me.tid()));
        then_killed(|| {
            let child = Thread::current();
            assert!(!join(life, child).unwrap() && !replace(life, child).unwrap());
            assert!(!life.is_held_by(child));
            life.leave(child);
        });
        assert!(life.is_held_by(me), "a child leaves nothing of its parent's");
        life.leave(me);
        assert_eq!(life.alive(), Alive::Nobody);
        passed()
    }

    /// Whether memory at this address is mapped.
    fn is_mapped(address: *const RobustWord) -> bool {
        let page = address.map_addr(|address| address & !4095).cast_mut().cast();
        let mut residency = 0_u8;
        // SAFETY: writes one byte, for one page, to the place given.
        unsafe { libc::mincore(page, 1, &raw mut residency) == 0 }
    }

    /// A word of a segment without further handles.
    fn lone_word() -> Placed<RobustWord> {
        Segment::create(Kind::new(*b"lone\0\0\0\0", 1), 0, 64).unwrap().place(0).unwrap()
    }

    /// Neither the handle nor the word itself tells that it is held.
    pub(crate) fn held_memory_stays() -> Outcome {
        let (free, held, later) = (lone_word(), lone_word(), lone_word());
        let addresses = [&free, &held, &later].map(|word| ptr::from_ref(&**word));
        hold(&free);
        let_go(&free);
        hold(&held);
        hold(&later);
        held.word.store(0, Relaxed); // By a peer that means no good.
        for word in [free, held] {
            drop(word);
        }
        assert_eq!(addresses.map(is_mapped), [false, true, true]);
        // The list of this thread still leads through it, and can be written.
        let another = lone_word();
        hold(&another);
        let_go(&later);
        let_go(&another);
        drop(later);
        assert_eq!(addresses.map(is_mapped)[1..], [true, false]);
        // Another thread's list is seen as well.
        let (word, (ours, theirs)) = (lone_word(), mpsc::sync_channel(0));
        let address = ptr::from_ref(&*word);
        let holder = thread::spawn(move || {
            hold(&word);
            drop(word);
            theirs.recv().unwrap();
        });
        while !matches!(ours.try_send(()), Ok(())) {
            thread::yield_now();
        }
        holder.join().unwrap();
        assert!(is_mapped(address));
        passed()
    }

    /// Until the kernel has walked the list of the thread, its words must be there.
    pub(crate) fn left_memory_stays() -> Outcome {
        let word = lone_word();
        let address = ptr::from_ref(&*word);
        let other = word.clone();
        thread::spawn(move || hold(&other)).join().unwrap();
        while word.word.load(Relaxed) != OWNER_DIED {
            thread::yield_now();
        }
        drop(word);
        assert!(is_mapped(address));
        passed()
    }

    pub(crate) fn pending_for_now() -> Outcome {
        let shared = Shared::new();
        let [outer, inner] = [0, 1].map(|place| &shared.word(place).word);
        for is_known in [false, true] {
            then_killed(|| {
                let me = is_known.then(Thread::current);
                let tid = gettid().as_raw_nonzero().get().cast_unsigned();
                if me.is_some() {
                    pend(outer);
                }
                with_pending(inner, || inner.store(tid, Relaxed));
                outer.store(tid, Relaxed);
            });
            assert_eq!(inner.swap(0, Relaxed) & OWNER_DIED, 0, "it is pending no more");
            assert_eq!(outer.swap(0, Relaxed) & OWNER_DIED != 0, is_known);
            let mut victim = child::fork(|| {
                let tid = gettid().as_raw_nonzero().get().cast_unsigned();
                with_pending(inner, || {
                    inner.store(tid, Relaxed);
                    // SAFETY: ends the process where it stands.
                    unsafe { libc::raise(libc::SIGKILL) }
                })
            });
            victim.wait();
            assert_eq!(inner.swap(0, Relaxed), OWNER_DIED);
        }
        passed()
    }

    /// A list passes through the lines of the words on it: who does not get a word must not write
    /// into its line.
    pub(crate) fn asking_in_vain_harms_no_list() -> Outcome {
        let shared = Shared::new();
        let life: &Life = shared.segment.at(64)?;
        let asked = SharedArena::<Counter>::new(1);
        let holder = child::fork(|| {
            shared.take(0);
            assert!(join(life, Thread::current()).unwrap());
            asked[0].set(1);
            loop {
                thread::park();
            }
        });
        asked[0].wait_within(LONG, |asked| asked == 1).unwrap();
        assert!(!join(life, Thread::current())?);
        assert!(!replace(life, Thread::current())?);
        then_killed(|| assert!(!join(life, Thread::current()).unwrap()));
        end(holder);
        assert_eq!(life.alive(), Alive::Died);
        assert!(shared.is_told(0), "the word behind it is found, too");
        passed()
    }

    /// Runs on this CPU from here on, and only when nobody else wants to.
    fn give_way() {
        // SAFETY: a set of bits, all of them zero.
        let mut one: libc::cpu_set_t = unsafe { mem::zeroed() };
        // SAFETY: the number is that of a CPU, which is less than the set has room for.
        unsafe { libc::CPU_SET(0, &mut one) };
        // SAFETY: names a set of that length.
        unsafe { libc::sched_setaffinity(0, size_of_val(&one), &raw const one) };
        let lowest = libc::sched_param { sched_priority: 0 };
        // SAFETY: names a parameter that the call reads.
        unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const lowest) };
    }

    pub(crate) fn woken_by_two_the_last_is_told() -> Outcome {
        const SLEEPING: u64 = 1;
        const TOLD: u64 = 10;
        let shared = Shared::new();
        let words: [&AtomicU32; 2] = [0, 1].map(|idx| &shared.word(idx).word);
        let notes = SharedArena::<Counter>::new(1);
        let mut n_both = 0;
        for _ in 0..40 {
            notes[0].set(0);
            let mut sleeper = child::fork(|| {
                give_way();
                let waits = words.map(|word| Wait::on(word, 0));
                notes[0].set(SLEEPING);
                let Woken::By(word) = futex_wait_any(&waits, Deadline::after(LONG)) else {
                    return 1;
                };
                notes[0].set(TOLD + word as u64);
                0
            });
            sleeper.wait_asleep(LONG)?;
            let woken = words.map(|word| futex_wake(word, 1));
            assert!(sleeper.wait_within(LONG).unwrap().is_success());
            let told = notes[0].get() - TOLD;
            // If it was still queued on the second when that was woken, it must say so.
            assert_eq!(woken[0], 1);
            assert_eq!(told, u64::from(woken[1]));
            n_both += woken[1];
        }
        assert!(n_both > 0, "now and then both were first");
        passed()
    }
}
