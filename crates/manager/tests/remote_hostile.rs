//! Clients at an address of TCP that do what none of ours does: they are refused or bounded, and nobody else
//! is harmed.

#![expect(clippy::unwrap_used, reason = "tests end when something is not as it should be")]

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use common::{SOON, wait_until, watch};
use ipc_pipe::{Answer, Challenge, Connection, connect};
use manager::{Address, Builder, ConnectError, Key, List, Manager, Server};
use proptest::prelude::*;

mod common;

const KEY: &str = "known to both";
const MAGIC: &[u8] = b"mp-mngr\0";
const HELLO: u32 = 0;
const MESSAGE: u32 = 1;
const RECEIPT: u32 = 2;
const GOODBYE: u32 = 3;

fn builder() -> Builder {
    Manager::builder().address(&Address::tcp("127.0.0.1:0").unwrap()).key(KEY)
}

/// A connection that says whatever it likes.
struct Raw(TcpStream);

/// What a session is known by, and how many messages the manager has received, as bytes of the manager's hello.
struct Told {
    session: Vec<u8>,
    n_received: u8,
}

fn frame(kind: u32, body: &[u8]) -> Vec<u8> {
    [&(body.len() as u64).to_le_bytes()[..], &kind.to_le_bytes(), body].concat()
}

fn message(n_received: u64, bytes: &[u8]) -> Vec<u8> {
    frame(MESSAGE, &[&n_received.to_le_bytes(), bytes].concat())
}

/// A call without an argument: number, object, method, no links.
fn call(id: u8, object: u8, method: u8) -> Vec<u8> {
    vec![id, object, method, 0, 0]
}

/// The numbers of seven bits a byte that are in these bytes.
fn numbers(bytes: &[u8]) -> Vec<Vec<u8>> {
    bytes.split_inclusive(|byte| byte & 0x80 == 0).map(<[u8]>::to_vec).collect()
}

impl Raw {
    fn connect(server: &Server) -> Self {
        let Address::Tcp(address) = *server.address() else { unreachable!("it is of TCP") };
        Self(TcpStream::connect(address).unwrap())
    }

    /// One that has proved the key.
    fn proved(server: &Server) -> Self {
        let mut raw = Self::connect(server);
        let mut answer = Answer::new(Some(&Key::new(KEY))).unwrap();
        let proof = answer.prove(&raw.hear_exactly()).unwrap();
        // Byte for byte, which is slow, and good enough.
        proof.iter().for_each(|byte| raw.say(&[*byte]));
        answer.conclude(&raw.hear_exactly()).unwrap();
        raw
    }

    /// One that has said hello, and perhaps named a session; and what it was told.
    fn greeted(server: &Server, resume: &[u8]) -> (Self, Told) {
        let mut raw = Self::proved(server);
        raw.say(&frame(HELLO, &[MAGIC, &[1, 0, 0, 0], resume].concat()));
        let (kind, hello) = raw.hear().unwrap();
        assert_eq!((kind, &hello[..8]), (HELLO, MAGIC));
        // Version, server, size, functions, flags; then the session's two numbers, and the count.
        let numbers = numbers(&hello[8..]);
        (raw, Told { session: numbers[5..7].concat(), n_received: numbers[7][0] })
    }

    fn say(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).ok();
    }

    fn hear_exactly<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// The next frame: its kind, and what is in it; `None` at the end.
    fn hear(&mut self) -> Option<(u32, Vec<u8>)> {
        let mut head = [0; 12];
        self.0.read_exact(&mut head).ok()?;
        let len = u64::from_le_bytes(head[..8].try_into().unwrap());
        let mut body = vec![0; usize::try_from(len).unwrap()];
        self.0.read_exact(&mut body).ok()?;
        Some((u32::from_le_bytes(head[8..].try_into().unwrap()), body))
    }

    /// Waits until the other side has closed the connection, whatever it says before.
    fn wait_for_end(&mut self) {
        // What was sent and not read makes an error of the end.
        while self.0.read(&mut [0; 4096]).is_ok_and(|count| count > 0) {}
    }
}

/// The manager does what it should for everybody else, who are so many.
fn works(server: &Server, n_clients: u64) {
    let manager = server.manager().unwrap();
    let list: List<u8> = manager.list().unwrap();
    list.push(&2).unwrap();
    assert_eq!(list.to_vec().unwrap(), [2]);
    wait_until(&manager, "nobody else is there", |stats| {
        (stats.clients, stats.cut_off) == (n_clients, 0)
    });
}

#[test]
fn who_says_nothing_or_half_is_shown_out_and_holds_up_nobody() {
    let _watchdog = watch("silent");
    let server = builder().hello_timeout(SOON).serve().unwrap();
    let mut silent = Raw::connect(&server);
    let mut half = Raw::connect(&server);
    half.say(&[7; 40]);
    let mut no_hello = Raw::proved(&server);
    let mut half_hello = Raw::proved(&server);
    half_hello.say(&frame(HELLO, MAGIC)[..15]);
    for raw in [&mut silent, &mut half, &mut no_hello, &mut half_hello] {
        raw.wait_for_end();
    }
    works(&server, 1);
}

