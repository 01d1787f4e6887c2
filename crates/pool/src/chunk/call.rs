//! In the worker: the function that is called for a chunk, and calls the user's for each item.

use std::io::{self, Write as _};
use std::mem;
use std::os::fd::OwnedFd;

use ipc_core::wire::{self, Bytes};
use proc_core::{PanicInfo, Refusal};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::answers::Sent;
use super::desk::{self, Desk};
use super::list::{List, Value};
use super::pieces::{self, Kind};
use super::tray::TRAY_BYTES;
use super::words::{Row, WORD, Words};
use crate::board::Moment;
use crate::find::Named;
use crate::original::Original;
use crate::planted::chunk::HAS_SHARE;

/// A function, whether the chunk is to be done as a whole however long that takes, and the list of its
/// items.
pub(crate) type Call<A, R> = (Named<fn(A) -> R>, (bool, Row, Bytes<'static>));

/// A chunk that is not done after so long is answered as far as it is: its items turn out to take
/// longer than they did.
const MOST_NANOS: u64 = 2_000_000;

/// The clock is looked at about once in this time.
const NANOS_BETWEEN_LOOKS: u64 = 4_000;

/// ... and after so many items at the latest.
const MOST_BETWEEN_LOOKS: u32 = 64;

/// An answer with more than this would not go through a ring, nor lie on the tray.
const MOST_ANSWERED: usize = TRAY_BYTES - 64;

/// So many words are no more than that.
const MOST_WORDS: usize = MOST_ANSWERED / WORD;

/// Calls a function with one item after the other.
///
/// What came of an item is put on the tray before the next one is begun. A panic is the end of its item
/// alone. Not all items need be done: those that are not are handed out again.
pub(crate) fn call_each<A, R>((function, (is_whole, row, items)): Call<A, R>) -> Sent
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
        rest: List::new(row, &items.0),
        row: Row::default(),
        pieces: Vec::with_capacity(items.0.len()),
        handles: Vec::new(),
        n_done: 0,
        n_counted: 0,
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
    work.count();
    let list = work.list();
    let Work { row, handles, mut desk, n_done, .. } = work;
    if let Some(desk) = &mut desk {
        desk.n_done = Some(n_done);
    }
    desk::leave(desk);
    Sent::new(row, list, handles)
}

/// A chunk that is being done.
struct Work<'b, A, R> {
    /// The worker, of which an item may make a copy.
    original: Original,
    function: fn(A) -> R,
    /// The items that were not begun.
    rest: List<'b>,
    /// How many of the first results are words; these lie on the tray alone.
    row: Row,
    /// What came of the others.
    pieces: Vec<u8>,
    handles: Vec<OwnedFd>,
    n_done: u32,
    /// So many of them were counted by the desk's share, and by the looks.
    n_counted: u32,
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
    ///
    /// An item may take a nanosecond: between two of them is what a death or a fork makes needful, and the
    /// rest only after some.
    fn go_on(&mut self) {
        while {
            for _ in 0..self.n_unwatched().max(1) {
                let Some(item) = self.rest.take() else { return };
                if !self.has_done(item) {
                    return;
                }
            }
            self.has_time()
        } {}
    }

    /// Does an item, and says whether to go on.
    #[inline]
    fn has_done(&mut self, item: Value<'_>) -> bool {
        self.is_called = false;
        let argument = match item {
            Value::Word(sort, word) => wire::decode_word(sort, word),
            Value::Piece(_, bytes) => wire::decode_plain(bytes),
        };
        let argument = match argument {
            Ok(argument) => argument,
            Err(error) => {
                self.refuse(error.to_string());
                return self.has_piece();
            }
        };
        self.is_called = true;
        let result = (self.function)(argument);
        let word = self.word(&result);
        if word.is_none() {
            self.put(&result);
        }
        // It may panic: then the item has.
        drop(result);
        match word {
            Some((row, word)) => self.has_word(row, word),
            None => self.has_piece(),
        }
    }

    /// How many items may be done before somebody looks at the share or at the clock.
    fn n_unwatched(&self) -> u32 {
        let by_share = self.desk.as_ref().map_or(u32::MAX, |desk| desk.share.n_unwatched());
        by_share.min(self.looks.as_ref().map_or(u32::MAX, |looks| looks.n_left))
    }

    /// A result as a word of the row, with which the row is longer, if it can be that: all results are words
    /// so far, and there is room for one more.
    #[inline]
    fn word(&self, result: &R) -> Option<(Row, u64)> {
        let is_row = self.pieces.is_empty() && usize::from(self.row.n_words) < MOST_WORDS;
        if !is_row || self.tray.is_none() {
            return None;
        }
        let (sort, word) = wire::encode_word(result)?;
        Some((self.row.and(sort)?, word))
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
        self.has_piece() && self.has_time()
    }

    /// An item is done, whose result is the last word of this row: puts it down, and says whether to go on.
    #[inline]
    fn has_word(&mut self, row: Row, word: u64) -> bool {
        if !self.original.is_this() {
            // What a copy has done counts for nothing.
            return false;
        }
        self.row = row;
        self.n_done += 1;
        self.tray.is_some_and(|(words, ticket)| {
            words.put_word(row, word) && words.may_go_on(ticket, self.n_done)
        })
    }

    /// An item is done, and the last piece is what came of it: puts that down, and says whether to go on.
    fn has_piece(&mut self) -> bool {
        if !self.original.is_this() {
            return false;
        }
        self.n_done += 1;
        let len = self.pieces.len();
        let before = mem::replace(&mut self.n_bytes_done, len);
        let has_room = self.row.n_bytes() + len + (len - before) <= MOST_ANSWERED;
        // Handles cannot lie on the tray, and are those of the last item of an answer.
        let is_plain = self.handles.is_empty();
        let may_go_on = self.tray.is_none_or(|(words, ticket)| {
            is_plain
                && words.put(self.n_done, self.row, &self.pieces, before)
                && words.may_go_on(ticket, self.n_done)
        });
        may_go_on && has_room && is_plain
    }

    /// Some more items are done: whether the worker may do others, and it is not time to answer.
    fn has_time(&mut self) -> bool {
        let n_more = self.count();
        let is_spent = self.desk.as_ref().is_some_and(|desk| desk.share.is_spent() && HAS_SHARE);
        let is_late = self.looks.as_mut().is_some_and(|looks| looks.is_late(n_more));
        !is_spent && !is_late
    }

    /// Counts what is done against the share; says how many items that was since the last time.
    fn count(&mut self) -> u32 {
        let n_more = self.n_done - mem::replace(&mut self.n_counted, self.n_done);
        if let Some(desk) = &mut self.desk {
            desk.share.spend(n_more);
        }
        n_more
    }

    /// The list of all results.
    fn list(&mut self) -> Vec<u8> {
        let pieces = mem::take(&mut self.pieces);
        let Some((words, _)) = self.tray.filter(|_| self.row.n_words > 0) else { return pieces };
        // Memory that no piece has needed.
        let (mut list, pieces) =
            if pieces.is_empty() { (pieces, Vec::new()) } else { (Vec::new(), pieces) };
        list.reserve(self.row.n_bytes() + pieces.len());
        words.append_row(self.row, &mut list);
        list.extend_from_slice(&pieces);
        list
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

    /// Some more items are done: whether it is time to answer.
    fn is_late(&mut self, n_items: u32) -> bool {
        self.n_left = self.n_left.saturating_sub(n_items);
        self.n_left == 0 && self.look()
    }

    fn look(&mut self) -> bool {
        // What items wrote must not wait for the next one, which may take long.
        let _flushed = io::stdout().flush();
        let now = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let since = now.saturating_sub(mem::replace(&mut self.last, now));
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
