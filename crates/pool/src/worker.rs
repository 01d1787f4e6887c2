//! What a worker does all its life.

use std::io::{self, Write as _};
use std::mem;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use ipc_core::wire::{self, Handle, Message, MessageSocket, SendError, Sink as _};
use ipc_core::{Deadline, Segment};
use ipc_queue::ByteQueue;
use proc_core::{Callable, Function, Outcome, Refusal};
use serde::{Deserialize, Serialize};

use crate::board::{Board, Moment};
use crate::chunk::MOST_ANSWER;
use crate::chunk::desk::{self, Desk};
use crate::chunk::tray::Tray;
use crate::find;
use crate::hiring::{Initializer, Limits};
use crate::original::Original;
use crate::parcel::{self, Freight, MOST_INLINE};
use crate::record::{self, Order, Report, What};
use crate::scratch::MOST_KEPT;
use crate::share::Share;
use crate::shelf::there::{Arguments, Results};
use crate::state;
use crate::sys;

/// What a worker is started with.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Seat {
    /// The worker's place in the pool.
    pub(crate) place: u32,
    /// Where its orders come from.
    pub(crate) inbox: ByteQueue,
    /// Where everybody's reports go.
    pub(crate) outbox: ByteQueue,
    /// Where everybody says what they have begun.
    pub(crate) board: Segment,
    /// For what does not fit the rings; the other end is the parent's.
    pub(crate) socket: MessageSocket,
    /// Where it puts down what is done of a chunk.
    pub(crate) tray: Segment,
    /// The shelf of large arguments, if there is one, and one for its large results.
    pub(crate) arguments: Option<Handle>,
    pub(crate) results: Option<Handle>,
    /// What makes the state that it keeps.
    pub(crate) initializer: Option<Initializer>,
    /// When it makes room for another one.
    pub(crate) limits: Limits,
}

/// How a worker's life ends by itself; why it never came to work, if it has not.
pub(crate) type End = Result<(), String>;

/// A worker at work.
#[derive(Debug)]
struct Worker {
    /// The process that was started; code of the user may copy it, and go on in both.
    original: Original,
    place: usize,
    outbox: ByteQueue,
    board: Board,
    socket: MessageSocket,
    /// The ticket of the last parcel that it took or dropped.
    last_parcel: u64,
    arguments: Option<Arguments>,
    results: Results,
    /// The functions called so far, the last one first.
    known: Vec<(Vec<u8>, Callable)>,
    /// Room for the bytes of an answer.
    answer: Vec<u8>,
    /// Room for a record whose bytes go another way; has what is told of them, if they lie on the shelf.
    record: Vec<u8>,
    /// What is at hand for a task; nowhere else but while one runs.
    desk: Option<Box<Desk>>,
}

/// Whether a worker can go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fit {
    Yes,
    /// The parent has to start another one in its place.
    No,
}

/// A task that was run, or refused.
#[derive(Clone, Copy, Debug)]
struct Done {
    ticket: u64,
    /// How long it took.
    nanos: u64,
    /// How many items of it were done.
    n_items: u32,
}

/// What came of a task.
#[derive(Debug)]
struct Answer {
    message: Message,
    /// It has no bytes: they lie on the shelf.
    is_shelved: bool,
}

/// Why a worker does not run a task.
#[derive(Debug)]
struct Refused {
    refusal: Refusal,
    /// Whether it can run others.
    fit: Fit,
}

/// Makes its state, if it is to have one, and runs tasks until the parent closes the inbox.
///
/// A worker that cannot go on just ends: the parent sees it, and nothing is lost that the worker
/// had not begun. One that has done its share says so first: code of the user may run at its end,
/// and take its time.
///
/// A task may fork, and go on in both processes. The copy ends when it comes back here: it has neither
/// the task nor a place, and nobody would see its death.
pub(crate) fn work(seat: Seat) -> End {
    let Seat { place, inbox, outbox, board, socket, tray, arguments, results, initializer, limits } =
        seat;
    // A program that is interrupted decides for its pool: its workers get the signal too.
    sys::shrug_off_interrupts().map_err(|error| error.to_string())?;
    let mut worker = Worker::sit_down(place, outbox, board, socket)?;
    worker.arguments = arguments.map(|sheet| Arguments::new(sheet.into()));
    worker.results = results.map_or_else(Results::default, |sheet| Results::new(sheet.into()));
    worker.prepare(tray, initializer, limits)?;
    let mut record = Vec::new();
    while inbox.get_into(&mut record, Deadline::NEVER).is_ok() {
        // An empty record is the keeper's, taking its seat at the inbox.
        if record.is_empty() {
            continue;
        }
        if let Some(ticket) = record::unwanted(&record) {
            worker.drop_parcels(ticket);
            continue;
        }
        if worker.serve(&record) == Fit::No {
            break;
        }
        if worker.has_done_its_share() {
            worker.leave();
            break;
        }
    }
    if worker.original.is_this() {
        state::let_go();
    }
    Ok(())
}

