//! Queues and connections.

use std::time::Duration;

use multiproc::queue::Builder;
use multiproc::{
    Address, JoinableQueue, Key, Listener, Queue, channel, connect, connection, pipe, queue,
};

use super::{Met, meets};
use crate::shared::Stubborn;

pub(super) fn met() -> Met {
    let mut met = Met::new();
    of_queues(&mut met);
    of_builders(&mut met);
    of_joinable_queues(&mut met);
    of_connections(&mut met);
    of_listeners(&mut met);
    met
}

fn of_queues(met: &mut Met) {
    let (sender, receiver) = channel::<u8>(1).unwrap();
    meets!(met, receiver.try_get(), queue::GetError::Empty);
    meets!(met, receiver.get_timeout(Duration::ZERO), queue::GetError::TimedOut);
    sender.put(1).unwrap();
    meets!(met, sender.try_put(2), queue::PutError::Full(_));
    meets!(met, sender.put_timeout(2, Duration::ZERO), queue::PutError::TimedOut(_));
    drop(sender);
    receiver.get().unwrap();
    meets!(met, receiver.get(), queue::GetError::Disconnected);
    let (sender, receiver) = channel::<u8>(1).unwrap();
    drop(receiver);
    meets!(met, sender.put(1), queue::PutError::Disconnected(_));
    let queue = Queue::<u8>::bounded(1).unwrap();
    queue.close();
    meets!(met, queue.put(1), queue::PutError::Closed(_));
    meets!(met, queue.get(), queue::GetError::Closed);
    let queue = Builder::new(1).max_bytes(0).values::<Vec<u8>>().unwrap();
    meets!(met, queue.put(vec![0; 10_000]), queue::PutError::TooLarge { .. });
    let stubborn = Builder::new(1).values::<Stubborn>().unwrap();
    meets!(met, stubborn.put(Stubborn), queue::PutError::Encode { .. });
}

fn of_builders(met: &mut Met) {
    meets!(met, Builder::new(0).bytes(), queue::QueueError::BadCapacity { .. });
    meets!(met, Builder::new(1).message_bytes(1 << 40).bytes(), queue::QueueError::BadSlotSize);
    meets!(met, Builder::new(1).max_bytes(1 << 50).bytes(), queue::QueueError::BadMaxBytes { .. });
    meets!(met, Builder::new(1).seats(0).bytes(), queue::QueueError::BadSeats { .. });
    let queue = Builder::new(4).seats(1).values::<u8>().unwrap();
    queue.put(1).unwrap();
    std::thread::scope(|scope| {
        let second = scope.spawn(|| queue.put(2));
        meets!(met, second.join().unwrap(), queue::PutError::NoSeat { .. });
    });
}

fn of_joinable_queues(met: &mut Met) {
    let jobs = JoinableQueue::<u8>::bounded(1).unwrap();
    jobs.put(1).unwrap();
    meets!(met, jobs.try_join(), queue::UnfinishedError::Unfinished);
    meets!(met, jobs.join_timeout(Duration::ZERO), queue::UnfinishedError::TimedOut);
    let lease = jobs.get().unwrap();
    meets!(met, jobs.join(), queue::UnfinishedError::ByCaller);
    drop(lease);
    let (sender, receiver) = JoinableQueue::<u8>::bounded(1).unwrap().split().unwrap();
    sender.put(1).unwrap();
    drop(receiver);
    meets!(met, sender.join(), queue::UnfinishedError::Disconnected);
}

fn of_connections(met: &mut Met) {
    let (here, there) = pipe::<u8, u8>().unwrap();
    meets!(met, here.try_recv(), connection::RecvError::Empty);
    meets!(met, here.recv_timeout(Duration::ZERO), connection::RecvError::TimedOut);
    there.send_bytes(&[0; 100]).unwrap();
    meets!(met, here.recv_bytes_into(&mut [0; 10]), connection::RecvError::TooShort { .. });
    drop(there);
    meets!(met, here.recv(), connection::RecvError::Disconnected);
    meets!(met, here.send(&1), connection::SendError::Disconnected);
    let (mut here, there) = pipe::<u8, u8>().unwrap();
    drop(there);
    meets!(met, here.request(&1), connection::RequestError::Send(_));
    let (here, _there) = pipe::<Vec<u8>, u8>().unwrap();
    // Until it is more than the system keeps for who does not read.
    let full = std::iter::repeat_with(|| here.try_send(&vec![0; 1000])).find_map(Result::err);
    meets!(met, full.map_or(Ok(()), Err), connection::SendError::Full);
}

fn of_listeners(met: &mut Met) {
    let address = Address::abstract_name(format!("errors {}", multiproc::current().pid()));
    let listener = Listener::builder().key(Key::new("right")).bind(&address).unwrap();
    meets!(
        met,
        listener.accept_timeout::<u8, u8>(Duration::ZERO),
        connection::AcceptError::TimedOut
    );
    std::thread::scope(|scope| {
        // Whoever accepts looks after all who knock.
        scope.spawn(|| listener.accept::<u8, u8>().unwrap());
        let wrong = Key::new("wrong");
        let refused = connect::<u8, u8>(&address, Some(&wrong));
        meets!(met, refused, connection::ConnectError::Refused);
        meets!(met, connect::<u8, u8>(&address, None), connection::ConnectError::KeyWanted);
        drop(connect::<u8, u8>(&address, Some(&Key::new("right"))).unwrap());
    });
}
