//! The program's text in a copy of this process.
//!
//! When the kernel copies a process it leaves out what can be had again from a file: each page of the
//! program that the copy touches is a fault there, and most of what a short-lived copy costs. But it
//! copies the whole table of a mapping in which a page is the process's own. So one page of each
//! mapping is made that, by writing to it what is there.
//!
//! The one way to write to text without a moment in which it is not text is the kernel's view of this
//! process as a file. A kernel may forbid that; then copies cost what they cost.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;

/// Has copies of this process begin with the pages of the program that this process has by now.
///
/// For a process with one thread that copies itself often.
///
/// # References
///
/// - Linux `proc_pid_mem(5)`, `proc_pid_maps(5)`
pub(crate) fn is_to_be_copied() {
    let Ok(maps) = fs::read_to_string("/proc/self/maps") else { return };
    let Ok(memory) = OpenOptions::new().read(true).write(true).open("/proc/self/mem") else {
        return;
    };
    for start in maps.lines().filter_map(start_of_text) {
        let mut byte = [0];
        if memory.read_exact_at(&mut byte, start).is_ok() {
            // It fails where that is forbidden.
            let _written = memory.write_at(&byte, start);
        }
    }
}

/// Where a mapping begins that is of a file, and private, and not to be written to.
fn start_of_text(line: &str) -> Option<u64> {
    let mut fields = line.split_ascii_whitespace();
    let (range, permissions) = (fields.next()?, fields.next()?);
    let is_of_file = fields.nth(3)?.starts_with('/');
    let (start, _) = range.split_once('-')?;
    (is_of_file && matches!(permissions, "r--p" | "r-xp"))
        .then(|| u64::from_str_radix(start, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::start_of_text;

    #[test]
    fn text_is_what_is_private_of_a_file_and_not_written_to() {
        let line = |permissions: &str, name: &str| {
            start_of_text(&format!("7f00-7fff {permissions} 00000000 fe:00 1234  {name}"))
        };
        assert_eq!(line("r-xp", "/usr/bin/true"), Some(0x7f00));
        assert_eq!(line("r--p", "/a file with spaces (deleted)"), Some(0x7f00));
        for (permissions, name) in
            [("rw-p", "/usr/bin/true"), ("r--s", "/usr/bin/true"), ("r-xp", "[vdso]"), ("r-xp", "")]
        {
            assert_eq!(line(permissions, name), None, "{permissions} {name}");
        }
        assert_eq!(start_of_text(""), None);
    }
}
