//! Listeners and those who connect, as processes that die.
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

mod alarms;

use std::os::unix::fs::FileTypeExt as _;
use std::process::ExitCode;
use std::time::Duration;

use alarms::bombard;
use ipc_pipe::{
    AcceptError, Address, ConnectError, Connection, Key, Listener, RecvError, connect,
    connect_timeout,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tempfile::TempDir;
use testkit::{Counter, Outcome, Report, SharedArena, child};

fn main() -> ExitCode {
    testkit::main(&[
        ("the path of a listener that was killed is taken over", taken_over),
        ("of many who take over a dead listener's path one has it", one_has_it),
        ("a forked child leaves its parent's listener alone", forked),
        ("a thousand clients at once are all let in", thousand),
        ("more silent clients than a lobby holds shut nobody out", flooded),
        ("a client that is killed in its handshake delays nobody", killed_clients),
        ("who waits for a listener that is killed is told", killed_listener),
        ("signals end no accept and no connect", signals),
        ("signals do not put off the end of a connect that waits", signals_and_deadline),
        ("over TCP a message whose sender is killed is an error", killed_sender),
        ("over TCP a forked child is told that the connection is its parent's", forked_stream),
    ])
}

fn is(holds: bool, what: impl std::fmt::Debug) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("{what:?}")) }
}

fn park() -> ! {
    loop {
        std::thread::park();
    }
}

/// Starts a process that listens at the address, and waits until it does.
fn listening(address: &Address) -> Result<child::Child, Box<dyn std::error::Error>> {
    let (ready, is_ready) = ipc_pipe::channel::<()>()?;
    let victim = child::fork(|| {
        let _listener = Listener::bind(address).unwrap();
        ready.send(&()).unwrap();
        park()
    });
    is_ready.recv()?;
    Ok(victim)
}

fn taken_over() -> Outcome {
    let folder = TempDir::new()?;
    let path = folder.path().join("socket");
    for _ in 0..5 {
        let address = Address::unix(&path);
        let victim = listening(&address)?;
        let alive = Listener::bind(&address).unwrap_err();
        is(alive.kind() == std::io::ErrorKind::AddrInUse, alive)?;
        drop(victim);
        is(path.symlink_metadata()?.file_type().is_socket(), "the file stays")?;
        let nobody = connect::<u8, u8>(&address, None).unwrap_err();
        is(matches!(nobody, ConnectError::Io(_)), nobody)?;
        let listener = Listener::bind(&address)?;
        let mut client = child::fork(|| {
            connect::<u8, u8>(&address, None).unwrap().send(&7).unwrap();
            0
        });
        is(listener.accept::<u8, u8>()?.recv()? == 7, "it works")?;
        is(client.wait().is_success(), "the client")?;
    }
    is(folder.path().read_dir()?.count() == 0, "nothing is left")?;
    Ok(Report::PASSED)
}

fn one_has_it() -> Outcome {
    let folder = TempDir::new()?;
    let address = Address::unix(folder.path().join("socket"));
    for round in 0..60 {
        drop(listening(&address)?);
        let (results, all) = ipc_pipe::channel::<bool>()?;
        // They begin at the same time.
        let gate = SharedArena::<Counter>::new(1);
        let takers: Vec<_> = (0..4)
            .map(|_| {
                child::fork(|| {
                    while gate[0].get() == 0 {
                        std::thread::yield_now();
                    }
                    let listener = Listener::bind(&address);
                    results.send(&listener.is_ok()).unwrap();
                    park()
                })
            })
            .collect();
        gate[0].set(1);
        let n_have = (0..4).filter(|_| all.recv().unwrap()).count();
        // The others may all have come while the lock of the first was still held.
        is(n_have == 1, (round, n_have))?;
        drop(takers);
    }
    Ok(Report::PASSED)
}

