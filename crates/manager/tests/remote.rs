//! Managers at addresses of TCP: who gets in, and what a break of the network does.

#![expect(clippy::unwrap_used, reason = "tests end when something is not as it should be")]

use std::time::Duration;

use common::proxy::Proxy;
use common::{Account, SOON, wait_until, watch};
use manager::{
    Address, Batch, Builder, ConnectError, Connector, Dict, Error, Key, List, LockError, Manager,
    Queue, RemoteIter, Server, TlsClient, TlsServer, Value,
};
use proc_core::Process;

mod common;

const KEY: &str = "known to both";

fn builder() -> Builder {
    Manager::builder().address(&Address::tcp("127.0.0.1:0").unwrap()).key(KEY)
}

fn connector(address: &Address) -> Connector {
    Manager::connector(address).key(KEY)
}

/// A certificate of its own, and what believes it.
fn tls() -> (TlsServer, TlsClient) {
    let own = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let server = TlsServer::from_pem(own.cert.pem(), own.signing_key.serialize_pem()).unwrap();
    (server, TlsClient::trusting(own.cert.pem(), "localhost").unwrap())
}

/// The manager does what it should.
fn works(manager: &Manager) {
    let dict: Dict<String, List<u8>> = manager.dict().unwrap();
    let list = manager.list().unwrap();
    dict.insert("list", &list).unwrap();
    list.push(&7).unwrap();
    assert_eq!(dict.get("list").unwrap().unwrap().to_vec().unwrap(), [7]);
    let lock = manager.lock().unwrap();
    drop(lock.lock().unwrap());
    assert!(lock.try_lock().is_ok());
}

#[test]
fn a_manager_at_a_port_says_which_it_is() {
    let _watchdog = watch("port");
    let manager = builder().start().unwrap();
    assert!(matches!(manager.address(), Address::Tcp(address) if address.port() != 0));
    works(&manager);
    // Another program connects with the key.
    let child = Process::spawn(use_from_afar, manager.address().to_string()).unwrap();
    child.join().unwrap();
    wait_until(&manager, "it has said goodbye", |stats| (stats.clients, stats.objects) == (1, 0));
    manager.shutdown().unwrap();
}

/// A process that knows the manager by the name that is given out.
fn use_by_name((address, go_on): (String, ipc_pipe::Connection<(), Dict<u8, u8>>)) -> Option<u8> {
    let _manager = connector(&Address::tcp(address).unwrap()).connect().unwrap();
    go_on.send(&()).unwrap();
    let dict = go_on.recv().unwrap();
    dict.get(&1).unwrap()
}

#[test]
fn a_manager_at_all_addresses_is_called_by_the_one_that_is_given_out() {
    let _watchdog = watch("advertised");
    let everywhere = Address::tcp("0.0.0.0:0").unwrap();
    let builder = Manager::builder().address(&everywhere).key(KEY);
    let manager = builder.advertise("127.0.0.1:0".parse().unwrap()).start().unwrap();
    let Address::Tcp(known_as) = *manager.address() else { panic!("at a port") };
    assert!(known_as.ip().is_loopback() && known_as.port() != 0, "{known_as}");
    works(&manager);
    // To connect by that name is to have the connection that is there.
    let again = Manager::connect(&Address::Tcp(known_as), None).unwrap();
    assert_eq!(again.stats().unwrap().clients, 1);
    let dict: Dict<u8, u8> = manager.dict().unwrap();
    dict.set(&1, &2).unwrap();
    let (go_on, theirs) = ipc_pipe::pipe().unwrap();
    let child = Process::spawn(use_by_name, (manager.address().to_string(), theirs)).unwrap();
    go_on.recv().unwrap();
    go_on.send(&dict).unwrap();
    assert_eq!(child.join().unwrap(), Some(2));
    // It is for those at an address of TCP.
    let local = Manager::builder().advertise(known_as).serve().unwrap_err();
    assert!(local.to_string().contains("advertised"), "{local}");
}

