//! Plots of runs, as SVG: what was told and who was unreachable over time, one line a run, so that two
//! protocols, or two settings, are seen side by side.

use plotters::prelude::*;

use crate::run::Outcome;

/// A plot's width and height, in pixels.
const SIZE: (u32, u32) = (900, 420);

/// Lines of runs in their order; more runs begin again.
const COLOURS: [RGBColor; 4] =
    [RGBColor(31, 98, 168), RGBColor(204, 85, 0), RGBColor(46, 125, 50), RGBColor(123, 31, 162)];

/// What can't be drawn.
#[derive(Debug, thiserror::Error)]
#[error("plot: {0}")]
pub struct PlotError(String);

/// A line: its name, and its points.
type Line = (String, Vec<(u64, u64)>);

/// Announcements and withdrawals a second.
///
/// # Errors
/// A drawing that fails.
pub fn messages(runs: &[Outcome]) -> Result<String, PlotError> {
    let lines = lines(runs, |sample| sample.announcements + sample.withdrawals);
    plot("Routes told", "routes a second", &lines, &marks(runs))
}

/// Pairs of cluster and destination without a route.
///
/// # Errors
/// A drawing that fails.
pub fn convergence(runs: &[Outcome]) -> Result<String, PlotError> {
    let lines = lines(runs, |sample| sample.unreachable);
    plot("Clusters without a route", "pairs of cluster and destination", &lines, &marks(runs))
}

fn lines(runs: &[Outcome], of: impl Fn(&crate::run::Sample) -> u64) -> Vec<Line> {
    runs.iter()
        .map(|run| {
            let points = run.samples.iter().map(|sample| (sample.at, of(sample))).collect();
            (format!("{} {}", run.protocol.as_str(), run.name), points)
        })
        .collect()
}

/// When faults came, in seconds.
fn marks(runs: &[Outcome]) -> Vec<u64> {
    runs.first().map_or_else(Vec::new, |run| run.faults.iter().map(|f| f.at.0 / 1000).collect())
}

fn plot(title: &str, unit: &str, lines: &[Line], marks: &[u64]) -> Result<String, PlotError> {
    let mut svg = String::new();
    draw(&mut svg, title, unit, lines, marks).map_err(|why| PlotError(why.to_string()))?;
    Ok(svg)
}

fn draw(
    svg: &mut String,
    title: &str,
    unit: &str,
    lines: &[Line],
    marks: &[u64],
) -> Result<(), Box<dyn std::error::Error>> {
    let points = || lines.iter().flat_map(|(_, points)| points);
    let end = points().map(|(at, _)| *at).max().unwrap_or(1).max(1);
    let top = points().map(|(_, n)| *n).max().unwrap_or(1).max(1);
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(64)
        .build_cartesian_2d(0..end, 0..top + top / 10 + 1)?;
    chart
        .configure_mesh()
        .x_desc("simulated seconds; a grey line is a fault")
        .y_desc(unit)
        .light_line_style(WHITE)
        .draw()?;
    for at in marks.iter().filter(|at| **at <= end) {
        let line = [(*at, 0), (*at, top + top / 10 + 1)];
        chart.draw_series(LineSeries::new(line, RGBColor(210, 210, 210)))?;
    }
    for ((name, points), colour) in lines.iter().zip(COLOURS.iter().cycle()) {
        let style = colour.stroke_width(2);
        chart
            .draw_series(LineSeries::new(points.iter().copied(), style))?
            .label(name)
            .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 18, y)], style));
    }
    chart.configure_series_labels().border_style(BLACK).background_style(WHITE).draw()?;
    root.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::run::{Outcome, Sample};
    use crate::scenario::Protocol;

    #[test]
    fn a_plot_of_two_runs_has_a_line_and_a_name_for_each() {
        let run = |name: &str| Outcome {
            name: name.into(),
            protocol: Protocol::PathVector,
            seed: 1,
            simulated: 3000,
            violations: Vec::new(),
            rested_after: Vec::new(),
            totals: crate::network::Totals::default(),
            told: crate::network::Told::default(),
            faults: Vec::new(),
            samples: (0..4)
                .map(|at| Sample { at, announcements: at, withdrawals: 0, unreachable: 4 - at })
                .collect(),
            wheels: Vec::new(),
            digest: String::new(),
        };
        let runs = [run("first"), run("second")];
        for svg in [super::messages(&runs).unwrap(), super::convergence(&runs).unwrap()] {
            assert!(svg.starts_with("<svg"), "{svg}");
            assert!(svg.contains("first") && svg.contains("second"));
            assert!(svg.trim_end().ends_with("</svg>"));
        }
    }
}
