//! A pipe of the system, between processes.
//!
//! A write of at most `PIPE_BUF` bytes is one piece, and since all messages of a pipe are equally
//! long, a read of as many bytes is one message, whoever else reads. It has as much room as the other
//! queues, but at least the usual 64 KiB.

use std::io::{PipeReader, PipeWriter, Read as _, Write as _, pipe};

use nix::fcntl::{FcntlArg, fcntl};

use crate::Result;
use crate::crew::Kind;
use crate::subjects::queue::{CAPACITY, Line, Rx, Tx};

pub(crate) struct Pipe {
    reader: PipeReader,
    writer: PipeWriter,
    size: usize,
}

pub(crate) struct Reader {
    reader: PipeReader,
    buffer: Vec<u8>,
}

/// The room of a pipe if nothing is said.
const USUAL: usize = 64 << 10;

impl Line for Pipe {
    const KIND: Kind = Kind::Processes;
    type Tx = PipeWriter;
    type Rx = Reader;

    fn new(size: usize) -> Result<Self> {
        if size > libc::PIPE_BUF {
            return Err("a write of this size is not one piece".into());
        }
        let (reader, writer) = pipe()?;
        let room = i32::try_from((CAPACITY * size).max(USUAL))?;
        fcntl(&writer, FcntlArg::F_SETPIPE_SZ(room))?;
        Ok(Self { reader, writer, size })
    }

    fn tx(&self) -> Result<PipeWriter> {
        Ok(self.writer.try_clone()?)
    }

    fn rx(&mut self) -> Result<Reader> {
        Ok(Reader { reader: self.reader.try_clone()?, buffer: vec![0; self.size] })
    }
}

impl Tx for PipeWriter {
    #[inline]
    fn send(&mut self, message: &[u8]) -> Result {
        if self.write(message)? == message.len() {
            Ok(())
        } else {
            Err("a part was written".into())
        }
    }
}

impl Rx for Reader {
    #[inline]
    fn receive<T>(&mut self, look: impl FnOnce(&[u8]) -> T) -> Result<T> {
        if self.reader.read(&mut self.buffer)? != self.buffer.len() {
            return Err("a part was read".into());
        }
        Ok(look(&self.buffer))
    }
}