#[test]
fn garbage_in_place_of_a_proof_or_a_hello_is_refused() {
    let _watchdog = watch("garbage");
    let server = builder().serve().unwrap();
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0; 74], &[0xff; 5_000]] {
        let mut raw = Raw::connect(&server);
        raw.say(garbage);
        raw.0.shutdown(Shutdown::Write).ok();
        raw.wait_for_end();
    }
    let too_long = [&2_000_u64.to_le_bytes()[..], &[0; 4]].concat();
    let hellos = [
        frame(HELLO, b"something else"),
        frame(MESSAGE, &[0; 20]),
        frame(7, MAGIC),
        too_long,
        frame(HELLO, &[MAGIC, &[1, 0, 0, 0, 5]].concat()),
    ];
    for hello in hellos {
        let mut raw = Raw::proved(&server);
        raw.say(&hello);
        raw.wait_for_end();
    }
    works(&server, 1);
}

#[test]
fn a_proof_is_of_no_use_to_who_has_heard_it() {
    let _watchdog = watch("replayed");
    let server = builder().serve().unwrap();
    let key = Key::new(KEY);
    // Somebody has heard all that another said.
    let mut first = Raw::connect(&server);
    let mut answer = Answer::new(Some(&key)).unwrap();
    let proof = answer.prove(&first.hear_exactly()).unwrap();
    first.say(&proof);
    answer.conclude(&first.hear_exactly()).unwrap();
    // Said again, it is refused: the challenge is another.
    let mut second = Raw::connect(&server);
    let _: [u8; Answer::HELLO_LEN] = second.hear_exactly();
    second.say(&proof);
    let verdict: [u8; Answer::VERDICT_LEN] = second.hear_exactly();
    assert_ne!(verdict[0], 1);
    assert_eq!(verdict[1..], [0; 32], "no proof for who has none");
    second.wait_for_end();
    drop(first);
    works(&server, 1);
}

#[test]
fn a_manager_that_does_not_know_the_key_is_not_believed() {
    let _watchdog = watch("reflected");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = Address::Tcp(listener.local_addr().unwrap());
    let impostor = std::thread::spawn(move || {
        // It sends the client's own proof back, and then one that it has made up.
        for is_reflected in [true, false] {
            let mut raw = Raw(listener.accept().unwrap().0);
            let challenge = Challenge::new(Some(&Key::new("made up"))).unwrap();
            raw.say(&challenge.hello());
            let proof: [u8; Challenge::PROOF_LEN] = raw.hear_exactly();
            let mac = if is_reflected { &proof[42..] } else { &[7; 32][..] };
            raw.say(&[&[1], mac].concat());
        }
    });
    for _ in 0..2 {
        let error = Manager::connect(&address, Some(&Key::new(KEY))).unwrap_err();
        assert!(matches!(error, ConnectError::Pipe(ipc_pipe::ConnectError::Impostor)), "{error}");
    }
    impostor.join().unwrap();
}

#[test]
fn an_old_client_is_told_which_version_this_is() {
    let _watchdog = watch("old client");
    let server = builder().serve().unwrap();
    // The hellos look as they always did: those of a connection of `ipc-pipe`.
    let old: Connection<(), ()> = connect(server.address(), Some(&Key::new(KEY))).unwrap();
    old.send_bytes(&[MAGIC, &[0, 0, 0]].concat()).unwrap();
    let said = old.recv_bytes(1_000).unwrap();
    assert_eq!((&said[..8], said[8]), (MAGIC, 1));
    assert!(old.recv_bytes(1_000).is_err());
    works(&server, 1);
}

#[test]
fn a_new_client_tells_which_version_an_old_manager_speaks() {
    let _watchdog = watch("old manager");
    let listener = ipc_pipe::Listener::builder().key(Key::new(KEY));
    let listener = listener.bind(&Address::tcp("127.0.0.1:0").unwrap()).unwrap();
    let address = listener.address().clone();
    let old = std::thread::spawn(move || {
        let line: Connection<(), ()> = listener.accept().unwrap();
        line.recv_bytes(1_000).unwrap();
        line.send_bytes(&[MAGIC, &[0, 5, 9, 0]].concat()).unwrap();
        drop(line.recv_bytes(1_000));
    });
    let error = Manager::connect(&address, Some(&Key::new(KEY))).unwrap_err();
    assert!(matches!(error, ConnectError::OtherVersion { ours: 1, theirs: 0 }), "{error}");
    old.join().unwrap();
}

#[test]
fn garbage_ends_a_session_for_good() {
    let _watchdog = watch("garbage in a session");
    let server = builder().max_call_bytes(10_000).serve().unwrap();
    let too_long = [&10_009_u64.to_le_bytes()[..], &MESSAGE.to_le_bytes()].concat();
    let garbage = [
        frame(9, b""),
        too_long,
        frame(HELLO, MAGIC),
        frame(MESSAGE, &[0; 8]),
        frame(RECEIPT, &[0; 7]),
        // It has received what was not sent.
        frame(RECEIPT, &5_u64.to_le_bytes()),
        message(u64::MAX, &call(1, 0, 9)),
        // No call.
        message(0, &[0xff; 20]),
        [frame(GOODBYE, b""), message(0, &call(1, 0, 9))].concat(),
    ];
    for bytes in garbage {
        let (mut raw, _) = Raw::greeted(&server, &[]);
        raw.say(&bytes);
        raw.wait_for_end();
    }
    works(&server, 1);
}

