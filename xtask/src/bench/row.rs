//! One measurement of one peer.

use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Result};

/// The peer that is us.
pub(super) const OURS: &str = "multiproc";

/// What was measured, of whom, and what came out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Row {
    /// Subject, shape and size: `queue/1:1/64`.
    pub(super) bench: String,
    /// `multiproc`, a rival's crate, or `python`.
    pub(super) peer: String,
    /// What the numbers are: `ns`, `msgs_per_s`, `efficiency`, …
    pub(super) metric: String,
    /// Their unit.
    pub(super) unit: String,
    /// The smallest of the rounds.
    pub(super) min: f64,
    /// The one in the middle.
    pub(super) median: f64,
    /// The largest.
    pub(super) max: f64,
    /// How many rounds there were.
    pub(super) n: u64,
}

impl Row {
    /// Reads a line; what does not begin like a row is something else, and no failure.
    pub(super) fn parse(line: &str) -> Result<Option<Self>> {
        if !line.starts_with('{') {
            return Ok(None);
        }
        let row: Self = serde_json::from_str(line)
            .map_err(|error| Failure::new(format!("not a row: {error}: {line}")))?;
        if !(row.min <= row.median && row.median <= row.max && row.n > 0) {
            return Err(Failure::new(format!("a row whose numbers make no sense: {line}")));
        }
        Ok(Some(row))
    }

    /// Whether a larger number is a better one.
    pub(super) fn larger_is_better(&self) -> bool {
        self.metric.ends_with("_per_s") || self.metric == "efficiency"
    }

    /// How many times as good as `ours` this is, by the medians.
    pub(super) fn ratio_to(&self, ours: &Self) -> f64 {
        if self.larger_is_better() { self.median / ours.median } else { ours.median / self.median }
    }
}

#[cfg(test)]
pub(super) fn row(bench: &str, peer: &str, metric: &str, median: f64) -> Row {
    Row {
        bench: bench.to_owned(),
        peer: peer.to_owned(),
        metric: metric.to_owned(),
        unit: metric.replace("_per_", "/"),
        min: median / 2.0,
        median,
        max: median * 2.0,
        n: 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_no_row_is_let_through_and_a_broken_row_is_not() {
        assert_eq!(Row::parse("warming up").unwrap(), None);
        assert!(Row::parse("{\"bench\":\"a\"}").is_err());
        let good = serde_json::to_string(&row("a", "b", "ns", 2.0)).unwrap();
        assert_eq!(Row::parse(&good).unwrap().unwrap().median, 2.0);
        assert!(Row::parse(&good.replace("\"n\":5", "\"n\":0")).is_err());
        assert!(Row::parse(&good.replace("\"min\":1.0", "\"min\":9.0")).is_err());
    }

    #[test]
    fn a_ratio_above_one_means_the_better_in_either_direction() {
        let ours = row("a", OURS, "ns", 10.0);
        assert_eq!(row("a", "slow", "ns", 20.0).ratio_to(&ours), 0.5);
        let ours = row("a", OURS, "msgs_per_s", 10.0);
        assert_eq!(row("a", "fast", "msgs_per_s", 20.0).ratio_to(&ours), 2.0);
    }
}