fn forked() -> Outcome {
    let folder = TempDir::new()?;
    let path = folder.path().join("socket");
    let listener = Listener::bind(&Address::unix(&path))?;
    let mut copy = child::fork(|| {
        let refused = listener.try_accept::<u8, u8>();
        let is_right = matches!(refused, Err(AcceptError::Inherited));
        // As a copy of the handle is dropped that a forked child has.
        // SAFETY: the child ends without looking at it again.
        #[expect(unsafe_code, reason = "a forked child drops what it inherited")]
        drop(unsafe { std::ptr::read(&raw const listener) });
        i32::from(!is_right)
    });
    is(copy.wait().is_success(), "the child")?;
    is(path.exists(), "the path is still there")?;
    let mut client = child::fork(|| {
        connect::<u8, u8>(&Address::unix(&path), None).unwrap();
        0
    });
    listener.accept::<u8, u8>()?;
    is(client.wait().is_success(), "the client")?;
    Ok(Report::PASSED)
}

fn thousand() -> Outcome {
    const CLIENTS: u32 = 1000;
    let usual = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: usual.maximum, maximum: usual.maximum })?;
    let folder = TempDir::new()?;
    let path = Address::unix(folder.path().join("socket"));
    for address in [path, Address::tcp("127.0.0.1:0")?] {
        let key = Key::new("secret");
        let builder = Listener::builder().key(key.clone()).backlog(2000);
        let listener = builder.bind(&address)?;
        let address = listener.address().clone();
        let mut clients = child::fork(|| {
            // All of them connect before any of them is let in, as far as threads go.
            let ends: Vec<_> = (0..CLIENTS)
                .map(|number| {
                    let (address, key) = (address.clone(), key.clone());
                    std::thread::spawn(move || {
                        let mut end: Connection<u32, u32> = connect(&address, Some(&key)).unwrap();
                        end.request(&number).unwrap()
                    })
                })
                .collect();
            let all = ends.into_iter().map(|end| end.join().unwrap());
            i32::from(!all.eq((0..CLIENTS).map(|number| number * 2)))
        });
        let mut ends = Vec::new();
        for _ in 0..CLIENTS {
            ends.push(listener.accept::<u32, u32>()?);
        }
        for end in &ends {
            end.send(&(end.recv()? * 2))?;
        }
        is(clients.wait().is_success(), &address)?;
    }
    Ok(Report::PASSED)
}

fn signals() -> Outcome {
    const CLIENTS: u32 = 60;
    let folder = TempDir::new()?;
    for address in [Address::unix(folder.path().join("socket")), Address::tcp("127.0.0.1:0")?] {
        let key = Key::new("secret");
        // Who connects waits for a place, too.
        let listener = Listener::builder().key(key.clone()).backlog(0).bind(&address)?;
        let address = listener.address().clone();
        let mut clients = child::fork(|| {
            bombard();
            for number in 0..CLIENTS {
                let connected = if number % 2 == 0 {
                    connect(&address, Some(&key))
                } else {
                    connect_timeout(&address, Some(&key), Duration::from_secs(200))
                };
                let mut end: Connection<u32, u32> = connected.unwrap();
                assert_eq!(end.request(&number).unwrap(), number * 2);
            }
            0
        });
        bombard();
        for _ in 0..CLIENTS {
            let end: Connection<u32, u32> = listener.accept()?;
            end.send(&(end.recv()? * 2))?;
        }
        is(clients.wait().is_success(), &address)?;
    }
    Ok(Report::PASSED)
}

/// Nobody accepts, and there is no place for who connects.
fn signals_and_deadline() -> Outcome {
    let folder = TempDir::new()?;
    let address = Address::unix(folder.path().join("socket"));
    let _listener = Listener::builder().backlog(0).bind(&address)?;
    let mut client = child::fork(|| {
        bombard();
        // The first has a place, and is not let in; the others wait for one.
        let is_told = || {
            let told = connect_timeout::<u8, u8>(&address, None, Duration::from_millis(20));
            matches!(told, Err(ConnectError::TimedOut))
        };
        let _place = std::thread::spawn({
            let address = address.clone();
            move || connect::<u8, u8>(&address, None).err()
        });
        i32::from(!(0..5).all(|_| is_told()))
    });
    let end = client.wait_within(Duration::from_secs(60));
    is(end.is_some_and(|end| end.is_success()), end)?;
    Ok(Report::PASSED)
}

