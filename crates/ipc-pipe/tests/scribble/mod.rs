//! A script of operations on a connection through shared memory, and of what a stranger writes into its
//! memory and sends to its doors.
//!
//! The script is made of bytes, so that a fuzzer can write it. Whatever it says, every operation must
//! return, with whatever result: that is all that is asked here.

use std::hint::black_box;
use std::io::IoSlice;
use std::os::fd::OwnedFd;
use std::time::Duration;

use ipc_core::primitive::{AtomicU64, Ordering::Relaxed};
use ipc_core::wire::{self, PacketSocket, owned_fd};
use ipc_core::{Deadline, Segment};
use ipc_pipe::{ShmConnection, shm_pipe};
use serde::Deserialize;
use testkit::Script;
use words::{place, value};

pub(crate) mod words;

type End = ShmConnection<(), ()>;

/// What a stranger has who was given an end: it travels as this.
#[derive(Deserialize)]
struct Parts {
    _is_second: bool,
    segment: Segment,
    #[serde(with = "owned_fd")]
    line: OwnedFd,
    #[serde(with = "owned_fd")]
    bell: OwnedFd,
}

/// Both ends of a connection, and a stranger that has the memory and the sockets of the first.
pub(crate) struct Scene {
    pub(crate) ends: [End; 2],
    memory: Segment,
    line: PacketSocket,
    bell: PacketSocket,
}

impl Scene {
    pub(crate) fn new() -> Option<Self> {
        let (first, second) = shm_pipe().ok()?;
        let parts: Parts = wire::decode(wire::encode(&first).ok()?).ok()?;
        let line = PacketSocket::from_fd(parts.line).ok()?;
        let bell = PacketSocket::from_fd(parts.bell).ok()?;
        Some(Self { ends: [first, second], memory: parts.segment, line, bell })
    }

    /// Writes a word, if there is one at that place, and says what it held.
    pub(crate) fn write(&self, place: usize, value: u64) -> u64 {
        self.memory.at::<AtomicU64>(place & !7).map_or(0, |word| word.swap(value, Relaxed))
    }

    /// Uses both ends in every way that there is.
    pub(crate) fn use_all(&mut self) {
        for form in 0..2 * N_FORMS {
            for len in [0, 1, 100, 30_000, 70_000] {
                self.operate(form, len);
            }
        }
    }

    fn operate(&mut self, form: u8, len: usize) {
        const SOON: Duration = Duration::from_micros(30);
        let end = &mut self.ends[usize::from(form / N_FORMS % 2)];
        let message = vec![7; len];
        let mut room = [0; 64];
        match form % N_FORMS {
            0 => drop(end.send_bytes_deadline(&message, Deadline::now())),
            1 => drop(end.send_bytes_deadline(&message, Deadline::after(SOON))),
            2 => drop(end.try_send(&())),
            3 => drop(end.recv_bytes_deadline(1 << 20, Deadline::now())),
            4 => drop(end.recv_bytes_deadline(10, Deadline::after(SOON))),
            5 => drop(end.try_recv()),
            6 => drop(end.poll(SOON)),
            7 => drop(black_box((end.closed(), format!("{end:?}")))),
            _ if end.poll(Duration::ZERO).is_ok_and(|is_there| is_there) => {
                drop(end.recv_bytes_into(&mut room));
            }
            _ => {}
        }
    }
}

/// How many ways there are to use an end.
const N_FORMS: u8 = 9;

/// Plays a script until the bytes are at an end.
pub(crate) fn play(script: &[u8]) {
    let Some(mut scene) = Scene::new() else { return };
    let mut script = Script::new(script);
    while !script.is_over() {
        match script.byte() % 4 {
            0 => {
                let place = place(&mut script);
                scene.write(place, value(&mut script));
            }
            1 => {
                let bytes = value(&mut script).to_le_bytes();
                let len = usize::from(script.byte() % 9);
                let socket =
                    if script.byte().is_multiple_of(2) { &scene.bell } else { &scene.line };
                let packet = IoSlice::new(bytes.get(..len).unwrap_or(&bytes));
                socket.send(&[packet], &[], Deadline::now()).ok();
            }
            _ => {
                let short = usize::from(script.byte());
                scene.operate(script.byte(), short * short);
            }
        }
    }
    // Whatever the words say now.
    scene.use_all();
}
