//! In the worker: the function that is called for a chunk, and calls the user's for each item.

use std::io::{self, Write as _};
use std::os::fd::OwnedFd;

use ipc_core::wire::{self, Bytes};
use proc_core::{PanicInfo, Refusal};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::answers::Sent;
use super::desk::{self, Desk};
use super::pieces::{self, Kind};
use super::words::Words;
use crate::board::Moment;
use crate::find::Named;
use crate::original::Original;
use crate::parcel::MOST_INLINE;
use crate::planted::chunk::HAS_SHARE;

/// A function, whether the chunk is to be done as a whole however long that takes, and the pieces of
/// the items.
pub(crate) type Call<A, R> = (Named<fn(A) -> R>, (bool, Bytes<'static>));

/// A chunk that is not done after so long is answered as far as it is: its items turn out to take
/// longer than they did.
const MOST_NANOS: u64 = 2_000_000;

/// The clock is looked at about once in this time.
const NANOS_BETWEEN_LOOKS: u64 = 4_000;

/// ... and after so many items at the latest.
const MOST_BETWEEN_LOOKS: u32 = 64;

/// An answer with more than this would not go through a ring.
const MOST_ANSWERED: usize = MOST_INLINE - 64;

/// Calls a function with one item after the other.
///
/// What came of an item is put on the tray before the next one is begun. A panic is the end of its item
/// alone. Not all items need be done: those that are not are handed out again.
pub(crate) fn call_each<A, R>((function, (is_whole, items)): Call<A, R>) -> Sent
where
    A: DeserializeOwned,
    R: Serialize,
{
    let desk = desk::take();
    let tray = desk.as_ref().map(|desk| (desk.tray.clone(), desk.ticket));
    let tray = tray.as_ref().and_then(|(tray, ticket)| Some((tray.words()?, *ticket)));
    if let Some((words, ticket)) = tray {
        words.begin(ticket);
    }
    let mut work = Work {
        original: Original::this(),
        function: function.function(),
        rest: &items.0,
        pieces: Vec::with_capacity(items.0.len()),
        handles: Vec::new(),
        n_done: 0,
        n_bytes_done: 0,
        is_called: false,
        looks: if is_whole { None } else { Some(Looks::new()) },
        tray,
        desk,
    };
    // One guard against panics for as many items as go well.
    while let Err(panic) = PanicInfo::catch(|| work.go_on()) {
        if !work.has_panicked(panic) {
            break;
        }
    }
    let Work { pieces, handles, mut desk, n_done, .. } = work;
    if let Some(desk) = &mut desk {
        desk.n_done = Some(n_done);
    }
    desk::leave(desk);
    Sent::new(pieces, handles)
}

/// A chunk that is being done.
struct Work<'b, A, R> {
    /// The worker, of which an item may make a copy.
    original: Original,
    function: fn(A) -> R,
    /// The items that were not begun.
    rest: &'b [u8],
    /// What came of the others.
    pieces: Vec<u8>,
    handles: Vec<OwnedFd>,
    n_done: u32,
    /// The pieces of items that are done; behind them may be a part of one that is being done.
    n_bytes_done: usize,
    /// The item was decoded, so that the function is called with it.
    is_called: bool,
    looks: Option<Looks>,
    /// Where results are put, and under which ticket.
    tray: Option<(Words<'b>, u64)>,
    desk: Option<Box<Desk>>,
}

impl<A: DeserializeOwned, R: Serialize> Work<'_, A, R> {
    /// Does items until there are no more, or it is time to answer.
    fn go_on(&mut self) {
        while let Some((_, item)) = pieces::take(&mut self.rest) {
            self.is_called = false;
            match wire::decode_plain::<A>(item) {
                Ok(argument) => {
                    self.is_called = true;
                    let result = (self.function)(argument);
                    self.put(&result);
                    // It may panic: then the item has.
                    drop(result);
                }
                Err(error) => self.refuse(error.to_string()),
            }
            if !self.is_done() {
                break;
            }
        }
    }

    #[inline]
    fn put(&mut self, result: &R) {
        let put = pieces::put_value(&mut self.pieces, |pieces| wire::encode_into(result, pieces));
        match put {
            Ok(handles) if handles.is_empty() => {}
            Ok(handles) => self.handles = handles,
            Err(error) => {
                pieces::put_reason(&mut self.pieces, Kind::Unsendable, &error.to_string());
            }
        }
    }

    #[cold]
    fn refuse(&mut self, reason: String) {
        pieces::put_reason(&mut self.pieces, Kind::Refused, &Refusal::Argument(reason));
    }

    /// The function has panicked, or the item when it was decoded; says whether to go on.
    #[cold]
    fn has_panicked(&mut self, panic: PanicInfo) -> bool {
        self.pieces.truncate(self.n_bytes_done);
        self.handles.clear();
        if self.is_called {
            pieces::put_reason(&mut self.pieces, Kind::Panicked, &panic);
        } else {
            self.refuse(panic.to_string());
        }
        self.is_done()
    }

    /// An item is done: puts down what came of it, and says whether to go on.
    #[inline]
    fn is_done(&mut self) -> bool {
        if !self.original.is_this() {
            // What a copy has done counts for nothing.
            return false;
        }
        let before = std::mem::replace(&mut self.n_bytes_done, self.pieces.len());
        self.n_done += 1;
        let has_room = self.pieces.len() + (self.pieces.len() - before) <= MOST_ANSWERED;
        // Handles cannot lie on the tray, and are those of the last item of an answer.
        let is_plain = self.handles.is_empty();
        let may_go_on = self.tray.is_none_or(|(words, ticket)| {
            is_plain
                && words.put(self.n_done, &self.pieces, before)
                && words.may_go_on(ticket, self.n_done)
        });
        let is_spent = self.desk.as_mut().is_some_and(|desk| {
            desk.share.spend();
            desk.share.is_spent() && HAS_SHARE
        });
        let is_late = self.looks.as_mut().is_some_and(Looks::is_late);
        may_go_on && has_room && is_plain && !is_spent && !is_late
    }
}

/// When the clock is looked at, which takes longer than many an item.
struct Looks {
    began: Moment,
    last: u64,
    /// After so many items.
    stride: u32,
    /// After so many more.
    n_left: u32,
}

impl Looks {
    fn new() -> Self {
        Self { began: Moment::now(), last: 0, stride: 1, n_left: 1 }
    }

    /// One more item is done: whether it is time to answer.
    #[inline]
    fn is_late(&mut self) -> bool {
        self.n_left -= 1;
        self.n_left == 0 && self.look()
    }

    fn look(&mut self) -> bool {
        // What items wrote must not wait for the next one, which may take long.
        let _flushed = io::stdout().flush();
        let now = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let since = now.saturating_sub(std::mem::replace(&mut self.last, now));
        self.stride = if since > NANOS_BETWEEN_LOOKS {
            (self.stride / 2).max(1)
        } else {
            (self.stride * 2).min(MOST_BETWEEN_LOOKS)
        };
        if since > NANOS_BETWEEN_LOOKS * 16 {
            self.stride = 1;
        }
        self.n_left = self.stride;
        now > MOST_NANOS
    }
}
