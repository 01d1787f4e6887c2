//! `Job`: items that a client has given to a pool, and what came of them.

use std::collections::{BTreeMap, VecDeque};

use pool::Task;

use super::worker::Answer;
use crate::object::weight::{Weight, keep_for};
use crate::object::{Answers, ClientId, Payload, Ticket};
use crate::protocol::Fault;
use crate::protocol::bytes::{put_block, put_number};

/// In which order what came of items is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    OfItems,
    AsDone,
}

/// Items of one client.
pub(super) struct Job {
    pub(super) owner: ClientId,
    /// Those that are not done, by their places; kept so that they can be cancelled.
    going: BTreeMap<u64, Task<Answer>>,
    /// Those that are done and were not taken, in the order in which they were.
    ready: BTreeMap<u64, Ready>,
    /// Where these are in it, by their places.
    places: BTreeMap<u64, u64>,
    n_done: u64,
    n_items: u64,
    /// The place of the next in the items' order.
    next: u64,
    /// Those who wait for something to take.
    pub(super) taking: VecDeque<(Ticket, Order)>,
}

/// What came of an item.
struct Ready {
    place: u64,
    result: Result<Vec<u8>, Fault>,
    _weight: Weight,
}

/// A reply is not much longer than the results that are shorter than this.
const PAGE_BYTES: usize = 64 << 10;

impl Job {
    pub(super) fn of(owner: ClientId) -> Self {
        Self {
            owner,
            going: BTreeMap::new(),
            ready: BTreeMap::new(),
            places: BTreeMap::new(),
            n_done: 0,
            n_items: 0,
            next: 0,
            taking: VecDeque::new(),
        }
    }

    /// Adds an item that workers have got; returns its place.
    pub(super) fn add(&mut self, task: Task<Answer>) -> u64 {
        let place = self.n_items;
        self.n_items += 1;
        self.going.insert(place, task);
        place
    }

    /// Adds an item that no worker got.
    pub(super) fn fail(&mut self, fault: Fault) {
        let place = self.n_items;
        self.n_items += 1;
        self.put(place, Err(fault));
    }

    /// An item is done.
    pub(super) fn done(&mut self, place: u64, answer: Answer) {
        self.going.remove(&place);
        self.put(place, answer.map(|bytes| bytes.0.into_owned()));
    }

    fn put(&mut self, place: u64, result: Result<Vec<u8>, Fault>) {
        keep_for(self.owner);
        let weight = Weight::of(result.as_ref().map_or(0, Vec::len));
        self.n_done += 1;
        self.ready.insert(self.n_done, Ready { place, result, _weight: weight });
        self.places.insert(place, self.n_done);
    }

    /// Ends what is not done; whether there was something.
    pub(super) fn cancel(&self) -> bool {
        self.going.values().fold(false, |any, task| task.cancel() | any)
    }

    pub(super) fn is_done(&self) -> bool {
        self.going.is_empty()
    }

    /// What can be taken now: how many, and each with its place; none at all if there is nothing to come.
    /// `None` if it has to be waited for.
    pub(super) fn page(&mut self, order: Order) -> Option<Payload> {
        let mut taken = Vec::new();
        let mut count = 0_u64;
        while taken.len() < PAGE_BYTES {
            let at = match order {
                Order::OfItems => self.places.get(&self.next).copied(),
                Order::AsDone => self.ready.keys().next().copied(),
            };
            let Some(Ready { place, result, .. }) = at.and_then(|at| self.ready.remove(&at)) else {
                break;
            };
            self.places.remove(&place);
            // What was taken out of order is not waited for.
            self.next = self.next.max(place + 1);
            count += 1;
            append(place, result, &mut taken);
        }
        if count == 0 && !self.is_exhausted() {
            return None;
        }
        let mut payload = Payload::number(count);
        payload.bytes.append(&mut taken);
        Some(payload)
    }

    fn is_exhausted(&self) -> bool {
        self.going.is_empty() && self.ready.is_empty()
    }

