//! A network between a client and a manager that breaks when it is told to.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use manager::Address;

/// Passes bytes on, until it is told to cut.
pub(crate) struct Proxy {
    address: Address,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// Both ends of each connection.
    open: Vec<[TcpStream; 2]>,
    /// Whether nobody gets through.
    is_closed: bool,
    /// Each connection is cut after so many bytes, in either way, and the next after one more.
    budget: Option<usize>,
    n_cuts: usize,
    is_over: bool,
}

impl Proxy {
    pub(crate) fn to(target: &Address) -> Self {
        let Address::Tcp(target) = *target else { unreachable!("a proxy is for TCP") };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = Address::Tcp(listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.lock().unwrap().is_over {
                    return;
                }
                pass_on(stream.unwrap(), target, &shared);
            }
        });
        Self { address, state }
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Cuts all connections; others get through.
    pub(crate) fn cut(&self) {
        let mut state = self.state.lock().unwrap();
        for stream in state.open.drain(..).flatten() {
            stream.shutdown(Shutdown::Both).ok();
        }
    }

    /// Cuts all connections, and lets no other through until it is healed.
    pub(crate) fn close(&self) {
        self.state.lock().unwrap().is_closed = true;
        self.cut();
    }

    pub(crate) fn heal(&self) {
        self.state.lock().unwrap().is_closed = false;
    }

    /// Cuts every connection after a while: after so many bytes, and one more each time.
    pub(crate) fn cut_after(&self, n_bytes: usize) {
        self.state.lock().unwrap().budget = Some(n_bytes);
    }

    pub(crate) fn n_cuts(&self) -> usize {
        self.state.lock().unwrap().n_cuts
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.lock().unwrap().is_over = true;
        self.cut();
        // It looks whether it is over when somebody comes.
        if let Address::Tcp(address) = self.address {
            TcpStream::connect(address).ok();
        }
    }
}

fn pass_on(client: TcpStream, target: SocketAddr, state: &Arc<Mutex<State>>) {
    let mut locked = state.lock().unwrap();
    let Ok(server) = TcpStream::connect(target) else { return };
    if locked.is_closed {
        return;
    }
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let clones = || [client.try_clone().unwrap(), server.try_clone().unwrap()];
    locked.open.push(clones());
    let budget = locked.budget;
    if let Some(budget) = &mut locked.budget {
        *budget += 1;
    }
    let [client_too, server_too] = clones();
    for (from, to) in [(client, server_too), (server, client_too)] {
        let state = Arc::clone(state);
        thread::spawn(move || copy(from, to, budget.unwrap_or(usize::MAX), &state));
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream, mut budget: usize, state: &Mutex<State>) {
    let mut room = [0; 4096];
    loop {
        let len = room.len().min(budget);
        match from.read(&mut room[..len]) {
            Ok(0) | Err(_) => break,
            Ok(count) => {
                budget -= count;
                if to.write_all(&room[..count]).is_err() {
                    break;
                }
            }
        }
    }
    if budget == 0 {
        state.lock().unwrap().n_cuts += 1;
    }
    from.shutdown(Shutdown::Both).ok();
    to.shutdown(Shutdown::Both).ok();
}
