//! The connections that this process has, one for each server.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipc_core::{Deadline, PerProcess};
use ipc_pipe::{Address, Key};

use super::Client;
use crate::error::ConnectError;

/// A forked child has connections of its own.
static CLIENTS: PerProcess<Mutex<Vec<Arc<Client>>>> = PerProcess::new();

fn clients() -> MutexGuard<'static, Vec<Arc<Client>>> {
    let clients = CLIENTS.get_or_make(|_| Mutex::default());
    clients.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The connection to whoever is at that address; it must be that server, if one is named.
pub(crate) fn connect(
    address: &Address,
    key: Option<&Key>,
    server: Option<u64>,
    deadline: Deadline,
) -> Result<Arc<Client>, ConnectError> {
    let is_it = |client: &Arc<Client>| match server {
        Some(server) => client.server() == server,
        None => client.address() == address,
    };
    let found = clients().iter().find(|client| is_it(client)).cloned();
    if let Some(client) = found {
        if !client.is_broken() {
            return Ok(client);
        }
        forget(&client);
    }
    // Several may connect at the same time; the first is kept.
    let client = Arc::new(Client::open(address, key, deadline)?);
    if server.is_some_and(|server| server != client.server()) {
        return Err(ConnectError::OtherManager);
    }
    let mut clients = clients();
    // What is left of managers that are gone.
    clients.retain(|other| !other.is_broken());
    let first = clients.iter().find(|other| other.server() == client.server()).cloned();
    Ok(first.unwrap_or_else(|| {
        clients.push(Arc::clone(&client));
        client
    }))
}

/// Keeps the connection no longer than somebody uses it.
pub(crate) fn forget(client: &Arc<Client>) {
    let mut clients = clients();
    let at = clients.iter().position(|other| Arc::ptr_eq(other, client));
    let forgotten = at.map(|at| clients.swap_remove(at));
    drop(clients);
    drop(forgotten);
}
