//! `Event`.

use ipc_sync::Event;

use crate::Result;
use crate::subjects::sync::others::Operation;

pub(crate) struct OurEvent(Event);

impl Operation for OurEvent {
    fn new() -> Result<Self> {
        Ok(Self(Event::new()?))
    }

    #[inline]
    fn operate(&self) -> Result {
        if self.0.is_set() { Err("somebody set it".into()) } else { Ok(()) }
    }
}
