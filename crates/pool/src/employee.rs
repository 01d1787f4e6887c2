//! A worker, as the parent has it.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use ipc_core::Deadline;
use ipc_core::primitive::AtomicU64;
use ipc_core::primitive::Ordering::Relaxed;
use ipc_core::wire::{MessageSocket, SendError};
use ipc_queue::{ByteQueue, GetError, PutError};
use proc_core::Process;

use crate::chunk::tray::Tray;
use crate::dispatch::{Give, TakenBack};
use crate::job::{Argument, Job};
use crate::parcel::{self, Freight};
use crate::record::{self, Order};
use crate::worker::End;

/// A process that works, and the ways to it.
#[derive(Debug)]
pub(crate) struct Employee {
    pub(crate) process: Arc<Process<End>>,
    /// Where in the pool it is.
    pub(crate) place: usize,
    /// Only this process puts, and only that one gets.
    pub(crate) inbox: ByteQueue,
    pub(crate) socket: MessageSocket,
    /// Where it puts down what is done of a chunk.
    pub(crate) tray: Tray,
    /// Where it puts large results, if there is such a place: written by it alone, and only copied from.
    pub(crate) results: Option<OwnedFd>,
    /// The ticket of the last task that was taken back and had a parcel, if the worker is to be told. A
    /// word of this process alone, under the engine's lock.
    pub(crate) unwanted: AtomicU64,
}

impl Employee {
    /// Puts a task into the worker's inbox.
    pub(crate) fn give(&self, ticket: u64, job: &Job, record: &mut Vec<u8>) -> Give {
        let known = &job.plan.known;
        record.clear();
        record.extend_from_slice(&known.prefix);
        let (freight, handles) = match &job.argument {
            Argument::One(parcel) => {
                record.extend_from_slice(parcel.bytes());
                (parcel.freight(), parcel.handles())
            }
            Argument::Many(chunk) => {
                if let Err(error) = chunk.encode(record) {
                    return Give::Unsendable(error.to_string());
                }
                (Freight::None, Vec::new())
            }
        };
        Order::seal(record, &known.name, ticket, freight);
        if freight.needs_socket() {
            // A parcel is sent only if its record can follow; nobody else takes the room.
            let n_slots = record.len().div_ceil(SLOT_BYTES);
            if self.inbox.len() + n_slots > self.inbox.capacity() {
                return Give::Full;
            }
            match parcel::send(&self.socket, ticket, &handles, Deadline::now()) {
                Ok(()) => {}
                Err(SendError::TimedOut) => return Give::Full,
                Err(SendError::Io(error)) => return Give::Unsendable(error.to_string()),
                // It has died, which somebody will report, or half a message is in there.
                Err(_) => return Give::Useless,
            }
        }
        match self.inbox.try_put(record) {
            Ok(()) => Give::Taken,
            Err(error) if error.is_full() => Give::Full,
            Err(PutError::NoSeat { .. }) => Give::Unable,
            Err(error @ PutError::TooLarge { .. }) => Give::Unsendable(error.to_string()),
            Err(_) => Give::Useless,
        }
    }

    /// Takes the next task out of the worker's inbox, if the worker has not; returns its ticket.
    ///
    /// It is either got by the worker or by us, as the queue promises. Its parcel stays behind, until
    /// the worker is told to [drop](Self::drop_unwanted) it, or takes the next one.
    pub(crate) fn take_back(&self) -> TakenBack {
        loop {
            let record = match self.inbox.try_get() {
                Ok(record) => record,
                Err(GetError::NoSeat(_)) => return TakenBack::Unable,
                Err(_) => return TakenBack::Nothing,
            };
            // Beside orders there is what the keeper put to get a seat, and what is said here.
            if let Some(ticket) = record::unwanted(&record) {
                self.unwanted.store(ticket, Relaxed);
            }
            if let Some(order) = Order::read(&record) {
                if order.freight.needs_socket() {
                    self.unwanted.store(order.ticket, Relaxed);
                }
                return TakenBack::Task(order.ticket);
            }
        }
    }

    /// Tells the worker to let go of the parcels of tasks that were taken back: somebody may wait for the
    /// last one who has what is in them.
    pub(crate) fn drop_unwanted(&self) {
        let ticket = self.unwanted.load(Relaxed);
        if ticket != 0 && self.inbox.try_put(&ticket.to_le_bytes()).is_ok() {
            self.unwanted.store(0, Relaxed);
        }
    }
}

/// So much of a record fits into a slot of a ring: a task with a few numbers.
pub(crate) const SLOT_BYTES: usize = 112;
