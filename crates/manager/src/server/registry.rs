//! The objects of a server, and who has references to them.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::work::Kept;
use crate::ids::IdMap;
use crate::object::weight::Weight;
use crate::object::{Bin, ClientId, Kind, Link};
use crate::protocol::ObjectId;

/// The objects.
#[derive(Default)]
pub(super) struct Registry {
    pub(super) slots: IdMap<Slot>,
    last_id: ObjectId,
    /// Links that were dropped.
    bin: Arc<Bin>,
    /// References for those who are yet to come.
    pub(super) passages: HashMap<u64, Passage>,
    pub(super) names: HashMap<String, Named>,
}

/// An object, and who has references to it.
pub(super) struct Slot {
    /// None while foreign code works on it, or makes it.
    pub(super) object: Option<Box<dyn Kind>>,
    /// What it is, in words of Rust.
    pub(super) label: String,
    /// By clients, links, passages and names.
    pub(super) refs: u64,
    /// Calls that wait until it is back.
    pub(super) in_line: VecDeque<Kept>,
    /// Clients that it has to forget when it is back.
    pub(super) to_forget: Vec<ClientId>,
    _weight: Weight,
}

/// An object that has a name.
pub(super) struct Named {
    pub(super) object: ObjectId,
    _weight: Weight,
}

/// What an object costs beside its label, about, and beside what it keeps.
const OBJECT: usize = 192;

/// A reference for somebody who is yet to come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Passage {
    pub(super) object: ObjectId,
    /// Who sent it.
    pub(super) sender: ClientId,
}

impl Registry {
    /// A place for an object that comes later, on the account of whom this thread keeps things for.
    pub(super) fn reserve(&mut self, label: String) -> ObjectId {
        self.last_id += 1;
        let (in_line, to_forget) = (VecDeque::new(), Vec::new());
        let _weight = Weight::of(Self::cost(&label));
        let slot = Slot { object: None, label, refs: 0, in_line, to_forget, _weight };
        self.slots.insert(self.last_id, slot);
        self.last_id
    }

    /// What an object costs that has such a label.
    pub(super) const fn cost(label: &str) -> usize {
        label.len() + OBJECT
    }

    /// Gives an object a name, on the account of whom this thread keeps things for.
    pub(super) fn publish(&mut self, name: String, object: ObjectId) {
        self.refer(object);
        let _weight = Weight::of(name.len());
        self.names.insert(name, Named { object, _weight });
    }

    /// Adds a reference to an object that is there.
    pub(super) fn refer(&mut self, id: ObjectId) -> bool {
        let Some(slot) = self.slots.get_mut(&id) else { return false };
        slot.refs += 1;
        true
    }

    /// Takes so many references away; returns the object if these were the last. If foreign code has it,
    /// it is found to be gone when it comes back.
    pub(super) fn unrefer(&mut self, id: ObjectId, count: u64) -> Option<Box<dyn Kind>> {
        let slot = self.slots.get_mut(&id)?;
        slot.refs = slot.refs.saturating_sub(count);
        if slot.refs > 0 {
            return None;
        }
        self.slots.remove(&id)?.object
    }

    /// A link to an object that is there.
    pub(super) fn link(&mut self, id: ObjectId) -> Option<Link> {
        self.refer(id).then(|| Link { object: id, bin: Arc::clone(&self.bin) })
    }

    /// Takes the references away that dropped links had, and those of the objects that go with them;
    /// returns the objects whose end is foreign code.
    pub(super) fn empty_bin(&mut self) -> Vec<Box<dyn Kind>> {
        let mut foreign = Vec::new();
        loop {
            let dropped = self.bin.empty();
            if dropped.is_empty() {
                return foreign;
            }
            for id in dropped {
                // Dropping it may drop more links.
                let object = self.unrefer(id, 1);
                foreign.extend(object.filter(|object| object.is_foreign()));
            }
        }
    }
}