fn use_from_afar(address: String) {
    let manager = connector(&Address::tcp(address).unwrap()).connect().unwrap();
    works(&manager);
    // Much at once goes both ways.
    let list: List<Vec<u8>> = manager.list().unwrap();
    let mut batch = Batch::new();
    for n in 0..100_u8 {
        drop(list.push_in(&mut batch, &vec![n; 20_000]).unwrap());
    }
    assert!(batch.call().unwrap().is_ok());
    let all = list.to_vec().unwrap();
    assert!((0..100).zip(&all).all(|(n, found)| *found == vec![n; 20_000]));
    let large: Value<Vec<u8>> = manager.value(&vec![7; 1_500_000]).unwrap();
    assert_eq!(large.get().unwrap().len(), 1_500_000);
    drop((list, large));
    manager.disconnect();
}

#[test]
fn who_has_no_key_or_another_is_refused() {
    use ipc_pipe::ConnectError as Pipe;

    let _watchdog = watch("keys");
    let server = builder().serve().unwrap();
    let refused = |key: Option<&str>| {
        let key = key.map(Key::new);
        match Manager::connect(server.address(), key.as_ref()).unwrap_err() {
            ConnectError::Pipe(error) => error,
            other => panic!("{other}"),
        }
    };
    assert!(matches!(refused(None), Pipe::KeyWanted));
    assert!(matches!(refused(Some("another")), Pipe::Refused));
    assert!(matches!(refused(Some("")), Pipe::Refused));
    let manager = server.manager().unwrap();
    works(&manager);
    // Without a key there is no such manager.
    let none = Manager::builder().address(&Address::tcp("127.0.0.1:0").unwrap()).serve();
    assert!(none.unwrap_err().to_string().contains("needs a key"));
}

#[test]
fn functions_are_not_run_for_other_machines() {
    let _watchdog = watch("functions");
    let server = builder().serve().unwrap();
    let value: Value<u64> = server.manager().unwrap().value(&1).unwrap();
    let refused = value.update(|(old, ()): (u64, ())| old + 1, &());
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
    assert_eq!(value.get().unwrap(), 1);
}

#[test]
fn a_client_can_wait_for_a_manager_that_is_not_there_yet() {
    let _watchdog = watch("not there yet");
    let folder = tempfile::tempdir().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = Address::Tcp(free.local_addr().unwrap());
    drop(free);
    for address in [port, Address::unix(folder.path().join("manager"))] {
        let key = Key::new(KEY);
        let nobody = Manager::connect(&address, Some(&key)).unwrap_err();
        assert!(matches!(nobody, ConnectError::Pipe(ipc_pipe::ConnectError::Io(_))), "{nobody}");
        assert!(Manager::connect_within(&address, Some(&key), SOON).is_err());
        let (there, waits_at) = (address.clone(), address);
        let waiting = std::thread::spawn(move || {
            Manager::connect_within(&waits_at, Some(&key), Duration::from_secs(90))
        });
        testkit::clock::pause(SOON);
        let server = Manager::builder().address(&there).key(KEY).serve().unwrap();
        works(&waiting.join().unwrap().unwrap());
        drop(server);
    }
}

fn through_a_proxy() -> (Server, Proxy, Manager) {
    let server = builder().reconnect_grace(Duration::from_secs(60)).serve().unwrap();
    let proxy = Proxy::to(server.address());
    let manager = connector(proxy.address()).connect().unwrap();
    (server, proxy, manager)
}

#[test]
fn each_call_is_done_once_though_the_connection_breaks_all_the_time() {
    let _watchdog = watch("breaks all the time");
    let (_server, proxy, manager) = through_a_proxy();
    let list: List<u64> = manager.list().unwrap();
    let counter: Value<u64> = manager.value(&0).unwrap();
    // Anywhere: in the middle of a handshake, of a head, of a call and of a reply.
    proxy.cut_after(200);
    proxy.cut();
    for n in 0..40 {
        list.push(&n).unwrap();
        let old = counter.replace(&(n + 1)).unwrap();
        assert_eq!(old, n);
    }
    assert!(proxy.n_cuts() > 10, "{}", proxy.n_cuts());
    assert_eq!(list.to_vec().unwrap(), (0..40).collect::<Vec<_>>());
}

