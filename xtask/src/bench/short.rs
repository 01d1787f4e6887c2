//! The few rows that the README shows, as ratios.

use super::{
    report::Part,
    row::{OURS, Row},
};

/// The first line of the table.
const TITLE: &str = "| what | beside | so many times as good |";

/// What is measured, in words; the bench; and the peers that it is shown beside.
const CHOSEN: &[(&str, &str, &[&str])] = &[
    ("a free lock, taken and given back", "sync/lock/free", &["pthread", "python"]),
    ("a lock held for 1 us by one of 2 processes", "sync/lock/2/1us", &["pthread-robust"]),
    ("messages of 8 bytes, 2 to 2", "queue/2:2/8", &["crossbeam-channel", "pipe", "python"]),
    (
        "messages of 1 KiB, 1 to 1",
        "queue/1:1/1024",
        &["crossbeam-channel", "ipc-channel", "python"],
    ),
    ("messages of 1 MiB, 1 to 1", "queue/1:1/1048576", &["crossbeam-boxes", "ipc-channel"]),
    ("64 bytes there and back", "queue/ping-pong/64", &["crossbeam-channel", "pipe", "python"]),
    ("to read a map that processes share", "value/map-get/free", &["std", "python"]),
    ("to start a process and join it", "start/forkserver", &["fork", "std-command", "python"]),
    ("the same from a parent of 1 GiB", "start/forkserver-1gib", &["fork", "python"]),
    ("empty tasks, mapped in chunks", "pool/empty/map", &["rayon", "python"]),
    ("empty tasks, mapped one by one", "pool/empty/map1", &["procspawn", "rayon", "python"]),
    ("one call of a pool", "pool/empty/call", &["procspawn", "rayon", "python"]),
    ("efficiency with tasks of 10 us", "pool/spin10us/map1", &["rayon", "python"]),
    ("to get from a dict in a server", "manager/get/1", &["redis", "python"]),
];

/// The lines of the table; none if a row is missing, as when not all was measured.
pub(super) fn table(parts: &[Part]) -> Option<Vec<String>> {
    let rows: Vec<&Row> = parts.iter().flat_map(|part| &part.rows).collect();
    let find = |bench: &str, peer: &str| {
        rows.iter().find(|row| row.bench == bench && row.peer == peer).copied()
    };
    let mut lines = vec![TITLE.to_owned(), "|---|---|---:|".to_owned()];
    for (what, bench, peers) in CHOSEN {
        let ours = find(bench, OURS)?;
        for peer in *peers {
            let ratio = 1.0 / find(bench, peer)?.ratio_to(ours);
            lines.push(format!("| {what} | {peer} | {} |", said(ratio)));
        }
    }
    Some(lines)
}

/// A ratio with two digits that count.
fn said(ratio: f64) -> String {
    match ratio {
        ..0.1 => format!("{ratio:.3}"),
        0.1..10.0 => format!("{ratio:.2}"),
        _ => format!("{ratio:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::row::row, *};

    #[test]
    fn the_table_has_a_line_for_each_peer_or_is_not_made() {
        let peers = |&(_, bench, peers): &(&str, &'static str, &[&'static str])| {
            let ours = [(bench, OURS, 100.0)];
            let theirs = peers.iter().map(move |&peer| (bench, peer, 250.0));
            ours.into_iter().chain(theirs).collect::<Vec<_>>()
        };
        let mut rows: Vec<Row> = CHOSEN
            .iter()
            .flat_map(peers)
            .map(|(bench, peer, median)| row(bench, peer, "ns", median))
            .collect();
        let part = |rows| [Part { subject: "all".to_owned(), rows }];
        let table = table(&part(rows.clone())).unwrap();
        assert_eq!(table.len(), 2 + rows.len() - CHOSEN.len());
        assert_eq!(table[2], "| a free lock, taken and given back | pthread | 2.50 |");
        rows.pop();
        assert_eq!(super::table(&part(rows)), None);
    }

    #[test]
    fn ratios_are_said_with_two_digits() {
        assert_eq!([0.0123, 0.27, 1.5, 120.4].map(said), ["0.012", "0.27", "1.50", "120"]);
    }
}
