//! The report as an HTML page with plots, complete in itself.

use plotters::prelude::*;

use crate::report::Report;

/// The page.
///
/// # Errors
/// Where a plot cannot be drawn.
pub(crate) fn page(report: &Report) -> Result<String, String> {
    let seconds = &report.by_second;
    let line = |of: &dyn Fn(&crate::report::SecondReport) -> f64| -> Vec<(f64, f64)> {
        seconds.iter().map(|second| (second.at, of(second))).collect()
    };
    let plots = [
        plot("Millions of readings a second, acknowledged", "s", &[("readings", line(&|s| s.readings as f64 / 1e6))])?,
        plot(
            "Acknowledgement, ms",
            "s",
            &[("p50", line(&|s| s.latency.p50_ms)), ("p99", line(&|s| s.latency.p99_ms))],
        )?,
        plot("Memory of the server, MB", "s", &[("resident", line(&|s| s.server_memory_bytes as f64 / 1e6))])?,
        plot("Processors of the server", "s", &[("in use", line(&|s| s.server_processors))])?,
        plot(
            "Acknowledgement, ms, by share: 1 is 90 %, 2 is 99 %, 3 is 99.9 % of them",
            "nines",
            &[("latency", report.percentiles.iter().map(|(share, ms)| (-(1.0 - share).log10(), *ms)).collect())],
        )?,
    ];
    let words = escaped(&report.words());
    Ok(format!(
        "<!doctype html>\n<meta charset=\"utf-8\">\n<title>Zonelake under load: {load}</title>\n\
         <style>body{{font-family:sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}}svg{{width:100%;height:auto}}</style>\n\
         <h1>Zonelake under load: {load}</h1>\n<pre>{words}</pre>\n{plots}\n",
        load = escaped(&report.load),
        plots = plots.concat()
    ))
}

fn plot(title: &str, axis: &str, lines: &[(&str, Vec<(f64, f64)>)]) -> Result<String, String> {
    let mut svg = String::new();
    let points = || lines.iter().flat_map(|(_, points)| points);
    let x_max = points().map(|(x, _)| *x).fold(1.0, f64::max);
    let y_max = points().map(|(_, y)| *y).filter(|y| y.is_finite()).fold(1e-3, f64::max) * 1.1;
    {
        let area = SVGBackend::with_string(&mut svg, (900, 260)).into_drawing_area();
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let mut chart = ChartBuilder::on(&area)
            .caption(title, ("sans-serif", 18))
            .margin(8)
            .x_label_area_size(30)
            .y_label_area_size(60)
            .build_cartesian_2d(0.0..x_max, 0.0..y_max)
            .map_err(|error| text(&error))?;
        chart.configure_mesh().x_desc(axis).light_line_style(WHITE).draw().map_err(|error| text(&error))?;
        for (index, (name, points)) in lines.iter().enumerate() {
            let color = Palette99::pick(index).to_rgba();
            chart
                .draw_series(LineSeries::new(points.iter().copied(), &color))
                .map_err(|error| text(&error))?
                .label(*name)
                .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 16, y)], color));
        }
        if lines.len() > 1 {
            let labels = &mut chart.configure_series_labels();
            labels.border_style(BLACK).background_style(WHITE).draw().map_err(|error| text(&error))?;
        }
        area.present().map_err(|error| text(&error))?;
    }
    Ok(svg)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