impl Worker {
    fn sit_down(
        place: u32,
        outbox: ByteQueue,
        board: Segment,
        socket: MessageSocket,
    ) -> Result<Self, String> {
        let place = usize::try_from(place).map_err(|error| error.to_string())?;
        Ok(Self {
            original: Original::this(),
            place,
            outbox,
            board: Board::open(board, place).map_err(|error| error.to_string())?,
            socket,
            last_parcel: 0,
            arguments: None,
            results: Results::default(),
            known: Vec::new(),
            answer: Vec::new(),
            record: Vec::new(),
            desk: None,
        })
    }

    /// Makes the state, and says that it is ready.
    fn prepare(&mut self, tray: Segment, initializer: Option<Initializer>, limits: Limits) -> End {
        let has_state = initializer.is_some();
        let share = Share::new(limits, has_state)?;
        let tray = Tray::open(tray).map_err(|error| error.to_string())?;
        self.desk = Some(Box::new(Desk { tray, share, ticket: 0, n_done: None }));
        if let Some(initializer) = initializer {
            initializer.run()?;
        }
        if !self.original.is_this() {
            return Err("it is a copy of a worker".to_owned());
        }
        self.board.say_ready(self.place, proc_core::current().pid());
        if has_state {
            // It gets nothing before that is known.
            self.say(What::Ready);
        }
        Ok(())
    }

    /// Whether another one shall take its place.
    fn has_done_its_share(&self) -> bool {
        // Without a desk it would begin what its death could not be told of.
        self.desk.as_ref().is_none_or(|desk| desk.share.is_spent())
    }

    /// Says that it begins nothing more.
    fn leave(&self) {
        self.board.say_leaving(self.place);
        self.say(What::Leaving);
    }

    /// Reports something that is about no task.
    fn say(&self, what: What) {
        let mut record = Vec::new();
        let freight = Freight::None;
        let place = self.place;
        Report { what, place, ticket: 0, nanos: 0, n_items: 0, freight }.write(&mut record);
        // If nobody can hear it any more, nobody needs to.
        let _put = self.outbox.put(&record);
    }

    /// Does what a record says, and reports what came of it.
    fn serve(&mut self, record: &[u8]) -> Fit {
        let Some(order) = Order::read(record) else { return Fit::No };
        // From here on the task is in our hands: if we die, it is this one that goes with us.
        let began = Moment::now();
        self.board.say_begun(self.place, order.ticket, began);
        if let Some(desk) = &mut self.desk {
            (desk.ticket, desk.n_done) = (order.ticket, None);
        }
        let answer = self.run(&order);
        if !self.original.is_this() {
            // The task is that of the worker, and so is everything else here.
            return Fit::No;
        }
        let n_items = self.n_done();
        // What the task wrote must not wait for the next one, which may be long in coming. Nobody
        // can be told if it cannot be written.
        let _flushed = io::stdout().flush();
        let nanos = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let done = Done { ticket: order.ticket, nanos, n_items };
        let fit = match answer {
            Ok(answer) => self.answer(What::Outcome, answer, done),
            Err(Refused { refusal, fit }) => {
                let answer = Answer { message: encode(&refusal), is_shelved: false };
                let answered = self.answer(What::Refusal, answer, done);
                if fit == Fit::No { Fit::No } else { answered }
            }
        };
        self.board.say_answered(self.place, order.ticket);
        fit
    }

    fn run(&mut self, order: &Order<'_>) -> Result<Answer, Refused> {
        // First of all its parcel is taken, so that the next one's is next.
        let mut handles = match order.freight {
            Freight::None | Freight::Shelf => Vec::new(),
            Freight::Handles | Freight::File => {
                self.last_parcel = order.ticket;
                parcel::receive(&self.socket, order.ticket)
                    // What comes next through the socket cannot be trusted.
                    .map_err(|error| Refused::argument(&error, Fit::No))?
            }
        };
        let callable = self.find(order.function)?;
        let file;
        let room = mem::take(&mut self.answer);
        let bytes = match (order.freight, &mut self.arguments) {
            (Freight::None | Freight::Handles, _) => Ok(order.argument),
            (Freight::File, _) => match parcel::map(&mut handles) {
                Ok(mapped) => {
                    file = mapped;
                    Ok(&file[..])
                }
                Err(error) => Err(error),
            },
            (Freight::Shelf, Some(arguments)) => arguments.get(order.argument),
            (Freight::Shelf, None) => Err(io::ErrorKind::InvalidData.into()),
        };
        let bytes = bytes.map_err(|error| Refused::argument(&error, Fit::Yes))?;
        // A copy of the worker has the same part of the shelf. What came of a chunk is for the ring.
        let n_copied = || {
            let may_lie_there = self.original.is_this() && !desk::is_of_chunk();
            may_lie_there.then(|| self.board.copied(self.place))
        };
        let mut draft = self.results.draft(&n_copied);
        let message = desk::with(&mut self.desk, || {
            callable.call_onto(bytes, handles, room, Some(&mut draft))
        })?;
        let is_shelved = message.bytes.is_empty() && draft.finish(order.ticket, &mut self.record);
        Ok(Answer { message, is_shelved })
    }