#[test]
fn no_item_of_an_iterator_is_lost_or_comes_twice_though_the_connection_breaks_all_the_time() {
    let _watchdog = watch("items over a network that breaks");
    let grace = Duration::from_secs(60);
    let server = builder().register::<Account>().reconnect_grace(grace).serve().unwrap();
    let proxy = Proxy::to(server.address());
    let manager = connector(proxy.address()).connect().unwrap();
    let account = manager.create::<Account>(0).unwrap();
    for amount in 0..60 {
        account.call::<_, i64>("pay_in", &amount).unwrap();
    }
    proxy.cut_after(200);
    proxy.cut();
    let log: RemoteIter<String> = account.iterate("log_from", &10_usize).unwrap();
    let found: Vec<String> = log.in_batches_of(2).map(Result::unwrap).collect();
    assert_eq!(found, (10..60).map(|amount| format!("+{amount}")).collect::<Vec<_>>());
    assert!(proxy.n_cuts() > 5, "{}", proxy.n_cuts());
    drop(account);
    wait_until(&server.manager().unwrap(), "nothing is left", |stats| stats.objects == 0);
}

#[test]
fn what_a_client_holds_and_waits_for_is_kept_while_it_is_cut_off() {
    let _watchdog = watch("cut off");
    let (_server, proxy, manager) = through_a_proxy();
    let (lock, queue) = (manager.lock().unwrap(), manager.queue::<u64>(0).unwrap());
    let guard = lock.lock().unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| queue.get().unwrap());
        wait_until(&manager, "it waits", |stats| stats.waiting == 1);
        proxy.close();
        proxy.heal();
        wait_until(&manager, "it still waits", |stats| stats.waiting == 1);
        proxy.cut();
        queue.put(&5).unwrap();
        assert_eq!(waiting.join().unwrap(), 5);
    });
    assert!(lock.is_locked().unwrap());
    proxy.cut();
    // What is told without a reply is told once as well.
    drop(guard);
    proxy.cut();
    assert!(lock.try_lock().is_ok());
    assert_eq!(manager.stats().unwrap().refused, 0);
}

#[test]
fn who_is_cut_off_for_too_long_is_gone_and_told_so() {
    let _watchdog = watch("too long");
    let server = builder().reconnect_grace(Duration::from_millis(300)).serve().unwrap();
    let proxy = Proxy::to(server.address());
    let child = Process::spawn(hold_until_cut_off, proxy.address().to_string()).unwrap();
    let manager = server.manager().unwrap();
    let lock = loop {
        match manager.look_up::<manager::Lock>("lock") {
            Ok(lock) => break lock,
            Err(Error::NoSuchName) => testkit::clock::pause(Duration::from_millis(5)),
            Err(error) => panic!("{error}"),
        }
    };
    wait_until(&manager, "the child waits", |stats| stats.waiting == 1);
    proxy.close();
    wait_until(&manager, "it is away", |stats| stats.cut_off == 1 || stats.clients == 1);
    // It is gone when the grace is over, and the next is told.
    assert!(matches!(lock.lock(), Err(LockError::OwnerDied(_))));
    wait_until(&manager, "it is gone", |stats| (stats.clients, stats.cut_off) == (1, 0));
    child.join().unwrap();
}

fn hold_until_cut_off(address: String) {
    let manager = connector(&Address::tcp(address).unwrap()).connect().unwrap();
    let (lock, queue): (_, Queue<u8>) = (manager.lock().unwrap(), manager.queue(0).unwrap());
    let guard = lock.lock().unwrap();
    manager.publish("lock", &lock).unwrap();
    // It was sent, and nobody says any more what came of it.
    assert!(matches!(queue.get(), Err(Error::Lost)));
    assert!(matches!(queue.put(&1), Err(Error::Disconnected)));
    drop(guard);
}

