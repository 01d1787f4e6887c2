//! Who is asleep until an object changes: asked of the kernel, as no word of the object says it.
//!
//! `/proc/PID/task/TID/syscall` has the system call that a thread is in, with its arguments. One that sleeps on
//! words of shared memory is in `futex` or in `futex_waitv`; the latter's list of words lies in the memory of
//! the process, and is read there. `/proc/PID/maps` says which memory lies at their addresses. Nothing of it
//! touches the thread. What is read may be of different moments, and is only shown.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use rustix::fs::makedev;

use crate::system;

/// Which memory: by device and inode.
pub(super) type Identity = (u64, u64);

/// `futex_waitv`, the same on all platforms that have it.
const FUTEX_WAITV: u64 = 449;

/// `futex`.
#[cfg(target_arch = "x86_64")]
const FUTEX: u64 = 202;
#[cfg(not(target_arch = "x86_64"))]
const FUTEX: u64 = 98;

/// What a call of `futex` is to do, without its flags: to wait; or to wait for some bits.
const WAITS: [u64; 2] = [0, 9];

/// The flags of such a call: private, and with the clock of the day.
const FLAGS: u64 = 0x80 | 0x100;

/// How long an entry of the list of `futex_waitv` is, and where in it the address lies.
const ENTRY: usize = 24;
const ADDRESS: usize = 8;

/// How many entries the kernel takes.
const MOST: u64 = 128;

/// The threads of a process that sleep on words of shared memory, by that memory.
///
/// # Errors
///
/// What the system says if it does not let us look.
pub(super) fn of_process(pid: u32) -> io::Result<BTreeMap<Identity, BTreeSet<u32>>> {
    let mut sleepers = BTreeMap::new();
    let mut maps = None;
    for tid in system::threads(pid)? {
        let thread = format!("/proc/{pid}/task/{tid}");
        let call = match fs::read_to_string(format!("{thread}/syscall")) {
            Ok(call) => call,
            // A kernel may also be made without it.
            Err(error) if system::is_gone(&error) && !Path::new(&thread).exists() => continue,
            Err(error) => return Err(io::Error::other(error)),
        };
        let addresses = match sleeps_on(&call) {
            Sleep::Awake => continue,
            Sleep::One(address) => vec![address],
            Sleep::Many { list, len } => addresses(pid, list, len).unwrap_or_default(),
        };
        if maps.is_none() {
            maps = Some(Maps::parse(&fs::read_to_string(format!("/proc/{pid}/maps"))?));
        }
        let memories = addresses.iter().filter_map(|address| maps.as_ref()?.at(*address));
        for memory in memories {
            sleepers.entry(memory).or_insert_with(BTreeSet::new).insert(tid);
        }
    }
    Ok(sleepers)
}

/// What a thread sleeps on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sleep {
    /// On no words at all.
    Awake,
    One(u64),
    /// A list of so many, at that address.
    Many {
        list: u64,
        len: u64,
    },
}

/// Reads the line of `syscall`: a number, six arguments and two registers, or a word.
fn sleeps_on(call: &str) -> Sleep {
    let mut words = call.split_whitespace();
    let number = words.next().and_then(|word| word.parse().ok());
    let mut argument = || u64::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok();
    match (number, argument(), argument()) {
        (Some(FUTEX), Some(word), Some(what)) if WAITS.contains(&(what & !FLAGS)) => {
            Sleep::One(word)
        }
        (Some(FUTEX_WAITV), Some(list), Some(len)) => Sleep::Many { list, len: len.min(MOST) },
        _ => Sleep::Awake,
    }
}

/// The addresses in a list of `futex_waitv`.
fn addresses(pid: u32, list: u64, len: u64) -> io::Result<Vec<u64>> {
    let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)? * ENTRY];
    File::open(format!("/proc/{pid}/mem"))?.read_exact_at(&mut bytes, list)?;
    let address = |entry: &[u8]| {
        let address = entry.get(ADDRESS..ADDRESS + size_of::<u64>())?;
        Some(u64::from_ne_bytes(address.try_into().ok()?))
    };
    Ok(bytes.chunks_exact(ENTRY).filter_map(address).collect())
}

/// Where in a process which memory lies.
#[derive(Debug, Default, PartialEq, Eq)]
struct Maps {
    /// The memory from one address on to another, by the former.
    parts: BTreeMap<u64, (u64, Identity)>,
}

impl Maps {
    /// Reads lines such as `7f0000-7f1000 rw-s 00000000 00:01 4711 /memfd:...`.
    fn parse(lines: &str) -> Self {
        Self { parts: lines.lines().filter_map(part).collect() }
    }

    fn at(&self, address: u64) -> Option<Identity> {
        let (_, (end, identity)) = self.parts.range(..=address).next_back()?;
        (address < *end).then_some(*identity)
    }
}

fn part(line: &str) -> Option<(u64, (u64, Identity))> {
    let hex = |word: &str| u64::from_str_radix(word, 16).ok();
    let mut words = line.split_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let (major, minor) = words.nth(2)?.split_once(':')?;
    let inode = words.next()?.parse().ok().filter(|inode| *inode != 0)?;
    let number = |word| u32::from_str_radix(word, 16).ok();
    let device = makedev(number(major)?, number(minor)?);
    Some((hex(start)?, (hex(end)?, (device, inode))))
}

#[cfg(test)]
mod tests {
    use super::{Maps, Sleep, makedev, sleeps_on};

    #[test]
    fn calls_that_wait_are_told_from_others() {
        let rest = "0x2 0x0 0x0 0xffffffff 0x7ffc 0x7f00";
        let number = super::FUTEX;
        let one = |what| sleeps_on(&format!("{number} 0x7f10 {what} {rest}\n"));
        assert_eq!(one("0x0"), Sleep::One(0x7f10));
        assert_eq!(one("0x80"), Sleep::One(0x7f10));
        assert_eq!(one("0x189"), Sleep::One(0x7f10));
        assert_eq!(one("0x1"), Sleep::Awake, "it wakes others");
        let many = |len| sleeps_on(&format!("449 0x7f20 {len} {rest}\n"));
        assert_eq!(many("0x3"), Sleep::Many { list: 0x7f20, len: 3 });
        assert_eq!(many("0xffffffffffff"), Sleep::Many { list: 0x7f20, len: 128 });
        for line in ["running", "-1 0x7ffc 0x7f00", "", "7 0x1", "449 x y"] {
            assert_eq!(sleeps_on(line), Sleep::Awake, "{line}");
        }
    }

    #[test]
    fn an_address_belongs_to_the_memory_that_is_mapped_there() {
        let maps = "1000-2000 rw-s 00000000 00:01 4711       /memfd:multiproc lock/1 (deleted)\n\
                    2000-3000 rw-p 00000000 00:00 0\n\
                    5000-6000 rw-s 00000000 00:1a 12 /dev/shm/name\nnonsense\n";
        let maps = Maps::parse(maps);
        assert_eq!(maps.at(0xfff), None);
        assert_eq!(maps.at(0x1000), Some((makedev(0, 1), 4711)));
        assert_eq!(maps.at(0x1fff), Some((makedev(0, 1), 4711)));
        assert_eq!(maps.at(0x2000), None, "it is nobody's file");
        assert_eq!(maps.at(0x5004), Some((makedev(0, 0x1a), 12)));
        assert_eq!(maps.at(0x6000), None);
    }
}
