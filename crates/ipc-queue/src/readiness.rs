//! `Readiness`: a descriptor for event loops.

use std::fmt;
use std::io::{self, PipeReader, PipeWriter, Read as _, Write as _};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

use crate::bytes::ByteQueue;
use crate::joinable::JoinableQueue;
use crate::queue::Queue;
use crate::seat::TableHandle;
use crate::side::{MayGet, MayPut};
use crate::watch::News;

/// A descriptor that is readable when a queue is worth a try: for `poll`, `epoll` and the like.
///
/// Made by [`Queue::readable`] and [`Queue::writable`], and those of the other queues. When it is readable, call `try_get` (or
/// `try_put`) until there is nothing more, then [`clear`](Self::clear), and wait again. It is also
/// readable when the queue is closed or nobody is left on the other side. It may be so although another
/// was faster; it is never unreadable for long when there is something.
///
/// It is a handle of its queue like the one that it was made by, takes two descriptors, and a thread
/// that all clones of that handle share. Nothing of that costs anything as long as nothing happens.
///
/// # Process death
///
/// The descriptor is this process's own; what it tells comes through the queue's memory, where no news
/// is lost with whoever dies.
///
/// # Examples
///
/// ```
/// use std::os::fd::AsFd;
/// use ipc_queue::Queue;
///
/// let queue = Queue::<u32>::bounded(10)?;
/// let readiness = queue.readable()?;
/// # fn wait_with_poll(_: std::os::fd::BorrowedFd<'_>) {}
/// queue.put(7)?;
/// wait_with_poll(readiness.as_fd());
/// while let Ok(value) = queue.try_get() {
///     assert_eq!(value, 7);
/// }
/// readiness.clear()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Readiness {
    table: TableHandle,
    news: News,
    signal: Arc<Signal>,
    /// What the watching thread is given.
    waker: Waker,
    reader: PipeReader,
}

/// A byte in a pipe, or none.
struct Signal {
    /// Whether there is one, which is there as long as the lock is not held.
    is_set: Mutex<bool>,
    writer: PipeWriter,
}

impl Readiness {
    fn new(table: TableHandle, news: News) -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        let signal = Arc::new(Signal { is_set: Mutex::new(false), writer });
        let waker = Waker::from(Arc::clone(&signal));
        table.call(news, &waker);
        Ok(Self { table, news, signal, waker, reader })
    }

    /// Makes the descriptor unreadable until there is something, which may be at once.
    ///
    /// # Errors
    ///
    /// If the system cannot read from a pipe.
    pub fn clear(&self) -> io::Result<()> {
        let mut is_set = self.signal.is_set.lock().unwrap_or_else(PoisonError::into_inner);
        if *is_set {
            (&self.reader).read_exact(&mut [0])?;
            *is_set = false;
        }
        drop(is_set);
        self.table.call(self.news, &self.waker);
        Ok(())
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        let mut is_set = self.is_set.lock().unwrap_or_else(PoisonError::into_inner);
        // A pipe with no byte in it takes one, if there is still a reader.
        if !*is_set && (&self.writer).write_all(&[1]).is_ok() {
            *is_set = true;
        }
    }
}

impl AsFd for Readiness {
    /// The descriptor to wait for, until it is readable. It is not to be read from.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}

impl AsRawFd for Readiness {
    fn as_raw_fd(&self) -> RawFd {
        self.reader.as_raw_fd()
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Readiness")
            .field("news", &self.news)
            .field("reader", &self.reader)
            .finish_non_exhaustive()
    }
}

impl<S: MayGet> ByteQueue<S> {
    /// Makes a descriptor that is readable when a get is worth a try.
    ///
    /// # Errors
    ///
    /// If the process has too many descriptors.
    pub fn readable(&self) -> io::Result<Readiness> {
        Readiness::new(self.table.clone(), News::Message)
    }
}

impl<S: MayPut> ByteQueue<S> {
    /// Makes a descriptor that is readable when a put is worth a try.
    ///
    /// There is a slot then; memory for a large message may still be missing.
    ///
    /// # Errors
    ///
    /// If the process has too many descriptors.
    pub fn writable(&self) -> io::Result<Readiness> {
        Readiness::new(self.table.clone(), News::Room)
    }
}

impl<T, S: MayGet> JoinableQueue<T, S> {
    /// Makes a descriptor that is readable when a get is worth a try.
    ///
    /// It is told of what comes back, too: from the dead, and from those who give it back.
    ///
    /// # Errors
    ///
    /// As [`ByteQueue::readable`].
    pub fn readable(&self) -> io::Result<Readiness> {
        Readiness::new(self.bytes.table.clone(), News::Item)
    }
}

impl<T, S: MayPut> JoinableQueue<T, S> {
    /// Makes a descriptor that is readable when a put is worth a try.
    ///
    /// There is a slot then; memory for the value may still be missing.
    ///
    /// # Errors
    ///
    /// As [`ByteQueue::writable`].
    pub fn writable(&self) -> io::Result<Readiness> {
        self.bytes.writable()
    }
}

impl<T, S: MayGet> Queue<T, S> {
    /// Makes a descriptor that is readable when a get is worth a try.
    ///
    /// # Errors
    ///
    /// As [`ByteQueue::readable`].
    pub fn readable(&self) -> io::Result<Readiness> {
        self.bytes.readable()
    }
}

impl<T, S: MayPut> Queue<T, S> {
    /// Makes a descriptor that is readable when a put is worth a try.
    ///
    /// There is a slot then; memory for a large value may still be missing.
    ///
    /// # Errors
    ///
    /// As [`ByteQueue::writable`].
    pub fn writable(&self) -> io::Result<Readiness> {
        self.bytes.writable()
    }
}