#[test]
fn a_call_that_never_left_is_known_not_to_be_done() {
    let _watchdog = watch("never left");
    let server = builder().serve().unwrap();
    let proxy = Proxy::to(server.address());
    let limited = connector(proxy.address()).reconnect_timeout(Duration::from_millis(200));
    let manager = limited.connect().unwrap();
    let (list, other): (List<u8>, Queue<u8>) = (manager.list().unwrap(), manager.queue(0).unwrap());
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| other.get());
        wait_until(&manager, "it waits", |stats| stats.waiting == 1);
        proxy.close();
        // The one was on its way, and the other finds no way.
        let never_left = list.push(&1);
        assert!(matches!(waiting.join().unwrap(), Err(Error::Lost)));
        assert!(matches!(never_left, Err(Error::Disconnected | Error::Lost)), "{never_left:?}");
    });
    assert!(matches!(list.push(&1), Err(Error::Disconnected)));
    // A new connection is one to begin with.
    let manager = server.manager().unwrap();
    works(&manager);
}

#[test]
fn what_a_killed_client_held_is_free_when_the_grace_is_over() {
    let _watchdog = watch("killed");
    let server = builder().reconnect_grace(Duration::from_millis(300)).serve().unwrap();
    let child = Process::spawn(hold_for_ever, server.address().to_string()).unwrap();
    let manager = server.manager().unwrap();
    wait_until(&manager, "it waits", |stats| stats.waiting == 1);
    let lock: manager::Lock = manager.look_up("lock").unwrap();
    assert!(lock.try_lock().is_err_and(|error| error.is_timed_out()));
    child.kill().unwrap();
    assert!(matches!(lock.lock(), Err(LockError::OwnerDied(_))));
    wait_until(&manager, "nothing is left of it", |stats| {
        (stats.clients, stats.cut_off, stats.waiting) == (1, 0, 0)
    });
    child.join().unwrap_err();
}

fn hold_for_ever(address: String) {
    let manager = connector(&Address::tcp(address).unwrap()).connect().unwrap();
    let (lock, event) = (manager.lock().unwrap(), manager.event().unwrap());
    manager.publish("lock", &lock).unwrap();
    let _guard = lock.lock().unwrap();
    event.wait().unwrap();
}

#[test]
fn types_of_the_managers_program_are_made_and_called_from_afar() {
    let _watchdog = watch("types");
    let server = builder().register::<Account>().serve().unwrap();
    let manager = connector(server.address()).connect().unwrap();
    let account = manager.create::<Account>(10).unwrap();
    assert_eq!(account.call::<_, i64>("pay_in", &5_i64).unwrap(), 15);
    let refused = account.call::<_, Result<i64, String>>("pay_out", &50_i64).unwrap();
    assert_eq!(refused.unwrap_err(), "only 15 left");
    let none = account.call::<_, ()>("no such method", &());
    assert!(matches!(none, Err(Error::NoSuchMethod(_))));
    assert!(matches!(account.call::<_, ()>("pay_in", "text"), Err(Error::BadArgument(_))));
    assert!(matches!(account.call::<_, ()>("explode", "why"), Err(Error::Panicked(_))));
    assert!(matches!(manager.create::<Account>(-1), Err(Error::Panicked(_))));
    let stats = manager.stats().unwrap();
    assert_eq!((stats.clients, stats.objects), (1, 1));
    // The address is taken.
    let other = Manager::builder().address(server.address()).key(KEY).serve().unwrap_err();
    assert!(other.to_string().contains("in use"), "{other}");
    // What it was not told of, it does not have.
    let plain = builder().serve().unwrap();
    let manager = plain.manager().unwrap();
    assert!(matches!(manager.create::<Account>(1), Err(Error::NoSuchType(_))));
    assert!(matches!(manager.look_up::<Value<u8>>("nothing"), Err(Error::NoSuchName)));
}

