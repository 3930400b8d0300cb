//! What a request asks for.

use std::time::Duration;

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::http::HeaderMap;
use axum::http::header::IF_NONE_MATCH;
use zonelake_query::{LivePosition, LiveSelection, WindowSpan};

use crate::sql::error::HttpError;

/// Parameters of a URL, in their order; one may stand several times.
pub(super) type Parameters = Result<Query<Vec<(String, String)>>, QueryRejection>;

/// A request, as its URL and headers have it.
#[derive(Debug, Default)]
pub(super) struct LiveRequest {
    pub(super) selection: LiveSelection,
    /// The window that is asked for in place of last values.
    pub(super) span: Option<WindowSpan>,
    /// Time that the answer may wait for a change.
    pub(super) wait: Duration,
    /// Tags that the client has; `*` is any.
    known_tags: Vec<String>,
    /// Position up to which the client has everything.
    pub(super) since: Option<LivePosition>,
}

impl LiveRequest {
    pub(super) fn new(parameters: Parameters, headers: &HeaderMap) -> Result<Self, HttpError> {
        let Query(parameters) =
            parameters.map_err(|error| HttpError::input(format!("what the URL says: {}", error.body_text())))?;
        let mut request = Self::default();
        let mut since = header(headers, LAST_EVENT_ID);
        let (mut window, mut bucket) = (None, None);
        for (name, value) in parameters {
            let list = || value.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned);
            let selection = &mut request.selection;
            match name.as_str() {
                "province" => selection.provinces.extend(list()),
                "zone" => selection.zones.extend(list()),
                "device" => selection.devices.extend(list()),
                "field" => selection.fields.extend(list()),
                // A number alone is what `age` was called before there were windows.
                "window" if value.bytes().last().is_some_and(|last| last.is_ascii_alphabetic()) => window = Some(value),
                "window" | "age" => selection.window = Some(seconds(&name, &value, AGE_SECONDS_MAX)?),
                "bucket" => bucket = Some(value),
                "wait" => request.wait = seconds(&name, &value, WAIT_SECONDS_MAX)?,
                // The header of a client that has reconnected by itself is newer than its URL.
                "last_event_id" => since = since.or(Some(value)),
                _ => return Err(HttpError::input(format!("there is no parameter {name}; {PARAMETERS} are possible"))),
            }
        }
        request.span = span(window.as_deref(), bucket.as_deref())?;
        if request.span.is_some() && !(request.selection.devices.is_empty() && request.selection.window.is_none()) {
            return Err(HttpError::input("windows are of places: device and age choose among last values".to_owned()));
        }
        let LiveSelection { provinces, zones, devices, fields, .. } = &request.selection;
        if [provinces, zones, devices, fields].iter().map(|list| list.len()).sum::<usize>() > NAMES_MAX {
            return Err(HttpError::input(format!("the URL has more than {NAMES_MAX} names")));
        }
        // What is no position is not ours: the client gets everything.
        request.since = since.and_then(|since| since.parse().ok());
        let tags = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        request.known_tags = tags.flat_map(|value| value.split(',')).map(|tag| tag.trim().to_owned()).collect();
        Ok(request)
    }

    /// True where the client has what has this tag. Tags are compared weakly, as RFC 9110 has it for `If-None-Match`.
    pub(super) fn knows(&self, tag: &str) -> bool {
        let opaque = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
        self.known_tags.iter().any(|known| known == "*" || opaque(known) == opaque(tag))
    }
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

fn seconds(name: &str, value: &str, max: u64) -> Result<Duration, HttpError> {
    let seconds = value.parse().ok().filter(|seconds| *seconds <= max);
    let refused = || HttpError::input(format!("{name} is \"{value}\"; whole seconds up to {max} are possible"));
    seconds.map(Duration::from_secs).ok_or_else(refused)
}

/// The window that a request asks for: a number and a unit, as in 30s, 5m, 1h.
fn span(window: Option<&str>, bucket: Option<&str>) -> Result<Option<WindowSpan>, HttpError> {
    let length = |name: &str, text: &str| {
        let units = [('s', 1), ('m', 60), ('h', 3_600)];
        let of_unit = |(unit, seconds): (char, i64)| text.strip_suffix(unit)?.parse::<i64>().ok()?.checked_mul(seconds);
        let us = units.into_iter().find_map(of_unit).and_then(|seconds| seconds.checked_mul(1_000_000));
        us.ok_or_else(|| HttpError::input(format!("{name} is \"{text}\"; 30s, 5m and 1h are possible")))
    };
    let Some(window) = window else {
        return match bucket {
            None => Ok(None),
            Some(_) => Err(HttpError::input("bucket is a part of a window, as in window=5m&bucket=10s".to_owned())),
        };
    };
    let bucket = bucket.map(|text| length("bucket", text)).transpose()?;
    let span = WindowSpan::new(length("window", window)?, bucket);
    span.map(Some).map_err(|words| HttpError::input(words.to_owned()))
}

const LAST_EVENT_ID: &str = "last-event-id";
const PARAMETERS: &str = "province, zone, device, field, age, window, bucket, wait and last_event_id";
/// Names in one request.
const NAMES_MAX: usize = 1_000;
/// Most seconds that an answer waits.
const WAIT_SECONDS_MAX: u64 = 60;
/// A hundred years.
const AGE_SECONDS_MAX: u64 = 3_155_760_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn request(parameters: &[(&str, &str)], headers: &[(&'static str, &str)]) -> Result<LiveRequest, HttpError> {
        let parameters = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        LiveRequest::new(Ok(Query(parameters)), &headers)
    }

    #[test]
    fn lists_are_joined_and_a_header_goes_before_the_url() {
        let Ok(read) = request(
            &[("zone", "a,b"), ("zone", " c "), ("device", ""), ("window", "60"), ("last_event_id", "0:1")],
            &[("last-event-id", "0:2")],
        ) else {
            panic!("this is a request")
        };
        assert_eq!(read.selection.zones, ["a", "b", "c"]);
        assert_eq!(read.selection.devices, Vec::<String>::new());
        assert_eq!(read.selection.window, Some(Duration::from_secs(60)));
        assert_eq!(read.since.map(|since| since.to_string()).as_deref(), Some("0:2"));
        let Ok(window) = request(&[("window", "5m"), ("bucket", "10s")], &[]) else { panic!("this is a request") };
        assert_eq!(window.span, WindowSpan::new(300_000_000, Some(10_000_000)).ok());
        assert_eq!(window.selection.window, None);
        for wrong in [
            ("window", "61m"),
            ("window", "0s"),
            ("window", "5d"),
            ("bucket", "1s"),
            ("age", "5m"),
            ("window", "-1"),
            ("wait", "61"),
            ("wait", "1.5"),
            ("zones", "a"),
        ] {
            assert!(request(&[wrong], &[]).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn tags_are_compared_weakly() {
        let Ok(read) = request(&[], &[("if-none-match", "\"a\", W/\"b\"")]) else { panic!("this is a request") };
        assert!(read.knows("W/\"a\"") && read.knows("\"b\"") && !read.knows("\"c\""));
        let Ok(any) = request(&[], &[("if-none-match", "*")]) else { panic!("this is a request") };
        assert!(any.knows("\"c\""));
    }
}
