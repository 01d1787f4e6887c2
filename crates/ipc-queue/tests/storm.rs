//! Many putters and getters in processes of their own, killed at random: no message is lost or
//! comes twice, and nobody sleeps for ever.
//!
//! The queue sleeps without a backstop, and nobody here uses a timeout: who is not woken is found.
//! After every other death the others must get on by themselves before the dead one's place is
//! taken: a new worker would look at the queue and find what the others were not told of. There are
//! as many seats as workers, and one for the audit, so that the dead's seats are given out again at
//! once.

use std::process::ExitCode;

#[cfg(not(ipc_loom))]
#[path = "storms/joinable.rs"]
mod joinable;

#[cfg(not(ipc_loom))]
mod ring {
    use std::cell::Cell;
    use std::fs::File;
    use std::os::fd::AsFd as _;
    use std::os::unix::fs::MetadataExt as _;
    use std::time::Duration;

    use ipc_core::Deadline;
    use ipc_queue::{Builder, ByteQueue, GetError, PutError};
    use testkit::kill::{Ledger, Message, Storm, Worker};
    use testkit::seed::Rng;
    use testkit::{Outcome, clock};

    /// What is stormed, and how.
    #[derive(Clone, Copy)]
    pub(crate) struct Setting {
        /// How many messages there is room for; if it is not said, the queue grows.
        pub(crate) capacity: Option<usize>,
        pub(crate) putters: usize,
        pub(crate) getters: usize,
        /// How long messages are: at least eight bytes, and less than the end of this range.
        pub(crate) lens: (usize, usize),
        /// How long a message may be that lies in its slot.
        pub(crate) short: usize,
        /// How many bytes large ones may take, and how many are retained.
        pub(crate) bytes: (u64, u64),
        /// How many kills in the quick form.
        pub(crate) kills: u64,
        /// Whether the first of each kind is spared, and most messages are short, whatever they may be.
        pub(crate) is_soak: bool,
    }

    struct Stormed {
        queue: ByteQueue,
        ledger: Ledger,
        lens: (usize, usize),
        is_soak: bool,
    }

    /// Longer messages may be lent.
    const SHORT: usize = 100;

    /// More messages than a sender can put in the time.
    const ROOM: u64 = 1 << 27;

    /// How long nobody may get on, whoever dies, where nobody waits for a processor: in the build that
    /// the proof runs, for this races the clock. In the quick form it is far more than the protocol needs,
    /// for machines that are stopped now and then as a whole.
    fn longest_stall() -> Duration {
        match () {
            () if cfg!(debug_assertions) => Duration::MAX,
            () if testkit::full() => Duration::from_millis(10),
            () => Duration::from_secs(1),
        }
    }

    /// A getter has got bytes that nobody has put.
    const TORN: i32 = 3;
    /// A queue said what it must never say here.
    const REFUSED: i32 = 4;

    #[expect(clippy::print_stdout, reason = "what a soak has measured is for whoever asked for it")]
    pub(crate) fn storm(name: &str, setting: Setting) -> Outcome {
        let Setting { capacity, putters, getters, lens, kills, .. } = setting;
        let seats = putters + getters + 1;
        let queue = capacity
            .map_or_else(Builder::unbounded, Builder::new)
            .seats(seats)
            .message_bytes(setting.short)
            .max_bytes(setting.bytes.0)
            .retain_bytes(setting.bytes.1)
            .without_backstop()
            .bytes()?;
        if lens.1 > queue.max_message() + 1 {
            return Err(format!("messages of {} bytes do not fit", lens.1 - 1).into());
        }
        // The one that drains in the end is a receiver too.
        let ledger = Ledger::new(putters, getters + 1, ROOM);
        let stormed = Stormed { queue, ledger, lens, is_soak: setting.is_soak };
        let is_stuck = Cell::new(false);
        let (first, most) = (stormed.memory(), Cell::new(0));
        let storm = Storm::new(name, &stormed);
        let storm = if setting.is_soak { storm.spare_the_first() } else { storm };
        let end = storm
            .role("putter", putters, Stormed::put)
            .role("getter", getters, Stormed::get)
            .on_death(|stormed, death| {
                most.set(most.get().max(stormed.memory()));
                match death.role.as_str() {
                    "putter" => stormed.ledger.sender_died(death.place),
                    _ => stormed.ledger.receiver_died(death.place),
                }
                // The only one of its kind leaves the others with nothing to do. And half of the
                // time the dead's seat is taken before the others may have met what it left.
                let has_others = putters > 1 && getters > 1 && death.generation % 2 == 0;
                if has_others && !is_stuck.get() && !stormed.gets_on() {
                    is_stuck.set(true);
                }
            })
            .on_stop(|stormed| stormed.queue.close())
            .kills(if testkit::full() { kills * 50 } else { kills })
            .mean(Duration::from_millis(2))
            // A soak has the machine for long, and seldom for itself.
            .limit(Duration::from_secs(if setting.is_soak { 60 } else { 20 }))
            .longest_stall(if setting.is_soak { Duration::MAX } else { longest_stall() })
            .run()?;
        if is_stuck.get() {
            return Err("after a death nobody got on until the dead one's place was taken".into());
        }
        let drain = Receiver { stormed: &stormed, place: getters };
        let mut bytes = Vec::new();
        while drain.take(&mut bytes, || ())? {}
        let Stormed { queue, ledger, .. } = &stormed;
        if !queue.is_empty() {
            return Err(format!("{queue:?} was drained").into());
        }
        let audit = ledger.audit();
        let stats = queue.stats();
        // What it had at first, all that it may have for messages (a queue that grows: twice), and what
        // is known of blocks.
        let limit = first + 2 * setting.bytes.0 + (1 << 20);
        if most.get() > limit {
            return Err(format!("the queue took {} bytes and not {limit}", most.get()).into());
        }
        if setting.is_soak {
            let held =
                end.flat().map_err(|held| format!("somebody held more and more:\n{held}"))?;
            println!("\n{held}\nthe queue: {first} bytes at first, {} at the most", most.get());
        }
        // All memory is back, or kept for the next.
        if stats.blocks > 0 || stats.bytes > setting.bytes.1 {
            return Err(format!("memory was left in use: {stats:?}").into());
        }
        // Each death takes one message with it at most, or leaves one hole.
        if stats.deaths_repaired > end.kills || audit.in_doubt > audit.sender_deaths {
            return Err(format!("{stats:?} after {} kills: {audit}", end.kills).into());
        }
        Ok(audit.report(&end)?.into())
    }

