//! Connections in tasks of an executor: over sockets, over TCP, and through shared memory.
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

use std::fs::File;
use std::future::Future;
use std::io::{Read as _, Seek as _, Write as _};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures_util::{Sink as _, SinkExt as _, Stream as _, StreamExt as _};
use ipc_core::wire::Handle;
use ipc_pipe::{
    Address, ConnectError, Connection, Key, Listener, RecvError, SendError, channel, connect,
    connect_async, pipe, shm_pipe, wait_async,
};
use testkit::{Counter, Watchdog};

/// Plays a scene in a runtime with two threads.
fn play<T>(what: &str, scene: impl Future<Output = T>) -> T {
    let _watchdog = Watchdog::start(Duration::from_secs(60), what);
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().unwrap().block_on(scene)
}

/// Polls once, with nobody to be woken.
fn poll_once<T>(future: impl Future<Output = T>) -> Poll<T> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Two ends over TCP.
fn over_tcp<S: 'static, R: 'static>() -> (Connection<S, R>, Connection<R, S>) {
    let listener = Listener::bind(&Address::tcp("127.0.0.1:0").unwrap()).unwrap();
    let address = listener.address().clone();
    let client = std::thread::spawn(move || connect(&address, None).unwrap());
    (listener.accept().unwrap(), client.join().unwrap())
}

/// More than fits into a socket, or a ring.
const MANY: u32 = 10_000;

#[test]
fn messages_go_to_and_fro_in_tasks() {
    play("requests over sockets", async {
        for (mut here, there) in [pipe::<u32, u64>().unwrap(), over_tcp()] {
            let answering = tokio::spawn(async move {
                while let Ok(number) = there.recv_async().await {
                    there.send_async(&(u64::from(number) * 2)).await.unwrap();
                }
            });
            for number in 0..300 {
                assert_eq!(here.request_async(&number).await.unwrap(), u64::from(number) * 2);
            }
            drop(here);
            answering.await.unwrap();
        }
    });
}

#[test]
fn messages_go_to_and_fro_through_shared_memory() {
    play("requests through shared memory", async {
        let (mut here, mut there) = shm_pipe::<(), usize>().unwrap();
        let answering = tokio::spawn(async move {
            loop {
                match there.recv_bytes_async(usize::MAX).await {
                    Ok(bytes) => there.send_async(&bytes.len()).await.unwrap(),
                    Err(RecvError::Disconnected) => return,
                    Err(error) => panic!("{error}"),
                }
            }
        });
        // Some go through the ring, and some beside it.
        for len in (0..200).map(|step| step * step * 7) {
            here.send_bytes_async(&vec![1; len]).await.unwrap();
            assert_eq!(here.recv_async().await.unwrap(), len);
        }
        drop(here);
        answering.await.unwrap();
    });
}

#[test]
fn who_sends_waits_for_room_and_loses_nothing() {
    play("more than there is room for", async {
        for (sender, receiver) in [channel().unwrap(), over_tcp()] {
            let sender: Connection<u32, _> = sender;
            let sending = tokio::spawn(async move {
                for number in 0..MANY {
                    sender.send_async(&number).await.unwrap();
                }
            });
            for number in 0..MANY {
                assert_eq!(receiver.recv_async().await.unwrap(), number);
            }
            assert!(receiver.recv_async().await.unwrap_err().is_disconnected());
            sending.await.unwrap();
        }
    });
}

#[test]
fn who_sends_through_shared_memory_waits_for_room() {
    play("more than the ring holds", async {
        let (mut sender, mut receiver) = shm_pipe::<(), ()>().unwrap();
        // Most go through the ring; the long ones fill the socket beside it.
        let message = |number: u32| match number % 10 {
            0 => number.to_ne_bytes().repeat(10_000),
            _ => number.to_ne_bytes().to_vec(),
        };
        let sending = tokio::spawn(async move {
            for number in 0..MANY / 4 {
                sender.send_bytes_async(&message(number)).await.unwrap();
            }
        });
        for number in 0..MANY / 4 {
            assert_eq!(receiver.recv_bytes_async(usize::MAX).await.unwrap(), message(number));
        }
        assert!(receiver.recv_async().await.unwrap_err().is_disconnected());
        sending.await.unwrap();
    });
}

