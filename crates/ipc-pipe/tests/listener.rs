//! Listeners and those who connect, within one process.
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::{AsFd as _, OwnedFd};
use std::thread;
use std::time::Duration;

use ipc_core::wire::Handle;
use ipc_pipe::{
    AcceptError, Address, ConnectError, Connection, Key, Limits, Listener, RecvError, SendError,
    connect, connect_timeout, wait,
};
use proptest::prelude::*;
use tempfile::TempDir;
use testkit::Watchdog;

/// Long after anything here should have come to its end.
const LIMIT: Duration = Duration::from_secs(60);

const SOON: Duration = Duration::from_millis(20);

/// An address of each kind, for one test.
fn addresses(folder: &TempDir) -> [Address; 3] {
    let path = folder.path().join("socket");
    let name = path.display().to_string();
    [Address::unix(path), Address::abstract_name(name), Address::tcp("127.0.0.1:0").unwrap()]
}

/// Connects in a thread.
fn connecting<S: 'static, R: 'static>(
    address: &Address,
    key: Option<&str>,
) -> thread::JoinHandle<Result<Connection<S, R>, ConnectError>> {
    let (address, key) = (address.clone(), key.map(Key::new));
    thread::spawn(move || connect(&address, key.as_ref()))
}

fn listener(address: &Address, key: Option<&str>) -> Listener {
    let builder = Listener::builder();
    let builder = match key {
        Some(key) => builder.key(Key::new(key)),
        None => builder,
    };
    builder.bind(address).unwrap()
}

#[test]
fn programs_meet_by_an_address() {
    for key in [None, Some("secret"), Some("")] {
        let folder = TempDir::new().unwrap();
        for address in addresses(&folder) {
            let listener = listener(&address, key);
            let client = connecting::<u32, String>(listener.address(), key);
            let ours: Connection<String, u32> = listener.accept().unwrap();
            let mut client = client.join().unwrap().unwrap();
            let answering = thread::spawn(move || {
                for number in ours.iter() {
                    ours.send(&number.unwrap().to_string()).unwrap();
                }
            });
            assert_eq!(client.request(&7).unwrap(), "7");
            assert_eq!(client.request(&8).unwrap(), "8");
            match client.peer().unwrap() {
                Some(peer) => assert_eq!(peer.uid, rustix::process::getuid().as_raw()),
                None => assert!(matches!(listener.address(), Address::Tcp(_))),
            }
            drop(client);
            answering.join().unwrap();
        }
    }
}

#[test]
fn large_messages_come_whole_by_each_address() {
    let folder = TempDir::new().unwrap();
    for address in addresses(&folder) {
        let listener = listener(&address, None);
        let client = connecting::<Vec<u8>, Vec<u8>>(listener.address(), None);
        let ours: Connection<Vec<u8>, Vec<u8>> = listener.accept().unwrap();
        let client = client.join().unwrap().unwrap();
        let bytes: Vec<u8> = (0..=255).cycle().take(5 << 20).collect();
        let sending = thread::spawn({
            let bytes = bytes.clone();
            move || (client.send_bytes(&bytes).unwrap(), client)
        });
        assert!(ours.recv_bytes(usize::MAX).unwrap() == bytes);
        drop(sending.join().unwrap());
        assert!(ours.recv().unwrap_err().is_disconnected());
    }
}

#[test]
fn who_has_not_the_key_is_not_let_in_and_told() {
    let folder = TempDir::new().unwrap();
    for address in addresses(&folder) {
        let keys = [(Some("a"), Some("b")), (Some("a"), None), (None, Some("a"))];
        for (ours, theirs) in keys {
            let listener = listener(&address, ours);
            let client = connecting::<u8, u8>(listener.address(), theirs);
            while !client.is_finished() {
                let nobody = listener.accept_timeout::<u8, u8>(SOON);
                assert!(matches!(nobody, Err(AcceptError::TimedOut)), "{nobody:?}");
            }
            let refused = client.join().unwrap().unwrap_err();
            let is_right = match (ours, theirs) {
                (Some(_), Some(_)) => matches!(refused, ConnectError::Refused),
                (Some(_), None) => matches!(refused, ConnectError::KeyWanted),
                _ => matches!(refused, ConnectError::KeyNotWanted),
            };
            assert!(is_right, "{refused:?}");
        }
    }
}

