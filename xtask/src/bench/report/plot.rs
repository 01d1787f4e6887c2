//! The plots: what grows with what.

use plotters::coord::ranged1d::{
    AsRangedCoord, KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter,
};
use plotters::prelude::*;

use super::super::row::{OURS, Row};
use super::super::table;
use crate::failure::{Failure, Result};

/// A plot of some benches, one beside the other.
#[derive(Debug)]
struct Plot {
    name: &'static str,
    title: &'static str,
    /// What distinguishes the benches.
    across: &'static str,
    /// Their names, and what stands below each.
    benches: &'static [(&'static str, &'static str)],
    is_log: bool,
}

const PLOTS: [Plot; 5] = [
    Plot {
        name: "throughput",
        title: "Messages a second from one producer to one consumer, by their size",
        across: "size of a message",
        benches: &[
            ("queue/1:1/8", "8 B"),
            ("queue/1:1/64", "64 B"),
            ("queue/1:1/1024", "1 KiB"),
            ("queue/1:1/65536", "64 KiB"),
            ("queue/1:1/1048576", "1 MiB"),
        ],
        is_log: true,
    },
    Plot {
        name: "latency",
        title: "How long 64 bytes are on their way there and back",
        across: "share of the messages that take less",
        benches: &[
            ("queue/latency/p10", "10 %"),
            ("queue/latency/p50", "50 %"),
            ("queue/latency/p90", "90 %"),
            ("queue/latency/p99", "99 %"),
            ("queue/latency/p99.9", "99.9 %"),
        ],
        is_log: true,
    },
    Plot {
        name: "start",
        title: "From starting a process to its joined end, by the memory of its parent",
        across: "memory of the parent",
        benches: &[
            ("start/forkserver", "small"),
            ("start/forkserver-64mib", "64 MiB"),
            ("start/forkserver-256mib", "256 MiB"),
            ("start/forkserver-1gib", "1 GiB"),
        ],
        is_log: true,
    },
    Plot {
        name: "pool",
        title: "Efficiency of a pool, by how long a task takes",
        across: "time of a task",
        benches: &[
            ("pool/spin10us/map1", "10 us"),
            ("pool/spin100us/map1", "100 us"),
            ("pool/spin1ms/map1", "1 ms"),
        ],
        is_log: false,
    },
    Plot {
        name: "recovery",
        title: "From the SIGKILL of a lock's holder to the next one's turn",
        across: "share of the deaths that take less",
        benches: &[
            ("sync/death/p50", "50 %"),
            ("sync/death/p99", "99 %"),
            ("sync/death/max", "all"),
        ],
        is_log: false,
    },
];

/// A plot as it is shown.
#[derive(Debug)]
pub(super) struct Drawn {
    pub(super) file: String,
    pub(super) title: &'static str,
    pub(super) svg: String,
}

/// Draws the plots that there are rows for.
pub(super) fn draw_all(rows: &[&Row]) -> Result<Vec<Drawn>> {
    PLOTS.iter().filter_map(|plot| plot.draw(rows).transpose()).collect()
}

/// The rows of a peer, and where they stand.
struct Series<'r> {
    peer: &'r str,
    points: Vec<(f64, &'r Row)>,
}

const SIZE: (u32, u32) = (900, 480);

impl Plot {
    fn draw(&self, rows: &[&Row]) -> Result<Option<Drawn>> {
        let series = self.series(rows);
        let all = || series.iter().flat_map(|series| &series.points).map(|(_, row)| *row);
        let Some(first) = all().next() else { return Ok(None) };
        let (unit, top) = (first.unit.clone(), all().map(|row| row.max).fold(0.0, f64::max));
        let bottom = all().map(|row| row.min).fold(f64::INFINITY, f64::min);
        let mut svg = String::new();
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let drawn = if self.is_log {
            self.draw_on(&area, &series, &unit, (bottom * 0.7..top * 1.4).log_scale())
        } else {
            self.draw_on(&area, &series, &unit, 0.0..top * 1.1)
        };
        drawn.map_err(|error| Failure::new(format!("failed to draw {}: {error}", self.name)))?;
        drop(area);
        Ok(Some(Drawn { file: format!("{}.svg", self.name), title: self.title, svg }))
    }

    /// Us first, so that we are drawn in the first colour; the others as they come.
    fn series<'r>(&self, rows: &[&'r Row]) -> Vec<Series<'r>> {
        let mut series: Vec<Series<'r>> = vec![];
        for (place, (bench, _)) in (0_u8..).zip(self.benches) {
            for row in rows.iter().filter(|row| row.bench == *bench) {
                let point = (f64::from(place), *row);
                match series.iter_mut().find(|series| series.peer == row.peer) {
                    Some(series) => series.points.push(point),
                    None => series.push(Series { peer: &row.peer, points: vec![point] }),
                }
            }
        }
        series.sort_by_key(|series| series.peer != OURS);
        series
    }

    fn draw_on<Y, B>(
        &self,
        area: &DrawingArea<B, plotters::coord::Shift>,
        series: &[Series<'_>],
        unit: &str,
        y: Y,
    ) -> std::result::Result<(), Box<dyn std::error::Error>>
    where
        Y: AsRangedCoord<Value = f64>,
        Y::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
        B: DrawingBackend,
        B::ErrorType: 'static,
    {
        area.fill(&WHITE)?;
        let last = u8::try_from(self.benches.len()).map_or(0.0, f64::from) - 1.0;
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .x_label_area_size(44)
            .y_label_area_size(96)
            .build_cartesian_2d(Places { last, n: self.benches.len() }, y)?;
        let label = |place: &f64| {
            let at = self.benches.iter().zip(0_u8..);
            let mut at = at.filter(|(_, idx)| (f64::from(*idx) - place).abs() < 0.01);
            at.next().map(|((_, label), _)| (*label).to_owned()).unwrap_or_default()
        };
        chart
            .configure_mesh()
            .disable_x_mesh()
            .x_desc(self.across)
            .x_label_formatter(&label)
            .y_label_formatter(&|y| table::said(*y, unit))
            .light_line_style(WHITE)
            .draw()?;
        for (idx, one) in series.iter().enumerate() {
            let colour = Palette99::pick(idx).to_rgba();
            let width = if one.peer == OURS { 3 } else { 1 };
            let line = one.points.iter().map(|(x, row)| (*x, row.median));
            chart
                .draw_series(LineSeries::new(line, colour.stroke_width(width)).point_size(3))?
                .label(one.peer)
                .legend(move |(x, y)| {
                    PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(width))
                });
            // From the smallest to the largest of the rounds.
            let spread = one.points.iter().map(|(x, row)| {
                PathElement::new([(*x, row.min), (*x, row.max)], colour.stroke_width(1))
            });
            chart.draw_series(spread)?;
        }
        chart
            .configure_series_labels()
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.3))
            .draw()?;
        area.present()?;
        Ok(())
    }
}

/// Places side by side, with a margin.
struct Places {
    last: f64,
    n: usize,
}

impl Ranged for Places {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        let share = (value + 0.3) / (self.last + 0.6);
        let length = f64::from(limit.1 - limit.0);
        #[expect(clippy::cast_possible_truncation, reason = "a place on a picture")]
        let offset = (share * length).round() as i32;
        limit.0 + offset
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        (0_u8..).take(self.n).map(f64::from).collect()
    }

    fn range(&self) -> std::ops::Range<f64> {
        -0.3..self.last + 0.3
    }
}

impl ValueFormatter<f64> for Places {}
