//! Where handles go while a value is being encoded, and come from while one is decoded.
//!
//! A stack of scopes for each thread. Serialising or deserialising a handle works with the topmost
//! one; a guard takes its scope off again, so that an error or a panic in a value's own code leaves
//! neither a scope nor a descriptor behind. A scope also remembers why a handle was refused, because
//! the error of a codec cannot carry that.
//!
//! Most values have no handles, and are quicker encoded than anything is put on a stack. So a scope is at
//! first only a word, which says of what sort the topmost one is, and lies on the stack when there
//! is something in it.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::os::fd::{BorrowedFd, OwnedFd};

use super::error::{DecodeError, EncodeError};
use crate::sys::memory;

thread_local! {
    static TOP: Cell<Top> = const { Cell::new(Top::Nothing) };
    static SCOPES: RefCell<Vec<Scope>> = const { RefCell::new(Vec::new()) };
}

/// Where the topmost scope is.
#[derive(Clone, Copy)]
enum Top {
    /// There is none.
    Nothing,
    /// Nowhere yet: it is a [`Scope::Gather`] with nothing in it.
    Gather,
    /// A [`Scope::Forbid`] with nothing in it.
    Forbid,
    /// A [`Scope::Hand`] with nothing in it.
    Hand,
    /// On the stack.
    Stacked,
}

enum Scope {
    /// A value is being encoded; its handles are gathered.
    Gather { handles: Vec<OwnedFd>, failure: Option<EncodeError> },
    /// A value is being encoded for a place that carries no handles.
    Forbid { failure: Option<EncodeError> },
    /// A value is being decoded; each handle is taken once.
    Hand { handles: Vec<Option<OwnedFd>>, failure: Option<DecodeError> },
}

/// A scope is open as long as this lives.
pub(super) struct Guard {
    /// Where the one around it is; `None` when this one is closed.
    outer: Option<Top>,
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
        Self::open(Top::Gather)
    }

    /// Opens a scope in which handles are refused.
    #[inline]
    pub(super) fn forbid() -> Self {
        Self::open(Top::Forbid)
    }

    /// Opens a scope that hands out `handles`.
    #[inline]
    pub(super) fn hand(handles: Vec<OwnedFd>) -> Self {
        let guard = Self::open(Top::Hand);
        if !handles.is_empty() {
            let handles = handles.into_iter().map(Some).collect();
            push(Scope::Hand { handles, failure: None });
        }
        guard
    }

    #[inline]
    fn open(top: Top) -> Self {
        Self { outer: Some(TOP.replace(top)), not_send: PhantomData }
    }

    /// Closes a scope that gathers or refuses: what it gathered, or why it refused.
    #[inline]
    pub(super) fn gathered(mut self) -> Result<Vec<OwnedFd>, EncodeError> {
        match self.close() {
            None => Ok(Vec::new()),
            Some(scope) => scope.gathered(),
        }
    }

    /// Closes a scope that hands out: how many nobody took, or why one was refused.
    #[inline]
    pub(super) fn left_over(mut self) -> Result<usize, DecodeError> {
        match self.close() {
            None => Ok(0),
            Some(scope) => scope.left_over(),
        }
    }

    /// Closes the scope; what is in it, if it lies on the stack.
    #[inline]
    fn close(&mut self) -> Option<Scope> {
        // Guards are dropped in the order opposite to their making.
        match TOP.replace(self.outer.take()?) {
            Top::Stacked => pop(),
            _ => None,
        }
    }
}

impl Drop for Guard {
    #[inline]
    fn drop(&mut self) {
        // Its descriptors are closed when the stack is not borrowed.
        drop(self.close());
    }
}

impl Scope {
    #[cold]
    fn gathered(self) -> Result<Vec<OwnedFd>, EncodeError> {
        match self {
            Self::Gather { handles, failure: None } => Ok(handles),
            Self::Gather { failure: Some(failure), .. }
            | Self::Forbid { failure: Some(failure) } => Err(failure),
            _ => Ok(Vec::new()),
        }
    }

    #[cold]
    fn left_over(self) -> Result<usize, DecodeError> {
        match self {
            Self::Hand { failure: Some(failure), .. } => Err(failure),
            Self::Hand { handles, .. } => Ok(handles.iter().flatten().count()),
            _ => Ok(0),
        }
    }
}

/// Puts the topmost scope on the stack.
#[cold]
fn push(scope: Scope) {
    // A thread that is ending has no stack any more: there a scope stays as if nothing were in it.
    let pushed = SCOPES.try_with(|scopes| scopes.borrow_mut().push(scope));
    if pushed.is_ok() {
        TOP.set(Top::Stacked);
    }
}

/// Takes the topmost scope off the stack.
#[cold]
fn pop() -> Option<Scope> {
    SCOPES.try_with(|scopes| scopes.borrow_mut().pop()).ok()?
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
    match TOP.get() {
        Top::Nothing => return Err(Unfit),
        Top::Gather => push(Scope::Gather { handles: Vec::new(), failure: None }),
        Top::Forbid => push(Scope::Forbid { failure: None }),
        Top::Hand => push(Scope::Hand { handles: Vec::new(), failure: None }),
        Top::Stacked => {}
    }
    if !matches!(TOP.get(), Top::Stacked) {
        return Err(Unfit);
    }
    let result = SCOPES.try_with(|scopes| match scopes.borrow_mut().last_mut() {
        Some(scope) => work(scope),
        None => Err(Unfit),
    });
    result.unwrap_or(Err(Unfit))
}
