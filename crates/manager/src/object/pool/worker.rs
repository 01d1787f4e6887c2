//! What a worker of a pool does: it finds the function that a task names, and calls it.

use ipc_core::wire::Bytes;
use serde::{Deserialize, Serialize};

use crate::client::Place;
use crate::host::Site;
use crate::object::foreign;
use crate::protocol::Fault;
use crate::server::Home;

/// What came of a task: the bytes of what was returned.
pub(super) type Answer = Result<Bytes<'static>, Fault>;

/// A task: the name of the function, and its argument.
pub(super) type Call = (Bytes<'static>, Bytes<'static>);

/// What a worker is told before its first task.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Briefing {
    /// The manager that its pool is in, and the way there.
    pub(super) server: u64,
    pub(super) place: Place,
    pub(super) site: Site,
    /// The initializer, and its argument.
    pub(super) initializer: Option<Call>,
}

/// What a worker does before its first task.
pub(super) fn begin(briefing: Briefing) -> Result<Home, String> {
    let Briefing { server, place, site, initializer } = briefing;
    let address = place.into_address().map_err(|error| error.to_string())?;
    let door = site.door(&address).map_err(|error| error.to_string())?;
    let mut home = Home::new(server, door);
    if site.key.is_some() {
        // Proxies in arguments do not bring the key: they find this connection.
        home.client().map_err(|error| error.to_string())?;
    }
    if let Some(initializer) = initializer {
        run(&mut home, initializer).map_err(|fault| crate::Error::from(fault).to_string())?;
    }
    Ok(home)
}

/// Does a task.
pub(super) fn run(home: &mut Home, (function, argument): Call) -> Answer {
    let returned = home.enter(|| foreign::call(&function.0, &[&argument.0]));
    returned.map(|bytes| Bytes(bytes.into()))
}