    impl Stormed {
        /// How many bytes of memory the queue has.
        fn memory(&self) -> u64 {
            let file = self.queue.segment().as_fd().try_clone_to_owned().map(File::from);
            let metadata = file.and_then(|file| file.metadata());
            metadata.map_or(u64::MAX, |metadata| metadata.blocks() * 512)
        }

        /// How long the next message is.
        fn len(&self, rng: &mut Rng) -> usize {
            let (least, end) = self.lens;
            let range = end - least;
            // All orders of magnitude are as frequent.
            let range = if self.is_soak { (range >> rng.index(16)).max(1) } else { range };
            least + rng.index(range)
        }

        /// Whether a message comes through now, within a time that is long for that.
        fn gets_on(&self) -> bool {
            let before = self.ledger.n_received();
            let start = clock::now_ns();
            while self.ledger.n_received() == before {
                if clock::now_ns() - start > 3_000_000_000 {
                    return false;
                }
                clock::pause(Duration::from_micros(20));
            }
            true
        }

        fn put(&self, me: &Worker<'_>) -> i32 {
            let mut rng = me.rng("lengths");
            let mut bytes = Vec::new();
            loop {
                let Some(message) = self.ledger.intend(me.place) else { return 0 };
                bytes.resize(self.len(&mut rng), 0);
                message.fill(&mut bytes);
                let is_lent = self.lens.1 > SHORT && rng.chance(2);
                match if is_lent { self.lend(&bytes, rng.chance(8)) } else { self.put_copy(&bytes) }
                {
                    Ok(()) => self.ledger.committed(message),
                    Err(PutError::Closed(())) => {
                        self.ledger.refused(message);
                        return 0;
                    }
                    Err(error) => return complain(&error.to_string()),
                }
            }
        }

        fn put_copy(&self, bytes: &[u8]) -> Result<(), PutError<()>> {
            self.queue.put(bytes).map_err(PutError::without_value)
        }

        fn lend(&self, bytes: &[u8], is_abandoned: bool) -> Result<(), PutError<()>> {
            if is_abandoned {
                drop(self.queue.loan(bytes.len())?);
            }
            let mut loan = self.queue.loan(bytes.len())?;
            loan.copy_from_slice(bytes);
            loan.commit().map_err(PutError::without_value)
        }

        /// Gets a message: into the buffer by way of a copy, or of a sample.
        fn get_into(&self, bytes: &mut Vec<u8>, is_in_place: bool) -> Result<(), GetError> {
            if !is_in_place {
                return self.queue.get_into(bytes, Deadline::NEVER);
            }
            let sample = self.queue.get_in_place()?;
            bytes.clear();
            bytes.extend_from_slice(&sample);
            Ok(())
        }

        fn get(&self, me: &Worker<'_>) -> i32 {
            let receiver = Receiver { stormed: self, place: me.place };
            let mut bytes = Vec::new();
            loop {
                match receiver.take(&mut bytes, || me.got_on()) {
                    Ok(true) => {}
                    Ok(false) => return 0,
                    Err(Torn) => return TORN,
                }
            }
        }
    }

