//! What the tests of this crate share.

#![expect(clippy::unwrap_used, reason = "tests end when something is not as it should be")]
#![allow(
    dead_code,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::panic,
    reason = "each test binary uses a part of it"
)]

pub(crate) mod proxy;
pub(crate) mod raw;

use std::sync::OnceLock;
use std::time::Duration;

use manager::{Builder, Manager, Methods, Object, Stats, Value};
use testkit::Watchdog;

pub(crate) fn watch(what: &str) -> Watchdog {
    Watchdog::start(Duration::from_secs(100), what)
}

/// Whether this process's tests are about clients that have sockets only.
static HAS_NO_LANES: OnceLock<()> = OnceLock::new();

/// Begins to say how a manager of a test shall be: with as many lanes as there are clients, or, in the tests
/// `over_sockets`, and in scenarios of that name, with none.
pub(crate) fn builder() -> Builder {
    let has_none = module_path!().starts_with("over_sockets") || HAS_NO_LANES.get().is_some();
    Manager::builder().max_lanes(if has_none { 0 } else { 10_000 })
}

/// A scenario, where clients have sockets only.
pub(crate) fn over_sockets(scenario: fn() -> testkit::Outcome) -> testkit::Outcome {
    HAS_NO_LANES.get_or_init(|| ());
    scenario()
}

/// Soon, where nothing is to come.
pub(crate) const SOON: Duration = Duration::from_millis(30);

/// Waits until the manager's numbers are as they should be.
pub(crate) fn wait_until(manager: &Manager, what: &str, is_so: impl Fn(&Stats) -> bool) {
    let mut stats = manager.stats().unwrap();
    for _ in 0..2_000 {
        if is_so(&stats) {
            return;
        }
        testkit::clock::pause(Duration::from_millis(5));
        stats = manager.stats().unwrap();
    }
    unreachable!("{what}: {stats:?}");
}

/// A type of the program's own.
pub(crate) struct Account {
    pub(crate) balance: i64,
    pub(crate) log: Vec<String>,
}

impl Account {
    fn pay_in(&mut self, amount: i64) -> i64 {
        self.balance += amount;
        self.log.push(format!("+{amount}"));
        self.balance
    }

    fn pay_out(&mut self, amount: i64) -> Result<i64, String> {
        if amount > self.balance {
            return Err(format!("only {} left", self.balance));
        }
        self.balance -= amount;
        Ok(self.balance)
    }

    fn explode(&mut self, why: String) {
        self.balance = -1;
        std::panic::panic_any(why);
    }
}

impl Object for Account {
    const NAME: &'static str = "account";
    type Init = i64;

    fn make(balance: i64) -> Self {
        assert!(balance >= 0, "no debts");
        Self { balance, log: Vec::new() }
    }

    fn methods(methods: &mut Methods<Self>) {
        methods
            .add("pay_in", Self::pay_in)
            .add("pay_out", Self::pay_out)
            .add("explode", Self::explode)
            .add_iterator("log_from", |account: &mut Self, first: usize| {
                account.log.clone().into_iter().skip(first)
            })
            .add_iterator("waits", |_: &mut Self, event: manager::Event| {
                std::iter::from_fn(move || Some(event.wait().is_ok()))
            })
            .add("log", |account: &mut Self, ()| account.log.clone())
            .add("copy_to", |account: &mut Self, value: Value<i64>| {
                value.set(&account.balance).is_ok()
            })
            .add("make_value", |account: &mut Self, ()| {
                let manager = Manager::current().unwrap().unwrap();
                manager.value(&account.balance).unwrap()
            })
            .add("wait_for", |_: &mut Self, event: manager::Event| event.wait().is_ok());
    }
}
