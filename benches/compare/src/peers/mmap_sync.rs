//! mmap-sync: one value in mapped files, for one writer and readers that do not wait.

#![expect(unsafe_code, reason = "reading is unsafe there")]

use std::time::Duration;

use mmap_sync::synchronizer::Synchronizer;
use rkyv::{Archive, Deserialize, Serialize};

use crate::Result;
use crate::crew::Kind;
use crate::subjects::value::Work;

/// A look at 64 bytes.
pub(crate) struct Get {
    synchronizer: Synchronizer,
    path: String,
}

#[derive(Archive, Deserialize, Serialize)]
#[archive_attr(derive(bytecheck::CheckBytes))]
struct Numbers([u64; 8]);

impl Work for Get {
    const KIND: Kind = Kind::Processes;

    fn new() -> Result<Self> {
        let path = format!("/dev/shm/compare-mmap-sync-{}", std::process::id());
        let mut synchronizer = Synchronizer::new(path.as_ref());
        synchronizer.write(&Numbers([7; 8]), Duration::from_secs(1))?;
        Ok(Self { synchronizer, path })
    }

    fn share(&self) -> Result<Self> {
        Ok(Self { synchronizer: Synchronizer::new(self.path.as_ref()), path: self.path.clone() })
    }

    #[inline]
    fn work(&mut self) -> Result {
        // SAFETY: nobody writes.
        let seen = unsafe { self.synchronizer.read::<Numbers>(false) }?;
        if seen.0 == [7; 8] { Ok(()) } else { Err("somebody wrote it".into()) }
    }
}

impl Drop for Get {
    fn drop(&mut self) {
        for file in ["state", "data_0", "data_1"] {
            // Whoever has taken it away before us has done what we want.
            std::fs::remove_file(format!("{}_{file}", self.path)).ok();
        }
    }
}
