//! Managers and what is in them.

use std::time::Duration;

use multiproc::manager::{Manager, Set};
use multiproc::{Listener, manager};

use super::{Met, meets};

pub(super) fn met() -> Met {
    let mut met = Met::new();
    of_names(&mut met);
    of_objects(&mut met);
    of_queues(&mut met);
    of_addresses(&mut met);
    met
}

fn of_names(met: &mut Met) {
    let m = Manager::start().unwrap();
    let list = m.list::<u8>().unwrap();
    m.publish("numbers", &list).unwrap();
    meets!(met, m.publish("numbers", &list), manager::Error::NameTaken);
    meets!(met, m.unpublish("words"), manager::Error::NoSuchName);
    meets!(met, m.look_up::<Set<u8>>("numbers"), manager::Error::OtherType { .. });
    let event = m.event().unwrap();
    m.shutdown().unwrap();
    // A call that was under way when it went away is lost.
    let ended = std::iter::repeat_with(|| event.set())
        .take(10)
        .find(|it| !matches!(it, Err(manager::Error::Lost)));
    meets!(met, ended.unwrap(), manager::Error::Disconnected);
}

fn of_objects(met: &mut Met) {
    let m = Manager::start().unwrap();
    let list = m.list::<u8>().unwrap();
    meets!(met, list.set(3, &1), manager::Error::OutOfRange { .. });
    let shared = m.shm_list::<u8>(1).unwrap();
    meets!(met, shared.extend(&[1, 2]), manager::Error::NoRoom);
    let lock = m.lock().unwrap();
    let held = lock.lock().unwrap();
    meets!(met, lock.try_lock(), manager::LockError::Call(_));
    drop(held);
    let semaphore = m.bounded_semaphore(1).unwrap();
    meets!(met, semaphore.release(), manager::Error::TooMany);
    let barrier = m.barrier(2).unwrap();
    barrier.abort().unwrap();
    meets!(met, barrier.wait(), manager::Error::Broken);
    let small = Manager::builder().max_kept_bytes(1000).start().unwrap();
    let dict = small.dict::<u8, Vec<u8>>();
    meets!(met, dict.and_then(|d| d.set(&1, &vec![0; 100_000])), manager::Error::Full { .. });
    let short = Manager::builder().max_call_bytes(5000).start().unwrap();
    let dict = short.dict::<u8, Vec<u8>>();
    meets!(met, dict.and_then(|d| d.set(&1, &vec![0; 100_000])), manager::Error::TooLong { .. });
}

fn of_queues(met: &mut Met) {
    let m = Manager::start().unwrap();
    let queue = m.queue::<u8>(1).unwrap();
    meets!(met, queue.try_get(), manager::Error::WouldBlock);
    meets!(met, queue.get_timeout(Duration::from_millis(1)), manager::Error::TimedOut);
    queue.close().unwrap();
    meets!(met, queue.get(), manager::Error::Closed);
}

fn of_addresses(met: &mut Met) {
    let address = format!("errors of managers {}", multiproc::current().pid());
    let address = multiproc::Address::abstract_name(address);
    let first = Listener::bind(&address).unwrap();
    meets!(met, Manager::builder().address(&address).start(), manager::StartError::Listen(_));
    drop(first);
    meets!(met, Manager::connect(&address, None), manager::ConnectError::Pipe(_));
}
