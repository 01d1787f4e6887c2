//! Where handles go while a value is being encoded, and come from while one is decoded.
//!
//! A stack of scopes for each thread. Serialising or deserialising a handle works with the topmost
//! one; a guard takes its scope off again, so that an error or a panic in a value's own code leaves
//! neither a scope nor a descriptor behind. A scope also remembers why a handle was refused, because
//! the error of a codec cannot carry that.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::os::fd::{BorrowedFd, OwnedFd};

use super::error::{DecodeError, EncodeError};
use crate::sys::memory;

thread_local! {
    static SCOPES: RefCell<Vec<Scope>> = const { RefCell::new(Vec::new()) };
}

enum Scope {
    /// A value is being encoded; its handles are gathered.
    Gather { handles: Vec<OwnedFd>, failure: Option<EncodeError> },
    /// A value is being encoded for a place that carries no handles.
    Forbid { failure: Option<EncodeError> },
    /// A value is being decoded; each handle is taken once.
    Hand { handles: Vec<Option<OwnedFd>>, failure: Option<DecodeError> },
}

impl Scope {
    /// Whether no handle is or was in it, and none was refused.
    fn is_empty(&self) -> bool {
        match self {
            Self::Gather { handles, failure: None } => handles.is_empty(),
            Self::Hand { handles, failure: None } => handles.is_empty(),
            Self::Forbid { failure } => failure.is_none(),
            _ => false,
        }
    }
}

/// In place of the number of scopes below: there is nothing left to close.
const CLOSED: usize = usize::MAX;

/// A scope is on the stack as long as this lives.
pub(super) struct Guard {
    /// How many scopes lie below.
    below: usize,
    /// The stack belongs to the thread.
    not_send: PhantomData<*const ()>,
}

/// No scope of the right sort is open: a handle outside of [`encode`](super::encode()) and
/// [`decode`](super::decode()), or somebody's `Serialize` that decodes.
pub(super) struct Unfit;

impl Guard {
    /// Opens a scope that gathers handles.
    pub(super) fn gather() -> Self {
        Self::open(Scope::Gather { handles: Vec::new(), failure: None })
    }

    /// Opens a scope in which handles are refused.
    pub(super) fn forbid() -> Self {
        Self::open(Scope::Forbid { failure: None })
    }

    /// Opens a scope that hands out `handles`.
    pub(super) fn hand(handles: Vec<OwnedFd>) -> Self {
        let handles = handles.into_iter().map(Some).collect();
        Self::open(Scope::Hand { handles, failure: None })
    }

    fn open(scope: Scope) -> Self {
        let below = SCOPES.with_borrow_mut(|scopes| {
            let below = scopes.len();
            scopes.push(scope);
            below
        });
        Self { below, not_send: PhantomData }
    }

    /// Closes a scope that gathers or refuses: what it gathered, or why it refused.
    pub(super) fn gathered(mut self) -> Result<Vec<OwnedFd>, EncodeError> {
        if self.close_empty() {
            return Ok(Vec::new());
        }
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
    pub(super) fn left_over(mut self) -> Result<usize, DecodeError> {
        if self.close_empty() {
            return Ok(0);
        }
        match self.close() {
            Some(Scope::Hand { failure: Some(failure), .. }) => Err(failure),
            Some(Scope::Hand { handles, .. }) => Ok(handles.iter().flatten().count()),
            _ => Ok(0),
        }
    }

    /// Closes the scope if there is nothing in it, as for most values, and says whether it did.
    ///
    /// The scope ends where it lies: to move it out would take longer than all the rest.
    fn close_empty(&mut self) -> bool {
        let closed = SCOPES.try_with(|scopes| {
            let mut scopes = scopes.borrow_mut();
            let is_empty = match scopes.get(self.below..) {
                Some([scope]) => scope.is_empty(),
                _ => false,
            };
            if is_empty {
                scopes.truncate(self.below);
            }
            is_empty
        });
        let closed = closed.unwrap_or(false);
        if closed {
            self.below = CLOSED;
        }
        closed
    }

    fn close(&self) -> Option<Scope> {
        if self.below == CLOSED {
            return None;
        }
        // Guards are dropped in the order opposite to their making, unless somebody's code keeps
        // none or panics; then what lies above belongs to nobody any more.
        let above = SCOPES.try_with(|scopes| {
            let mut scopes = scopes.borrow_mut();
            let at = self.below.min(scopes.len());
            scopes.split_off(at)
        });
        // The descriptors are closed here, when the stack is not borrowed.
        above.ok()?.into_iter().next()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.close());
    }
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
}

/// Remembers why a handle that was taken is refused.
pub(super) fn refuse(error: DecodeError) {
    // Without a scope there is nobody to tell; the codec's error has to do.
    let told = with_top(|scope| {
        if let Scope::Hand { failure, .. } = scope {
            failure.get_or_insert(error);
        }
        Ok(())
    });
    drop(told);
}

fn with_top<R>(work: impl FnOnce(&mut Scope) -> Result<R, Unfit>) -> Result<R, Unfit> {
    // A thread that is ending has no stack any more.
    let result = SCOPES.try_with(|scopes| match scopes.borrow_mut().last_mut() {
        Some(scope) => work(scope),
        None => Err(Unfit),
    });
    result.unwrap_or(Err(Unfit))
}
