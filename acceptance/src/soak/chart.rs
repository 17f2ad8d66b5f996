//! The plot: memory above, disk below, kills as marks.

use std::error::Error;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

use super::chaos::Kill;
use super::footprint::{Sample, Taken};

/// Width and height in pixels.
const SIZE: (u32, u32) = (960, 900);

/// Bytes in what the axes count.
const MEBIBYTE: f64 = 1_048_576.0;

const COLOURS: [RGBColor; 4] = [
    RGBColor(31, 119, 180),
    RGBColor(214, 99, 14),
    RGBColor(44, 140, 44),
    RGBColor(148, 103, 189),
];

type Drawn = Result<(), Box<dyn Error>>;

/// What is drawn into one panel.
struct Panel {
    title: &'static str,
    series: fn(&Taken) -> Option<u64>,
}

const PANELS: [Panel; 3] = [
    Panel {
        title: "Resident memory of each sidecar, MiB (marks below: kills)",
        series: |taken| taken.sidecar,
    },
    Panel {
        title: "Resident memory of each app, MiB",
        series: |taken| taken.app,
    },
    Panel {
        title: "Disk of each replica: ledger, journal and snapshots, MiB",
        series: |taken| Some(taken.ledger + taken.journal + taken.snapshots),
    },
];

/// Draws the samples of a run.
///
/// # Panics
/// When the file cannot be written.
pub(super) fn draw(path: &Path, samples: &[Sample], kills: &[Kill]) {
    let drawn = draw_panels(path, samples, kills);
    drawn.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    println!("plot: {}", path.display());
}

fn draw_panels(path: &Path, samples: &[Sample], kills: &[Kill]) -> Drawn {
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    for (part, panel) in area.split_evenly((PANELS.len(), 1)).iter().zip(&PANELS) {
        draw_panel(part, panel, samples, kills)?;
    }
    area.present()?;
    Ok(())
}

fn draw_panel(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    panel: &Panel,
    samples: &[Sample],
    kills: &[Kill],
) -> Drawn {
    let end = samples.last().map_or(1.0, minutes);
    let values = samples.iter().flat_map(|sample| &sample.replicas);
    let top = values.filter_map(panel.series).max().unwrap_or(0);
    let top = (mebibytes(top) * 1.15).max(1.0);
    let mut chart = ChartBuilder::on(area)
        .caption(panel.title, ("sans-serif", 16))
        .margin(10)
        .x_label_area_size(30)
        .y_label_area_size(55)
        .build_cartesian_2d(0.0..end, 0.0..top)?;
    let mut mesh = chart.configure_mesh();
    mesh.x_desc("minutes").light_line_style(WHITE).draw()?;
    for (replica, colour) in COLOURS.iter().enumerate() {
        let points = samples.iter().filter_map(|sample| {
            let bytes = (panel.series)(sample.replicas.get(replica)?)?;
            Some((minutes(sample), mebibytes(bytes)))
        });
        let line = chart.draw_series(LineSeries::new(points, colour.stroke_width(2)))?;
        let colour = *colour;
        line.label(format!("replica {replica}"))
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour));
    }
    let marks = kills.iter().map(|kill| {
        let at = kill.at.as_secs_f64() / 60.0;
        PathElement::new([(at, 0.0), (at, top * 0.03)], BLACK)
    });
    chart.draw_series(marks)?;
    let mut legend = chart.configure_series_labels();
    legend.position(SeriesLabelPosition::LowerRight);
    legend.background_style(WHITE.mix(0.8)).draw()?;
    Ok(())
}

fn minutes(sample: &Sample) -> f64 {
    sample.at.as_secs_f64() / 60.0
}

#[allow(clippy::cast_precision_loss, reason = "bytes are far below 2^52")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / MEBIBYTE
}
