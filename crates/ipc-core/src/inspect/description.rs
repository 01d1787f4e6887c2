//! `Description`: what can be said of an object from outside.

/// What can be said of an object in shared memory, whatever it is.
///
/// It is filled in by the crates that know what lies in a segment, and read by tools that show it.
/// What makes no sense for an object, or cannot be known without touching it, is `None`, or empty.
/// Numbers come from memory that others write: they may be any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// What it is, as its type is called: `Lock`, `Queue`.
    pub what: &'static str,
    /// How much is in it: messages, permits, items, or how many times it is held.
    pub depth: Option<u64>,
    /// How much there can be in it.
    pub capacity: Option<u64>,
    /// The threads that hold it, or that use it where nobody holds anything.
    pub holders: Vec<u32>,
    /// Whether somebody may be asleep until it changes.
    pub has_waiters: Option<bool>,
    /// How many deaths were found and repaired.
    pub deaths: Option<u64>,
    /// What else is to be said, in a word each: `closed`, `poisoned`, `owner died`.
    pub remarks: Vec<&'static str>,
}

impl Description {
    /// Of an object of which nothing is known yet but what it is.
    #[must_use]
    pub fn of(what: &'static str) -> Self {
        Self { what, ..Self::default() }
    }

    /// Adds a remark if it holds.
    #[must_use]
    pub fn remark(mut self, holds: bool, remark: &'static str) -> Self {
        if holds {
            self.remarks.push(remark);
        }
        self
    }
}
