//! Where proxies go while a value is encoded for a server, and come from while one is decoded.
//!
//! In a call, and in its reply, a proxy of the same server is the number of its object: the object is
//! among the links of the message. Anywhere else it has to be sent, which asks the server; see
//! [`Handle`].

use std::cell::RefCell;
use std::sync::Arc;

use super::Client;
use super::handle::Handle;
use crate::protocol::ObjectId;
use crate::server::Home;

thread_local! {
    static SCOPES: RefCell<Vec<Scope>> = const { RefCell::new(Vec::new()) };
}

enum Scope {
    /// A value is encoded for that server; the proxies in it are gathered.
    Gather { server: u64, gathered: Vec<Arc<Handle>> },
    /// A value is encoded that may have no proxies in it.
    Forbid,
    /// A value is decoded that came with references to these objects.
    Grant { client: Arc<Client>, granted: Vec<ObjectId> },
    /// A value is decoded whose objects somebody else keeps meanwhile.
    Serve { home: Home },
}

/// Runs `encode`, and returns the proxies of that server that were serialised.
pub(crate) fn gathering<R>(server: u64, encode: impl FnOnce() -> R) -> (R, Vec<Arc<Handle>>) {
    let (result, scope) = within(Scope::Gather { server, gathered: Vec::new() }, encode);
    match scope {
        Some(Scope::Gather { gathered, .. }) => (result, gathered),
        _ => (result, Vec::new()),
    }
}

/// Runs `encode` on a value that may have no proxies in it.
pub(super) fn forbidding<R>(encode: impl FnOnce() -> R) -> R {
    within(Scope::Forbid, encode).0
}

/// Runs `decode` on a value that came with references to these objects. Those that no proxy takes are
/// given back.
pub(crate) fn granting<R>(
    client: &Arc<Client>,
    granted: Vec<ObjectId>,
    decode: impl FnOnce() -> R,
) -> R {
    if granted.is_empty() {
        return decode();
    }
    let (result, scope) = within(Scope::Grant { client: Arc::clone(client), granted }, decode);
    if let Some(Scope::Grant { client, granted }) = scope {
        granted.into_iter().for_each(|object| client.release(object));
    }
    result
}

/// Runs `decode` on a value whose objects somebody else keeps meanwhile.
pub(crate) fn serving<R>(home: &Home, decode: impl FnOnce() -> R) -> R {
    within(Scope::Serve { home: home.clone() }, decode).0
}

/// Takes the scope off again, also when `work` panics.
struct Guard {
    below: usize,
}

impl Guard {
    fn close(&self) -> Option<Scope> {
        let above = SCOPES.try_with(|scopes| {
            let mut scopes = scopes.borrow_mut();
            let below = self.below.min(scopes.len());
            scopes.split_off(below)
        });
        above.ok()?.into_iter().next()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.close());
    }
}

fn within<R>(scope: Scope, work: impl FnOnce() -> R) -> (R, Option<Scope>) {
    let below = SCOPES.with_borrow_mut(|scopes| {
        scopes.push(scope);
        scopes.len() - 1
    });
    let guard = Guard { below };
    let result = work();
    let scope = guard.close();
    (result, scope)
}

/// What is to be done with a proxy that is serialised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Put {
    /// It is among those gathered for its server.
    Gathered,
    /// It may not be there.
    Forbidden,
    /// It has to be sent.
    Send,
}

/// Puts a proxy among those gathered for its server, if some are.
pub(super) fn put(handle: &Arc<Handle>) -> Put {
    let put = with_top(|scope| match scope {
        Scope::Gather { server, gathered } if *server == handle.client().server() => {
            gathered.push(Arc::clone(handle));
            Some(Put::Gathered)
        }
        Scope::Forbid => Some(Put::Forbidden),
        _ => None,
    });
    put.unwrap_or(Put::Send)
}

/// The proxy of that object, among those that came with the value.
pub(super) fn take(object: ObjectId) -> Option<Taken> {
    with_top(|scope| match scope {
        Scope::Gather { .. } | Scope::Forbid => None,
        Scope::Grant { client, granted } => {
            let at = granted.iter().position(|granted| *granted == object)?;
            granted.swap_remove(at);
            Some(Taken::Granted(Arc::clone(client)))
        }
        Scope::Serve { home } => Some(Taken::Kept(home.clone())),
    })
}

/// How a proxy comes.
pub(super) enum Taken {
    /// With a reference.
    Granted(Arc<Client>),
    /// Without, but somebody keeps the object in that server.
    Kept(Home),
}

fn with_top<R>(work: impl FnOnce(&mut Scope) -> Option<R>) -> Option<R> {
    // A thread that is ending has no scopes any more.
    let found = SCOPES.try_with(|scopes| scopes.borrow_mut().last_mut().and_then(work));
    found.ok().flatten()
}
