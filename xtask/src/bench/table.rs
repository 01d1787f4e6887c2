//! Rows as a table for people.

use super::row::{OURS, Row};

/// What stands above the columns.
pub(super) const HEAD: [&str; 5] = ["bench", "peer", "median", "min .. max", "vs multiproc"];

/// How to read the last one.
pub(super) const LEGEND: &str =
    "vs multiproc: above 1 the peer does better, below 1 multiproc does\n";

/// The lines of a table: a bench after the other, in each the best peer first.
pub(super) fn lines(rows: &[Row]) -> Vec<[String; HEAD.len()]> {
    let mut lines = vec![];
    let mut benches: Vec<(&str, &str)> = vec![];
    for row in rows {
        if !benches.contains(&(&row.bench, &row.metric)) {
            benches.push((&row.bench, &row.metric));
        }
    }
    for (bench, metric) in benches {
        let mut group: Vec<&Row> =
            rows.iter().filter(|row| row.bench == bench && row.metric == metric).collect();
        group.sort_by(|a, b| {
            let up = a.median.total_cmp(&b.median);
            if a.larger_is_better() { up.reverse() } else { up }
        });
        let ours = group.iter().find(|row| row.peer == OURS).copied();
        lines.extend(group.iter().map(|row| line(row, ours)));
    }
    lines
}

/// Draws the rows for a terminal.
pub(super) fn draw(rows: &[Row]) -> String {
    let mut lines = lines(rows);
    lines.insert(0, HEAD.map(str::to_owned));
    let mut widths = [0; HEAD.len()];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut table = String::new();
    for [bench, peer, median, spread, ratio] in &lines {
        let [b, p, m, s, r] = widths;
        let row = format!("{bench:b$}  {peer:p$}  {median:>m$}  {spread:>s$}  {ratio:>r$}");
        table.push_str(row.trim_end());
        table.push('\n');
    }
    table.push_str(LEGEND);
    table
}

fn line(row: &Row, ours: Option<&Row>) -> [String; HEAD.len()] {
    [
        row.bench.clone(),
        row.peer.clone(),
        said(row.median, &row.unit),
        format!("{} .. {}", said(row.min, &row.unit), said(row.max, &row.unit)),
        ours.map(|ours| ratio(row.ratio_to(ours))).unwrap_or_default(),
    ]
}

/// A ratio, small ones with enough digits to tell them from nothing.
fn ratio(ratio: f64) -> String {
    if ratio < 0.1 { format!("{ratio:.4}") } else { format!("{ratio:.2}") }
}

/// A number with three digits that count, and its unit.
pub(super) fn said(number: f64, unit: &str) -> String {
    const TIMES: [(f64, &str); 3] = [(1e9, "s"), (1e6, "ms"), (1e3, "us")];
    const SIZES: [(f64, &str); 3] = [(1e9, "G"), (1e6, "M"), (1e3, "k")];
    let is_time = unit == "ns";
    let steps = if is_time { TIMES } else { SIZES };
    match steps.iter().find(|(size, _)| number >= *size) {
        Some((size, name)) if is_time => format!("{} {name}", three_digits(number / size)),
        Some((size, name)) => format!("{} {name} {unit}", three_digits(number / size)),
        None => format!("{} {unit}", three_digits(number)).trim_end().to_owned(),
    }
}

fn three_digits(number: f64) -> String {
    let digits = match number {
        ..10.0 => 2,
        10.0..100.0 => 1,
        _ => 0,
    };
    format!("{number:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::{super::row::row, *};

    #[test]
    fn numbers_are_said_with_three_digits() {
        assert_eq!(said(1.3, "ns"), "1.30 ns");
        assert_eq!(said(70_123.0, "ns"), "70.1 us");
        assert_eq!(said(4_540_000.0, "msgs/s"), "4.54 M msgs/s");
        assert_eq!(said(0.97, ""), "0.97");
    }

    #[test]
    fn the_best_peer_of_each_bench_comes_first() {
        let table = draw(&[
            row("queue/1:1/8", "pipe", "msgs_per_s", 1e6),
            row("queue/1:1/8", OURS, "msgs_per_s", 4e6),
            row("sync/lock/free", OURS, "ns", 20.0),
            row("sync/lock/free", "std", "ns", 10.0),
        ]);
        let cells: Vec<Vec<&str>> =
            table.lines().map(|line| line.split_whitespace().collect()).collect();
        let firsts: Vec<_> =
            cells[1..5].iter().map(|line| (line[1], line[line.len() - 1])).collect();
        assert_eq!(firsts, [(OURS, "1.00"), ("pipe", "0.25"), ("std", "2.00"), (OURS, "1.00")]);
    }
}
