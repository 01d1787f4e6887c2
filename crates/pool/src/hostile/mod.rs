//! Workers that say whatever they like, against the parent's side of a pool: for a test, and for the
//! fuzzer.
//!
//! A script submits tasks and has two workers answer them, well or badly: with any report, any bytes on
//! their sockets, any descriptors, any words on the board, and any words in the memory of the rings. It
//! runs in one thread, with no keeper and no clerk, so that the same script does the same thing again.
//!
//! Whatever the workers say, every operation returns, and each task has one end.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::fs::File;
use std::hint::black_box;
use std::iter;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::wire::{self, Handle, MessageSocket, Sort};
use ipc_core::{Deadline, Segment};
use ipc_queue::Builder as QueueBuilder;
use proc_core::{Function, Outcome, Process, Start};
use rustix::fs::{MemfdFlags, memfd_create};
use serde::de::DeserializeOwned;

use crate::board::{Board, LINE_BYTES};
use crate::builder::outbox_slots;
use crate::chunk::Chunk;
use crate::chunk::answers::{Answers, Sent};
use crate::chunk::list::Packing;
use crate::chunk::tray::Tray;
use crate::chunk::words::Row;
use crate::employee::{Employee, SLOT_BYTES};
use crate::engine::{Engine, Phase};
use crate::job::{Argument, Job, Plan};
use crate::keeper::INBOX_SLOTS;
use crate::mailbox::{Fate, Mailbox, Waited};
use crate::options::Options;
use crate::parcel::{self, Freight, MOST_INLINE, Parcel};
use crate::record::{Order, Report, What};
use crate::retry::Retry;
use crate::size::Size;
use crate::sys::{self, Bell};
use crate::task;
use crate::worker::End;

const N_WORKERS: usize = 2;

/// More tasks than a script needs.
const MOST_TASKS: usize = 200;

/// What tasks are sent, and what they are to return.
type Value = (u64, Vec<u8>, Option<Handle>);

/// Plays a script.
///
/// # Panics
///
/// If something happens that may not.
pub fn play(script: &[u8]) {
    let mut scene = Scene::new();
    let mut script = Script(script);
    while let Some(what) = script.byte() {
        scene.step(what, &mut script);
    }
    scene.end();
}

/// The rest of a script; behind its end there are zeros.
#[derive(Debug)]
struct Script<'s>(&'s [u8]);

impl<'s> Script<'s> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn small(&mut self) -> usize {
        self.byte().unwrap_or_default().into()
    }

    fn number(&mut self) -> u64 {
        (0..8).fold(0, |sum, _| (sum << 8) | u64::from(self.byte().unwrap_or_default()))
    }

    fn bytes(&mut self) -> &'s [u8] {
        let len = self.small().min(self.0.len());
        let (bytes, rest) = self.0.split_at(len);
        self.0 = rest;
        bytes
    }
}

/// A pool without its threads, and the other ends of its workers' sockets.
struct Scene {
    engine: Engine,
    workers: Vec<Arc<Employee>>,
    ends: Vec<MessageSocket>,
    plans: [Arc<Plan>; 2],
    mailboxes: Vec<Arc<Mailbox>>,
    /// How many ends each task has had, and each item of those that travel together.
    n_ends: Vec<Vec<u32>>,
    /// Tickets that a worker has seen.
    tickets: Vec<u64>,
}

impl Scene {
    fn new() -> Self {
        let n_slots = outbox_slots(N_WORKERS);
        let outbox = QueueBuilder::new(n_slots).message_bytes(SLOT_BYTES).bytes().unwrap();
        let size = Size { wanted: N_WORKERS, least: 1, most: N_WORKERS, idle: None };
        let board = Board::new(N_WORKERS).unwrap();
        let engine = Engine::new(size, Options::new(), outbox, board, Bell::new().unwrap());
        let function = Function::of(|value: Value| value).unwrap();
        let plan = engine.plan(function, 0, || Ok((Vec::new(), Arc::default(), 0))).unwrap();
        let again =
            Options { retry: Retry::times(1), limit: Some(Duration::ZERO), ..Options::new() };
        let again = Plan { known: Arc::clone(&plan.known), options: again };
        let mut scene = Self {
            engine,
            workers: Vec::new(),
            ends: Vec::new(),
            plans: [plan, Arc::new(again)],
            mailboxes: Vec::new(),
            n_ends: Vec::new(),
            tickets: vec![0, 1, 2, 3, u64::MAX],
        };
        (0..N_WORKERS).for_each(|place| scene.employ(place));
        scene
    }

