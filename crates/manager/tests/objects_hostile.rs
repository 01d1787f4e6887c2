//! What clients can do to dicts and lists in shared memory, and to iterators, that are none of ours: others are
//! served.

use common::{raw, wait_until, watch};
use manager::{Manager, ShmDict};
use object_script::{Numbers, play};
use proptest::prelude::*;

mod common;
mod object_script;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn whatever_is_done_to_memory_and_iterators_others_are_served(
        script in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        thread_local! {
            static SCENE: (Manager, ShmDict<u64, u64>) = {
                let manager = Manager::builder().register::<Numbers>().start().unwrap();
                let dict = manager.shm_dict(10).unwrap();
                (manager, dict)
            };
        }
        let _watchdog = watch("any script");
        SCENE.with(|(manager, dict)| {
            assert!(play(manager.address(), &script));
            dict.insert(&1, &2).unwrap();
            assert_eq!(dict.get(&1).unwrap(), Some(2));
            wait_until(manager, "it is gone", |stats| (stats.clients, stats.objects) == (1, 1));
        });
    }
}
