//! What a worker does all its life.

use std::io::{self, Write as _};
use std::time::Instant;

use ipc_core::wire::{self, Message, MessageSocket, SendError};
use ipc_core::{Deadline, Segment};
use ipc_queue::ByteQueue;
use proc_core::{Callable, Function, Outcome, Refusal};
use serde::{Deserialize, Serialize};

use crate::board::Board;
use crate::find;
use crate::parcel::{self, Freight, Parcel};
use crate::record::{Order, Report, What};
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
}

/// A worker at work.
#[derive(Debug)]
struct Worker {
    place: usize,
    inbox: ByteQueue,
    outbox: ByteQueue,
    board: Board,
    socket: MessageSocket,
    /// The functions called so far, the last one first.
    known: Vec<(Vec<u8>, Callable)>,
}

/// Whether a worker can go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fit {
    Yes,
    /// The parent has to start another one in its place.
    No,
}

/// Runs tasks until the parent closes the inbox.
///
/// A worker that cannot go on just ends: the parent sees it, and nothing is lost that the worker
/// had not begun.
pub(crate) fn work(seat: Seat) {
    let Some(mut worker) = Worker::sit_down(seat) else { return };
    while let Ok(record) = worker.inbox.get() {
        if worker.serve(record) == Fit::No {
            return;
        }
    }
}

impl Worker {
    fn sit_down(seat: Seat) -> Option<Self> {
        let Seat { place, inbox, outbox, board, socket } = seat;
        // A program that is interrupted decides for its pool: its workers get the signal too.
        sys::shrug_off_interrupts().ok()?;
        let place = usize::try_from(place).ok()?;
        let board = Board::open(board, place).ok()?;
        board.say_ready(place);
        Some(Self { place, inbox, outbox, board, socket, known: Vec::new() })
    }

    fn serve(&mut self, record: Vec<u8>) -> Fit {
        if record.is_empty() {
            // The keeper, taking its seat at the inbox.
            return Fit::Yes;
        }
        let Some(order) = Order::read(&record) else { return Fit::No };
        let (ticket, freight) = (order.ticket, order.freight);
        // From here on the task is in our hands: if we die, it is this one that goes with us.
        self.board.say_begun(self.place, ticket);
        let began = Instant::now();
        let callable = self.find(order.function);
        let argument_len = order.argument.len();
        let handles = match freight {
            Freight::None => Vec::new(),
            Freight::Handles | Freight::File => match parcel::receive(&self.socket, ticket) {
                Ok(handles) => handles,
                Err(error) => {
                    let refusal = Refusal::Argument(error.to_string());
                    // What comes next through the socket cannot be trusted.
                    let _either_way = self.answer(What::Refusal, encode(&refusal), ticket, 0);
                    return Fit::No;
                }
            },
        };
        let mut bytes = record;
        bytes.truncate(argument_len);
        let argument = Parcel::of_parts(freight, bytes, handles).unpack();
        let argument = argument.map_err(|error| Refusal::Argument(error.to_string()));
        let answer = callable.and_then(|callable| callable.call(argument?));
        // What the task wrote must not wait for the next one, which may be long in coming. Nobody
        // can be told if it cannot be written.
        let _flushed = io::stdout().flush();
        let nanos = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        match answer {
            Ok(answer) => self.answer(What::Outcome, answer, ticket, nanos),
            Err(refusal) => self.answer(What::Refusal, encode(&refusal), ticket, nanos),
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

    /// Sends what came of a task: its parcel first, then its record.
    fn answer(&self, what: What, answer: Message, ticket: u64, nanos: u64) -> Fit {
        let packed = Parcel::pack(answer);
        let sent = packed.map_err(SendError::Io).and_then(|parcel| {
            parcel.send(&self.socket, ticket, Deadline::NEVER)?;
            Ok(parcel)
        });
        let (parcel, fit) = match sent {
            Ok(parcel) => (parcel, Fit::Yes),
            Err(error) => {
                let outcome = Outcome::<()>::Unsendable(error.to_string());
                let parcel = Parcel::of_parts(Freight::None, encode(&outcome).bytes, Vec::new());
                // Nothing more can be sent through a socket with half a message in it.
                let is_torn = matches!(error, SendError::Torn);
                (parcel, if is_torn { Fit::No } else { Fit::Yes })
            }
        };
        let freight = parcel.freight();
        let mut record = parcel.into_bytes();
        Report { what, place: self.place, ticket, nanos, freight }.write(&mut record);
        match self.outbox.put(&record) {
            Ok(()) => fit,
            Err(_) => Fit::No,
        }
    }
}

/// Encodes a value of ours, which always works.
fn encode(value: &impl Serialize) -> Message {
    wire::encode(value).unwrap_or_default()
}
