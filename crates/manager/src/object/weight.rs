//! What objects keep, in bytes: counted where it comes into being and where it goes.
//!
//! Each thread has a balance, which the server takes from time to time: of its own thread, and with what comes
//! back from those that run foreign code. So nothing is shared, and nothing is counted by hand.

use std::cell::Cell;

thread_local! {
    /// How many bytes more, or less, are kept than when the balance was taken last.
    static BALANCE: Cell<i64> = const { Cell::new(0) };
}

/// What a thing costs beside its bytes.
const OVERHEAD: usize = 64;

/// So many bytes are kept as long as this lives.
#[derive(Debug, Default)]
pub(crate) struct Weight(i64);

impl Weight {
    pub(crate) fn of(len: usize) -> Self {
        let weight = i64::try_from(len.saturating_add(OVERHEAD)).unwrap_or(i64::MAX);
        add(weight);
        Self(weight)
    }
}

impl Drop for Weight {
    fn drop(&mut self) {
        add(-self.0);
    }
}

fn add(more: i64) {
    // A thread that is ending has nobody to tell.
    BALANCE.try_with(|balance| balance.set(balance.get().saturating_add(more))).ok();
}

/// How many bytes more, or less, this thread keeps than when it was asked last.
pub(crate) fn take_balance() -> i64 {
    BALANCE.try_with(Cell::take).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_and_goes_is_counted() {
        take_balance();
        let (one, other) = (Weight::of(100), Weight::of(0));
        assert_eq!(take_balance(), 100 + 2 * 64);
        drop(one);
        let third = Weight::of(5);
        assert_eq!(take_balance(), 5 - 100);
        drop((other, third, Weight::default()));
        assert_eq!(take_balance(), -5 - 2 * 64);
    }
}