#[test]
fn a_long_message_and_its_handles_arrive() {
    play("a long message with a file", async {
        let (sender, receiver) = channel::<(Vec<u8>, Handle)>().unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"inside").unwrap();
        file.rewind().unwrap();
        let sending = tokio::spawn(async move {
            sender
                .send_async(&(vec![7; 300_000], Handle::from(std::os::fd::OwnedFd::from(file))))
                .await
        });
        let (bytes, handle) = receiver.recv_async().await.unwrap();
        sending.await.unwrap().unwrap();
        assert_eq!(bytes, vec![7; 300_000]);
        let mut text = String::new();
        File::from(std::os::fd::OwnedFd::from(handle)).read_to_string(&mut text).unwrap();
        assert_eq!(text, "inside");
    });
}

#[test]
fn bytes_go_as_they_are() {
    play("bytes", async {
        let (here, there) = pipe::<u8, u8>().unwrap();
        here.send_bytes_async(b"as they are").await.unwrap();
        assert_eq!(there.recv_bytes_async(11).await.unwrap(), b"as they are");
        here.send_bytes_async(b"too long").await.unwrap();
        let refused = there.recv_bytes_async(7).await.unwrap_err();
        assert!(matches!(refused, RecvError::TooLong { len: 8, limit: 7 }), "{refused}");
        let (mut here, mut there) = shm_pipe::<u8, u8>().unwrap();
        here.send_bytes_async(b"as they are").await.unwrap();
        assert_eq!(there.recv_bytes_async(11).await.unwrap(), b"as they are");
    });
}

#[test]
fn a_future_that_is_dropped_loses_nothing() {
    play("dropped futures", async {
        let (here, there) = pipe::<u32, u32>().unwrap();
        let (mut near, mut far) = shm_pipe::<u32, u32>().unwrap();
        for number in 0..100 {
            assert!(poll_once(there.recv_async()).is_pending());
            here.send(&number).unwrap();
            assert_eq!(there.recv_async().await.unwrap(), number);
            assert!(poll_once(far.recv_async()).is_pending());
            near.send(&number).unwrap();
            assert_eq!(far.recv_async().await.unwrap(), number);
        }
        // Nor is anything sent by one that found no room.
        let mut n_sent = 0;
        while here.try_send(&n_sent).is_ok() {
            n_sent += 1;
        }
        assert!(poll_once(here.send_async(&u32::MAX)).is_pending());
        for number in 0..n_sent {
            assert_eq!(there.recv_async().await.unwrap(), number);
        }
        assert!(matches!(there.try_recv(), Err(RecvError::Empty)));
    });
}

#[test]
fn the_end_is_told() {
    play("the end", async {
        let (here, there) = pipe::<u32, u32>().unwrap();
        let waiting = tokio::spawn(async move { there.recv_async().await });
        drop(here);
        assert!(waiting.await.unwrap().unwrap_err().is_disconnected());
        let (mut near, mut far) = shm_pipe::<u32, u32>().unwrap();
        assert!(poll_once(near.recv_async()).is_pending());
        let waiting = tokio::spawn(async move { far.recv_async().await });
        drop(near);
        assert!(waiting.await.unwrap().unwrap_err().is_disconnected());
        let (here, there) = pipe::<u32, u32>().unwrap();
        drop(there);
        assert!(here.send_async(&1).await.unwrap_err().is_disconnected());
    });
}

