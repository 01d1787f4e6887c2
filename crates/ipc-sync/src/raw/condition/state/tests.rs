//! The state against a plain list of those who wait.

use proptest::collection::vec;
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

use super::{Call, MOST_CLOSED, MOST_PERMITS, State};

/// Those who wait, and the state as they see it.
struct Waiting {
    state: State,
    /// Their tickets, in the order in which they came.
    tickets: Vec<(usize, u32)>,
    came: usize,
}

impl Waiting {
    fn new(state: State) -> Self {
        Self { state, tickets: vec![], came: 0 }
    }

    fn come(&mut self) -> usize {
        let ticket = self.state.generation();
        self.state = self.state.with_member();
        self.came += 1;
        self.tickets.push((self.came, ticket));
        self.came
    }

    /// One that may leave, beginning to look at `start`, leaves.
    fn leave_from(&mut self, start: usize) -> Option<usize> {
        let len = self.tickets.len();
        let place = (0..len)
            .map(|step| (start + step) % len)
            .find(|&place| self.state.call(self.tickets[place].1) != Call::No)?;
        let (who, ticket) = self.tickets.remove(place);
        if self.state.call(ticket) == Call::Permit {
            self.state = self.state.without_permit();
        }
        Some(who)
    }

    /// All who may leave do.
    fn drain(&mut self, order: usize) -> Vec<usize> {
        core::iter::from_fn(|| self.leave_from(order)).collect()
    }

    fn who(&self) -> Vec<usize> {
        self.tickets.iter().map(|&(who, _)| who).collect()
    }
}

proptest! {
    /// Notified one after the other, as many leave as were notified, if there are so many; and only
    /// those leave who were there.
    #[test]
    fn as_many_leave_as_are_notified(
        generation in any::<u32>(),
        steps in vec((0_u8..6, any::<u16>()), 0..80),
    ) {
        let mut waiting = Waiting::new(State::new(generation, 0, 0));
        for (step, number) in steps {
            match step {
                0..=2 => {
                    waiting.come();
                    prop_assert_eq!(waiting.drain(0), Vec::<usize>::new());
                }
                3 | 4 => {
                    let (before, count) = (waiting.who(), u32::from(number % 4));
                    waiting.state = waiting.state.notified(count);
                    let left = waiting.drain(usize::from(number));
                    let expected = before.len().min(count as usize);
                    prop_assert_eq!(left.len(), expected);
                    prop_assert!(left.iter().all(|who| before.contains(who)));
                    if expected < count as usize {
                        // What nobody took must not be there for whoever comes later.
                        waiting.come();
                        prop_assert_eq!(waiting.drain(0), Vec::<usize>::new());
                    }
                }
                _ => {
                    let before = waiting.who();
                    waiting.state = waiting.state.all_notified();
                    prop_assert_eq!(waiting.drain(usize::from(number)).len(), before.len());
                    prop_assert!(!waiting.state.may_concern_somebody());
                }
            }
        }
    }

    /// Whatever happens in between (others come, die, are notified), of those who are there when
    /// somebody notifies `n`, so many leave, or there are not so many left.
    #[test]
    fn nobody_takes_what_was_for_others(steps in vec((0_u8..8, any::<u16>()), 0..80)) {
        let mut waiting = Waiting::new(State::new(0, 0, 0));
        // For each notification: who was there, and how many of them it is for.
        let mut owed: Vec<(Vec<usize>, usize)> = vec![];
        let mut gone = vec![];
        for (step, number) in steps {
            match step {
                0..=2 => {
                    waiting.come();
                }
                3 | 4 => {
                    let count = u32::from(number % 3);
                    waiting.state = waiting.state.notified(count);
                    owed.push((waiting.who(), count as usize));
                }
                5 => gone.extend(waiting.leave_from(usize::from(number))),
                6 if !waiting.tickets.is_empty() => {
                    // One dies, or is timed out.
                    let place = usize::from(number) % waiting.tickets.len();
                    gone.push(waiting.tickets.remove(place).0);
                }
                7 if number % 4 == 0 => {
                    waiting.state = waiting.state.all_notified();
                    owed.push((waiting.who(), waiting.tickets.len()));
                }
                _ => {}
            }
        }
        gone.extend(waiting.drain(0));
        for (there, count) in owed {
            let left = there.iter().filter(|who| gone.contains(who)).count();
            prop_assert!(left >= count.min(there.len()), "{left} of {there:?}, {count} notified");
        }
    }
}

#[test]
fn permits_that_cannot_be_counted_release_all() {
    let mut waiting = Waiting::new(State::new(7, 0, 0));
    waiting.come();
    waiting.state = waiting.state.notified(MOST_PERMITS);
    assert_eq!(waiting.state.permits(), MOST_PERMITS);
    waiting.come();
    waiting.state = waiting.state.notified(1);
    assert_eq!(waiting.drain(0), [1, 2]);
    waiting.come();
    waiting.state = waiting.state.notified(u32::MAX);
    assert_eq!(waiting.drain(0), [3]);
    assert!(!waiting.state.may_concern_somebody());
}

#[test]
fn groups_that_cannot_be_counted_are_released() {
    let mut waiting = Waiting::new(State::new(u32::MAX - 5, 0, 0));
    let patient = waiting.come();
    for _ in 0..MOST_CLOSED {
        let other = waiting.come();
        waiting.state = waiting.state.notified(1);
        // The newest leaves each time, and the first stays.
        assert_eq!(waiting.leave_from(1), Some(other));
    }
    assert_eq!(waiting.drain(0), []);
    let other = waiting.come();
    waiting.state = waiting.state.notified(1);
    assert_eq!(waiting.drain(0), [patient, other]);
}