#[test]
fn a_listener_that_does_not_know_the_key_is_found_out() {
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = Address::tcp(server.local_addr().unwrap()).unwrap();
    let client = connecting::<u8, u8>(&address, Some("a"));
    let (mut stream, _) = server.accept().unwrap();
    stream.write_all(&opening(1, 7)).unwrap();
    let mut proof = [0; 74];
    stream.read_exact(&mut proof).unwrap();
    // It says welcome with what it has: the client's own proof.
    stream.write_all(&[1]).unwrap();
    stream.write_all(&proof[42..]).unwrap();
    assert!(matches!(client.join().unwrap(), Err(ConnectError::Impostor)));
}

/// What one side says first.
fn opening(keyed: u8, nonce: u8) -> Vec<u8> {
    [&b"ipc-pipe"[..], &[1, keyed], &[nonce; 32]].concat()
}

#[test]
fn whoever_does_not_speak_as_we_do_is_an_error() {
    for said in
        [&b"HTTP/1.1 400 Bad Request\r\n\r\n and more of it, for it is long enough"[..], b"x"]
    {
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = Address::tcp(server.local_addr().unwrap()).unwrap();
        let client = connecting::<u8, u8>(&address, None);
        let (mut stream, _) = server.accept().unwrap();
        stream.write_all(said).unwrap();
        drop(stream);
        let refused = client.join().unwrap().unwrap_err();
        assert!(matches!(refused, ConnectError::NotOurs), "{refused:?}");
    }
}

#[test]
fn whoever_says_nothing_or_nonsense_delays_nobody() {
    let _watchdog = Watchdog::start(LIMIT, "whoever_says_nothing_or_nonsense_delays_nobody");
    let listener = listener(&Address::tcp("127.0.0.1:0").unwrap(), Some("secret"));
    let Address::Tcp(port) = *listener.address() else { unreachable!() };
    // Some say nothing, some half, some nonsense; and some are gone at once.
    let mut strangers: Vec<_> = (0..80).map(|_| TcpStream::connect(port).unwrap()).collect();
    for (stranger, n) in strangers.iter_mut().zip(0..) {
        match n % 4 {
            0 => {}
            1 => stranger.write_all(&opening(1, 7)[..20]).unwrap(),
            2 => stranger.write_all(&[0xff; 74]).unwrap(),
            _ => stranger.write_all(&[opening(1, 7), vec![0; 32]].concat()).unwrap(),
        }
    }
    strangers.truncate(60);
    let client = connecting::<u8, u8>(listener.address(), Some("secret"));
    let ours: Connection<u8, u8> = listener.accept().unwrap();
    client.join().unwrap().unwrap().send(&1).unwrap();
    assert_eq!(ours.recv().unwrap(), 1);
    drop(strangers);
}

#[test]
fn whoever_says_nothing_is_shown_out_in_time() {
    let _watchdog = Watchdog::start(LIMIT, "whoever_says_nothing_is_shown_out_in_time");
    let address = Address::tcp("127.0.0.1:0").unwrap();
    let builder = Listener::builder().handshake_timeout(SOON);
    let listener = builder.bind(&address).unwrap();
    let Address::Tcp(port) = *listener.address() else { unreachable!() };
    let mut silent = TcpStream::connect(port).unwrap();
    let accepting = thread::spawn(move || listener.accept::<u8, u8>().map(|_| ()));
    // The hello comes, and then the end.
    let mut all = Vec::new();
    silent.read_to_end(&mut all).unwrap();
    assert_eq!(all.len(), 42);
    // And the listener goes on.
    connect::<u8, u8>(&Address::Tcp(port), None).unwrap();
    accepting.join().unwrap().unwrap();
}