    /// Lets go of parcels, up to that of this ticket, whose tasks were taken back.
    fn drop_parcels(&mut self, ticket: u64) {
        // If it has come to a later one, it has dropped them.
        if self.last_parcel < ticket {
            let last = parcel::drop_up_to(&self.socket, ticket);
            self.last_parcel = last.unwrap_or(self.last_parcel);
        }
    }

    /// The function with this name, found before or found now.
    fn find(&mut self, name: &[u8]) -> Result<Callable, Refusal> {
        if let Some(at) = self.known.iter().position(|(known, _)| known == name) {
            self.known.swap(0, at);
        } else {
            let function: Function =
                wire::decode_plain(name).map_err(|error| Refusal::Malformed(error.to_string()))?;
            self.known.insert(0, (name.to_vec(), find::find(&function)?));
        }
        let first = self.known.first().map(|(_, callable)| *callable);
        first.ok_or(Refusal::NoSuchFunction)
    }

    /// How many items were done by a task that has run.
    fn n_done(&mut self) -> u32 {
        let Some(desk) = &mut self.desk else { return 1 };
        desk.n_done.unwrap_or_else(|| {
            desk.share.spend(1);
            1
        })
    }

    /// Sends what came of a task: its parcel first, then its record.
    fn answer(&mut self, what: What, answer: Answer, done: Done) -> Fit {
        let Done { ticket, nanos, n_items } = done;
        let Answer { message: Message { mut bytes, mut handles }, is_shelved } = answer;
        // Of many results, each is a small one.
        let most = if self.is_chunk() { MOST_ANSWER } else { MOST_INLINE };
        let is_large = bytes.len() > most;
        let is_shelved = is_shelved || is_large && self.shelve(&bytes, &handles, ticket);
        let sent = if is_shelved {
            Ok(Freight::Shelf)
        } else {
            self.send(&bytes, is_large, &mut handles, ticket)
        };
        let (freight, fit) = match sent {
            Ok(freight) => (freight, Fit::Yes),
            Err(error) => {
                bytes = encode(&Outcome::<()>::Unsendable(error.to_string())).bytes;
                // Nothing more can be sent through a socket with half a message in it.
                let is_torn = matches!(error, SendError::Torn);
                (Freight::None, if is_torn { Fit::No } else { Fit::Yes })
            }
        };
        let report = Report { what, place: self.place, ticket, nanos, n_items, freight };
        let goes_elsewhere = matches!(freight, Freight::File | Freight::Shelf);
        let record = if goes_elsewhere { &mut self.record } else { &mut bytes };
        report.write(record);
        let put = self.outbox.put(record).is_ok();
        self.record.clear();
        bytes.clear();
        keep(&mut bytes);
        self.answer = bytes;
        if put { fit } else { Fit::No }
    }

    /// Whether the task that was run is a chunk.
    fn is_chunk(&self) -> bool {
        self.desk.as_ref().is_some_and(|desk| desk.n_done.is_some())
    }

    /// Puts the many bytes of an answer on the shelf, if nothing else belongs to it and there is room; says
    /// whether it did.
    fn shelve(&mut self, bytes: &[u8], handles: &[OwnedFd], ticket: u64) -> bool {
        let n_copied = || handles.is_empty().then(|| self.board.copied(self.place));
        let mut draft = self.results.draft(&n_copied);
        draft.put(bytes, &[]) && draft.finish(ticket, &mut self.record)
    }

    fn send(
        &self,
        bytes: &[u8],
        is_large: bool,
        handles: &mut Vec<OwnedFd>,
        ticket: u64,
    ) -> Result<Freight, SendError> {
        let freight = parcel::load(bytes, is_large, handles)?;
        if freight != Freight::None {
            let handles: Vec<BorrowedFd<'_>> = handles.iter().map(OwnedFd::as_fd).collect();
            parcel::send(&self.socket, ticket, &handles, Deadline::NEVER)?;
        }
        Ok(freight)
    }
}

impl Refused {
    fn argument(error: &impl ToString, fit: Fit) -> Self {
        Self { refusal: Refusal::Argument(error.to_string()), fit }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, fit: Fit::Yes }
    }
}

/// Lets memory go that is too much to keep.
fn keep(bytes: &mut Vec<u8>) {
    if bytes.capacity() > MOST_KEPT {
        *bytes = Vec::new();
    }
}

/// Encodes a value of ours, which always works.
fn encode(value: &impl Serialize) -> Message {
    wire::encode(value).unwrap_or_default()
}
