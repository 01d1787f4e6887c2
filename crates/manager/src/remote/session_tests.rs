//! Two sides of a session, and a network between them that breaks wherever it likes.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;

/// A side, and what is on its way from it to the other.
#[derive(Default)]
struct Side {
    session: Session,
    /// Written, and not arrived.
    wire: VecDeque<u8>,
    /// Arrived, and not a whole frame yet.
    partial: Vec<u8>,
    n_sent: u64,
    n_taken: u64,
}

/// What happens to a side, or to both.
#[derive(Clone, Copy, Debug)]
enum Event {
    Push {
        side: bool,
        len: usize,
    },
    Write {
        side: bool,
    },
    /// So many bytes go from the side to the other.
    Carry {
        side: bool,
        len: usize,
    },
    Take {
        side: bool,
    },
    /// The connection breaks; there is another.
    Break,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let lens = prop_oneof![8..100_usize, Just(WINDOW / 3), Just(WINDOW + 7)];
    let one = prop_oneof![
        3 => (any::<bool>(), lens).prop_map(|(side, len)| Event::Push { side, len }),
        4 => any::<bool>().prop_map(|side| Event::Write { side }),
        6 => (any::<bool>(), prop_oneof![1..60_usize, Just(2 * WINDOW)])
            .prop_map(|(side, len)| Event::Carry { side, len }),
        4 => any::<bool>().prop_map(|side| Event::Take { side }),
        1 => Just(Event::Break),
    ];
    prop::collection::vec(one, 0..120)
}

struct Two([Side; 2]);

impl Two {
    /// That side, and the other.
    fn pair(&mut self, side: bool) -> (&mut Side, &mut Side) {
        let Self([one, other]) = self;
        if side { (one, other) } else { (other, one) }
    }

    fn does(&mut self, event: Event) {
        match event {
            Event::Push { side, len } => {
                let (side, _) = self.pair(side);
                // Each message says which it is.
                let mut message = side.n_sent.to_le_bytes().to_vec();
                message.resize(len, 7);
                side.n_sent += 1;
                side.session.push(message);
            }
            Event::Write { side } => {
                let (side, _) = self.pair(side);
                let mut out = Vec::new();
                side.session.write_to(&mut out);
                side.wire.extend(out);
            }
            Event::Carry { side, len } => {
                let (side, to) = self.pair(side);
                let len = len.min(side.wire.len());
                to.partial.extend(side.wire.drain(..len));
                to.session.read_from(&mut to.partial, 2 * WINDOW).unwrap();
            }
            Event::Take { side } => {
                let (side, _) = self.pair(side);
                if let Some(message) = side.session.pop() {
                    let number = u64::from_le_bytes(message[..8].try_into().unwrap());
                    assert_eq!(number, side.n_taken, "each once, and in order");
                    side.n_taken += 1;
                }
            }
            Event::Break => {
                let Self([one, other]) = self;
                let received = [one.session.n_received(), other.session.n_received()];
                for (side, n_received) in [(one, received[1]), (other, received[0])] {
                    side.wire.clear();
                    side.partial.clear();
                    side.session.resume(n_received).unwrap();
                }
            }
        }
    }

    /// All that is kept is written, carried and taken.
    fn settle(&mut self) {
        for _ in 0..2_000 {
            for side in [false, true] {
                self.does(Event::Write { side });
                self.does(Event::Carry { side, len: usize::MAX });
                self.does(Event::Take { side });
            }
        }
    }
}

proptest! {
    #[test]
    fn each_message_comes_once_and_in_order_whatever_breaks(events in events()) {
        let mut two = Two(Default::default());
        for event in events {
            two.does(event);
            for side in &two.0 {
                // Nobody has more on its way than it may.
                let last = side.session.n_written.checked_sub(1).map(|at| &side.session.kept[at]);
                let before_it = side.session.written_cost - last.map_or(0, |last| cost(last));
                prop_assert!(before_it <= WINDOW, "{before_it}");
            }
        }
        two.settle();
        let [one, other] = &two.0;
        prop_assert_eq!((one.n_taken, other.n_taken), (other.n_sent, one.n_sent));
        prop_assert_eq!(one.session.n_unwritten_bytes() + other.session.n_unwritten_bytes(), 0);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>, head in any::<bool>()) {
        let mut session = Session::default();
        session.push(vec![1]);
        session.write_to(&mut Vec::new());
        let mut come = if head { [&9_u64.to_le_bytes()[..], &[1, 0, 0, 0], &bytes].concat() } else { bytes };
        session.read_from(&mut come, 100).ok();
        while session.pop().is_some() {}
    }
}

#[test]
fn nobody_has_received_what_was_not_sent() {
    let mut session = Session::default();
    session.push(vec![1]);
    assert_eq!(session.resume(1), Err(Malformed), "it was not written");
    session.write_to(&mut Vec::new());
    let mut receipt = Vec::new();
    Frame::Receipt { n_received: 2 }.append_to(&mut receipt);
    assert_eq!(session.read_from(&mut receipt, 100), Err(Malformed));
    assert_eq!(session.resume(1), Ok(()));
    assert_eq!(session.resume(0), Err(Malformed), "it is not there any more");
}

#[test]
fn what_was_never_written_is_known() {
    let mut session = Session::default();
    for n in 0..3 {
        session.push(vec![n]);
    }
    assert_eq!(session.never_written().count(), 3);
    session.write_to(&mut Vec::new());
    session.write_to(&mut Vec::new());
    assert_eq!(session.never_written().collect::<Vec<_>>(), [[2]]);
    session.resume(1).unwrap();
    assert_eq!(
        session.never_written().collect::<Vec<_>>(),
        [[2]],
        "the second was once on its way"
    );
}

#[test]
fn who_sends_more_than_its_window_is_refused() {
    let mut session = Session::default();
    let mut bytes = Vec::new();
    for _ in 0..3 {
        Frame::Message { n_received: 0, message: &vec![0; WINDOW / 2 + 1] }.append_to(&mut bytes);
    }
    Frame::Message { n_received: 0, message: &[1] }.append_to(&mut bytes);
    assert_eq!(session.read_from(&mut bytes, WINDOW), Err(Malformed));
}

#[test]
fn what_is_received_is_told_by_itself_when_it_is_much() {
    let mut session = Session::default();
    let (mut bytes, mut out) = (Vec::new(), Vec::new());
    Frame::Message { n_received: 0, message: &vec![0; RECEIPT_AT] }.append_to(&mut bytes);
    session.read_from(&mut bytes, WINDOW).unwrap();
    assert!(!session.write_to(&mut out), "it has arrived, and was not received");
    session.pop().unwrap();
    assert!(session.write_to(&mut out));
    assert_eq!(Frame::read(&out, 0), Ok(Some((Frame::Receipt { n_received: 1 }, out.len()))));
    assert!(!session.write_to(&mut out));
}

#[test]
fn nothing_comes_behind_a_goodbye() {
    let mut session = Session::default();
    let mut bytes = Vec::new();
    Frame::Goodbye.append_to(&mut bytes);
    session.read_from(&mut bytes, 100).unwrap();
    assert!(session.is_over());
    Frame::Receipt { n_received: 0 }.append_to(&mut bytes);
    assert_eq!(session.read_from(&mut bytes, 100), Err(Malformed));
}