    /// Somebody works in a place from now on.
    fn employ(&mut self, place: usize) {
        let inbox = QueueBuilder::new(INBOX_SLOTS).message_bytes(SLOT_BYTES).bytes().unwrap();
        let (socket, theirs) = MessageSocket::pair().unwrap();
        let worker = Arc::new(Employee {
            process: somebody(),
            place,
            inbox,
            socket,
            unwanted: AtomicU64::new(0),
            tray: Tray::new().unwrap(),
            results: sys::blank_sheet(1 << 20).ok(),
        });
        self.engine.board.wipe(place);
        if self.engine.employ(place, Arc::clone(&worker), place == 1).is_ok() {
            self.workers.truncate(place);
            self.ends.truncate(place);
            self.workers.push(worker);
            self.ends.push(theirs);
        }
    }

    fn step(&mut self, what: u8, script: &mut Script<'_>) {
        match what % 16 {
            0 => self.submit(script),
            1 => self.take(script),
            2 | 3 => self.report(script),
            4 => drop(self.engine.outbox.try_put(script.bytes())),
            5 => self.write_on_board(script),
            6 => self.send(script),
            7 => self.scribble(script),
            8 => self.engine.poll(),
            9 => self.join(script.small()),
            10 => {
                if let Some(mailbox) = self.mailboxes.get(script.small()) {
                    let _is_in_time = self.engine.cancel_all(mailbox);
                }
            }
            11 => self.attend(),
            12 => drop(self.engine.resize(script.small() % (N_WORKERS + 1))),
            13 => self.look(),
            14 => self.close(script.small()),
            // The keeper takes it that somebody in a place has ended, if so.
            _ => self.end_of(script.small() % N_WORKERS),
        }
    }

    fn submit(&mut self, script: &mut Script<'_>) {
        if self.mailboxes.len() >= MOST_TASKS {
            return;
        }
        let kind = script.small();
        let handle = (kind & 1 != 0).then(|| Handle::from(OwnedFd::from(null())));
        let len = if kind & 2 != 0 { MOST_INLINE + 1 } else { kind };
        let argument = Parcel::pack(&(7_u64, vec![1_u8; len], handle), self.engine.shelf.as_ref());
        let argument = argument.unwrap();
        let mailbox = Arc::<Mailbox>::default();
        let plan = Arc::clone(&self.plans[kind >> 2 & 1]);
        let (argument, n_items) = if kind & 8 != 0 {
            // Several that travel together; whether they are what they say, only a worker sees.
            let n_items = 1 + script.small() % 8;
            let mut items = Packing::with_capacity(n_items);
            for number in 0..n_items {
                let put = if kind & 32 != 0 { items.put(&number) } else { items.put(&()) };
                let _len = put.unwrap();
            }
            let chunk = Chunk::new(items, n_items, kind & 16 != 0);
            (Argument::Many(chunk), n_items)
        } else {
            (Argument::One(argument), 1)
        };
        let job = Job::new(&plan, argument, 0, &mailbox);
        if self.engine.submit(&mailbox, n_items, iter::once(job)).is_ok() {
            self.mailboxes.push(mailbox);
            self.n_ends.push(vec![0; n_items]);
        }
    }

    /// A worker takes a task, with what belongs to it.
    fn take(&mut self, script: &mut Script<'_>) {
        let place = script.small() % N_WORKERS;
        let Ok(record) = self.workers[place].inbox.try_get() else { return };
        let Some(order) = Order::read(&record) else { return };
        self.tickets.push(order.ticket);
        if order.freight.needs_socket() {
            let _handles = parcel::receive(&self.ends[place], order.ticket);
        }
    }

