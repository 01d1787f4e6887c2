//! What each tool runs and what it leaves out.
//!
//! The sweeps, storms and models (`PROOFS` of `test.rs`) are left out by all: they stop a process at
//! each of its instructions, of which an instrumented build has many times as many, or they run in
//! another world.

use std::fmt;

use crate::flags::Tool;

/// What a tool runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    tool: Tool,
    /// The crates, and which of their test programs besides their unit tests.
    pub(super) packages: &'static [(&'static str, Programs)],
    /// Tests that are left out, by a part of their names, and why.
    pub(super) skipped: &'static [(&'static str, &'static str)],
    /// What else is left out, and why.
    beyond: &'static str,
}

/// Which test programs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Programs {
    /// None.
    Lib,
    /// All but the proofs that kill.
    All,
    /// These.
    Only(&'static [&'static str]),
}

const SLOW: &str = "takes minutes in such a build; the fuzz targets play the same scripts";

const COPIES: &str = "copies of megabytes, word by word, take minutes; they run under `address`";

const BEHIND: &str = "a thread dies behind the sanitizer's back";

impl Plan {
    pub(super) fn of(tool: Tool) -> Self {
        match tool {
            Tool::Address => Self {
                tool,
                packages: &[
                    ("ipc-core", Programs::All),
                    ("ipc-pipe", Programs::All),
                    ("ipc-sync", Programs::All),
                    ("ipc-queue", Programs::All),
                    ("shm-value", Programs::All),
                ],
                skipped: &[
                    ("few addresses", "the sanitizer itself takes more addresses than are left"),
                    ("may die alone", BEHIND),
                    ("may die without its process", BEHIND),
                    ("what_a_thread_forgets", BEHIND),
                    ("a_lock_tells_its_holder_and_how_many_died", BEHIND),
                    ("a_mutex_tells_that_it_is_poisoned", BEHIND),
                    ("a_task_that_waits_is_told_of_a_holders_death", BEHIND),
                    ("one_word_may_hold_anything", SLOW),
                    ("any_word_of_a_joinable_queue_may_hold_anything", SLOW),
                    ("any_script_for_a_joinable_queue_comes_to_its_end", SLOW),
                ],
                beyond: "leaks: tests forget guards on purpose, and the kit looks for leaks itself",
            },
            Tool::Thread => Self {
                tool,
                packages: &[
                    ("ipc-core", Programs::Only(&["segment", "wire"])),
                    ("ipc-pipe", Programs::Only(&["shm"])),
                    ("ipc-sync", Programs::Lib),
                    (
                        "ipc-queue",
                        Programs::Only(&[
                            "bytes",
                            "ends",
                            "forms",
                            "joinable",
                            "large",
                            "loans",
                            "queue",
                            "seats",
                            "unbounded",
                        ]),
                    ),
                ],
                skipped: &[
                    ("what_a_thread_forgets", BEHIND),
                    ("messages_of_any_length_come_whole", COPIES),
                    ("short_long_and_handles_stay_in_order", COPIES),
                ],
                beyond: "test programs that fork (the sanitizer has a thread of its own, and a process \
                         with threads must not fork), and tests in tokio, in whose driver it reports a \
                         race that goes by way of the kernel; shm-value, whose tests with threads fork too",
            },
            Tool::Miri => Self {
                tool,
                packages: &[("ipc-core", Programs::Lib), ("ipc-queue", Programs::Lib)],
                skipped: &[
                    ("always_outrun", "hundreds of thousands of looks, each of which takes long"),
                    ("who_looks_in_vain", "as many"),
                    ("sys::", "system calls that Miri does not have"),
                    ("wire::turn", "it asks in which process it is, by one of these calls"),
                ],
                beyond: "whatever maps memory or starts processes: Miri has no such system calls",
            },
        }
    }
}

impl Plan {
    /// Whether the tool runs anything of a crate.
    pub(super) fn has(&self, package: &str) -> bool {
        self.packages.iter().any(|(name, _)| *name == package)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?}", self.tool)?;
        for (package, programs) in self.packages {
            let which = match programs {
                Programs::Lib => "unit tests".to_owned(),
                Programs::All => "all tests but the proofs that kill".to_owned(),
                Programs::Only(names) => format!("unit tests, {}", names.join(", ")),
            };
            writeln!(f, "    {package}: {which}")?;
        }
        for (name, why) in self.skipped {
            writeln!(f, "    not {name}: {why}")?;
        }
        writeln!(f, "    not {}", self.beyond)
    }
}
