//! The connections that this process has, one for each server.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipc_core::{Deadline, PerProcess};

use super::Client;
use crate::error::ConnectError;
use crate::remote::Door;

/// A forked child has connections of its own.
static CLIENTS: PerProcess<Mutex<Vec<Arc<Client>>>> = PerProcess::new();

fn clients() -> MutexGuard<'static, Vec<Arc<Client>>> {
    let clients = CLIENTS.get_or_make(|_| Mutex::default());
    clients.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The connection to whoever is behind that door; it must be that server, if one is named.
pub(crate) fn connect(
    door: &Door,
    server: Option<u64>,
    deadline: Deadline,
) -> Result<Arc<Client>, ConnectError> {
    let is_it = |client: &Arc<Client>| match server {
        Some(server) => client.server() == server,
        None => [&client.door().address, client.address()].contains(&&door.address),
    };
    let found = clients().iter().find(|client| is_it(client)).cloned();
    match found {
        Some(client) if client.is_broken() => forget(&client),
        // If nobody is named, whoever is at the address now is meant.
        Some(client) if server.is_some() || !client.is_cut_off() => return Ok(client),
        _ => {}
    }
    // Several may connect at the same time; the first is kept.
    let client = Arc::new(Client::open(door, deadline)?);
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