    fn ticket(&self, which: usize) -> u64 {
        // The last ones are the ones that count.
        self.tickets[self.tickets.len() - 1 - which % self.tickets.len()]
    }

    /// A report that is in order but for what it says.
    fn report(&mut self, script: &mut Script<'_>) {
        let kinds =
            [What::Outcome, What::Refusal, What::Ready, What::Leaving, What::Ended, What::Nudge];
        let what = kinds[script.small() % kinds.len()];
        let place = script.small() % (N_WORKERS + 1);
        let freights = [Freight::None, Freight::Handles, Freight::File, Freight::Shelf];
        let freight = freights[script.small() % freights.len()];
        let ticket = self.ticket(script.small());
        let nanos = script.number();
        let n_items = u32::try_from(script.small()).unwrap();
        let mut record = match script.small() % 4 {
            0 => {
                wire::encode(&Outcome::Returned((7_u64, vec![1_u8], None::<Handle>))).unwrap().bytes
            }
            // What may tell of a place on its shelf, and of long runs there.
            1 => {
                let mut place =
                    || [script.small() << 13, script.small() << 8].map(usize::to_le_bytes).concat();
                let whole = place();
                let n_runs = usize::from(whole[1]) % 4;
                (0..n_runs).fold(whole, |told, _| [told, place()].concat())
            }
            // What came of a chunk: words of any sort, fewer or more than it says, and pieces.
            2 => {
                let sorts = [Sort::Unsigned, Sort::Signed, Sort::Single, Sort::Double, Sort::Char];
                let sort = sorts[script.small() % sorts.len()];
                let n_words = u16::try_from(script.small()).unwrap();
                let words: Vec<u8> =
                    (0..script.small() % 8).flat_map(|_| script.number().to_le_bytes()).collect();
                let list = [words.as_slice(), script.bytes()].concat();
                let sent = Sent::new(Row { sort, n_words }, list, Vec::new());
                wire::encode(&Outcome::Returned(sent)).unwrap().bytes
            }
            _ => script.bytes().to_vec(),
        };
        Report { what, place, ticket, nanos, n_items, freight }.write(&mut record);
        let _put = self.engine.outbox.try_put(&record);
    }

    fn write_on_board(&mut self, script: &mut Script<'_>) {
        let at = script.small() % (N_WORKERS * LINE_BYTES / 8) * 8;
        let value = if script.small().is_multiple_of(2) {
            self.ticket(script.small())
        } else {
            script.number()
        };
        write(self.engine.board.segment(), at, value);
    }

    /// A worker sends a parcel, or what looks like one.
    fn send(&mut self, script: &mut Script<'_>) {
        let place = script.small() % N_WORKERS;
        let ticket = self.ticket(script.small()).to_le_bytes();
        let n_handles = script.small() % 4;
        let handles: Vec<OwnedFd> = (0..n_handles).map(|_| any_handle(script)).collect();
        let handles: Vec<_> = handles.iter().map(OwnedFd::as_fd).collect();
        let bytes = if script.small().is_multiple_of(2) { &ticket[..] } else { script.bytes() };
        let _sent = self.ends[place].send_parts(bytes, &handles, Deadline::now());
    }

    /// A worker writes into the memory of a ring.
    fn scribble(&mut self, script: &mut Script<'_>) {
        let place = script.small() % (N_WORKERS + 1);
        let ring = self.workers.get(place).map_or(&self.engine.outbox, |worker| &worker.inbox);
        let at = (script.small() << 8 | script.small()) & !7;
        write(ring.segment(), at, script.number());
        if let Some(worker) = self.workers.get(place) {
            let value = if at.is_multiple_of(16) { self.ticket(at) } else { script.number() };
            write(worker.tray.segment(), at % 64, value);
        }
    }

    fn join(&mut self, which: usize) {
        let Some(mailbox) = self.mailboxes.get(which) else { return };
        let waited = self.engine.wait(mailbox, Deadline::now());
        self.saw(which, waited);
    }