#[test]
fn who_goes_on_with_a_session_goes_on_where_it_was() {
    let _watchdog = watch("resumed");
    let server = builder().reconnect_grace(Duration::from_secs(1_000)).serve().unwrap();
    let (mut raw, told) = Raw::greeted(&server, &[]);
    raw.say(&message(0, &call(5, 0, 9)));
    let (kind, reply) = raw.hear().unwrap();
    assert_eq!((kind, &reply[..8], reply[8]), (MESSAGE, &1_u64.to_le_bytes()[..], 5));
    // It was received, and the other side is not told.
    drop(raw);
    let manager = server.manager().unwrap();
    wait_until(&manager, "it is away", |stats| stats.cut_off == 1);
    let (mut raw, again) = Raw::greeted(&server, &[&told.session[..], &[0]].concat());
    assert_eq!((again.session, again.n_received), (told.session.clone(), 1));
    assert_eq!(raw.hear().unwrap(), (kind, reply), "the reply comes again");
    // Once received, it does not come any more; and another connection takes the place of one that is open.
    let (mut other, _) = Raw::greeted(&server, &[&told.session[..], &[1]].concat());
    raw.wait_for_end();
    other.say(&message(1, &call(6, 0, 9)));
    assert_eq!(other.hear().unwrap().1[8], 6);
    other.say(&frame(GOODBYE, b""));
    other.wait_for_end();
    works(&server, 1);
}

#[test]
fn a_session_that_is_not_there_is_not_gone_on_with() {
    let _watchdog = watch("no such session");
    let server = builder().serve().unwrap();
    let (raw, told) = Raw::greeted(&server, &[]);
    let wrong = [&told.session[..], &[3]].concat();
    for resume in [&[5, 6, 0][..], &[0, 0, 0], &wrong] {
        let (mut stranger, none) = Raw::greeted(&server, resume);
        assert_eq!(none.session, [0, 0], "{resume:?}");
        stranger.wait_for_end();
    }
    let mut raw = raw;
    raw.say(&message(0, &call(5, 0, 9)));
    assert_eq!(raw.hear().unwrap().1[8], 5, "who has it is not disturbed");
    raw.say(&frame(GOODBYE, b""));
    works(&server, 1);
}

#[test]
fn who_sends_more_than_may_be_on_its_way_is_shown_out() {
    let _watchdog = watch("window");
    let server = builder().max_backlog_bytes(1_000).serve().unwrap();
    let (mut raw, _) = Raw::greeted(&server, &[]);
    // It reads no replies, so it is not heard; and what it sends is not kept without end.
    let statistics = call(5, 0, 9).repeat(1_000);
    let mut sent = 0_usize;
    while sent < 1 << 30 {
        let bytes = message(0, &statistics);
        if raw.0.write_all(&bytes).is_err() {
            break;
        }
        sent += bytes.len();
    }
    assert!(sent < 1 << 30, "somebody kept all of it");
    works(&server, 1);
}

#[test]
fn strangers_keep_nobody_out_who_knows_the_key() {
    let _watchdog = watch("strangers");
    let server = builder().max_clients(5).serve().unwrap();
    let strangers: Vec<Raw> = (0..40).map(|_| Raw::connect(&server)).collect();
    let (mut raw, _) = Raw::greeted(&server, &[]);
    raw.say(&message(0, &call(5, 0, 9)));
    assert_eq!(raw.hear().unwrap().1[8], 5);
    raw.say(&frame(GOODBYE, b""));
    drop(strangers);
    works(&server, 1);
}

#[test]
fn whatever_is_said_over_a_session_the_manager_goes_on() {
    let _watchdog = watch("anything");
    let server = builder().reconnect_grace(Duration::from_millis(1)).serve().unwrap();
    let manager = server.manager().unwrap();
    let frames = (0_u32..5, 0_u64..3, prop::collection::vec(any::<u8>(), 0..40));
    let config = ProptestConfig { cases: 40, failure_persistence: None, ..Default::default() };
    proptest!(config, |(frames in prop::collection::vec(frames, 0..8), cut in 0_usize..60)| {
        let (mut raw, _) = Raw::greeted(&server, &[]);
        for (kind, n_received, body) in &frames {
            raw.say(&frame(*kind, &[&n_received.to_le_bytes()[..], body].concat()));
        }
        raw.say(&message(0, &[0; 60])[..cut]);
        drop(raw);
    });
    wait_until(&manager, "nothing is left of it", |stats| {
        (stats.clients, stats.cut_off, stats.objects, stats.waiting) == (1, 0, 0, 0)
    });
}
