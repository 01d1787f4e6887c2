//! Any messages from a client of a manager: it is answered, refused or shown out, and the manager goes on.
#![no_main]

use std::sync::OnceLock;

use ipc_pipe::{Address, Connection, Limits, connect};
use libfuzzer_sys::{Corpus, fuzz_target};
use manager::{Manager, Server, Value};

/// What a client says first: who it is, the version, and no process.
const HELLO: &[u8] = b"mp-mngr\0\x01\x00\x00";

struct Scene {
    server: Server,
    /// What another client has there.
    value: Value<u64>,
}

fn scene() -> Option<Scene> {
    let name = format!("multiproc-fuzz-{}", std::process::id());
    let builder = Manager::builder().address(&Address::abstract_name(name));
    let server = builder.max_call_bytes(1 << 16).max_backlog_bytes(1 << 16).serve().ok()?;
    let value = server.manager().ok()?.value(&7).ok()?;
    Some(Scene { server, value })
}

fuzz_target!(|data: &[u8]| -> Corpus {
    static SCENE: OnceLock<Option<Scene>> = OnceLock::new();
    let Some(Scene { server, value }) = SCENE.get_or_init(scene) else { return Corpus::Reject };
    let Some((kind, rest)) = data.split_first() else { return Corpus::Reject };
    let stranger: Connection<(), ()> = match connect(server.address(), None) {
        Ok(stranger) => stranger.with_limits(Limits::NONE),
        Err(_) => return Corpus::Reject,
    };
    // One in eight says a hello of its own.
    if kind & 7 != 0 {
        assert!(stranger.send_bytes(HELLO).is_ok());
        assert!(stranger.recv_bytes(1 << 10).is_ok(), "it is greeted");
    }
    for message in rest.split(|byte| *byte == 0xfe) {
        // It may have been shown out already; and a message has a byte.
        if !message.is_empty() && stranger.send_bytes(message).is_err() {
            break;
        }
    }
    // What is behind it is done behind it, and it had no reference to the value.
    drop(stranger);
    assert_eq!(value.get().ok(), Some(7));
    Corpus::Keep
});
