//! What objects keep, in bytes: counted where it comes into being and where it goes, on the account of the client
//! that had it kept.
//!
//! Each thread has balances, which the server takes from time to time: of its own thread, and with what comes
//! back from those that run foreign code. So nothing is shared, and nothing is counted by hand.

use std::cell::{Cell, RefCell};

use super::ClientId;
use crate::ids::IdMap;

/// How many bytes more, or less, are kept of a client's.
pub(crate) type Balance = (ClientId, i64);

thread_local! {
    /// On whose account things are kept now.
    static OWNER: Cell<ClientId> = const { Cell::new(0) };
    /// The account that was changed last, which is mostly the one that is changed next.
    static LAST: Cell<Balance> = const { Cell::new((0, 0)) };
    /// What else has changed since the balances were taken last.
    static OTHERS: RefCell<IdMap<i64>> = RefCell::default();
}

/// What a thing costs beside its bytes.
const OVERHEAD: usize = 64;

/// So many bytes are kept of a client's as long as this lives.
#[derive(Debug, Default)]
pub(crate) struct Weight(ClientId, i64);

impl Weight {
    pub(crate) fn of(len: usize) -> Self {
        let weight = i64::try_from(len.saturating_add(OVERHEAD)).unwrap_or(i64::MAX);
        // A thread that is ending keeps things for nobody.
        let owner = OWNER.try_with(Cell::get).unwrap_or(0);
        add(owner, weight);
        Self(owner, weight)
    }
}

impl Drop for Weight {
    fn drop(&mut self) {
        add(self.0, -self.1);
    }
}

/// Has this thread keep things on that client's account from now on.
pub(crate) fn keep_for(client: ClientId) {
    OWNER.try_with(|owner| owner.set(client)).ok();
}

fn add(owner: ClientId, more: i64) {
    // A thread that is ending has nobody to tell.
    let last = LAST.try_with(|last| {
        let (whose, balance) = last.get();
        if whose == owner {
            last.set((owner, balance.saturating_add(more)));
            return None;
        }
        Some(last.replace((owner, more)))
    });
    if let Ok(Some((whose, balance))) = last {
        let put = |others: &RefCell<IdMap<i64>>| {
            let mut others = others.borrow_mut();
            let account = others.entry(whose).or_insert(0);
            *account = account.saturating_add(balance);
        };
        OTHERS.try_with(put).ok();
    }
}

/// How many bytes more, or less, this thread keeps of each client than when it was asked last.
pub(crate) fn take_balances() -> Vec<Balance> {
    let mut balances = Vec::new();
    take_each(|balance| balances.push(balance));
    balances
}

/// The same, one by one.
pub(crate) fn take_each(mut take: impl FnMut(Balance)) {
    if let Ok(last) = LAST.try_with(Cell::take)
        && last.1 != 0
    {
        take(last);
    }
    OTHERS.try_with(|others| others.borrow_mut().drain().for_each(take)).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What each account has, in order.
    fn balances() -> Vec<Balance> {
        let mut sums = std::collections::BTreeMap::new();
        take_each(|(owner, more)| *sums.entry(owner).or_insert(0) += more);
        sums.into_iter().filter(|(_, sum)| *sum != 0).collect()
    }

    #[test]
    fn what_comes_and_goes_is_counted() {
        take_balances();
        let (one, other) = (Weight::of(100), Weight::of(0));
        assert_eq!(balances(), [(0, 100 + 2 * 64)]);
        drop(one);
        let third = Weight::of(5);
        assert_eq!(balances(), [(0, 5 - 100)]);
        drop((other, third, Weight::default()));
        assert_eq!(balances(), [(0, -5 - 2 * 64)]);
    }

    #[test]
    fn it_is_counted_on_the_account_of_who_had_it_kept() {
        take_balances();
        keep_for(7);
        let seven = Weight::of(1);
        keep_for(8);
        let (eight, more) = (Weight::of(2), Weight::of(3));
        drop(more);
        assert_eq!(balances(), [(7, 65), (8, 66)]);
        // Whoever takes it out, it was the seventh's.
        drop(seven);
        keep_for(0);
        drop(eight);
        assert_eq!(balances(), [(7, -65), (8, -66)]);
    }
}