#[test]
fn a_listener_can_be_waited_for() {
    let folder = TempDir::new().unwrap();
    for address in addresses(&folder) {
        let listener = listener(&address, None);
        assert!(wait(&[&listener], Some(SOON)).unwrap().is_empty());
        assert!(matches!(listener.try_accept::<u8, u8>(), Err(AcceptError::TimedOut)));
        let client = connecting::<u8, u8>(listener.address(), None);
        let ours: Connection<u8, u8> = loop {
            assert_eq!(wait(&[&listener], None).unwrap(), [0]);
            match listener.try_accept() {
                Ok(ours) => break ours,
                Err(error) => assert!(matches!(error, AcceptError::TimedOut), "{error:?}"),
            }
        };
        client.join().unwrap().unwrap().send(&3).unwrap();
        assert_eq!(ours.recv().unwrap(), 3);
    }
}

#[test]
fn a_name_is_one_listeners() {
    let folder = TempDir::new().unwrap();
    for address in addresses(&folder) {
        let first = listener(&address, None);
        let second = Listener::bind(first.address()).unwrap_err();
        assert_eq!(second.kind(), ErrorKind::AddrInUse, "{address}");
        let client = connecting::<u8, u8>(first.address(), None);
        first.accept::<u8, u8>().unwrap();
        client.join().unwrap().unwrap();
        let address = first.address().clone();
        drop(first);
        drop(Listener::bind(&address).unwrap());
        if let Address::Unix(path) = &address {
            assert!(!path.exists());
        }
        let nobody = connect::<u8, u8>(&address, None).unwrap_err();
        assert!(matches!(nobody, ConnectError::Io(_)), "{nobody:?}");
    }
    assert_eq!(folder.path().read_dir().unwrap().count(), 0, "nothing is left");
}

#[test]
fn what_is_not_ours_at_a_path_is_left_alone() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("socket");
    let refused = || Listener::bind(&Address::unix(&path)).unwrap_err().kind();
    std::fs::write(&path, "precious").unwrap();
    assert_eq!(refused(), ErrorKind::AddrInUse);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    std::fs::remove_file(&path).unwrap();
    // A program that knows nothing of our lock, and lives.
    let other = std::os::unix::net::UnixListener::bind(&path).unwrap();
    assert_eq!(refused(), ErrorKind::AddrInUse);
    // Its file stays when it is gone, and is of no use to anybody.
    drop(other);
    assert!(path.exists());
    drop(Listener::bind(&Address::unix(&path)).unwrap());
    assert!(!path.exists());
    let too_long = Address::unix(format!("/tmp/{}", "x".repeat(200)));
    assert!(Listener::bind(&too_long).is_err());
}

#[test]
fn a_path_that_somebody_is_just_taking_is_left_to_it() {
    let folder = TempDir::new().unwrap();
    let address = Address::unix(folder.path().join("socket"));
    // A socket that nobody listens at yet looks like one that nobody listens at any more.
    let lock = File::create(folder.path().join("socket.lock")).unwrap();
    lock.lock().unwrap();
    assert_eq!(Listener::bind(&address).unwrap_err().kind(), ErrorKind::AddrInUse);
    drop(lock);
    drop(Listener::bind(&address).unwrap());
}

#[test]
fn a_path_is_for_its_user_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("socket");
    let listener = Listener::builder().same_user_only().bind(&Address::unix(&path)).unwrap();
    for name in ["socket", "socket.lock"] {
        let mode = folder.path().join(name).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name}: {mode:o}");
    }
    let client = connecting::<u8, u8>(listener.address(), None);
    listener.accept::<u8, u8>().unwrap();
    client.join().unwrap().unwrap();
    let tcp = Address::tcp("127.0.0.1:0").unwrap();
    assert!(Listener::builder().same_user_only().bind(&tcp).is_err());
}

#[test]
fn who_is_let_in_has_limits() {
    let folder = TempDir::new().unwrap();
    for address in addresses(&folder) {
        let limits = Limits { max_bytes: 100, max_handles: 0 };
        let listener = Listener::builder().limits(limits).bind(&address).unwrap();
        let client = connecting::<Vec<u8>, u8>(listener.address(), None);
        let ours: Connection<u8, Vec<u8>> = listener.accept().unwrap();
        let client = client.join().unwrap().unwrap();
        client.send_bytes(&[1; 100]).unwrap();
        client.send_bytes(&[1; 101]).unwrap();
        assert_eq!(ours.recv_bytes(usize::MAX).unwrap().len(), 100);
        let error = ours.recv_bytes(usize::MAX).unwrap_err();
        assert!(matches!(error, RecvError::TooLong { len: 101, limit: 100 }), "{error:?}");
    }
}

