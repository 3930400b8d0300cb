//! Content of a request: the statement, the values of its parameters, and a bound on its rows.

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use serde::Deserialize;
use serde_json::Value;
use zonelake_query::SETTING_HEADERS;

use crate::sql::error::HttpError;

/// A statement with its values.
pub(crate) struct SqlRequest {
    /// Text of the statement.
    pub sql: String,
    /// Values of `$1`, `$2` and so on.
    pub parameters: Vec<Value>,
    /// Rows that the response may have.
    pub rows_max: Option<u64>,
    /// Settings of the session, by their names in SQL.
    pub settings: Vec<(&'static str, String)>,
}

/// Settings of the session as the URL and the object name them.
#[derive(Default)]
struct Settings {
    time_zone: Option<String>,
    search_path: Option<String>,
    statement_timeout: Option<String>,
    application_name: Option<String>,
}

/// Parameters of the URL.
#[derive(Deserialize)]
pub(crate) struct UrlParameters {
    q: Option<String>,
    parameters: Option<String>,
    max_rows: Option<u64>,
    time_zone: Option<String>,
    search_path: Option<String>,
    statement_timeout: Option<String>,
    application_name: Option<String>,
}

/// Members of a body in JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PostBody {
    query: String,
    #[serde(default)]
    parameters: Vec<Value>,
    max_rows: Option<u64>,
    time_zone: Option<String>,
    search_path: Option<String>,
    statement_timeout: Option<String>,
    application_name: Option<String>,
}

type Url = Result<Query<UrlParameters>, QueryRejection>;

impl SqlRequest {
    /// The request of a GET.
    pub(crate) fn from_url(headers: &HeaderMap, url: Url) -> Result<Self, HttpError> {
        let mut url = parse_url(url)?;
        let settings = settings(headers, [url.settings()])?;
        let missing =
            || HttpError::input("the statement is missing: send it as the parameter q, or POST it as the body");
        let sql = url.q.ok_or_else(missing)?;
        Ok(Self { sql, parameters: parse_list(url.parameters)?, rows_max: url.max_rows, settings })
    }

    /// The request of a POST.
    pub(crate) fn from_body(headers: &HeaderMap, url: Url, body: &[u8]) -> Result<Self, HttpError> {
        let mut url = parse_url(url)?;
        let of_url = url.settings();
        let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if content_type.trim().to_ascii_lowercase().starts_with("application/json") {
            let body: PostBody = serde_json::from_slice(body).map_err(|error| {
                let members = "query, and where needed parameters and max_rows";
                HttpError::input(format!("the body is not a JSON object with the members {members}: {error}"))
            })?;
            let rows_max = body.max_rows.or(url.max_rows);
            let PostBody { query, parameters, time_zone, search_path, statement_timeout, application_name, .. } = body;
            let of_body = Settings { time_zone, search_path, statement_timeout, application_name };
            let settings = settings(headers, [of_url, of_body])?;
            return Ok(Self { sql: query, parameters, rows_max, settings });
        }
        let sql = std::str::from_utf8(body)
            .map_err(|error| HttpError::input(format!("the statement is not UTF-8: {error}")))?;
        let settings = settings(headers, [of_url])?;
        Ok(Self { sql: sql.to_owned(), parameters: parse_list(url.parameters)?, rows_max: url.max_rows, settings })
    }
}

impl UrlParameters {
    fn settings(&mut self) -> Settings {
        Settings {
            time_zone: self.time_zone.take(),
            search_path: self.search_path.take(),
            statement_timeout: self.statement_timeout.take(),
            application_name: self.application_name.take(),
        }
    }
}

/// Settings of a request; what comes later goes before: headers, then the URL, then the object.
fn settings<const N: usize>(
    headers: &HeaderMap,
    given: [Settings; N],
) -> Result<Vec<(&'static str, String)>, HttpError> {
    let mut all = Vec::new();
    for (header, name) in SETTING_HEADERS {
        if let Some(value) = headers.get(header) {
            let text = value.to_str().map_err(|error| HttpError::input(format!("the header {header}: {error}")))?;
            all.push((name, text.to_owned()));
        }
    }
    for Settings { time_zone, search_path, statement_timeout, application_name } in given {
        let named = [
            ("TimeZone", time_zone),
            ("search_path", search_path),
            ("statement_timeout", statement_timeout),
            ("application_name", application_name),
        ];
        all.extend(named.into_iter().filter_map(|(name, text)| Some((name, text?))));
    }
    Ok(all)
}

fn parse_url(url: Url) -> Result<UrlParameters, HttpError> {
    url.map(|Query(url)| url).map_err(|error| HttpError::input(format!("what the URL says: {}", error.body_text())))
}

/// The list of values in a URL.
fn parse_list(parameters: Option<String>) -> Result<Vec<Value>, HttpError> {
    let Some(parameters) = parameters else { return Ok(Vec::new()) };
    serde_json::from_str(&parameters).map_err(|error| {
        HttpError::input(format!("parameters in the URL is not a list in JSON, as [1, \"a\"]: {error}"))
    })
}