fn flooded() -> Outcome {
    let usual = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: usual.maximum, maximum: usual.maximum })?;
    // The silent have all the time, if nobody else wants in.
    let builder = Listener::builder().backlog(2000).handshake_timeout(Duration::MAX);
    let listener = builder.bind(&Address::tcp("127.0.0.1:0")?)?;
    let Address::Tcp(port) = *listener.address() else { unreachable!() };
    let silent = || std::net::TcpStream::connect(port);
    let flood = (0..1100).map(|_| silent()).collect::<Result<Vec<_>, _>>()?;
    let mut client = child::fork(|| {
        let address = Address::Tcp(port);
        let timeout = Duration::from_secs(100);
        let end = connect_timeout::<u8, u8>(&address, None, timeout);
        end.unwrap().send(&7).unwrap();
        0
    });
    is(listener.accept::<u8, u8>()?.recv()? == 7, "it is let in")?;
    is(client.wait().is_success(), "the client")?;
    drop(flood);
    Ok(Report::PASSED)
}

fn killed_clients() -> Outcome {
    let folder = TempDir::new()?;
    let address = Address::unix(folder.path().join("socket"));
    let listener = Listener::builder().key(Key::new("a")).bind(&address)?;
    for _ in 0..20 {
        // It hears the hello, and is killed before or after its proof.
        let victim = child::fork(|| {
            connect::<u8, u8>(&address, Some(&Key::new("a"))).map(|_| ()).ok();
            park()
        });
        let maybe = listener.accept_timeout::<u8, u8>(Duration::from_micros(300));
        drop(victim);
        if let Ok(end) = maybe {
            is(matches!(end.recv(), Err(RecvError::Disconnected)), "it is gone")?;
        }
    }
    let mut client = child::fork(|| {
        connect::<u8, u8>(&address, Some(&Key::new("a"))).unwrap().send(&7).unwrap();
        0
    });
    let number = loop {
        // Some of the dead may be let in: they had proved the key.
        match listener.accept::<u8, u8>()?.recv() {
            Ok(number) => break number,
            Err(error) => is(error.is_disconnected(), error)?,
        }
    };
    is(number == 7 && client.wait().is_success(), "the client")?;
    Ok(Report::PASSED)
}

fn killed_listener() -> Outcome {
    let folder = TempDir::new()?;
    for address in [Address::unix(folder.path().join("socket")), Address::abstract_name("h-l")] {
        let victim = listening(&address)?;
        let waiting = std::thread::spawn(move || connect::<u8, u8>(&address, None).unwrap_err());
        drop(victim);
        // It had connected, or not yet.
        let told = waiting.join().unwrap();
        is(matches!(told, ConnectError::NotOurs | ConnectError::Io(_)), told)?;
    }
    Ok(Report::PASSED)
}

fn killed_sender() -> Outcome {
    let listener = Listener::bind(&Address::tcp("127.0.0.1:0")?)?;
    let victim = child::fork(|| {
        let end: Connection<Vec<u8>, u8> = connect(listener.address(), None).unwrap();
        end.send_bytes(&[1; 10]).unwrap();
        // More than the buffers take: it is in the middle of it when it is killed.
        end.send_bytes(&vec![2; 256 << 20]).unwrap();
        park()
    });
    let end: Connection<u8, Vec<u8>> = listener.accept()?;
    is(end.recv_bytes(10)? == [1; 10], "the first is whole")?;
    is(end.poll(Duration::MAX)?, "the second has begun")?;
    drop(victim);
    let torn = end.recv_bytes(usize::MAX).unwrap_err();
    is(matches!(torn, RecvError::Truncated | RecvError::Io(_)), torn)?;
    Ok(Report::PASSED)
}

fn forked_stream() -> Outcome {
    let listener = Listener::bind(&Address::tcp("127.0.0.1:0")?)?;
    let mut client = child::fork(|| {
        let end: Connection<u8, u8> = connect(listener.address(), None).unwrap();
        i32::from(end.recv().unwrap() != 5)
    });
    let end: Connection<u8, u8> = listener.accept()?;
    let mut copy = child::fork(|| {
        let is_right = matches!(end.send(&1), Err(ipc_pipe::SendError::OtherProcess))
            && matches!(end.try_recv(), Err(RecvError::OtherProcess));
        i32::from(!is_right)
    });
    is(copy.wait().is_success(), "the child")?;
    end.send(&5)?;
    is(client.wait().is_success(), "the client")?;
    Ok(Report::PASSED)
}
