//! What is different in a child from what its parent has: environment, folder, limits and so on.
//!
//! It travels with the call, and the child itself brings it about before anything of the user's runs,
//! so that it is the same with each way of starting, and a start is over only when all of it holds.
//!
//! # Safety
//!
//! The duty of who changes the environment is passed on to the caller.
#![expect(unsafe_code, reason = "changes the environment")]

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt as _;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::call::Refusal;
use crate::error::StartError;
use crate::stdio::Stream;
use crate::sys::setup::{self, Limit};
use crate::sys::signal::Disposition;

/// All that was said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Setup {
    streams: [Stream; 3],
    clears_environment: bool,
    /// In the order in which they were said; without a value the variable is removed.
    environment: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    folder: Option<Vec<u8>>,
    group: Group,
    keeps_orphans: bool,
    niceness: Option<i32>,
    processors: Option<Vec<usize>>,
    signals: Vec<(i32, Disposition)>,
    limits: Vec<(Limit, u64)>,
}

/// Which processes the child gets signals of a terminal with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Group {
    #[default]
    OfParent,
    Own,
    OwnSession,
}

impl Setup {
    pub(crate) fn set_streams(&mut self, streams: [Stream; 3]) {
        self.streams = streams;
    }

    pub(crate) fn clear_environment(&mut self) {
        self.clears_environment = true;
        self.environment.clear();
    }

    pub(crate) fn set_variable(&mut self, name: OsString, value: Option<OsString>) {
        self.environment.push((name.into_vec(), value.map(OsString::into_vec)));
    }

    pub(crate) fn set_folder(&mut self, folder: OsString) {
        self.folder = Some(folder.into_vec());
    }

    pub(crate) fn set_own_group(&mut self, own: bool) {
        self.group = if own { Group::Own } else { Group::OfParent };
    }

    pub(crate) fn set_own_session(&mut self, own: bool) {
        self.group = if own { Group::OwnSession } else { Group::OfParent };
    }

    pub(crate) fn set_keeps_orphans(&mut self, keeps: bool) {
        self.keeps_orphans = keeps;
    }

    pub(crate) fn set_niceness(&mut self, niceness: i32) {
        self.niceness = Some(niceness);
    }

    pub(crate) fn set_processors(&mut self, processors: Vec<usize>) {
        self.processors = Some(processors);
    }

    pub(crate) fn set_signal(&mut self, signal: i32, disposition: Disposition) {
        self.signals.push((signal, disposition));
    }

    pub(crate) fn set_limit(&mut self, limit: Limit, value: u64) {
        self.limits.push((limit, value));
    }

    pub(crate) fn limits_memory(&self) -> bool {
        self.limits.iter().any(|(limit, _)| *limit == Limit::Memory)
    }

    pub(crate) fn set_cpu_time(&mut self, time: Duration) {
        // The kernel counts whole seconds; less than was said would be wrong.
        let seconds = time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0));
        self.set_limit(Limit::CpuSeconds, seconds);
    }

    /// Says what of it can never be.
    pub(crate) fn check(&self) -> Result<(), StartError> {
        let is_name = |name: &[u8]| !name.is_empty() && !name.contains(&b'=') && !name.contains(&0);
        let names = self.environment.iter().map(|(name, _)| name.as_slice());
        let values = self.environment.iter().filter_map(|(_, value)| value.as_deref());
        if !names.into_iter().all(is_name) || values.into_iter().any(|value| value.contains(&0)) {
            return Err(StartError::Setup("a variable of the environment has a bad name or value"));
        }
        if self.folder.as_ref().is_some_and(|folder| folder.contains(&0)) {
            return Err(StartError::Setup("the name of the working directory has a zero in it"));
        }
        if self.processors.as_ref().is_some_and(|list| !setup::can_name(list)) {
            return Err(StartError::Setup("there are no such processors"));
        }
        if self.limits.contains(&(Limit::CpuSeconds, 0)) {
            return Err(StartError::Setup("a process needs some processor time"));
        }
        Ok(())
    }

    /// Brings it all about in this process, which is the child.
    ///
    /// # Safety
    ///
    /// This process must have a single thread, or no other that looks at the environment.
    pub(crate) unsafe fn apply(self, given: Vec<OwnedFd>) -> Result<(), Refusal> {
        let failed = |what: &'static str| {
            move |error: std::io::Error| Refusal::Setup(what.to_owned(), error.to_string())
        };
        setup::replace_streams(self.streams, given).map_err(failed("set its standard streams"))?;
        // SAFETY: the duty is the caller's.
        unsafe { setup::change_environment(self.clears_environment, self.environment) };
        if let Some(folder) = self.folder {
            let folder = OsString::from_vec(folder);
            std::env::set_current_dir(folder).map_err(failed("go to its working directory"))?;
        }
        match self.group {
            Group::OfParent => {}
            Group::Own => setup::own_group().map_err(failed("make a process group"))?,
            Group::OwnSession => setup::own_session().map_err(failed("make a session"))?,
        }
        if self.keeps_orphans {
            setup::adopt_orphans().map_err(failed("adopt orphans"))?;
        }
        for (signal, disposition) in self.signals {
            setup::set_signal(signal, disposition).map_err(failed("set what a signal does"))?;
        }
        if let Some(processors) = self.processors {
            setup::bind_to(&processors).map_err(failed("bind itself to processors"))?;
        }
        if let Some(niceness) = self.niceness {
            setup::set_niceness(niceness).map_err(failed("set its niceness"))?;
        }
        for (limit, value) in self.limits {
            setup::limit(limit, value).map_err(failed("limit its resources"))?;
        }
        Ok(())
    }
}
