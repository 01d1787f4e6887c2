//! Lines of the input, read when somebody is there to run a job for them.

use std::io::{self, BufRead};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// The lines, for several threads.
#[derive(Debug)]
pub(super) struct Lines<R> {
    reader: Mutex<Reader<R>>,
    gate: Gate,
}

/// A line, and how many came before it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) index: u64,
    pub(super) bytes: Vec<u8>,
}

#[derive(Debug)]
struct Reader<R> {
    source: R,
    /// What ends a line.
    end: u8,
    n_read: u64,
    is_over: bool,
}

/// Keeps the reading from running ahead of the printing.
#[derive(Debug)]
struct Gate {
    /// Lines below this number may be read.
    limit: Mutex<u64>,
    moved: Condvar,
    /// How many lines may be under way; none is not ahead.
    most_ahead: u64,
}

impl<R: BufRead> Lines<R> {
    /// Lines that end with `end`; at most `most_ahead` are read before the first of them is [finished].
    ///
    /// [finished]: Self::finished
    pub(super) fn new(source: R, end: u8, most_ahead: u64) -> Self {
        let reader = Mutex::new(Reader { source, end, n_read: 0, is_over: false });
        let gate = Gate { limit: Mutex::new(most_ahead), moved: Condvar::new(), most_ahead };
        Self { reader, gate }
    }

    /// The next line, as soon as there is one and it may be read; `None` if there are no more.
    pub(super) fn next(&self) -> io::Result<Option<Line>> {
        // Others wait for the lock, and would read the line after this one.
        let mut reader = lock(&self.reader);
        self.gate.pass(reader.n_read);
        reader.next()
    }

    /// Says that the first `n` lines are printed.
    pub(super) fn finished(&self, n: u64) {
        *lock(&self.gate.limit) = n.saturating_add(self.gate.most_ahead);
        self.gate.moved.notify_all();
    }

    /// Lets nobody read any more who has not begun to.
    pub(super) fn close(&self) {
        *lock(&self.gate.limit) = u64::MAX;
        self.gate.moved.notify_all();
    }
}

impl Gate {
    fn pass(&self, index: u64) {
        let limit = lock(&self.limit);
        let waited = self.moved.wait_while(limit, |limit| index >= *limit);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}

impl<R: BufRead> Reader<R> {
    fn next(&mut self) -> io::Result<Option<Line>> {
        let mut bytes = Vec::new();
        if self.is_over || self.source.read_until(self.end, &mut bytes)? == 0 {
            self.is_over = true;
            return Ok(None);
        }
        if bytes.last() == Some(&self.end) {
            bytes.pop();
        }
        let index = self.n_read;
        self.n_read += 1;
        Ok(Some(Line { index, bytes }))
    }
}

/// No code of others runs under these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::{Line, Lines};

    fn all(text: &'static [u8], end: u8) -> Vec<Vec<u8>> {
        let lines = Lines::new(text, end, 100);
        std::iter::from_fn(|| lines.next().unwrap()).map(|line| line.bytes).collect()
    }

    #[test]
    fn lines_end_where_they_should() {
        assert_eq!(all(b"a\n\nb", b'\n'), [&b"a"[..], b"", b"b"]);
        assert_eq!(all(b"a\nb\0c\0", 0), [&b"a\nb"[..], b"c"]);
        assert_eq!(all(b"", b'\n'), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn no_line_is_read_that_is_too_far_ahead() {
        let lines = Lines::new(&b"0\n1\n2\n3\n"[..], b'\n', 2);
        thread::scope(|scope| {
            let (read, reads) = mpsc::channel();
            scope.spawn(|| {
                let read = read;
                while let Some(Line { index, .. }) = lines.next().unwrap() {
                    read.send(index).unwrap();
                }
            });
            assert_eq!((reads.recv(), reads.recv()), (Ok(0), Ok(1)));
            // The third waits at the gate, or is about to.
            assert_eq!(reads.try_recv(), Err(mpsc::TryRecvError::Empty));
            lines.finished(1);
            assert_eq!(reads.recv(), Ok(2));
            assert_eq!(reads.try_recv(), Err(mpsc::TryRecvError::Empty));
            lines.close();
            assert_eq!((reads.recv(), reads.recv()), (Ok(3), Err(mpsc::RecvError)));
        });
    }
}
