//! A descriptor for what comes through shared memory, to wait for it among other things.

use std::os::fd::{AsFd as _, OwnedFd};

use ipc_core::Deadline;
use serde::de::DeserializeOwned;

use super::ShmConnection;
use crate::error::RecvError;
use crate::sys::{epoll, ready};

impl<S, R: DeserializeOwned> ShmConnection<S, R> {
    /// Makes a descriptor that is readable as soon as there is something to receive, or nobody is at the
    /// other end any more: for [`wait`](crate::wait()).
    ///
    /// It is good for one wait, after which [`try_recv`](Self::try_recv) says what there is: nothing, if
    /// the wait has ended early. Whatever receives may take the news away from it, so make it last before
    /// the wait. Who waits for this connection alone has [`poll`](Self::poll), which is much
    /// faster; and among many a [`Connection`](crate::Connection) is.
    ///
    /// # Errors
    ///
    /// [`RecvError::OtherProcess`], and [`RecvError::Io`] if the process has too many descriptors.
    ///
    /// # Examples
    ///
    /// ```
    /// use ipc_pipe::{pipe, shm_pipe, wait};
    ///
    /// let (mut here, mut there) = shm_pipe::<u32, u32>()?;
    /// let (other, _others_end) = pipe::<(), ()>()?;
    /// there.send(&7)?;
    /// let received = loop {
    ///     wait(&[&here.arrival()?, &other], None)?;
    ///     if let Ok(received) = here.try_recv() {
    ///         break received;
    ///     }
    /// };
    /// assert_eq!(received, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "as_fd")]
    pub fn arrival(&mut self) -> Result<OwnedFd, RecvError> {
        let (way, reader, mut other) = self.receiving()?.0.parts();
        // What was heard before is no news.
        other.door.listen(other.theirs);
        let is_there = reader.look_for_record(&way, &mut other);
        // What is wrong is found out by who receives.
        let news =
            if is_there == Ok(false) { other.door.next_look() } else { Some(Deadline::now()) };
        if let Some(when) = news {
            return Ok(ready::alarm(when)?);
        }
        let all = epoll::create()?;
        for (name, file) in (0..).zip(other.door.files()) {
            epoll::add(all.as_fd(), file, name)?;
        }
        Ok(all)
    }
}
