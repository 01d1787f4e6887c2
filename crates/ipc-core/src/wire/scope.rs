//! Where handles go while a value is being encoded, and come from while one is decoded.
//!
//! A stack of scopes for each thread. Serialising or deserialising a handle works with the topmost
//! one; a guard takes its scope off again, so that an error or a panic in a value's own code leaves
//! neither a scope nor a descriptor behind. A scope also remembers why a handle was refused, because
//! the error of a codec cannot carry that.
//!
//! Most values have no handles, and nobody asks for the scope that they are encoded in. So the topmost
//! scope is *unopened* until somebody does: a note of its sort beside the stack.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::os::fd::{BorrowedFd, OwnedFd};

use super::error::{DecodeError, EncodeError};
use crate::sys::memory;

thread_local! {
    static SCOPES: RefCell<Vec<Scope>> = const { RefCell::new(Vec::new()) };
    /// The sort of the topmost scope, if that is unopened.
    static UNOPENED: Cell<Option<Sort>> = const { Cell::new(None) };
}

/// What an unopened scope will be.
#[derive(Clone, Copy, Debug)]
enum Sort {
    Gather,
    Forbid,
    /// With nothing to hand out.
    Hand,
}

enum Scope {
    /// A value is being encoded; its handles are gathered.
    Gather { handles: Vec<OwnedFd>, failure: Option<EncodeError> },
    /// A value is being encoded for a place that carries no handles.
    Forbid { failure: Option<EncodeError> },
    /// A value is being decoded; each handle is taken once.
    Hand { handles: Vec<Option<OwnedFd>>, failure: Option<DecodeError> },
}

impl Sort {
    fn open(self) -> Scope {
        match self {
            Self::Gather => Scope::Gather { handles: Vec::new(), failure: None },
            Self::Forbid => Scope::Forbid { failure: None },
            Self::Hand => Scope::Hand { handles: Vec::new(), failure: None },
        }
    }
}

/// A scope is on the stack as long as this lives. The one that was opened last is closed first.
pub(super) struct Guard {
    is_closed: bool,
    /// The stack belongs to the thread.
    not_send: PhantomData<*const ()>,
}

/// No scope of the right sort is open: a handle outside of [`encode`](super::encode()) and
/// [`decode`](super::decode()), or somebody's `Serialize` that decodes.
pub(super) struct Unfit;

impl Guard {
    /// Opens a scope that gathers handles.
    #[inline]
    pub(super) fn gather() -> Self {
        Self::leave_unopened(Sort::Gather)
    }

    /// Opens a scope in which handles are refused.
    #[inline]
    pub(super) fn forbid() -> Self {
        Self::leave_unopened(Sort::Forbid)
    }

    /// Opens a scope that hands out nothing.
    #[inline]
    pub(super) fn hand_nothing() -> Self {
        Self::leave_unopened(Sort::Hand)
    }

    /// Opens a scope that hands out `handles`.
    pub(super) fn hand(handles: Vec<OwnedFd>) -> Self {
        let scope = Self::hand_nothing();
        if !handles.is_empty() {
            let handed = handles.into_iter().map(Some).collect();
            with_top(|scope| {
                if let Scope::Hand { handles, .. } = scope {
                    *handles = handed;
                }
            });
        }
        scope
    }

    #[inline]
    fn leave_unopened(sort: Sort) -> Self {
        open_topmost();
        UNOPENED.set(Some(sort));
        Self { is_closed: false, not_send: PhantomData }
    }

    /// Closes the scope if nobody has asked for it, as for most values, and says whether it did.
    #[inline]
    pub(super) fn close_unopened(&mut self) -> bool {
        self.is_closed |= UNOPENED.take().is_some();
        self.is_closed
    }

