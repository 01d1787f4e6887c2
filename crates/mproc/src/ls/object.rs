//! An object as it is told of.

use ipc_core::SegmentError;
use ipc_core::inspect::{Description, View};
use serde::Serialize;

use crate::system;
use crate::table::bytes;

/// A shared object.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Object {
    /// Which memory it is: the same in all processes.
    pub(crate) id: String,
    /// What lies in it, with the version of its layout.
    pub(crate) kind: String,
    /// What it is, as its type is called.
    pub(crate) what: String,
    /// Its name, if it has one.
    pub(crate) name: Option<String>,
    /// How many bytes it may come to take.
    pub(crate) bytes: u64,
    /// How many bytes of memory it takes now.
    pub(crate) memory: u64,
    pub(crate) depth: Option<u64>,
    pub(crate) capacity: Option<u64>,
    pub(crate) holders: Vec<Holder>,
    pub(crate) has_waiters: Option<bool>,
    /// Who is asleep until it changes; nothing if that cannot be known of all that have it open.
    pub(crate) waiters: Option<Vec<Holder>>,
    pub(crate) deaths_repaired: Option<u64>,
    /// What else is to be said.
    pub(crate) state: Vec<String>,
    /// The processes that have it open, as far as they could be looked at.
    pub(crate) open_in: Vec<Process>,
}

/// A thread that holds or uses an object, or waits for it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Holder {
    pub(crate) tid: u32,
    pub(crate) pid: Option<u32>,
}

/// A process.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) name: String,
}

impl Process {
    pub(crate) fn of(pid: u32) -> Self {
        Self { pid, name: system::name(pid).unwrap_or_default() }
    }
}

/// Tells of what a view shows; nothing of its users yet.
pub(super) fn of(view: &View) -> Result<Object, SegmentError> {
    let extent = view.extent();
    let Description { what, depth, capacity, holders, has_waiters, deaths, remarks } =
        describe(view)?;
    Ok(Object {
        id: view.id().to_string(),
        kind: view.kind().to_string(),
        what: what.to_owned(),
        name: None,
        bytes: (extent.body as u64).saturating_add(extent.room),
        memory: view.memory()?,
        depth,
        capacity,
        holders: holders
            .into_iter()
            .map(|tid| Holder { tid, pid: system::process_of(tid) })
            .collect(),
        has_waiters,
        waiters: Some(Vec::new()),
        deaths_repaired: deaths,
        state: remarks.into_iter().map(str::to_owned).collect(),
        open_in: Vec::new(),
    })
}

/// Asks each crate whether it knows what lies there.
fn describe(view: &View) -> Result<Description, SegmentError> {
    let known = [
        ipc_sync::inspect::describe,
        ipc_queue::inspect::describe,
        shm_value::inspect::describe,
        pool::inspect::describe,
    ];
    for describe in known {
        if let Some(description) = describe(view)? {
            return Ok(description);
        }
    }
    Ok(Description::of("Segment"))
}

impl Object {
    /// The cells of its row.
    pub(crate) fn cells(&self) -> Vec<String> {
        let number = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |n| n.to_string());
        let what = match self.what.as_str() {
            "Segment" => format!("Segment of {}", self.kind),
            what => what.to_owned(),
        };
        let holder = |holder: &Holder| match holder.pid {
            Some(pid) if pid != holder.tid => format!("{pid}/{}", holder.tid),
            _ => holder.tid.to_string(),
        };
        let user = |user: &Process| format!("{} {}", user.pid, user.name);
        vec![
            what,
            self.id.clone(),
            self.name.clone().unwrap_or_else(|| "-".to_owned()),
            bytes(self.memory),
            number(self.depth),
            number(self.capacity),
            few(self.holders.iter().map(holder)),
            match (&self.waiters, self.has_waiters) {
                (Some(waiters), _) => waiters.len().to_string(),
                (None, Some(true)) => "some".to_owned(),
                (None, Some(false)) => "none".to_owned(),
                (None, None) => "-".to_owned(),
            },
            number(self.deaths_repaired),
            self.state.join(", "),
            few(self.open_in.iter().map(user)),
        ]
    }
}

/// The first few of a list, and how many more there are.
fn few(items: impl ExactSizeIterator<Item = String>) -> String {
    const SHOWN: usize = 4;

    let more = items.len().saturating_sub(SHOWN);
    let shown: Vec<String> = items.take(SHOWN).collect();
    match (shown.is_empty(), more) {
        (true, _) => "-".to_owned(),
        (_, 0) => shown.join(", "),
        _ => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::few;

    #[test]
    fn long_lists_are_cut() {
        let list = |n: usize| few((0..n).map(|number| number.to_string()));
        assert_eq!(list(0), "-");
        assert_eq!(list(4), "0, 1, 2, 3");
        assert_eq!(list(6), "0, 1, 2, 3 and 2 more");
    }
}
