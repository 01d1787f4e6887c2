//! A script of what a client does to its lane and its socket: proper calls, garbage, and words written into
//! the memory, as no client of ours does.
//!
//! The script is made of bytes, so that a fuzzer can write it. Whatever it says, the server must do for
//! everybody else what it did before.

use ipc_core::primitive::{AtomicU64, Ordering::Relaxed};
use ipc_core::{Deadline, Segment};
use ipc_pipe::lane::{self, Lane, Partner};
use ipc_pipe::{Address, Connection, Limits, connect};
use testkit::Script;
use words::{place, value};

#[path = "../../../ipc-pipe/tests/scribble/words.rs"]
pub(crate) mod words;

/// What a client says first: magic, version, no process, and that it would like a lane.
pub(crate) const HELLO: &[u8] = b"mp-mngr\0\x01\0\0\x01";

/// A client that does with its lane whatever it likes.
pub(crate) struct Stranger {
    pub(crate) socket: Connection<(), Option<Segment>>,
    pub(crate) memory: Segment,
    pub(crate) lane: Lane,
}

/// The server, as somebody sees it who calls and never sleeps.
pub(crate) struct Server<'s>(pub(crate) &'s Connection<(), Option<Segment>>);

impl Partner for Server<'_> {
    fn call(&self) {
        self.0.send_bytes_deadline(&[], Deadline::now()).ok();
    }

    fn sleep(&mut self, _: Deadline) -> bool {
        false
    }

    fn is_gone(&mut self) -> bool {
        false
    }

    fn may_miss_sleepers(&mut self) {}
}

impl Stranger {
    pub(crate) fn connect(address: &Address) -> Option<Self> {
        let socket: Connection<(), Option<Segment>> = connect(address, None).ok()?;
        let socket = socket.with_limits(Limits::NONE);
        socket.send_bytes(HELLO).ok()?;
        socket.recv_bytes(1024).ok()?;
        let memory = socket.recv().ok()??;
        let lane = lane::open(memory.clone()).ok()?;
        Some(Self { socket, memory, lane })
    }

    /// Sends a message as it should be; whether there was room.
    pub(crate) fn say(&mut self, message: &[u8]) -> bool {
        self.lane.writer.try_put(&Server(&self.socket), message).unwrap_or(false)
    }

    /// Hears a message as it should be, waiting for it; `None` if none can come any more.
    pub(crate) fn hear(&mut self) -> Option<Vec<u8>> {
        let mut message = Vec::new();
        loop {
            if self.lane.reader.take(&Server(&self.socket), &mut message).ok()?.is_some() {
                return Some(message);
            }
            if !self.lane.reader.announce(&mut Server(&self.socket)).ok()? {
                self.socket.recv_bytes(1024).ok()?;
            }
        }
    }

    /// Writes a word, if there is one at that place.
    pub(crate) fn write(&self, place: usize, value: u64) {
        self.memory
            .at::<AtomicU64>(place & !7)
            .into_iter()
            .for_each(|word| word.store(value, Relaxed));
    }
}

/// A call, as it is sent: of a number below 128, with an argument that is shorter.
pub(crate) fn call(id: u8, object: u8, method: u8, argument: &[u8]) -> Vec<u8> {
    let len = u8::try_from(argument.len()).unwrap_or(0);
    [&[id, object, method, 0, len], argument].concat()
}

/// To make a dict, called `x`.
pub(crate) fn make_dict(id: u8) -> Vec<u8> {
    call(id, 0, 2, b"\x04dict\x01x")
}

/// Plays a script until the bytes are at an end, or the server will have no more of it.
pub(crate) fn play(address: &Address, script: &[u8]) {
    let Some(mut stranger) = Stranger::connect(address) else { return };
    let mut script = Script::new(script);
    stranger.say(&make_dict(1));
    while !script.is_over() {
        match script.byte() % 8 {
            0 | 1 => {
                let place = place(&mut script);
                stranger.write(place, value(&mut script));
            }
            2 => drop(stranger.socket.send_bytes_deadline(&[], Deadline::now())),
            3 => {
                let garbage = value(&mut script).to_le_bytes();
                stranger.socket.send_bytes_deadline(&garbage, Deadline::now()).ok();
            }
            4 => drop(stranger.say(&value(&mut script).to_le_bytes())),
            5 => drop(stranger.lane.writer.try_mark(&Server(&stranger.socket))),
            6 => {
                let (method, key) = (script.byte() % 16, script.byte());
                stranger.say(&call(2, 1, method, &[1, key, key]));
            }
            _ => {
                let mut message = Vec::new();
                stranger.lane.reader.take(&Server(&stranger.socket), &mut message).ok();
            }
        }
    }
}
