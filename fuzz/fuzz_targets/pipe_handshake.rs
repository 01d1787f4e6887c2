//! Any bytes from whoever connects to a listener that wants a key: nobody is let in.
#![no_main]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::OnceLock;

use ipc_pipe::{Address, Key, Listener};
use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|data: &[u8]| -> Corpus {
    static LISTENER: OnceLock<Option<Listener>> = OnceLock::new();
    let bind = || {
        let builder = Listener::builder().key(Key::new("a key that no bytes know"));
        builder.bind(&Address::tcp("127.0.0.1:0").ok()?).ok()
    };
    let Some(listener) = LISTENER.get_or_init(bind) else { return Corpus::Reject };
    let Address::Tcp(port) = *listener.address() else { return Corpus::Reject };
    let Ok(mut stranger) = TcpStream::connect(port) else { return Corpus::Reject };
    let Some((piece, bytes)) = data.split_first() else { return Corpus::Reject };
    for bytes in bytes.chunks(usize::from(*piece).max(1)) {
        // It may have been shown out already.
        stranger.write_all(bytes).ok();
        assert!(listener.try_accept::<u8, u8>().is_err(), "it was let in");
    }
    drop(stranger.shutdown(std::net::Shutdown::Write));
    assert!(listener.try_accept::<u8, u8>().is_err(), "it was let in");
    drop(stranger.read(&mut [0; 100]));
    Corpus::Keep
});
