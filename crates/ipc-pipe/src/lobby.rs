//! The lobby: where those who have connected wait until they have proved who they are.
//!
//! All of them at the same time, and nobody waits for anybody: whoever accepts looks at those who have
//! something to say, and lets in who is done. Who says nothing is shown out when its time is up, or
//! earlier if the lobby is full and others want in.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use ipc_core::Deadline;

use crate::handshake::{self, Nonce, Proof};
use crate::key::Key;
use crate::sys::{epoll, socket};

/// How a lobby is kept.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) key: Option<Key>,
    /// How long anybody may take to prove who it is.
    pub(crate) patience: Duration,
    /// Who is of another user is shown out.
    pub(crate) same_user_only: bool,
}

/// Those who have connected and are not let in yet.
#[derive(Debug)]
pub(crate) struct Lobby {
    /// Readable when somebody has something to say, or wants in.
    door: OwnedFd,
    /// By the order of their arrival.
    guests: BTreeMap<u64, Guest>,
    last_name: u64,
    /// Whether the door sees who wants in; not while the lobby is full.
    is_open: bool,
    /// Who is done, and was not taken yet.
    arrived: VecDeque<OwnedFd>,
}

#[derive(Debug)]
struct Guest {
    socket: OwnedFd,
    nonce: Nonce,
    /// What it has said so far.
    proof: Proof,
    n_said: usize,
    /// When its time is up.
    until: Deadline,
    /// Until when it is not shown out for others.
    undisturbed: Deadline,
}

/// The most guests at a time.
const MOST_GUESTS: usize = 1024;

/// How long nobody is shown out for others.
const GRACE: Duration = Duration::from_secs(1);

/// The listener's name at the door.
const LISTENER: u64 = 0;

impl Lobby {
    /// Opens a lobby for those who want in at that socket.
    pub(crate) fn open(listener: BorrowedFd<'_>) -> io::Result<Self> {
        let door = epoll::create()?;
        epoll::add(door.as_fd(), listener, LISTENER)?;
        let (guests, arrived) = (BTreeMap::new(), VecDeque::new());
        Ok(Self { door, guests, last_name: LISTENER, is_open: true, arrived })
    }

    /// Does all that can be done now; returns one who is let in, if there is one.
    pub(crate) fn step(
        &mut self,
        listener: BorrowedFd<'_>,
        rules: &Rules,
    ) -> io::Result<Option<OwnedFd>> {
        loop {
            let ready = epoll::ready(self.door.as_fd())?;
            for name in &ready {
                match *name {
                    LISTENER => self.admit(listener, rules)?,
                    name => self.hear(name, rules),
                }
            }
            self.show_out(listener)?;
            if let Some(socket) = self.arrived.pop_front() {
                return Ok(Some(socket));
            }
            if ready.is_empty() {
                return Ok(None);
            }
        }
    }

    /// When somebody's time is up, at the latest.
    pub(crate) fn next_deadline(&self) -> Deadline {
        // All have as much time, so the first to come is the first to go.
        let Some((_, first)) = self.guests.first_key_value() else { return Deadline::NEVER };
        if self.is_open { first.until } else { first.until.min(first.undisturbed) }
    }

    /// Takes in some of those who want in.
    fn admit(&mut self, listener: BorrowedFd<'_>, rules: &Rules) -> io::Result<()> {
        for _ in 0..64 {
            if self.guests.len() >= MOST_GUESTS {
                // Until there is room, the door does not tell of them all the time.
                epoll::remove(self.door.as_fd(), listener)?;
                self.is_open = false;
                return Ok(());
            }
            let socket = match socket::accept(listener) {
                Ok(Some(socket)) => socket,
                Ok(None) => return Ok(()),
                // No more descriptors: whoever has been here for longest gives its place.
                Err(error) => match self.guests.pop_first() {
                    Some(_) => continue,
                    None => return Err(error),
                },
            };
            // Who cannot be greeted is gone.
            if let Ok(guest) = Guest::greet(socket, rules) {
                self.last_name += 1;
                epoll::add(self.door.as_fd(), guest.socket.as_fd(), self.last_name)?;
                self.guests.insert(self.last_name, guest);
            }
        }
        Ok(())
    }

    /// Hears what a guest has to say, and lets it in or shows it out if that was all.
    fn hear(&mut self, name: u64, rules: &Rules) {
        let Some(guest) = self.guests.get_mut(&name) else { return };
        match guest.hear(rules) {
            Said::NotAll => {}
            Said::Nothing => drop(self.guests.remove(&name)),
            Said::Enough => {
                let guest = self.guests.remove(&name);
                let socket = guest.map(|guest| guest.socket);
                // The door is for those outside.
                let left = socket
                    .filter(|socket| epoll::remove(self.door.as_fd(), socket.as_fd()).is_ok());
                self.arrived.extend(left);
            }
        }
    }

    /// Shows those out whose time is up, and makes room if others want in.
    fn show_out(&mut self, listener: BorrowedFd<'_>) -> io::Result<()> {
        while let Some(first) = self.guests.first_entry() {
            let is_full = !self.is_open;
            let gives_way = is_full && first.get().undisturbed.is_past();
            if !gives_way && !first.get().until.is_past() {
                break;
            }
            first.remove();
            if is_full {
                break;
            }
        }
        if !self.is_open && self.guests.len() < MOST_GUESTS {
            epoll::add(self.door.as_fd(), listener, LISTENER)?;
            self.is_open = true;
        }
        Ok(())
    }
}

impl AsFd for Lobby {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.door.as_fd()
    }
}

/// What a guest has said.
enum Said {
    /// Not all yet.
    NotAll,
    /// Nothing of use, and nothing more will come.
    Nothing,
    /// What lets it in.
    Enough,
}

impl Guest {
    fn greet(socket: OwnedFd, rules: &Rules) -> io::Result<Self> {
        if rules.same_user_only && socket::peer(socket.as_fd())?.uid != socket::own_user() {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let nonce = socket::random()?;
        socket::send_now(socket.as_fd(), &handshake::hello(rules.key.as_ref(), &nonce))?;
        let until = Deadline::after(rules.patience);
        let undisturbed = Deadline::after(GRACE);
        Ok(Self { socket, nonce, proof: [0; size_of::<Proof>()], n_said: 0, until, undisturbed })
    }

    fn hear(&mut self, rules: &Rules) -> Said {
        while let Some(rest) = self.proof.get_mut(self.n_said..).filter(|rest| !rest.is_empty()) {
            match socket::recv_now(self.socket.as_fd(), rest) {
                Ok(0) => return Said::Nothing,
                Ok(count) => self.n_said += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Said::NotAll,
                Err(_) => return Said::Nothing,
            }
        }
        let judged = handshake::judge(rules.key.as_ref(), &self.nonce, &self.proof);
        let Some((verdict, is_in)) = judged else { return Said::Nothing };
        match socket::send_now(self.socket.as_fd(), &verdict) {
            Ok(()) if is_in => Said::Enough,
            _ => Said::Nothing,
        }
    }
}