    /// Has those who wait take what is there.
    pub(super) fn settle(&mut self, answers: &mut Answers) {
        while let Some((ticket, order)) = self.taking.front().copied() {
            let Some(page) = self.page(order) else { return };
            self.taking.pop_front();
            answers.put(ticket, Ok(page));
        }
    }
}

/// Appends a place and what came of the item there.
fn append(place: u64, result: Result<Vec<u8>, Fault>, bytes: &mut Vec<u8>) {
    put_number(bytes, place);
    bytes.push(result.is_ok().into());
    let block = result.unwrap_or_else(|fault| {
        let mut encoded = Vec::new();
        // Text and numbers always encode.
        ipc_core::wire::encode_plain(&fault, &mut encoded).ok();
        encoded
    });
    put_block(bytes, &block);
}

#[cfg(test)]
mod tests {
    use ipc_core::wire::Bytes;

    use super::*;
    use crate::protocol::bytes::Reader;

    /// The places and the results on a page.
    fn read(page: &Payload) -> Vec<(u64, Option<Vec<u8>>)> {
        let mut reader = Reader::new(&page.bytes);
        let count = reader.count().unwrap();
        let mut item = || {
            let (place, is_returned) = (reader.number().unwrap(), reader.byte().unwrap() != 0);
            let block = reader.block().unwrap().to_vec();
            (place, is_returned.then_some(block))
        };
        (0..count).map(|_| item()).collect()
    }

    fn answer(bytes: &[u8]) -> Answer {
        Ok(Bytes(bytes.to_vec().into()))
    }

    /// A job of so many items that no worker is at.
    fn job_of(n_items: u64) -> Job {
        let mut job = Job::of(1);
        job.n_items = n_items;
        job
    }

    #[test]
    fn results_are_taken_in_the_order_that_is_asked_for() {
        for (order, expected) in [(Order::OfItems, [0, 1, 2]), (Order::AsDone, [2, 0, 1])] {
            let mut job = job_of(3);
            for place in [2, 0, 1] {
                job.done(place, answer(&[7]));
            }
            let taken = read(&job.page(order).unwrap());
            assert_eq!(taken, expected.map(|place| (place, Some(vec![7]))));
            // There is nothing to come any more.
            assert_eq!(read(&job.page(order).unwrap()), []);
        }
    }

    #[test]
    fn a_result_waits_for_those_before_it_only_if_order_is_asked_for() {
        let mut job = job_of(2);
        job.done(1, answer(b"second"));
        assert!(job.page(Order::OfItems).is_none());
        assert_eq!(read(&job.page(Order::AsDone).unwrap()), [(1, Some(b"second".to_vec()))]);
    }

    #[test]
    fn an_item_that_nobody_got_has_its_place() {
        let mut job = job_of(1);
        job.fail(Fault::Closed);
        job.done(0, answer(b"first"));
        let taken = read(&job.page(Order::OfItems).unwrap());
        assert_eq!(taken, [(0, Some(b"first".to_vec())), (1, None)]);
    }

    #[test]
    fn a_page_is_not_much_longer_than_it_should_be() {
        let mut job = job_of(10);
        (0..10).for_each(|place| job.done(place, answer(&vec![1; PAGE_BYTES / 2])));
        assert_eq!(read(&job.page(Order::OfItems).unwrap()).len(), 2);
        assert_eq!(read(&job.page(Order::AsDone).unwrap()).len(), 2);
    }

    #[test]
    fn those_who_wait_take_in_their_turn() {
        let ticket = |number| Ticket { client: 1, number, id: number };
        let mut job = job_of(2);
        job.taking = [(ticket(1), Order::AsDone), (ticket(2), Order::AsDone)].into();
        let mut answers = Answers::default();
        job.done(0, answer(b"one"));
        job.settle(&mut answers);
        // The second is told that there is nothing: nobody is at the other item here.
        let given: Vec<(u64, usize)> = answers
            .take()
            .into_iter()
            .map(|(ticket, page)| (ticket.number, read(&page.unwrap()).len()))
            .collect();
        assert_eq!(given, [(1, 1), (2, 0)]);
    }
}
