//! What a process may have.

use std::fs;

use rustix::fs::statvfs;
use rustix::process::{Resource, getrlimit};

use super::Check;
use crate::failure::Result;
use crate::system::{self, FOLDER};
use crate::table::bytes;

const GROUP: &str = "limits";

pub(super) fn check() -> Result<Vec<Check>> {
    let threads = system::processes()?.into_iter().filter_map(system::facts);
    let n_threads: u64 = threads.map(|facts| facts.threads).sum();
    Ok(vec![open_files(), threads_of_user(n_threads), file_size(), locked(), memory(), names()])
}

/// A limit as it is now; none if there is none.
fn limit(resource: Resource) -> Option<u64> {
    getrlimit(resource).current
}

fn told(limit: Option<u64>, unit: impl Fn(u64) -> String) -> String {
    limit.map_or_else(|| "unlimited".to_owned(), unit)
}

fn open_files() -> Check {
    let limit = limit(Resource::Nofile);
    let found = told(limit, |n| n.to_string());
    let advice = "a lock, queue or process takes one descriptor or a few: raise it with `ulimit -n`, \
                  or put many locks into one segment";
    Check::good(GROUP, "open files (RLIMIT_NOFILE)", found)
        .hint_if(limit.is_some_and(|n| n < 1024), advice)
        .problem_if(limit.is_some_and(|n| n < 64), advice)
}

fn threads_of_user(n_threads: u64) -> Check {
    let limit = limit(Resource::Nproc);
    let found = format!("{n_threads} of {}", told(limit, |n| n.to_string()));
    let left = limit.map(|limit| limit.saturating_sub(n_threads));
    let advice = "processes and threads of this user count: end some, or raise it with `ulimit -u`";
    Check::good(GROUP, "threads of this user (RLIMIT_NPROC)", found)
        .hint_if(left.is_some_and(|left| left < 256), advice)
        .problem_if(left.is_some_and(|left| left < 16), advice)
}

fn file_size() -> Check {
    let limit = limit(Resource::Fsize);
    let advice = "shared memory is a file, and can be no longer: raise it with `ulimit -f`";
    Check::good(GROUP, "file size (RLIMIT_FSIZE)", told(limit, bytes))
        .hint_if(limit.is_some(), advice)
        .problem_if(limit.is_some_and(|n| n < 32 << 20), advice)
}

fn locked() -> Check {
    // Nothing of ours locks memory: it is told for those who wonder.
    Check::good(GROUP, "locked memory (RLIMIT_MEMLOCK)", told(limit(Resource::Memlock), bytes))
}

fn memory() -> Check {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    let free = kib.map(|kib| kib.saturating_mul(1024));
    let found = free.map_or_else(|| "not told".to_owned(), |free| format!("{} free", bytes(free)));
    let advice = "shared memory is memory of the machine: end what takes much of it";
    Check::good(GROUP, "memory", found)
        .hint_if(free.is_some_and(|free| free < 256 << 20), advice)
        .problem_if(free.is_some_and(|free| free < 32 << 20), advice)
}

fn names() -> Check {
    let name = "room for names (/dev/shm)";
    match statvfs(FOLDER) {
        Ok(found) => {
            let free = found.f_bavail.saturating_mul(found.f_frsize);
            let all = found.f_blocks.saturating_mul(found.f_frsize);
            let advice = "memory with a name lies there (nameless memory does not): remove what is \
                          not needed, or mount it larger (in a container: `--shm-size`)";
            Check::good(GROUP, name, format!("{} free of {}", bytes(free), bytes(all)))
                .hint_if(free < 16 << 20, advice)
                .problem_if(free == 0, advice)
        }
        Err(error) => Check::good(GROUP, name, error.to_string())
            .problem_if(true, "memory with a name cannot be made: mount a tmpfs at /dev/shm"),
    }
}
