//! Bells: how an object that has threads of its own tells the server that it has something to say.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use super::Server;
use super::sys::Waker;
use crate::object::Answers;
use crate::protocol::ObjectId;

/// An object's bell.
#[derive(Debug)]
pub(crate) struct Bell {
    object: ObjectId,
    board: Arc<Board>,
}

/// The objects whose bells were rung.
#[derive(Debug)]
pub(super) struct Board {
    rung: Mutex<BTreeSet<ObjectId>>,
    waker: Arc<Waker>,
}

impl Bell {
    pub(super) fn new(object: ObjectId, board: &Arc<Board>) -> Self {
        Self { object, board: Arc::clone(board) }
    }

    /// Has the server [hear](crate::object::Kind::hear) the object, soon.
    #[cfg_attr(not(feature = "pool"), expect(dead_code, reason = "only pools have threads"))]
    pub(crate) fn ring(&self) {
        let mut rung = self.board.rung.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = rung.is_empty();
        rung.insert(self.object);
        drop(rung);
        if is_first {
            self.board.waker.wake();
        }
    }
}

impl Board {
    pub(super) fn new(waker: Arc<Waker>) -> Self {
        Self { rung: Mutex::default(), waker }
    }

    fn take(&self) -> BTreeSet<ObjectId> {
        std::mem::take(&mut *self.rung.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Server {
    /// Hears the objects whose bells were rung.
    pub(super) fn answer_bells(&mut self) {
        for object in self.board.take() {
            self.hear_object(object);
        }
    }

    /// Hears an object; one that foreign code has is heard when it is back.
    pub(super) fn hear_object(&mut self, object: ObjectId) {
        let mut answers = Answers::default();
        let slot = self.registry.slots.get_mut(&object);
        if let Some(body) = slot.and_then(|slot| slot.object.as_mut()) {
            body.hear(&mut answers);
        }
        self.answer_all(&mut answers);
    }
}
