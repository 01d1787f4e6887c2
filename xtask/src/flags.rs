//! The whole command line.

use clap::{Args, Parser, Subcommand, ValueEnum, value_parser};

/// Every command of the project.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", disable_help_subcommand = true)]
pub(crate) struct Flags {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Everything a change must pass
    Test(Test),
    /// What CI runs: `test`, and then what may be depended on
    Ci(Test),
    /// The rules that no compiler checks: layers, edges, docs, the door
    Tidy(Tidy),
    /// The models: every interleaving of a few threads, and their deaths
    Loom(Loom),
    /// The sweeps in the crash world: death before every access to shared memory
    Crash(Crash),
    /// The sweeps by single steps: death after every instruction
    Kill(Kill),
    /// Random kills, and an audit of every message
    Storm(Storm),
    /// The programs of the seed articles and of the cookbook, and what they print
    Seeds(Seeds),
    /// Measurements beside rivals, as a table and as target/bench/SUBJECT.json
    Bench(Bench),
    /// Bytes that a stranger could write, by cargo-fuzz
    Fuzz(Fuzz),
    /// Whether every crate that is shipped could be published as it is
    Package(Package),
    /// Whether what changed since a revision breaks those who depend on us
    Semver(Semver),
    /// What each crate brings along when it is used alone
    Deps(Deps),
    /// The tests as instrumented builds see them: sanitizers, Miri
    San(San),
}

/// Flags of `test` and `ci`.
#[derive(Debug, Default, Args)]
pub(crate) struct Test {
    /// Goes on after a step that failed
    #[arg(long)]
    pub(crate) keep_going: bool,
    /// Names the steps and does nothing
    #[arg(long)]
    pub(crate) list: bool,
    /// Runs only the steps whose name contains one of these
    #[arg(value_name = "STEP")]
    pub(crate) steps: Vec<String>,
}

/// Flags of `tidy`.
#[derive(Debug, Default, Args)]
pub(crate) struct Tidy {
    /// Writes the list of modules with unsafe code anew, for a change that argues for it
    #[arg(long)]
    pub(crate) bless: bool,
}

/// Flags of `loom`.
#[derive(Debug, Default, Args)]
pub(crate) struct Loom {
    /// Explores 3 preemptions an execution, not 2 (`LOOM_MAX_PREEMPTIONS` overrides both)
    #[arg(long)]
    pub(crate) full: bool,
    /// Runs only the models whose name contains one of these
    #[arg(value_name = "FILTER")]
    pub(crate) filters: Vec<String>,
}

/// Flags of `crash`.
#[derive(Debug, Default, Args)]
pub(crate) struct Crash {
    /// Runs only the sweeps whose name contains one of these
    #[arg(value_name = "FILTER")]
    pub(crate) filters: Vec<String>,
}

/// Flags of `seeds`.
#[derive(Debug, Default, Args)]
pub(crate) struct Seeds {
    /// Runs only the programs whose name contains one of these: p01, prefork, ...
    #[arg(value_name = "FILTER")]
    pub(crate) filters: Vec<String>,
}

/// Flags of `kill`.
#[derive(Debug, Default, Args)]
pub(crate) struct Kill {
    /// Kills at every instruction in every scene, where the quick form may skip some scenes
    #[arg(long)]
    pub(crate) full: bool,
    /// Sweeps only these stages of what takes hours in its long form: 29..36 of a worker's life
    #[arg(long, value_name = "FROM..TO", requires = "full")]
    pub(crate) part: Option<String>,
    /// Names the scenes and does nothing
    #[arg(long)]
    pub(crate) list: bool,
    /// Runs only these subjects: lock, ring, ...
    #[arg(value_name = "SUBJECT")]
    pub(crate) subjects: Vec<String>,
}

/// Flags of `storm`.
#[derive(Debug, Default, Args)]
pub(crate) struct Storm {
    /// How many kills each storm makes, if it is to be another number than its own
    #[arg(long, value_name = "N")]
    pub(crate) kills: Option<u64>,
    /// How many minutes each storm lasts, however many it kills: an hour is a soak
    #[arg(long, value_name = "N", conflicts_with = "kills", value_parser = value_parser!(u64).range(1..=10_080))]
    pub(crate) minutes: Option<u64>,
    /// The seed of a storm that is to be repeated
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<String>,
    /// The long form
    #[arg(long)]
    pub(crate) full: bool,
    /// Names the storms and does nothing
    #[arg(long)]
    pub(crate) list: bool,
    /// Runs only these subjects: lock, ring, ...
    #[arg(value_name = "SUBJECT")]
    pub(crate) subjects: Vec<String>,
}

/// Flags of `bench`.
#[derive(Debug, Default, Args)]
pub(crate) struct Bench {
    /// Fewer and shorter rounds: to see that all runs, not for figures to quote
    #[arg(long)]
    pub(crate) quick: bool,
    /// Names the subjects and does nothing
    #[arg(long)]
    pub(crate) list: bool,
    /// Our own curves, by criterion, in place of the comparison
    #[arg(long)]
    pub(crate) criterion: bool,
    /// Writes the report to docs/bench, which is part of the docs
    #[arg(long)]
    pub(crate) publish: bool,
    /// What to measure; everything if nothing is named
    #[arg(value_name = "SUBJECT")]
    pub(crate) subjects: Vec<Subject>,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Subject {
    /// Locks: free, and fought over
    Sync,
    /// Connections: there and back, and one way
    Pipe,
    /// Messages: shapes and sizes
    Queue,
    /// Tasks: empty, large, and with work in them
    Pool,
    /// From the start of a process to its answer
    Start,
    /// Values and maps that processes share
    Value,
    /// Dicts in a server's process
    Manager,
}

/// Flags of `package`.
#[derive(Debug, Default, Args)]
pub(crate) struct Package {
    /// Builds each crate from its archive too
    #[arg(long)]
    pub(crate) verify: bool,
}

/// Flags of `semver`.
#[derive(Debug, Args)]
pub(crate) struct Semver {
    /// The revision that is compared with, as a tag or a commit
    #[arg(long, value_name = "REV", default_value = "main")]
    pub(crate) since: String,
}

/// Flags of `deps`.
#[derive(Debug, Default, Args)]
pub(crate) struct Deps {
    /// Writes the table into the README
    #[arg(long)]
    pub(crate) write: bool,
}

/// Flags of `fuzz`.
#[derive(Debug, Default, Args)]
pub(crate) struct Fuzz {
    /// How long each target runs
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = value_parser!(u64).range(1..=86_400))]
    pub(crate) seconds: u64,
    /// Runs nothing new: keeps the inputs that matter, and makes those that fail smaller
    #[arg(long)]
    pub(crate) minimise: bool,
    /// Names the targets and does nothing
    #[arg(long)]
    pub(crate) list: bool,
    /// Runs only these targets
    #[arg(value_name = "TARGET")]
    pub(crate) targets: Vec<String>,
}

/// Flags of `san`.
#[derive(Debug, Default, Args)]
pub(crate) struct San {
    /// Says what each tool would run and what it leaves out, and does nothing
    #[arg(long)]
    pub(crate) list: bool,
    /// Runs only the tests of these crates
    #[arg(long = "package", short, value_name = "CRATE")]
    pub(crate) packages: Vec<String>,
    /// Which tools; all if none is named
    #[arg(value_name = "TOOL")]
    pub(crate) tools: Vec<Tool>,
}

/// What watches the tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tool {
    /// Reads and writes of what is not ours
    Address,
    /// Accesses of two threads that nothing orders
    Thread,
    /// Whatever the language leaves undefined
    Miri,
}
