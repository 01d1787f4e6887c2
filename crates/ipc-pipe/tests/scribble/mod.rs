//! A script of operations on a connection through shared memory, and of what a stranger writes into its
//! memory and sends to its doors.
//!
//! The script is made of bytes, so that a fuzzer can write it. Whatever it says, every operation must
//! return, with whatever result: that is all that is asked here.

use std::hint::black_box;
use std::io::IoSlice;
use std::time::Duration;

use ipc_core::primitive::{AtomicU64, Ordering::Relaxed};
use ipc_core::wire::{self, Handle, PacketSocket};
use ipc_core::{Deadline, Segment};
use ipc_pipe::{ShmConnection, ShmReceiver, ShmSender, shm_pipe};
use serde::Deserialize;
use testkit::Script;
use words::{place, value};

pub(crate) mod words;

/// What a stranger has who was given an end: it travels as this.
#[derive(Deserialize)]
struct Parts {
    _is_second: bool,
    segment: Segment,
    line: Handle,
    bells: [Option<Handle>; 2],
}

/// Both ends of a connection, of which the first is split, and a stranger that has the memory and the sockets
/// of that one.
pub(crate) struct Scene {
    pub(crate) sender: ShmSender<()>,
    pub(crate) receiver: ShmReceiver<()>,
    pub(crate) end: ShmConnection<(), ()>,
    memory: Segment,
    /// The line, the bell of the half that sends, and that of the half that receives.
    sockets: [PacketSocket; 3],
}

impl Scene {
    pub(crate) fn new() -> Option<Self> {
        let (first, end) = shm_pipe::<(), ()>().ok()?;
        let parts: Parts = wire::decode(wire::encode(&first).ok()?).ok()?;
        let [sends, receives] = parts.bells;
        let socket = |handle: Handle| PacketSocket::from_fd(handle.into()).ok();
        let sockets = [socket(parts.line)?, socket(sends?)?, socket(receives?)?];
        let (sender, receiver) = first.split();
        Some(Self { sender, receiver, end, memory: parts.segment, sockets })
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
        let is_whole = form / N_FORMS % 2 == 1;
        match form % N_FORMS {
            form @ ..SEND_FORMS if is_whole => send(&mut self.end, form, len),
            form @ ..SEND_FORMS => send(&mut self.sender, form, len),
            form if is_whole => recv(&mut self.end, form - SEND_FORMS),
            form => recv(&mut self.receiver, form - SEND_FORMS),
        }
    }
}

/// How many ways there are to send, and to use an end at all.
const SEND_FORMS: u8 = 5;
const N_FORMS: u8 = SEND_FORMS + 8;

const SOON: Duration = Duration::from_micros(30);

fn send<R>(end: &mut ShmConnection<(), R>, form: u8, len: usize) {
    let message = vec![7; len];
    match form {
        0 => drop(end.send_bytes_deadline(&message, Deadline::now())),
        1 => drop(end.send_bytes_deadline(&message, Deadline::after(SOON))),
        2 => drop(end.try_send(&())),
        3 => drop(black_box(end.writable())),
        _ => drop(black_box((end.closed(), end.peer(), format!("{end:?}")))),
    }
}

fn recv<S>(end: &mut ShmConnection<S, ()>, form: u8) {
    let mut room = [0; 64];
    match form {
        0 => drop(end.recv_bytes_deadline(1 << 20, Deadline::now())),
        1 => drop(end.recv_bytes_deadline(10, Deadline::after(SOON))),
        2 => drop(end.try_recv()),
        3 => drop(end.poll(SOON)),
        4 => drop(black_box((end.closed(), format!("{end:?}")))),
        5 => drop(end.recv_bytes_into_deadline(&mut room, Deadline::after(SOON))),
        6 => drop(black_box(end.arrival())),
        _ if end.readable().is_ok_and(|is_there| is_there) => {
            drop(end.recv_bytes_into(&mut room));
        }
        _ => {}
    }
}

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
                let socket = &scene.sockets[usize::from(script.byte()) % scene.sockets.len()];
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