#[test]
fn a_connection_is_a_stream_and_a_sink() {
    play("streams and sinks", async {
        let (here, there) = pipe::<u32, u64>().unwrap();
        let answering = tokio::spawn(async move {
            let (sink, stream) = there.into_messages().split();
            stream
                .map(|number| number.map(u64::from).map_err(|_| SendError::Full))
                .forward(sink)
                .await
        });
        let (mut sink, stream) = here.into_messages().split();
        let asking = tokio::spawn(async move {
            for number in 0..MANY {
                sink.feed(number).await.unwrap();
            }
            sink.close().await.unwrap();
            sink
        });
        let answers: Vec<u64> =
            stream.take(MANY as usize).map(|answer| answer.unwrap()).collect().await;
        assert!(answers.into_iter().eq(0..u64::from(MANY)));
        drop(asking.await.unwrap());
        answering.await.unwrap().unwrap();
    });
}

#[test]
fn a_connection_through_shared_memory_is_a_stream_and_a_sink() {
    play("streams and sinks through shared memory", async {
        let (here, there) = shm_pipe::<u32, u64>().unwrap();
        let answering = tokio::spawn(async move {
            let (sink, stream) = there.into_messages().split();
            stream
                .map(|number| number.map(u64::from).map_err(|_| SendError::Full))
                .forward(sink)
                .await
        });
        let (mut sink, stream) = here.into_messages().split();
        let asking = tokio::spawn(async move {
            for number in 0..MANY {
                sink.send(number).await.unwrap();
            }
            sink
        });
        let answers: Vec<u64> =
            stream.take(MANY as usize).map(|answer| answer.unwrap()).collect().await;
        assert!(answers.into_iter().eq(0..u64::from(MANY)));
        drop(asking.await.unwrap());
        answering.await.unwrap().unwrap();
    });
}

/// Counts how often a task is woken.
struct Woken(Counter);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.add(1);
    }
}

#[test]
fn a_call_for_one_half_leaves_the_other_asleep() {
    let (reads, writes) = (Arc::new(Woken(Counter::new(0))), Arc::new(Woken(Counter::new(0))));
    play("two halves at two doors", async {
        let (reads_waker, writes_waker) = (Arc::clone(&reads).into(), Arc::clone(&writes).into());
        let mut reading = Context::from_waker(&reads_waker);
        let mut writing = Context::from_waker(&writes_waker);
        let (here, mut there) = shm_pipe::<u32, u32>().unwrap();
        assert!(!there.readable().unwrap());
        let mut here = pin!(here.into_messages());
        assert!(here.as_mut().poll_next(&mut reading).is_pending());
        while here.as_mut().poll_ready(&mut writing).is_ready() {
            here.as_mut().start_send(7).unwrap();
        }
        there.send(&1).unwrap();
        while reads.0.get() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(writes.0.get(), 0, "who writes is not called");
        assert!(matches!(here.as_mut().poll_next(&mut reading), Poll::Ready(Some(Ok(1)))));
        assert!(here.as_mut().poll_ready(&mut writing).is_pending());
    });
}

#[test]
fn two_tasks_have_a_half_each() {
    play("two halves in two tasks", async {
        let (here, there) = shm_pipe::<u32, u64>().unwrap();
        let (mut sender, receiver) = here.split();
        let (mut their_sender, mut their_receiver) = there.split();
        let answering = tokio::spawn(async move {
            while let Ok(number) = their_receiver.recv_async().await {
                their_sender.send_async(&(u64::from(number) * 2)).await.unwrap();
            }
        });
        let asking = tokio::spawn(async move {
            for number in 0..MANY {
                sender.send_async(&number).await.unwrap();
            }
        });
        let answers: Vec<u64> = receiver.into_messages().map(Result::unwrap).collect().await;
        assert!(answers.into_iter().eq((0..u64::from(MANY)).map(|number| number * 2)));
        asking.await.unwrap();
        answering.await.unwrap();
    });
}

