//! Two networks with a cable between them, which is cut in the middle of calls, and mended.
//!
//! Where this user may make no networks, or has no `ip` and `unshare`, this says so, and is skipped; the same with a
//! proxy that cuts is in `remote.rs`, and always runs.

#![expect(clippy::unwrap_used, reason = "tests end when something is not as it should be")]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it talks to its other half, and to people"
)]

use std::env;
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::time::Duration;

use common::watch;
use manager::{Address, List, Lock, Manager, Queue};
use testkit::{Outcome, Report};

mod common;

const ROLE: &str = "MANAGER_NETWORKS_ROLE";
/// Of this half: there can be no networks here.
const SKIPPED: u8 = 77;
const KEY: &str = "known to both";

fn main() -> ExitCode {
    match env::var(ROLE).as_deref() {
        Ok("client") => client(),
        Ok(_) => server(),
        Err(_) => testkit::main(&[("a cable is cut in the middle of calls, and mended", networks)]),
    }
}

/// This program, in another role, in a network of its own.
fn apart(role: &str, flags: &str) -> Command {
    let mut command = Command::new("unshare");
    command.arg(flags).arg(env::current_exe().unwrap()).env(ROLE, role);
    command
}

fn networks() -> Outcome {
    let status = apart("client", "-Urn").status();
    match status.map(|status| status.code()) {
        Ok(Some(0)) => Ok(Report::PASSED),
        Ok(Some(code)) if code != 1 && code != i32::from(SKIPPED) => {
            Err(format!("the client ended with {code}").into())
        }
        Ok(None) => Err("the client was killed".into()),
        // `unshare` says 1 where it may not.
        other => {
            eprintln!("SKIPPED: there can be no networks here: {other:?}");
            Ok(Report::PASSED)
        }
    }
}

fn ip(words: &str) -> bool {
    let status = Command::new("ip").args(words.split(' ')).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// The other half, in a network of its own.
struct Other {
    child: Child,
    orders: ChildStdin,
    said: Lines<BufReader<ChildStdout>>,
}

impl Other {
    fn start() -> Self {
        let mut command = apart("server", "-n");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let said = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { orders: child.stdin.take().unwrap(), said, child }
    }

    fn hear(&mut self) -> String {
        self.said.next().unwrap().unwrap()
    }

    fn ask(&mut self, order: &str) -> String {
        writeln!(self.orders, "{order}").unwrap();
        self.hear()
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Serves, and does what it is told line by line, until nobody is there to tell it.
fn server() -> ExitCode {
    let _watchdog = watch("the server's half");
    println!("here");
    let mut orders = std::io::stdin().lines().map(Result::unwrap);
    // The cable is there.
    orders.next().unwrap();
    assert!(ip("address add 10.77.0.2/24 dev far") && ip("link set far up"));
    let builder = Manager::builder().address(&Address::tcp("10.77.0.2:0").unwrap()).key(KEY);
    let builder = builder.network_timeout(Duration::from_secs(2));
    let server = builder.reconnect_grace(Duration::from_secs(90)).serve().unwrap();
    println!("{}", server.address());
    assert!(ip("link set lo up"));
    let manager = server.manager().unwrap();
    for order in orders {
        match order.as_str() {
            "cut off" => println!("{}", manager.stats().unwrap().cut_off),
            "put" => {
                manager.look_up::<Queue<u64>>("queue").unwrap().put(&7).unwrap();
                println!("done");
            }
            _ => println!("{}", manager.look_up::<Lock>("lock").unwrap().is_locked().unwrap()),
        }
    }
    ExitCode::SUCCESS
}

fn client() -> ExitCode {
    let _watchdog = watch("the client's half");
    if !ip("link add name near type veth peer name far") {
        return ExitCode::from(SKIPPED);
    }
    let mut other = Other::start();
    assert_eq!(other.hear(), "here");
    assert!(ip(&format!("link set far netns {}", other.child.id())));
    assert!(ip("address add 10.77.0.1/24 dev near") && ip("link set near up"));
    let address = Address::tcp(other.ask("go")).unwrap();
    let connector = Manager::connector(&address).key(KEY).timeout(Duration::from_secs(60));
    let manager = connector.network_timeout(Duration::from_secs(2)).wait(true).connect().unwrap();

    let (list, queue): (List<u64>, Queue<u64>) =
        (manager.list().unwrap(), manager.queue(0).unwrap());
    let lock = manager.lock().unwrap();
    manager.publish("queue", &queue).unwrap();
    manager.publish("lock", &lock).unwrap();
    let guard = lock.lock().unwrap();
    for round in 0..2 {
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| queue.get().unwrap());
            let pushing = scope.spawn(|| {
                for n in round * 1_000..(round + 1) * 1_000 {
                    list.push(&n).unwrap();
                }
            });
            // In the middle of calls.
            assert!(ip("link set near down"));
            // Once for so long that both sides give the connection up, and once as short as can be.
            while round == 0 && other.ask("cut off") != "1" {}
            assert!(ip("link set near up"));
            assert_eq!(other.ask("put"), "done");
            assert_eq!(waiting.join().unwrap(), 7);
            pushing.join().unwrap();
        });
    }
    assert_eq!(list.to_vec().unwrap(), (0..2_000).collect::<Vec<_>>());
    assert_eq!(other.ask("locked"), "true");
    drop(guard);
    assert!(lock.try_lock().is_ok());
    ExitCode::SUCCESS
}
