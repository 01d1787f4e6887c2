//! `/proc`, without which this library knows neither its program nor its namespace.

use std::io;
use std::path::Path;

/// An error of what looked in `/proc`: if that is not there, which "no such file" does not tell, it says so.
#[doc(hidden)]
#[must_use]
pub fn name_missing_proc(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::NotFound && !Path::new("/proc/self").exists() {
        return io::Error::new(io::ErrorKind::NotFound, "`/proc` is not mounted");
    }
    error
}
