//! `Peer`: who is at the other end.

/// Who made the other end, as the kernel says.
///
/// For an end of a [`pipe`](crate::pipe()) that is who called it; for one that was accepted or
/// connected, who connected or listened. Whoever has the end now may be another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its pid at that time; `None` if it has none in this process's pid namespace.
    pub pid: Option<u32>,
    /// Its effective user.
    pub uid: u32,
    /// Its effective group.
    pub gid: u32,
}
