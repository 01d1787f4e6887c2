//! What is printed: a row for each bench and peer.

use serde::Serialize;

use crate::bench::Metric;

/// What came out for one peer of one bench.
#[derive(Debug, Serialize)]
pub(crate) struct Row<'a> {
    bench: &'a str,
    peer: &'a str,
    metric: &'a str,
    unit: &'a str,
    min: f64,
    median: f64,
    max: f64,
    n: usize,
}

impl<'a> Row<'a> {
    /// Sums up the figures of all rounds; `None` if there are none.
    pub(crate) fn of(
        bench: &'a str,
        peer: &'a str,
        metric: Metric,
        figures: &[f64],
    ) -> Option<Self> {
        let mut sorted = figures.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let (metric, unit) = (metric.name(), metric.unit());
        Some(Self {
            bench,
            peer,
            metric,
            unit,
            min,
            median: median(&sorted)?,
            max,
            n: sorted.len(),
        })
    }
}

/// The figure in the middle of sorted ones, or between the two there.
pub(crate) fn median(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    let above = *sorted.get(middle)?;
    if sorted.len() % 2 == 1 {
        return Some(above);
    }
    Some(f64::midpoint(*sorted.get(middle - 1)?, above))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_the_extremes_and_the_middle() {
        let row = Row::of("queue/1:1/8", "pipe", Metric::Messages, &[3.0, 1.0, 10.0]).unwrap();
        let json = serde_json::to_value(&row).unwrap();
        assert_eq!(json["min"], 1.0);
        assert_eq!(json["median"], 3.0);
        assert_eq!(json["max"], 10.0);
        assert_eq!(json["n"], 3);
        assert_eq!(json["metric"], "msgs_per_s");
        assert_eq!(median(&[1.0, 2.0]), Some(1.5));
        assert!(Row::of("a", "b", Metric::Ns, &[]).is_none());
    }
}
