//! How a client connects on this machine: the hellos, and what its messages go by from then on.

use ipc_core::wire::Limits;
use ipc_core::{Deadline, ProcessId};
use ipc_pipe::{Connection, connect_deadline};

use super::carrier::{Carrier, Packets};
use super::lane::Laned;
use crate::carrier::lane::Offer;
use crate::error::ConnectError;
use crate::protocol::{ClientHello, ServerHello, VERSION};
use crate::remote::Door;

/// The longest hello.
const HELLO_BYTES: usize = 1024;

/// Connects, and says hello; who the server is, and what messages go by.
pub(super) fn meet(
    door: &Door,
    deadline: Deadline,
) -> Result<(ServerHello, Box<dyn Carrier>), ConnectError> {
    let (hello, socket) = say_hello(door, true, deadline)?;
    if !hello.offers_lane {
        return Ok((hello, Box::new(Packets(socket))));
    }
    match socket.recv_deadline(deadline).map(|offer| take(&socket, offer)) {
        Ok(Some(laned)) => Ok((hello, Box::new(laned))),
        // There is no memory for a lane, or no descriptor: here, or there.
        Ok(None) | Err(_) => {
            drop(socket);
            let (hello, socket) = say_hello(door, false, deadline)?;
            Ok((hello, Box::new(Packets(socket))))
        }
    }
}

/// Takes a lane, if there is one, and this process has room for it.
fn take(socket: &Connection<(), Offer>, offer: Offer) -> Option<Laned> {
    Laned::new(socket.clone(), offer?).ok()
}

fn say_hello(
    door: &Door,
    wants_lane: bool,
    deadline: Deadline,
) -> Result<(ServerHello, Connection<(), Offer>), ConnectError> {
    let socket: Connection<(), Offer> =
        connect_deadline(&door.address, door.key.as_ref(), deadline)?;
    let socket = socket.with_limits(Limits::NONE);
    let process = ProcessId::current().ok();
    let ours = ClientHello { version: VERSION, process, wants_lane, memory: None, resume: None };
    let gone = |_| ConnectError::NotAManager;
    socket.send_bytes_deadline(&ours.to_bytes(), deadline).map_err(gone)?;
    let said = socket.recv_bytes_deadline(HELLO_BYTES, deadline).map_err(|error| {
        let timed_out = ipc_pipe::ConnectError::TimedOut;
        if error.is_timed_out() { timed_out.into() } else { ConnectError::NotAManager }
    })?;
    Ok((understand(&said)?, socket))
}

/// What a server says first, if it speaks the same version.
pub(super) fn understand(said: &[u8]) -> Result<ServerHello, ConnectError> {
    let hello = ServerHello::parse(said).map_err(|_| ConnectError::NotAManager)?;
    if hello.version != VERSION {
        let (ours, theirs) = (VERSION, hello.version);
        return Err(ConnectError::OtherVersion { ours, theirs });
    }
    Ok(hello)
}
