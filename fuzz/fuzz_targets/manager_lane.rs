//! Whatever a client does to its lane and its socket, the server of a manager serves others.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use manager::{Dict, Manager, Server};

#[path = "../../crates/manager/tests/lane_script/mod.rs"]
#[expect(dead_code, reason = "the tests also hear answers")]
mod lane_script;

struct Scene {
    server: Server,
    dict: Dict<u8, u8>,
}

static SCENE: OnceLock<Option<Scene>> = OnceLock::new();

/// A server on a thread, so that its code is watched too, and somebody else who uses it.
fn scene() -> Option<Scene> {
    let server = Manager::builder().serve().ok()?;
    let dict = server.manager().ok()?.dict().ok()?;
    Some(Scene { server, dict })
}

fuzz_target!(|script: &[u8]| {
    let Some(Scene { server, dict }) = SCENE.get_or_init(scene) else { return };
    lane_script::play(server.address(), script);
    assert!(dict.set(&1, &2).is_ok());
    assert!(matches!(dict.get(&1), Ok(Some(2))));
});
