//! Plots of a page, as SVG.

use plotters::prelude::*;

use super::declaration::PlotKind;
use super::language::Language;
use super::plotted::Plotted;
use crate::error::ReportError;

/// An SVG of a plot, whose texts are escaped.
///
/// # Errors
/// Where it cannot be drawn.
pub(crate) fn svg(plotted: &Plotted<'_>, language: Language) -> Result<String, ReportError> {
    let mut svg = String::new();
    draw(&mut svg, plotted, language)
        .map_err(|error| ReportError::failed(format!("a plot cannot be drawn: {error}")))?;
    Ok(svg)
}

fn draw(svg: &mut String, plotted: &Plotted<'_>, language: Language) -> Result<(), Box<dyn std::error::Error>> {
    let steps = plotted.steps.len();
    let values = || plotted.series.iter().flat_map(|series| series.values.iter().flatten().copied());
    let top = values().fold(0.0, f64::max);
    let bottom = values().fold(0.0, f64::min);
    let top = if top > bottom { top + (top - bottom) * 0.1 } else { bottom + 1.0 };
    let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .margin(10)
        .x_label_area_size(36)
        .y_label_area_size(70)
        .build_cartesian_2d(-0.5..at(steps) - 0.5, bottom..top)?;
    let label = |x: &f64| {
        let step = x.round();
        let is_step = (x - step).abs() < 0.01 && step >= 0.0;
        let found =
            is_step.then(|| plotted.steps.iter().enumerate().find(|(index, _)| (at(*index) - step).abs() < 0.5));
        found.flatten().map_or_else(String::new, |(_, label)| label.clone())
    };
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(steps.clamp(2, LABELS_MAX))
        .x_label_formatter(&label)
        .y_label_formatter(&|y| language.tick(*y))
        .light_line_style(WHITE)
        .y_desc(plotted.values)
        .draw()?;
    let width = 0.8 / at(plotted.series.len());
    for (index, series) in plotted.series.iter().enumerate() {
        let color = Palette99::pick(index).to_rgba();
        let points = series.values.iter().enumerate().filter_map(|(step, value)| Some((at(step), (*value)?)));
        let drawn = match plotted.kind {
            PlotKind::Line => {
                let points: Vec<(f64, f64)> = points.collect();
                // A line of one point is seen by its mark.
                chart.draw_series(points.iter().map(|point| Circle::new(*point, 3, color.filled())))?;
                chart.draw_series(LineSeries::new(points, color.stroke_width(2)))?
            }
            PlotKind::Bar => {
                let left = |x: f64| x - 0.4 + width * at(index);
                chart.draw_series(
                    points.map(|(x, y)| Rectangle::new([(left(x), 0.0), (left(x) + width, y)], color.filled())),
                )?
            }
        };
        drawn
            .label(series.name.as_str())
            .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 10, y + 5)], color.filled()));
    }
    if plotted.series.len() > 1 {
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperRight)
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.3))
            .draw()?;
    }
    area.present()?;
    Ok(())
}

/// A step of the axis.
fn at(index: usize) -> f64 {
    f64::from(u32::try_from(index).unwrap_or(u32::MAX))
}

const SIZE: (u32, u32) = (900, 300);
const LABELS_MAX: usize = 12;