    struct Receiver<'s> {
        stormed: &'s Stormed,
        place: usize,
    }

    /// A message came that is not as it was put, or an error.
    #[derive(Debug)]
    struct Torn;

    impl Receiver<'_> {
        /// Takes one message, unless there will be none any more.
        fn take(&self, bytes: &mut Vec<u8>, got_on: impl Fn()) -> Result<bool, Torn> {
            let (stormed, ledger) = (self.stormed, &self.stormed.ledger);
            ledger.taking(self.place);
            let is_in_place = bytes.len() % 2 == 1;
            match stormed.get_into(bytes, is_in_place) {
                Ok(()) => {
                    // Noted before it is looked at, so that few die with a message that they have
                    // got and not noted.
                    let Some(head) = bytes.first_chunk() else { return Err(Torn) };
                    let message = Message::from_bits(u64::from_le_bytes(*head));
                    ledger.got(self.place, message);
                    got_on();
                    if Message::read(bytes) == Some(message) { Ok(true) } else { Err(Torn) }
                }
                Err(GetError::Closed) => {
                    ledger.got_nothing(self.place);
                    Ok(false)
                }
                Err(error) => {
                    complain(&error.to_string());
                    Err(Torn)
                }
            }
        }
    }

    impl std::fmt::Display for Torn {
        fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            formatter.write_str("a message came that nobody has put")
        }
    }

    impl std::error::Error for Torn {}

    #[expect(clippy::print_stderr, reason = "a worker's only way to say what is wrong")]
    fn complain(what: &str) -> i32 {
        eprintln!("{what}");
        REFUSED
    }
}

#[cfg(not(ipc_loom))]
fn main() -> ExitCode {
    use ring::{Setting, storm};

    /// Fits into a slot.
    const SHORT: (usize, usize) = (8, 65);

    const USUAL: Setting = Setting {
        capacity: Some(3),
        putters: 3,
        getters: 3,
        lens: SHORT,
        short: 112,
        bytes: (1 << 20, 1 << 18),
        kills: 300,
        is_soak: false,
    };

    /// What `cargo xtask storm soak --minutes 60` is for.
    const SOAK: Setting = Setting {
        capacity: Some(64),
        putters: 4,
        getters: 4,
        lens: (8, 1 << 20),
        bytes: (8 << 20, 1 << 20),
        kills: 100,
        is_soak: true,
        ..USUAL
    };

    const JOINABLE: joinable::Setting =
        joinable::Setting { capacity: 2, putters: 2, workers: 3, joiners: 2, kills: 300 };

    testkit::main(&[
        ("ring: 3 putters and 3 getters, one slot", || {
            storm("one slot", Setting { capacity: Some(1), kills: 400, ..USUAL })
        }),
        ("ring: 3 putters and 3 getters, three slots", || {
            storm("three slots", Setting { kills: 400, ..USUAL })
        }),
        ("ring: 3 putters and 3 getters, 64 slots", || {
            storm("64 slots", Setting { capacity: Some(64), ..USUAL })
        }),
        ("ring: a putter and 4 getters", || {
            storm("1:4", Setting { putters: 1, getters: 4, kills: 250, ..USUAL })
        }),
        ("ring: 4 putters and a getter", || {
            storm("4:1", Setting { putters: 4, getters: 1, kills: 250, ..USUAL })
        }),
        ("growth: 3 putters and 3 getters, 64 slots that become 512", || {
            storm("growth", Setting { capacity: None, bytes: (512 * 128, 0), ..USUAL })
        }),
        ("growth: four chunks of one slot each", || {
            let bytes = (4 << 16, 0);
            storm("small chunks", Setting { capacity: None, bytes, short: 65_000, ..USUAL })
        }),
        ("heap: messages of one byte to many pages, and memory for all", || {
            storm("large", Setting { capacity: Some(8), lens: (8, 70_000), ..USUAL })
        }),
        ("heap: messages of many pages, and memory for few", || {
            let lens = (200, 40_000);
            storm("short of memory", Setting { lens, bytes: (50_000, 0), ..USUAL })
        }),
        (
            "soak: 4 putters and 4 getters, messages of any size, and the first of each lives",
            || storm("soak", SOAK),
        ),
        ("joinable: 2 putters, 3 workers, 2 who join, two slots", || {
            joinable::storm("joinable", JOINABLE)
        }),
        ("joinable: a putter, 4 workers, one who joins, 16 slots", || {
            let setting = joinable::Setting { capacity: 16, putters: 1, workers: 4, ..JOINABLE };
            joinable::storm("joinable 1:4", joinable::Setting { joiners: 1, ..setting })
        }),
    ])
}

#[cfg(ipc_loom)]
fn main() -> ExitCode {
    ExitCode::SUCCESS
}
