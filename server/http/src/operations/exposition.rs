//! Metrics in the format that a scraper asks for: OpenMetrics 1.0, or the text format 0.0.4 that every scraper reads.
//!
//! | | OpenMetrics | text |
//! |---|---|---|
//! | family of a counter | `x`, with the sample `x_total` | `x_total` |
//! | unit | `# UNIT x seconds` | none |
//! | type of a gauge with constant labels | `info` | `gauge` |
//! | end | `# EOF` | none |

use std::fmt;

use axum::http::HeaderMap;
use axum::http::header::ACCEPT;
use prometheus_client::registry::Registry as Metrics;

/// Format of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exposition {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Prometheus' text format 0.0.4.
    Text,
}

impl Exposition {
    /// Format that the client prefers: OpenMetrics where it is named and weighs no less than text, else text.
    pub(super) fn accepted(headers: &HeaderMap) -> Self {
        let items = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let items: Vec<&str> = items.flat_map(|value| value.split(',')).collect();
        let named = |name| items.iter().filter_map(|item| weight(item, name)).fold(0.0, f32::max);
        let (open, text) = (named("application/openmetrics-text"), named("text/plain"));
        if open > 0.0 && open >= text { Self::OpenMetrics } else { Self::Text }
    }

    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// All metrics in this format.
    pub(super) fn encode(self, metrics: &Metrics) -> Result<String, fmt::Error> {
        let mut open = String::new();
        prometheus_client::encoding::text::encode(&mut open, metrics)?;
        Ok(match self {
            Self::OpenMetrics => open,
            Self::Text => text_of(&open),
        })
    }
}

/// Weight of an item of `Accept`, where it is of that type.
fn weight(item: &str, name: &str) -> Option<f32> {
    let mut parts = item.split(';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case(name) {
        return None;
    }
    Some(parts.find_map(|part| part.strip_prefix("q=")?.parse().ok()).unwrap_or(1.0))
}

/// The text format of what is written as OpenMetrics.
fn text_of(open: &str) -> String {
    let mut text = String::with_capacity(open.len() + 1_024);
    // The help of a family stands before its type, which decides the family's name.
    let mut help = None;
    for line in open.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ').map(|(_, help)| help);
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            let (ending, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                kind => ("", kind),
            };
            if let Some(help) = help.take() {
                text.push_str(&format!("# HELP {name}{ending} {help}\n"));
            }
            text.push_str(&format!("# TYPE {name}{ending} {kind}\n"));
        } else if !line.starts_with('#') {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::histogram::Histogram;
    use prometheus_client::registry::Unit;

    use super::*;

    fn accepted(accept: &str) -> Exposition {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, accept.parse().unwrap());
        Exposition::accepted(&headers)
    }

    #[test]
    fn openmetrics_goes_to_those_who_name_it_and_text_to_all_others() {
        let prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
                          application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
        assert_eq!(accepted(prometheus), Exposition::OpenMetrics);
        assert_eq!(accepted("application/openmetrics-text"), Exposition::OpenMetrics);
        for text in ["*/*", "text/plain", "text/html", "text/plain,application/openmetrics-text;q=0.5", ""] {
            assert_eq!(accepted(text), Exposition::Text, "{text}");
        }
        assert_eq!(Exposition::accepted(&HeaderMap::new()), Exposition::Text);
    }

    #[test]
    fn a_family_has_the_name_of_its_samples_in_the_text_format() {
        let mut metrics = Metrics::default();
        let rows = Counter::<u64>::default();
        rows.inc_by(5);
        metrics.register("zl_rows", "Rows stored", rows);
        metrics.register_with_unit("zl_wait", "Time", Unit::Seconds, Histogram::new([1.0]));
        let text = Exposition::Text.encode(&metrics).unwrap();
        assert!(
            text.contains("# HELP zl_rows_total Rows stored.\n# TYPE zl_rows_total counter\nzl_rows_total 5\n"),
            "{text}"
        );
        assert!(text.contains("# TYPE zl_wait_seconds histogram\n"), "{text}");
        assert!(!text.contains("# UNIT") && !text.contains("# EOF"), "{text}");
        let open = Exposition::OpenMetrics.encode(&metrics).unwrap();
        assert!(open.contains("# TYPE zl_rows counter\n") && open.ends_with("# EOF\n"), "{open}");
    }
}
