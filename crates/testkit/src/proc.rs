//! What `/proc` says about processes.

use std::{fmt::Write as _, fs, ops::Range, time::Duration};

use crate::clock;

/// One line of `/proc/<pid>/stat`, the part we need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    /// The name of the program.
    pub(crate) name: String,
    /// `R`, `S`, `D`, `T`, `t`, `Z`, …
    pub(crate) state: char,
    /// Its parent.
    pub(crate) parent: i32,
}

impl Stat {
    /// Reads it; nothing if there is no such process.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The name stands in parentheses and may contain some itself.
    fn parse(line: &str) -> Option<Self> {
        let (head, tail) = line.rsplit_once(')')?;
        let (_, name) = head.split_once('(')?;
        let mut words = tail.split_ascii_whitespace();
        let state = words.next()?.chars().next()?;
        let parent = words.next()?.parse().ok()?;
        Some(Self { name: name.to_owned(), state, parent })
    }

    /// Whether the process has ended, reaped or not.
    pub(crate) fn has_ended(pid: i32) -> bool {
        Self::of(pid).is_none_or(|stat| matches!(stat.state, 'Z' | 'X'))
    }
}

/// Whether `pid` sleeps in the kernel, in any call that a signal can end.
///
/// True only if two looks, some time apart, see it asleep in the same call: a process that is
/// just on its way into or out of the kernel is not taken for a sleeper.
pub(crate) fn is_asleep(pid: i32) -> bool {
    let looks = || {
        let stat = Stat::of(pid)?;
        (stat.state == 'S').then(|| fs::read_to_string(format!("/proc/{pid}/syscall")).ok())
    };
    let Some(first) = looks() else { return false };
    clock::pause(Duration::from_micros(30));
    looks().is_some_and(|second| second == first)
}

/// Whether `pid` sleeps on a futex; where the kernel does not say in which call, asleep at all.
pub(crate) fn is_asleep_on_futex(pid: i32) -> bool {
    if !is_asleep(pid) {
        return false;
    }
    let Ok(call) = fs::read_to_string(format!("/proc/{pid}/syscall")) else { return true };
    let number = call.split_ascii_whitespace().next().and_then(|word| word.parse().ok());
    [libc::SYS_futex, libc::SYS_futex_waitv].map(Some).contains(&number)
}

/// What is the same as long as `pid` sleeps on a futex; nothing if it does not.
///
/// The system call and its arguments (where the kernel does not say, nothing), and how often the
/// process was taken off a processor. The kernel tells the call of one that runs no better than
/// "running", so one that has run in between is seen to have. But of one that was woken, and that its
/// processor has not heard of yet, it goes on to tell the call: the state tells that it sleeps no more.
pub(crate) fn sleep_on_futex(pid: i32) -> Option<(String, String)> {
    let sleep = match fs::read_to_string(format!("/proc/{pid}/syscall")) {
        Ok(call) => {
            let number = call.split_ascii_whitespace().next()?.parse().ok();
            let futexes = [libc::SYS_futex, libc::SYS_futex_waitv].map(Some);
            futexes.contains(&number).then_some(call)?
        }
        Err(_) => String::new(),
    };
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let is_asleep = status.lines().any(|line| line.starts_with("State:\tS"));
    let switches = status.split_once("voluntary_ctxt_switches")?.1.to_owned();
    is_asleep.then_some((sleep, switches))
}

/// The children of a process, of all its threads, zombies too.
pub(crate) fn children(pid: i32) -> Vec<i32> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let mut found = Vec::new();
    for task in tasks.flatten() {
        match fs::read_to_string(task.path().join("children")) {
            Ok(list) => found.extend(list.split_ascii_whitespace().flat_map(str::parse::<i32>)),
            // A kernel without this file: look at everybody.
            Err(_) if fs::exists(task.path()).unwrap_or(false) => return children_by_parent(pid),
            Err(_) => {}
        }
    }
    found
}

fn children_by_parent(parent: i32) -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|&pid| Stat::of(pid).is_some_and(|stat| stat.parent == parent)).collect()
}

