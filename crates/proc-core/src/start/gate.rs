//! A gate at which a new process waits until it is known to its parent.

use std::io::{self, PipeReader, PipeWriter, Read as _, Write as _};

/// Lets a copy of this process pass only when the original says so, or is dead.
#[derive(Debug)]
pub(super) struct Gate {
    reader: PipeReader,
    writer: PipeWriter,
}

impl Gate {
    /// Makes one, before the copy.
    pub(super) fn new() -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        Ok(Self { reader, writer })
    }

    /// In the copy: waits; `false` if the original died before it opened the gate.
    pub(super) fn pass(self) -> bool {
        let Self { mut reader, writer } = self;
        // So that the end of the pipe is seen if the original dies.
        drop(writer);
        // Whatever it comes to, there is nothing to wait for any more.
        matches!(reader.read(&mut [0]), Ok(1))
    }

    /// In the original: lets the copy pass.
    pub(super) fn open(self) {
        let Self { reader, mut writer } = self;
        drop(reader);
        // It fails if the copy is dead already.
        let _opened = writer.write(&[0]);
    }
}
