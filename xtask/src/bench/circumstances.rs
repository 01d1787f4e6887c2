//! Where and when a measurement was made, and whether the machine was quiet.

use std::{
    fs,
    process::Command,
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::workspace::Workspace;

/// How long the machine is watched before a measurement.
const SAMPLE: Duration = Duration::from_millis(500);

/// A machine that is busier than this spoils what is measured.
const BUSY: f64 = 0.1;

/// Tells the circumstances, with a warning if the machine is busy.
pub(super) fn tell(workspace: &Workspace) -> String {
    let cpus = thread::available_parallelism().map_or(0, usize::from);
    let cpu = cpu().unwrap_or_else(|| "of unknown make".to_owned());
    let kernel = read("/proc/sys/kernel/osrelease");
    let rustc = first_line(Command::new("rustc").arg("--version"));
    let mut git = Command::new("git");
    git.args(["describe", "--always", "--dirty"]).current_dir(workspace.root());
    let commit = first_line(&mut git);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut told = format!(
        "machine: {cpus} CPUs, {cpu}\nkernel:  {}\nrustc:   {rustc}\ncommit:  {commit}\n\
         time:    {} seconds since 1970\n",
        kernel.trim(),
        now.as_secs()
    );
    if let Some(share) = busy_share().filter(|&share| share > BUSY) {
        let percent = share * 100.0;
        told += &format!(
            "WARNING: other programs keep {percent:.0} % of this machine busy: the figures will \
             suffer\n"
        );
    }
    told
}

fn cpu() -> Option<String> {
    let info = read("/proc/cpuinfo");
    let line = info.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(": ")?.1.to_owned())
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn first_line(program: &mut Command) -> String {
    let output = program.output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).lines().next().unwrap_or("unknown").to_owned()
}

/// The share of all CPUs that was in use during a sample.
fn busy_share() -> Option<f64> {
    let before = Ticks::parse(&read("/proc/stat"))?;
    #[expect(clippy::disallowed_methods, reason = "a sample of a machine takes a time")]
    thread::sleep(SAMPLE);
    Ticks::parse(&read("/proc/stat"))?.busy_since(before)
}

/// How long the CPUs of this machine have idled, and have been there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ticks {
    idle: u64,
    total: u64,
}

impl Ticks {
    /// Reads the first line of `/proc/stat`.
    fn parse(stat: &str) -> Option<Self> {
        let line = stat.lines().next()?.strip_prefix("cpu ")?;
        // Guests are counted in `user` already, so only the first eight numbers make up the total.
        let ticks: Vec<u64> =
            line.split_whitespace().take(8).map(str::parse).collect::<Result<_, _>>().ok()?;
        let idle = ticks.get(3)? + ticks.get(4)?;
        Some(Self { idle, total: ticks.iter().sum() })
    }

    fn busy_since(self, before: Self) -> Option<f64> {
        let total = u32::try_from(self.total.checked_sub(before.total)?).ok()?;
        let idle = u32::try_from(self.idle.checked_sub(before.idle)?).ok()?;
        (total > 0).then(|| 1.0 - f64::from(idle) / f64::from(total))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busy_share_is_what_is_not_idle() {
        let before = Ticks::parse("cpu  100 0 100 700 100 0 0 0 50 0\ncpu0 1\n").unwrap();
        assert_eq!(before, Ticks { idle: 800, total: 1000 });
        let after = Ticks { idle: 830, total: 1040 };
        assert_eq!(after.busy_since(before), Some(0.25));
        assert_eq!(before.busy_since(before), None);
    }
}