/// Where the threads of `pid` are, and those of its descendants, for people.
///
/// For each thread: its state, the kernel function it waits in, its system call with arguments,
/// and its kernel stack, as far as the kernel lets us read them.
#[must_use]
pub fn trace(pid: i32) -> String {
    let mut text = String::new();
    trace_into(&mut text, pid, 0);
    text
}

fn trace_into(text: &mut String, pid: i32, depth: usize) {
    // A tree of a test is not this deep; a process that forks itself for ever is.
    if depth > 8 {
        return;
    }
    let indent = "  ".repeat(depth);
    let Some(stat) = Stat::of(pid) else {
        line(text, format_args!("{indent}process {pid}: gone"));
        return;
    };
    line(text, format_args!("{indent}process {pid} ({}), state {}", stat.name, stat.state));
    let mut tasks: Vec<i32> = fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flat_map(Iterator::flatten)
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    tasks.sort_unstable();
    for task in tasks {
        trace_task(text, pid, task, &indent);
    }
    for child in children(pid) {
        trace_into(text, child, depth + 1);
    }
}

fn trace_task(text: &mut String, pid: i32, task: i32, indent: &str) {
    let read = |what: &str| {
        fs::read_to_string(format!("/proc/{pid}/task/{task}/{what}"))
            .unwrap_or_else(|error| format!("({error})"))
    };
    let (name, wchan, syscall) = (read("comm"), read("wchan"), read("syscall"));
    line(
        text,
        format_args!(
            "{indent}  thread {task} ({}): wchan {}, syscall {}",
            name.trim_end(),
            wchan.trim_end(),
            syscall.trim_end(),
        ),
    );
    if let Ok(stack) = fs::read_to_string(format!("/proc/{pid}/task/{task}/stack")) {
        for frame in stack.lines() {
            line(text, format_args!("{indent}    {frame}"));
        }
    }
}

fn line(text: &mut String, words: std::fmt::Arguments<'_>) {
    writeln!(text, "{words}").expect("writing to a string");
}

/// Names a place in a program's code: its file, and the address as `addr2line` wants it.
pub(crate) fn name_place(pid: i32, place: u64) -> String {
    place_in_maps(&fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default(), place)
        .unwrap_or_else(|| format!("{place:#x}"))
}

/// Where the kernel's own code is in a process, and in those that it forks.
pub(crate) fn vdso(pid: i32) -> Option<Range<u64>> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).ok()?;
    let line = maps.lines().find(|line| line.ends_with("[vdso]"))?;
    let (start, rest) = line.split_once('-')?;
    let (end, _) = rest.split_once(' ')?;
    Some(u64::from_str_radix(start, 16).ok()?..u64::from_str_radix(end, 16).ok()?)
}

fn place_in_maps(maps: &str, place: u64) -> Option<String> {
    let parse = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let (start, end) = words.next()?.split_once('-')?;
        let start = u64::from_str_radix(start, 16).ok()?;
        let end = u64::from_str_radix(end, 16).ok()?;
        Some((start, end, words.nth(4).unwrap_or("").to_owned()))
    };
    let maps: Vec<_> = maps.lines().filter_map(parse).collect();
    let (.., file) = maps.iter().find(|(start, end, _)| (*start..*end).contains(&place))?;
    // A file is mapped in several pieces, the first of them at its load address.
    let (base, ..) = maps.iter().find(|(.., other)| other == file)?;
    let name = file.rsplit('/').next().unwrap_or(file);
    Some(format!("{name}+{:#x}", place - base))
}

#[cfg(test)]
mod tests {
    use super::{Stat, place_in_maps};

    #[test]
    fn a_program_name_with_parentheses_is_read() {
        let stat = Stat::parse("12 (a) b) (c) S 7 12 0").unwrap();
        assert_eq!((stat.name.as_str(), stat.state, stat.parent), ("a) b) (c", 'S', 7));
    }

    #[test]
    fn a_place_is_named_by_file_and_offset() {
        let maps = "1000-2000 r--p 00000000 08:01 5 /bin/tool\n\
                    2000-3000 r-xp 00001000 08:01 5 /bin/tool\n\
                    9000-a000 rw-p 00000000 00:00 0\n";
        assert_eq!(place_in_maps(maps, 0x2010).as_deref(), Some("tool+0x1010"));
        assert_eq!(place_in_maps(maps, 0x4000), None);
    }
}
