//! Memory with a name that nobody has open.
//!
//! A nameless segment ends with its last user, whatever happens. One with a name stays until somebody
//! takes the name away, so programs that die may leave some behind.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use ipc_core::SegmentError;

use super::Check;
use crate::failure::Result;
use crate::system::{self, FOLDER, Named};
use crate::table::bytes;

const GROUP: &str = "names";

pub(super) fn check() -> Result<Vec<Check>> {
    let named = system::named();
    let (in_use, unreadable) = in_use()?;
    let mut checks = Vec::new();
    let (mut n_ours, mut n_unsure) = (0, 0);
    for file in &named {
        let is_ours = match file.view() {
            Ok(Ok(_)) => true,
            // One of ours that this process cannot make sense of.
            Ok(Err(SegmentError::OtherPidNamespace | SegmentError::WrongLayoutVersion { .. })) => {
                n_unsure += 1;
                false
            }
            _ => false,
        };
        if is_ours {
            n_ours += 1;
            if !in_use.contains(&file.identity) {
                checks.push(left(file, unreadable));
            }
        }
    }
    let n_unknown = named.len() - n_ours;
    let found = format!("{n_ours} of ours, {} left behind; {n_unknown} others", checks.len());
    let sum = Check::good(GROUP, "in /dev/shm", found)
        .hint_if(n_unsure > 0, "some belong to another pid namespace, or another version of ours");
    checks.insert(0, sum);
    Ok(checks)
}

/// A name that was left behind.
fn left(file: &Named, unreadable: usize) -> Check {
    let made = Duration::from_secs(u64::try_from(file.metadata.ctime()).unwrap_or(0));
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let name = file.name.to_string_lossy();
    let found = format!(
        "{}, user {}, unchanged for {}, open nowhere",
        bytes(file.metadata.blocks().saturating_mul(512)),
        file.metadata.uid(),
        age(now.saturating_sub(made))
    );
    let path = Path::new(FOLDER).join(&file.name);
    let doubt = match unreadable {
        0 => String::new(),
        n => format!(" ({n} processes of this user could not be looked at)"),
    };
    let quoted = path.display().to_string().replace('\'', r"'\''");
    let advice = format!("if no program will come back for it: rm -- '{quoted}'{doubt}");
    Check::good(GROUP, &name, found).problem_if(true, advice)
}

/// The files that processes of this user have open or mapped, by device and inode; and how many of them
/// could not be looked at.
fn in_use() -> Result<(BTreeSet<(u64, u64)>, usize)> {
    let mut unreadable = 0;
    let mut found = BTreeSet::new();
    for pid in system::processes()? {
        match system::descriptors(pid) {
            Ok(descriptors) => {
                let named = descriptors.iter().filter(|it| it.target.starts_with(FOLDER));
                found.extend(named.filter_map(|it| it.identity().ok()));
            }
            Err(error) if system::is_gone(&error) => continue,
            Err(_) => unreadable += 1,
        }
        // What is mapped may have been closed.
        if let Ok(maps) = fs::read(format!("/proc/{pid}/maps")) {
            found.extend(String::from_utf8_lossy(&maps).lines().filter_map(mapped));
        }
    }
    Ok((found, unreadable))
}

/// The file behind a line of `/proc/PID/maps`, if it has a name.
fn mapped(line: &str) -> Option<(u64, u64)> {
    let mut words = line.split_ascii_whitespace().skip(3);
    let (device, inode, path) = (words.next()?, words.next()?, words.next()?);
    let (major, minor) = device.split_once(':')?;
    let [major, minor] = [major, minor].map(|number| u32::from_str_radix(number, 16));
    let is_there = path.starts_with(FOLDER);
    is_there.then_some((rustix::fs::makedev(major.ok()?, minor.ok()?), inode.parse().ok()?))
}

/// A time for people.
fn age(time: Duration) -> String {
    const UNITS: [(u64, &str); 3] = [(86_400, "days"), (3600, "hours"), (60, "minutes")];

    let seconds = time.as_secs();
    let found = UNITS.iter().find(|(length, _)| seconds >= 2 * length);
    found.map_or_else(
        || format!("{seconds} s"),
        |(length, unit)| format!("{} {unit}", seconds / length),
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{age, mapped};

    #[test]
    fn mappings_of_names_are_found() {
        let line = "7f00-7f10 rw-s 00000000 00:1a 77                         /dev/shm/x y";
        assert_eq!(mapped(line), Some((rustix::fs::makedev(0, 0x1a), 77)));
        assert_eq!(mapped("7f00-7f10 rw-s 00000000 00:1a 77  /usr/lib/x"), None);
        assert_eq!(mapped("7f00-7f10 rw-p 00000000 00:00 0 "), None);
        assert_eq!(mapped(""), None);
    }

    #[test]
    fn ages_are_told_in_units() {
        let told = |seconds| age(Duration::from_secs(seconds));
        assert_eq!(
            [0, 119, 120, 7200, 172_800].map(told),
            ["0 s", "119 s", "2 minutes", "2 hours", "2 days"]
        );
    }
}