    fn saw(&mut self, which: usize, waited: Waited) {
        if let Waited::Arrived(index, fate) = waited {
            for n_ends in &mut self.n_ends[which][index..index + fate.n_items()] {
                *n_ends += 1;
            }
            match fate {
                Fate::Chunk(answers) => match which % 5 {
                    0 => see_all::<Value>(answers),
                    1 => see_all::<u8>(answers),
                    2 => see_all::<bool>(answers),
                    3 => see_all::<char>(answers),
                    _ => see_all::<f64>(answers),
                },
                fate => drop(black_box(task::result::<Value>(fate))),
            }
        }
    }

    /// What the keeper does when something is due.
    fn attend(&self) {
        self.engine.look_around();
        self.engine.attend();
    }

    /// What people do who look.
    fn look(&self) {
        black_box(crate::stats::Stats::of(&self.engine));
        for mailbox in &self.mailboxes {
            black_box(self.engine.worker_of(mailbox));
        }
    }

    fn close(&self, which: usize) {
        match which % 8 {
            0 => self.engine.outbox.close(),
            1 | 2 => self.workers[which % 8 - 1].inbox.close(),
            _ => {}
        }
    }

    /// If a worker has died, since a task of its was to end, the keeper says so and starts another.
    fn end_of(&mut self, place: usize) {
        if self.workers[place].process.is_alive() {
            return;
        }
        let incarnation = self.engine.lock().dispatch.next_incarnation(place) - 1;
        let mut record = Vec::new();
        let (ticket, freight) = (incarnation, Freight::None);
        Report { what: What::Ended, place, ticket, nanos: 0, n_items: 0, freight }
            .write(&mut record);
        let _put = self.engine.outbox.try_put(&record);
        self.engine.poll();
        if self.engine.lock().dispatch.worker(place).is_none() && place + 1 == N_WORKERS {
            self.employ(place);
        }
    }

    /// The pool ends: each task has one end by then.
    fn end(mut self) {
        self.engine.end(Phase::Over);
        for which in 0..self.mailboxes.len() {
            while let Waited::Arrived(index, fate) = self.mailboxes[which].take() {
                self.saw(which, Waited::Arrived(index, fate));
            }
        }
        assert!(self.n_ends.iter().flatten().all(|n| *n == 1), "{:?}", self.n_ends);
        assert!(self.engine.lock().dispatch.is_idle());
    }
}

/// Looks at what came of a chunk, together and one by one.
fn see_all<R: DeserializeOwned>(answers: Answers) {
    let mut results = answers.into_results::<R>();
    let mut list = Vec::new();
    results.append_to(&mut list);
    drop(black_box(list));
    results.for_each(|it| drop(black_box(it)));
}

/// A process that does nothing, for those who want to know whether it lives. It is made again if it was
/// ended.
fn somebody() -> Arc<Process<End>> {
    static SOMEBODY: Mutex<Option<Arc<Process<End>>>> = Mutex::new(None);

    let mut process = SOMEBODY.lock().unwrap();
    match &*process {
        Some(process) if process.is_alive() => Arc::clone(process),
        _ => {
            let builder = Process::builder().start(Start::ForkServer).dies_with_parent(true);
            let new: Process<End> = builder.spawn(do_nothing, ()).unwrap();
            Arc::clone(process.insert(Arc::new(new)))
        }
    }
}

fn do_nothing(_: ()) -> End {
    loop {
        thread::park();
    }
}

fn null() -> File {
    File::open("/dev/null").unwrap()
}

/// A descriptor of some kind.
fn any_handle(script: &mut Script<'_>) -> OwnedFd {
    match script.small() % 5 {
        0 => null().into(),
        1 => sys::file_in_memory(script.bytes()).unwrap(),
        2 => {
            // It claims to be longer than all memory.
            let file = File::from(memfd_create("long", MemfdFlags::CLOEXEC).unwrap());
            file.set_len(1 << 50).unwrap();
            file.into()
        }
        3 => std::io::pipe().unwrap().0.into(),
        _ => File::open("/").unwrap().into(),
    }
}

fn write(memory: &Segment, at: usize, value: u64) {
    if let Ok(word) = memory.at::<AtomicU64>(at) {
        word.store(value, Relaxed);
    }
}

#[cfg(test)]
mod tests;