#[test]
fn clients_are_told_at_once_when_a_manager_ends() {
    let _watchdog = watch("ends");
    let server = builder().reconnect_grace(Duration::from_secs(90)).serve().unwrap();
    let manager = server.manager().unwrap();
    let queue: Queue<u8> = manager.queue(0).unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| queue.get());
        wait_until(&manager, "it waits", |stats| stats.waiting == 1);
        server.shutdown().unwrap();
        assert!(matches!(waiting.join().unwrap(), Err(Error::Lost)));
    });
    assert!(matches!(queue.len(), Err(Error::Disconnected)));
}

#[test]
fn a_client_that_goes_says_goodbye() {
    let _watchdog = watch("goodbye");
    let server = builder().reconnect_grace(Duration::from_secs(1_000)).serve().unwrap();
    // A process keeps its connection as long as it runs; this one gives it up.
    let child = Process::spawn(connect_and_forget, server.address().to_string()).unwrap();
    child.join().unwrap();
    let manager = server.manager().unwrap();
    wait_until(&manager, "it is gone", |stats| (stats.clients, stats.cut_off) == (1, 0));
}

fn connect_and_forget(address: String) {
    let first = connector(&Address::tcp(&address).unwrap()).connect().unwrap();
    works(&first);
    first.disconnect();
}

#[test]
fn over_tls_all_is_as_it_is_without() {
    let _watchdog = watch("tls");
    let (server, client) = tls();
    let server = builder().tls(server).reconnect_grace(Duration::from_secs(60)).serve().unwrap();
    let proxy = Proxy::to(server.address());
    let manager = connector(proxy.address()).tls(client).connect().unwrap();
    works(&manager);
    let large: Value<Vec<u8>> = manager.value(&vec![7; 1_500_000]).unwrap();
    let list: List<u64> = manager.list().unwrap();
    for n in 0..20 {
        list.push(&n).unwrap();
        proxy.cut();
    }
    assert_eq!(list.to_vec().unwrap(), (0..20).collect::<Vec<_>>());
    assert_eq!(large.get().unwrap().len(), 1_500_000);
}

#[test]
fn a_manager_of_its_own_process_has_tls_too() {
    let _watchdog = watch("tls of a process");
    let (server, _) = tls();
    let manager = builder().tls(server).start().unwrap();
    works(&manager);
}

#[test]
fn who_is_not_believed_over_tls_is_told_of() {
    let _watchdog = watch("tls refused");
    let (server, known) = tls();
    let (_, stranger) = tls();
    let server = builder().tls(server).serve().unwrap();
    let connect = |tls: TlsClient| connector(server.address()).tls(tls).connect();
    let refused = connect(stranger).unwrap_err();
    assert!(matches!(refused, ConnectError::Tls(_)), "{refused}");
    let own = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let other = TlsClient::exactly(own.cert.pem()).unwrap();
    assert!(matches!(connect(other).unwrap_err(), ConnectError::Tls(_)));
    // Who does not speak TLS hears nothing of use.
    let plain = connector(server.address()).timeout(SOON).connect().unwrap_err();
    assert!(matches!(plain, ConnectError::Pipe(ipc_pipe::ConnectError::TimedOut)), "{plain}");
    // TLS does not stand for the key.
    let no_key = Manager::connector(server.address()).tls(known.clone()).connect().unwrap_err();
    assert!(matches!(no_key, ConnectError::Pipe(ipc_pipe::ConnectError::KeyWanted)), "{no_key}");
    works(&connect(known).unwrap());
}

#[test]
fn tls_is_for_tcp_and_for_certificates() {
    let (server, _) = tls();
    let local = Manager::builder().key(KEY).tls(server).serve().unwrap_err();
    assert!(local.to_string().contains("TLS is for"), "{local}");
    let own = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let other = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let mixed = TlsServer::from_pem(own.cert.pem(), other.signing_key.serialize_pem());
    assert!(mixed.is_err(), "the key belongs to another certificate");
    assert!(TlsServer::from_pem("", "").is_err());
    assert!(TlsClient::trusting("nothing", "localhost").is_err());
    assert!(TlsClient::trusting(own.cert.pem(), "no name at all").is_err());
    assert!(TlsClient::exactly("").is_err());
}
