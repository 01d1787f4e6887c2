//! Objects of a type of one's own, in a manager: clerks in four processes move money, and none is lost.

#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use std::error::Error;

use multiproc::Process;
use multiproc::manager::{self, Manager};

/// All accounts of a bank.
pub(crate) struct Bank {
    balances: Vec<u64>,
}

#[manager::object]
impl Bank {
    /// Opens so many accounts with the same money in each.
    pub(crate) fn new(accounts: usize, money: u64) -> Self {
        Self { balances: vec![money; accounts] }
    }

    /// Moves money from one account to another: all of it, or nothing.
    pub(crate) fn transfer(&mut self, from: usize, to: usize, amount: u64) -> Result<(), String> {
        let no_account = |index| format!("there is no account {index}");
        self.balances.get(to).ok_or_else(|| no_account(to))?;
        let giver = self.balances.get_mut(from).ok_or_else(|| no_account(from))?;
        *giver = giver.checked_sub(amount).ok_or("there is not enough")?;
        self.balances.get_mut(to).ok_or_else(|| no_account(to)).map(|taker| *taker += amount)
    }

    /// What each has.
    pub(crate) fn balances(&self) -> Vec<u64> {
        self.balances.clone()
    }
}

/// Moves money around, and says how often there was not enough.
fn clerk((bank, seed): (BankProxy, usize)) -> Result<usize, String> {
    let tries = (0..250).map(|n| bank.transfer((n * seed) % 5, (n + seed) % 5, 40));
    let tries = tries.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
    Ok(tries.iter().filter(|tried| tried.is_err()).count())
}

fn main() -> Result<(), Box<dyn Error>> {
    let manager = Manager::builder().register::<Bank>().start()?;
    let bank = BankProxy::new_in(&manager, 5, 100)?;
    let clerks = (1..=4).map(|seed| Process::spawn(clerk, (bank.clone(), seed)));
    for clerk in clerks.collect::<Result<Vec<_>, _>>()? {
        let refused = clerk.join()??;
        assert!(refused < 250, "some are done");
    }
    let balances = bank.balances()?;
    println!("{} accounts with {} in all", balances.len(), balances.iter().sum::<u64>());
    // One error would be the call's, the other is the method's.
    if let Err(why) = bank.transfer(0, 7, 1)? {
        println!("one more: {why}");
    }
    Ok(())
}
