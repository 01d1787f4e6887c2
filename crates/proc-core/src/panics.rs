//! Panics as data: what was said, and where.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::RefCell;
use std::fmt;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};

use serde::{Deserialize, Serialize};

/// What a panic said, and where it happened.
///
/// It travels between processes, so it is text; the value that was thrown stays where it was.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PanicInfo {
    message: String,
    location: Option<PanicLocation>,
    backtrace: Option<String>,
}

/// Where a panic happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PanicLocation {
    /// The source file.
    pub file: String,
    /// The line in it, from 1.
    pub line: u32,
    /// The column in that line, from 1.
    pub column: u32,
}

impl PanicInfo {
    /// What was said.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Where it happened; `None` if the program has a panic hook of its own, or threw a value with
    /// `resume_unwind`.
    #[must_use]
    pub fn location(&self) -> Option<&PanicLocation> {
        self.location.as_ref()
    }

    /// Through which calls it came there, as text, if the environment of the process asked for that
    /// with `RUST_BACKTRACE`; where the location is not known, this is neither.
    #[must_use]
    pub fn backtrace(&self) -> Option<&str> {
        self.backtrace.as_deref()
    }

    /// Runs `work` and turns a panic in it into a value.
    ///
    /// The location is known in a process that this crate started, where a panic hook of ours notes
    /// it before it calls the one that was there; the message is on the standard error as always.
    ///
    /// # Errors
    ///
    /// The panic, if there was one.
    ///
    /// # Examples
    ///
    /// ```
    /// use proc_core::PanicInfo;
    ///
    /// let panic = PanicInfo::catch(|| panic!("no more {}", "tea")).unwrap_err();
    /// assert_eq!(panic.message(), "no more tea");
    /// ```
    pub fn catch<R>(work: impl FnOnce() -> R) -> Result<R, Self> {
        drop(NOTED.take());
        // What `work` left half-done is not seen again: the callers end the process or the task.
        panic::catch_unwind(AssertUnwindSafe(work)).map_err(|payload| {
            let noted = NOTED.take();
            let (location, backtrace) =
                noted.map_or((None, None), |noted| (noted.location, noted.backtrace));
            let info = Self { message: message(payload.as_ref()), location, backtrace };
            // Dropping what was thrown may panic again; that says nothing new.
            drop(panic::catch_unwind(AssertUnwindSafe(|| drop(payload))));
            info
        })
    }
}

impl fmt::Debug for PanicInfo {
    /// Without the backtrace, which is long.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = formatter.debug_struct("PanicInfo");
        fields.field("message", &self.message).field("location", &self.location);
        fields.finish_non_exhaustive()
    }
}

impl fmt::Display for PanicInfo {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.location {
            Some(location) => write!(formatter, "panicked at {location}: {}", self.message),
            None => write!(formatter, "panicked: {}", self.message),
        }
    }
}

impl fmt::Display for PanicLocation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}:{}", self.file, self.line, self.column)
    }
}

thread_local! {
    /// The last panic of this thread.
    static NOTED: RefCell<Option<PanicInfo>> = const { RefCell::new(None) };
}

/// Notes every panic of this process before the hook that was there is called.
///
/// `report` is called with a panic that ends the process, as every one does in a program that is
/// built with `panic = "abort"`.
pub(crate) fn note_them(report: impl Fn(&PanicInfo) + Send + Sync + 'static) {
    let previous = panic::take_hook();
    panic::set_hook(Box::new(move |hook_info| {
        let info = PanicInfo::noted(hook_info);
        if cfg!(panic = "abort") {
            previous(hook_info);
            report(&info);
        } else {
            // A thread that is ending has nowhere to note it.
            let _noted = NOTED.try_with(|noted| noted.replace(Some(info)));
            previous(hook_info);
        }
    }));
}

impl PanicInfo {
    fn noted(info: &PanicHookInfo<'_>) -> Self {
        let location = info.location().map(|location| PanicLocation {
            file: location.file().to_owned(),
            line: location.line(),
            column: location.column(),
        });
        let backtrace = Backtrace::capture();
        let is_captured = backtrace.status() == BacktraceStatus::Captured;
        let backtrace = is_captured.then(|| backtrace.to_string());
        Self { message: message(info.payload()), location, backtrace }
    }
}

/// What was thrown, if it is text, as it nearly always is.
fn message(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "a value that is not text".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::panic;

    use super::PanicInfo;

    struct PanicsWhenDropped;

    impl Drop for PanicsWhenDropped {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }

    #[test]
    fn thrown_text_is_the_message_and_anything_else_is_named_as_such() {
        let caught = PanicInfo::catch(|| panic::resume_unwind(Box::new("static")));
        assert_eq!(caught.map(drop).unwrap_err().message(), "static");
        let caught = PanicInfo::catch(|| panic::resume_unwind(Box::new("owned".to_owned())));
        assert_eq!(caught.map(drop).unwrap_err().message(), "owned");
        let caught = PanicInfo::catch(|| panic::resume_unwind(Box::new(7)));
        assert_eq!(caught.map(drop).unwrap_err().to_string(), "panicked: a value that is not text");
        assert_eq!(PanicInfo::catch(|| 7), Ok(7));
    }

    #[test]
    fn thrown_value_that_panics_when_dropped_is_survived() {
        let caught = PanicInfo::catch(|| panic::panic_any(PanicsWhenDropped));
        assert_eq!(caught.map(drop).unwrap_err().message(), "a value that is not text");
    }
}