    /// Closes a scope that gathers or refuses: what it gathered, or why it refused.
    #[cold]
    pub(super) fn gathered(mut self) -> Result<Vec<OwnedFd>, EncodeError> {
        match self.close() {
            Some(Scope::Gather { handles, failure: None }) => Ok(handles),
            Some(
                Scope::Gather { failure: Some(failure), .. }
                | Scope::Forbid { failure: Some(failure) },
            ) => Err(failure),
            _ => Ok(Vec::new()),
        }
    }

    /// Closes a scope that hands out: how many nobody took, or why one was refused.
    #[cold]
    pub(super) fn left_over(mut self) -> Result<usize, DecodeError> {
        match self.close() {
            Some(Scope::Hand { failure: Some(failure), .. }) => Err(failure),
            Some(Scope::Hand { handles, .. }) => Ok(handles.iter().flatten().count()),
            _ => Ok(0),
        }
    }

    /// Closes the scope; returns it if anybody has asked for it.
    #[cold]
    fn close(&mut self) -> Option<Scope> {
        if self.is_closed || self.close_unopened() {
            return None;
        }
        self.is_closed = true;
        // The descriptors are closed by the caller, when the stack is not borrowed. A thread that is
        // ending has no stack any more.
        SCOPES.try_with(|scopes| scopes.borrow_mut().pop()).ok().flatten()
    }
}

impl Drop for Guard {
    #[inline]
    fn drop(&mut self) {
        if !self.is_closed {
            drop(self.close());
        }
    }
}

/// Puts the topmost scope on the stack, if it is not there yet.
#[inline]
fn open_topmost() {
    if let Some(sort) = UNOPENED.take() {
        open(sort);
    }
}

#[cold]
fn open(sort: Sort) {
    // A thread that is ending has no stack any more: then there is no scope.
    SCOPES.try_with(|scopes| scopes.borrow_mut().push(sort.open())).ok();
}

/// Puts a duplicate of `fd` into the topmost scope and returns its index.
pub(super) fn put(fd: BorrowedFd<'_>) -> Result<u32, Unfit> {
    with_top(|scope| match scope {
        Scope::Gather { handles, failure } => {
            let index = u32::try_from(handles.len()).map_err(|_| Unfit)?;
            match memory::duplicate(fd) {
                Ok(duplicate) => {
                    handles.push(duplicate);
                    Ok(index)
                }
                Err(error) => {
                    failure.get_or_insert(EncodeError::Duplicate(error));
                    Err(Unfit)
                }
            }
        }
        Scope::Forbid { failure } => {
            failure.get_or_insert(EncodeError::HandleNotAllowed);
            Err(Unfit)
        }
        Scope::Hand { .. } => Err(Unfit),
    })
    .unwrap_or(Err(Unfit))
}

/// Takes the handle with that index out of the topmost scope.
pub(super) fn take(index: u32) -> Result<OwnedFd, Unfit> {
    with_top(|scope| {
        let Scope::Hand { handles, failure } = scope else { return Err(Unfit) };
        let count = handles.len();
        let slot = usize::try_from(index).ok().and_then(|index| handles.get_mut(index));
        let refused = match slot.map(Option::take) {
            Some(Some(handle)) => return Ok(handle),
            Some(None) => DecodeError::HandleUsedTwice { index },
            None => DecodeError::NoSuchHandle { index, count },
        };
        failure.get_or_insert(refused);
        Err(Unfit)
    })
    .unwrap_or(Err(Unfit))
}

/// Remembers why a handle that was taken is refused.
pub(super) fn refuse(error: DecodeError) {
    // Without a scope there is nobody to tell; the codec's error has to do.
    with_top(|scope| {
        if let Scope::Hand { failure, .. } = scope {
            failure.get_or_insert(error);
        }
    });
}

/// Does something with the topmost scope, if there is one.
fn with_top<R>(work: impl FnOnce(&mut Scope) -> R) -> Option<R> {
    open_topmost();
    // A thread that is ending has no stack any more.
    SCOPES.try_with(|scopes| scopes.borrow_mut().last_mut().map(work)).ok().flatten()
}