#[test]
fn clients_are_accepted_in_tasks() {
    play("accepting", async {
        let folder = tempfile::tempdir().unwrap();
        let places =
            [Address::unix(folder.path().join("socket")), Address::tcp("127.0.0.1:0").unwrap()];
        for place in places {
            let key = Key::new("very secret");
            let listener = Listener::builder().key(key.clone()).bind(&place).unwrap();
            let address = listener.address().clone();
            assert!(poll_once(listener.accept_async::<u32, u32>()).is_pending());
            // Who has the wrong key is not let in.
            let wrong = address.clone();
            let wrong = tokio::spawn(async move {
                connect_async::<u32, u32>(&wrong, Some(&Key::new("wrong"))).await
            });
            let clients: Vec<_> = (0..20)
                .map(|number| {
                    let (address, key) = (address.clone(), key.clone());
                    tokio::spawn(async move {
                        let mut server: Connection<u32, u32> =
                            connect_async(&address, Some(&key)).await.unwrap();
                        server.request_async(&number).await.unwrap()
                    })
                })
                .collect();
            for _ in 0..20 {
                let client: Connection<u32, u32> = listener.accept_async().await.unwrap();
                tokio::spawn(async move {
                    let number = client.recv_async().await.unwrap();
                    client.send_async(&(number + 1)).await.unwrap();
                });
            }
            for (client, number) in clients.into_iter().zip(0..) {
                assert_eq!(client.await.unwrap(), number + 1);
            }
            // The handshake of the one that failed may need somebody who accepts.
            let refused = tokio::select! {
                refused = wrong => refused.unwrap().unwrap_err(),
                accepted = listener.accept_async::<u32, u32>() => panic!("{accepted:?}"),
            };
            assert!(matches!(refused, ConnectError::Refused), "{refused}");
        }
    });
}

#[test]
fn who_has_no_place_to_connect_to_is_told() {
    play("nobody listens", async {
        let nowhere = Address::unix("/nonexistent/socket");
        let error = connect_async::<u32, u32>(&nowhere, None).await.unwrap_err();
        assert!(matches!(error, ConnectError::Io(_)), "{error}");
    });
}

#[test]
fn a_silent_guest_is_shown_out_while_a_task_accepts() {
    play("a silent guest", async {
        let listener = Listener::builder()
            .handshake_timeout(Duration::from_millis(50))
            .bind(&Address::tcp("127.0.0.1:0").unwrap())
            .unwrap();
        let Address::Tcp(address) = *listener.address() else { panic!("it is TCP") };
        let accepting = tokio::spawn(async move { listener.accept_async::<u32, u32>().await });
        let end = tokio::task::spawn_blocking(move || {
            // It says hello, and hangs up when nothing is said.
            let mut guest = std::net::TcpStream::connect(address).unwrap();
            std::io::copy(&mut guest, &mut std::io::sink()).unwrap()
        });
        assert!(end.await.unwrap() > 0);
        accepting.abort();
    });
}

#[test]
fn many_are_waited_for_in_a_task() {
    play("many sources", async {
        let (senders, receivers): (Vec<_>, Vec<_>) =
            (0..300).map(|_| channel::<u32>().unwrap()).unzip();
        let sources: Vec<&dyn ipc_pipe::Source> =
            receivers.iter().map(|receiver| receiver as &dyn ipc_pipe::Source).collect();
        let waiting = wait_async(&sources);
        senders[77].send(&1).unwrap();
        senders[250].send(&1).unwrap();
        assert_eq!(waiting.await.unwrap(), [77, 250]);
        receivers[77].recv().unwrap();
        assert_eq!(wait_async(&sources).await.unwrap(), [250]);
        receivers[250].recv().unwrap();
        let waiting = tokio::spawn(wait_async(&sources));
        tokio::task::yield_now().await;
        drop(senders);
        assert!(!waiting.await.unwrap().unwrap().is_empty());
    });
}
