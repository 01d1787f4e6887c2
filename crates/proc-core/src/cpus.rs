//! How many processors there are to use.

use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

use crate::sys::process;

/// How many processors there are, by each that has a say in it.
///
/// # Examples
///
/// ```
/// let count = proc_core::cpu_count();
/// assert!(count.usable() >= 1 && count.usable() <= count.affinity);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct CpuCount {
    /// Those of the machine that are switched on.
    pub machine: usize,
    /// Those that this thread may run on.
    pub affinity: usize,
    /// How many processors' time the control group of this process gets; `None` if there is no limit.
    pub quota: Option<f64>,
}

impl CpuCount {
    /// How many processes can work at the same time: one at least.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number of processors, cut off at both ends"
    )]
    pub fn usable(&self) -> usize {
        let of_quota = self.quota.map_or(usize::MAX, |quota| quota.ceil() as usize);
        self.affinity.min(of_quota).max(1)
    }
}

/// How many processors there are, for the machine, for this thread and for its control group.
///
/// Python's `cpu_count` is the first, its `process_cpu_count` the second; the third is what counts in
/// a container.
#[must_use]
pub fn cpu_count() -> CpuCount {
    let machine = online(&fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default());
    let affinity = process::affinity_count();
    let fallback = available_parallelism().map_or(1, NonZero::get);
    let machine = machine.or(affinity).unwrap_or(fallback);
    CpuCount { machine, affinity: affinity.unwrap_or(fallback), quota: quota() }
}

/// Counts the processors in a list as the kernel writes it: `0-3,8`.
fn online(list: &str) -> Option<usize> {
    let mut count: usize = 0;
    for range in list.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        count = count.checked_add(last.checked_sub(first)?.checked_add(1)?)?;
    }
    Some(count)
}

/// The least quota of this process's control group and those above it.
fn quota() -> Option<f64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let root = Path::new("/sys/fs/cgroup");
    let mut least: Option<f64> = None;
    for line in groups.lines() {
        // Number, controllers, path; the second version has none of the former.
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let first_version = controllers.split(',').any(|name| name == "cpu");
        if !first_version && !controllers.is_empty() {
            continue;
        }
        let root = if first_version { root.join("cpu") } else { root.to_owned() };
        let mut folder = root.join(path.trim_start_matches('/'));
        loop {
            if let Some(quota) = quota_in(&folder) {
                least = Some(least.map_or(quota, |least| least.min(quota)));
            }
            if folder == root || !folder.pop() {
                break;
            }
        }
    }
    least
}

fn quota_in(folder: &Path) -> Option<f64> {
    let read = |name: &str| fs::read_to_string(PathBuf::from(folder).join(name)).ok();
    if let Some(text) = read("cpu.max") {
        let (quota, period) = text.trim().split_once(' ')?;
        return ratio(quota, period);
    }
    ratio(read("cpu.cfs_quota_us")?.trim(), read("cpu.cfs_period_us")?.trim())
}

/// A quota in terms of its period; `None` for `max` and for a negative one, which are no limit.
fn ratio(quota: &str, period: &str) -> Option<f64> {
    let (quota, period): (f64, f64) = (quota.parse().ok()?, period.parse().ok()?);
    (quota > 0.0 && period > 0.0).then_some(quota / period)
}

#[cfg(test)]
mod tests {
    use super::{CpuCount, online, quota_in, ratio};

    #[test]
    fn list_of_processors_is_counted() {
        assert_eq!(online("0\n"), Some(1));
        assert_eq!(online("0-3,8,10-11\n"), Some(7));
        for wrong in ["", "x", "3-1", "0-", "0-99999999999999999999"] {
            assert_eq!(online(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn quota_of_either_version_is_a_number_of_processors() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text);
        assert_eq!(quota_in(folder.path()), None);
        write("cpu.cfs_quota_us", "-1\n").unwrap();
        write("cpu.cfs_period_us", "100000\n").unwrap();
        assert_eq!(quota_in(folder.path()), None);
        write("cpu.cfs_quota_us", "250000\n").unwrap();
        assert_eq!(quota_in(folder.path()), Some(2.5));
        write("cpu.max", "max 100000\n").unwrap();
        assert_eq!(quota_in(folder.path()), None);
        write("cpu.max", "50000 100000\n").unwrap();
        assert_eq!(quota_in(folder.path()), Some(0.5));
        assert_eq!(ratio("1", "0"), None);
    }

    #[test]
    fn least_of_all_is_usable_and_one_at_least() {
        let count = |affinity, quota| CpuCount { machine: 8, affinity, quota }.usable();
        assert_eq!(count(4, None), 4);
        assert_eq!(count(4, Some(1.5)), 2);
        assert_eq!(count(4, Some(0.1)), 1);
        assert_eq!(count(2, Some(100.0)), 2);
    }
}
