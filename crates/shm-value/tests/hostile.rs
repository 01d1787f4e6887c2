//! Memory that a stranger writes into while it is used: operations end, with errors or with other
//! values, and touch nothing else.
#![cfg(not(ipc_loom))]

mod scribble;

use std::time::Duration;

use proptest::prelude::*;
use testkit::Watchdog;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if testkit::full() { 20_000 } else { 1_000 }))]

    #[test]
    fn every_operation_ends_whatever_the_words_say(
        script in proptest::collection::vec(any::<u8>(), 0..400),
    ) {
        let _watch = Watchdog::start(Duration::from_secs(60), "a script of scribbles");
        scribble::play(&script);
    }
}
