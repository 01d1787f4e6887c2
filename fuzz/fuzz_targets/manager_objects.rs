//! Whatever a client does to dicts and lists in shared memory and to iterators, a manager serves others.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use manager::{Manager, Server, ShmDict};

#[path = "../../crates/manager/tests/object_script/mod.rs"]
mod object_script;
#[path = "../../crates/manager/tests/common/raw.rs"]
#[expect(dead_code, reason = "other tests say more")]
mod raw;

struct Scene {
    server: Server,
    dict: ShmDict<u64, u64>,
}

static SCENE: OnceLock<Option<Scene>> = OnceLock::new();

/// A server on a thread, so that its code is watched too, and somebody else who uses it.
fn scene() -> Option<Scene> {
    let server = Manager::builder().register::<object_script::Numbers>().serve().ok()?;
    let dict = server.manager().ok()?.shm_dict(10).ok()?;
    Some(Scene { server, dict })
}

fuzz_target!(|script: &[u8]| {
    let Some(Scene { server, dict }) = SCENE.get_or_init(scene) else { return };
    assert!(object_script::play(server.address(), script));
    assert!(dict.set(&1, &2).is_ok());
    assert!(matches!(dict.get(&1), Ok(Some(2))));
});