#[test]
fn nobody_waits_for_a_listener_that_does_not_answer() {
    let folder = TempDir::new().unwrap();
    for address in addresses(&folder) {
        // It lets nobody in, for nobody accepts.
        let listener = Listener::builder().backlog(0).bind(&address).unwrap();
        for _ in 0..3 {
            let nobody = connect_timeout::<u8, u8>(listener.address(), None, SOON).unwrap_err();
            assert!(matches!(nobody, ConnectError::TimedOut), "{address}: {nobody:?}");
        }
    }
}

#[test]
fn over_tcp_there_are_no_handles_and_ends_stay_where_they_are() {
    let listener = listener(&Address::tcp("127.0.0.1:0").unwrap(), None);
    let client = connecting::<Handle, u8>(listener.address(), None);
    let ours: Connection<u8, u8> = listener.accept().unwrap();
    let client = client.join().unwrap().unwrap();
    let null = Handle::from(File::open("/dev/null").unwrap());
    let refused = client.send(&null).unwrap_err();
    assert!(matches!(refused, SendError::Io(_)), "{refused:?}");
    assert!(ipc_core::wire::encode(&ours).is_err());
    let fd: OwnedFd = ours.as_fd().try_clone_to_owned().unwrap();
    assert!(Connection::<u8, u8>::try_from(fd).is_err());
    client.send_bytes(&[7]).unwrap();
    assert_eq!(ours.recv().unwrap(), 7);
}

/// A stranger who has come through the handshake over TCP, and our end.
fn stranger() -> (TcpStream, Connection<(), ()>) {
    let listener = listener(&Address::tcp("127.0.0.1:0").unwrap(), None);
    let Address::Tcp(port) = *listener.address() else { unreachable!() };
    let mut stream = TcpStream::connect(port).unwrap();
    stream.write_all(&[opening(2, 7), vec![0; 32]].concat()).unwrap();
    let ours = listener.accept().unwrap();
    stream.read_exact(&mut [0; 42 + 33]).unwrap();
    stream.set_nodelay(true).unwrap();
    (stream, ours)
}

fn frame(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u64).to_le_bytes()[..], &0_u32.to_le_bytes(), bytes].concat()
}

#[test]
fn a_stream_that_ends_inside_a_message_is_truncated() {
    let whole = frame(b"hello");
    for len in 1..whole.len() {
        let (mut stream, ours) = stranger();
        stream.write_all(&whole).unwrap();
        stream.write_all(&whole[..len]).unwrap();
        drop(stream);
        assert_eq!(ours.recv_bytes(5).unwrap(), b"hello");
        assert!(matches!(ours.recv_bytes(5), Err(RecvError::Truncated)));
        assert!(matches!(ours.recv_bytes(5), Err(RecvError::Broken)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn messages_are_the_same_however_the_stream_is_split(
        messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..8),
        splits in prop::collection::vec(1_usize..40, 1..20),
        patience in prop::bool::ANY,
    ) {
        let (mut stream, ours) = stranger();
        let bytes: Vec<u8> = messages.iter().flat_map(|message| frame(message)).collect();
        let sending = thread::spawn(move || {
            let mut rest = &bytes[..];
            for len in splits.into_iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (piece, more) = rest.split_at(len.min(rest.len()));
                stream.write_all(piece).unwrap();
                rest = more;
            }
        });
        for message in &messages {
            let received = loop {
                // What has come of a message when the time is up is not lost.
                let timeout = if patience { Duration::MAX } else { Duration::ZERO };
                match ours.recv_bytes_deadline(200, timeout.into()) {
                    Err(error) if error.is_timed_out() => {}
                    received => break received.unwrap(),
                }
            };
            prop_assert_eq!(&received, message);
        }
        sending.join().unwrap();
        prop_assert!(ours.recv().unwrap_err().is_disconnected());
    }
}
