//! What the control group that this process is in may have.
//!
//! In both versions of them; in a container the group's own folder may be the top one.

use std::fs;
use std::path::{Path, PathBuf};

use proc_core::cpu_count;

use super::Check;
use crate::table::bytes;

const GROUP: &str = "cgroup";

/// Where control groups are.
const ROOT: &str = "/sys/fs/cgroup";

pub(super) fn check() -> Vec<Check> {
    let membership = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    vec![processors(), memory(&membership), pids(&membership)]
}

fn processors() -> Check {
    let found = format!("{} usable", cpu_count().usable());
    Check::good(GROUP, "processors", found)
}

fn memory(membership: &str) -> Check {
    let limit = least(membership, "memory", ["memory.max", "memory.limit_in_bytes"])
        // The first version says so that there is none.
        .filter(|limit| limit.most < 1 << 62);
    let used = |limit: &Limit| {
        limit
            .beside("memory.current")
            .or_else(|| limit.beside("memory.usage_in_bytes"))
            .unwrap_or(0)
    };
    let found = limit.as_ref().map(|limit| (used(limit), limit.most));
    let advice = "the kernel kills processes when the group has no memory left: raise the group's \
                  limit, or share and keep less";
    Check::good(GROUP, "memory", told(found, bytes))
        .hint_if(found.is_some_and(|(used, most)| most.saturating_sub(used) < most / 10), advice)
}

fn pids(membership: &str) -> Check {
    let limit = least(membership, "pids", ["pids.max", "pids.max"]);
    let used = |limit: &Limit| limit.beside("pids.current").unwrap_or(0);
    let found = limit.as_ref().map(|limit| (used(limit), limit.most));
    let left = found.map(|(used, most)| most.saturating_sub(used));
    let advice = "no more processes and threads can be started then: raise the group's limit \
                  (in a container: `--pids-limit`), or end some";
    Check::good(GROUP, "processes and threads", told(found, |n| n.to_string()))
        .hint_if(left.is_some_and(|left| left < 256), advice)
        .problem_if(left.is_some_and(|left| left < 16), advice)
}

fn told(found: Option<(u64, u64)>, unit: impl Fn(u64) -> String) -> String {
    match found {
        Some((used, most)) => format!("{} of {}", unit(used), unit(most)),
        None => "unlimited".to_owned(),
    }
}

/// A limit, and the folder of the group that it is of.
#[derive(Debug, PartialEq, Eq)]
struct Limit {
    most: u64,
    folder: PathBuf,
}

impl Limit {
    /// Another number of the same group.
    fn beside(&self, file: &str) -> Option<u64> {
        number(&self.folder.join(file))
    }
}

/// The least limit of the groups that this process is in, from its own to the top.
fn least(membership: &str, controller: &str, [file, old_file]: [&str; 2]) -> Option<Limit> {
    folders(membership, controller)
        .into_iter()
        .flat_map(|folder| [file, old_file].map(|file| (folder.join(file), folder.clone())))
        .filter_map(|(file, folder)| Some(Limit { most: number(&file)?, folder }))
        .min_by_key(|limit| limit.most)
}

/// A number in a file; none if there is none, or the word that stands for no limit.
fn number(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// The folders of the groups that the controller looks at, as `/proc/self/cgroup` says.
fn folders(membership: &str, controller: &str) -> Vec<PathBuf> {
    let tops = membership.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        let top = match controllers {
            "" => PathBuf::from(ROOT),
            list if list.split(',').any(|it| it == controller) => Path::new(ROOT).join(controller),
            _ => return None,
        };
        Some((top, path.trim_start_matches('/').to_owned()))
    });
    tops.flat_map(|(top, path)| {
        let own = top.join(path);
        let above = own.ancestors().take_while(|it| it.starts_with(&top));
        above.map(Path::to_owned).collect::<Vec<_>>()
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::folders;

    #[test]
    fn groups_of_both_versions_are_found_up_to_the_top() {
        let membership = "9:name=systemd:/a\n8:cpu,pids:/a/b\n0::/c\n";
        let found = folders(membership, "pids");
        let expected = [
            "/sys/fs/cgroup/pids/a/b",
            "/sys/fs/cgroup/pids/a",
            "/sys/fs/cgroup/pids",
            "/sys/fs/cgroup/c",
            "/sys/fs/cgroup",
        ];
        assert_eq!(found, expected.map(PathBuf::from));
        assert_eq!(folders("nonsense\n::\n", "pids"), [PathBuf::from("/sys/fs/cgroup")]);
        assert_eq!(folders("", "memory"), Vec::<PathBuf>::new());
    }
}
