//! Any bytes from a client of another machine, before and after it has proved the key: the manager goes on, and
//! nobody gets in without the key.
#![no_main]

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::OnceLock;
use std::time::Duration;

use ipc_pipe::{Address, Answer, Key};
use libfuzzer_sys::{Corpus, fuzz_target};
use manager::{Manager, Server, Value};

const KEY: &str = "a key that no bytes know";

/// A hello of a client without a session, as a frame.
const HELLO: &[u8] = b"\x0c\0\0\0\0\0\0\0\0\0\0\0mp-mngr\0\x01\x00\x00\x00";

struct Scene {
    server: Server,
    value: Value<u64>,
}

fn scene() -> Option<Scene> {
    let builder = Manager::builder().address(&Address::tcp("127.0.0.1:0").ok()?).key(KEY);
    let builder = builder.max_call_bytes(1 << 16).max_backlog_bytes(1 << 16);
    let server = builder.reconnect_grace(Duration::from_millis(1)).serve().ok()?;
    let value = server.manager().ok()?.value(&7).ok()?;
    Some(Scene { server, value })
}

/// Proves the key.
fn prove(stream: &mut TcpStream) -> Option<()> {
    let mut answer = Answer::new(Some(&Key::new(KEY))).ok()?;
    let mut hello = [0; Answer::HELLO_LEN];
    stream.read_exact(&mut hello).ok()?;
    stream.write_all(&answer.prove(&hello).ok()?).ok()?;
    let mut verdict = [0; Answer::VERDICT_LEN];
    stream.read_exact(&mut verdict).ok()?;
    answer.conclude(&verdict).ok()
}

fuzz_target!(|data: &[u8]| -> Corpus {
    static SCENE: OnceLock<Option<Scene>> = OnceLock::new();
    let Some(Scene { server, value }) = SCENE.get_or_init(scene) else { return Corpus::Reject };
    let Address::Tcp(port) = *server.address() else { return Corpus::Reject };
    let Ok(mut stranger) = TcpStream::connect(port) else { return Corpus::Reject };
    let Some(([kind, piece], bytes)) = data.split_first_chunk() else { return Corpus::Reject };
    let knows_the_key = kind & 3 != 0;
    if knows_the_key {
        assert!(prove(&mut stranger).is_some(), "who knows the key is let in");
        if kind & 2 != 0 {
            stranger.write_all(HELLO).ok();
        }
    }
    for bytes in bytes.chunks(usize::from(*piece).max(1)) {
        // It may have been shown out already.
        if stranger.write_all(bytes).is_err() {
            break;
        }
    }
    stranger.shutdown(Shutdown::Write).ok();
    let mut heard = Vec::new();
    stranger.read_to_end(&mut heard).ok();
    // A challenge, and perhaps a verdict that refuses: no more for who does not know the key.
    let most = Answer::HELLO_LEN + Answer::VERDICT_LEN;
    assert!(knows_the_key || heard.len() <= most, "it was let in");
    assert_eq!(value.get().ok(), Some(7));
    Corpus::Keep
});
