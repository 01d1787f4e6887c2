//! What `/proc` says of processes.

use std::io;

/// How many threads this process has.
///
/// # References
///
/// - Linux `proc_pid_task(5)`
pub(crate) fn thread_count() -> io::Result<usize> {
    Ok(std::fs::read_dir("/proc/self/task")?.count())
}

/// The numbers of this process's children, also of those that have ended.
///
/// An error if a thread ends meanwhile.
///
/// # References
///
/// - Linux `proc_pid_children(5)`
pub(crate) fn children() -> io::Result<Vec<u32>> {
    let mut children = Vec::new();
    for thread in std::fs::read_dir("/proc/self/task")? {
        // An error if the thread ends now, whose children then are another one's.
        let of_thread = std::fs::read_to_string(thread?.path().join("children"))?;
        let of_thread = of_thread.split_ascii_whitespace();
        children.extend(of_thread.filter_map(|pid| pid.parse::<u32>().ok()));
    }
    Ok(children)
}

/// The children of any process, as far as they can be told.
pub(crate) fn children_of(pid: u32) -> Vec<u32> {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let lists = threads.flatten().map(|thread| thread.path().join("children"));
    let lists: Vec<String> = lists.flat_map(std::fs::read_to_string).collect();
    let pids = lists.iter().flat_map(|list| list.split_ascii_whitespace());
    pids.filter_map(|pid| pid.parse().ok()).collect()
}

/// What a process is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It does nothing: it was stopped, or has ended.
    Still,
    /// The kernel does something for it that cannot be interrupted.
    Held,
    /// It does something, or waits for something.
    Running,
}

/// What a process is about; one that is gone stands still.
///
/// # References
///
/// - Linux `proc_pid_stat(5)`
pub(crate) fn standing(pid: u32) -> Standing {
    match stat(pid).as_ref().map(|(state, _)| state.as_str()) {
        None | Some("T" | "t" | "Z" | "X") => Standing::Still,
        Some("D") => Standing::Held,
        Some(_) => Standing::Running,
    }
}

/// Whether a process has ended, and nobody has taken its status.
pub(crate) fn is_zombie(pid: u32) -> bool {
    stat(pid).is_some_and(|(state, _)| state == "Z")
}

/// The parent of a process; `None` if it is gone.
pub(crate) fn parent_of(pid: u32) -> Option<u32> {
    stat(pid).map(|(_, parent)| parent)
}

/// State and parent of a process.
fn stat(pid: u32) -> Option<(String, u32)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may have anything in it, but what follows has no such bracket.
    let (_, fields) = text.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace();
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}
