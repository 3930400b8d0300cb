//! Content of a request: the statement, the values of its parameters, and a bound on its rows.

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use serde::Deserialize;
use serde_json::Value;

use crate::sql::error::HttpError;

/// A statement with its values.
pub(crate) struct SqlRequest {
    /// Text of the statement.
    pub sql: String,
    /// Values of `$1`, `$2` and so on.
    pub parameters: Vec<Value>,
    /// Rows that the response may have.
    pub rows_max: Option<u64>,
}

/// Parameters of the URL.
#[derive(Deserialize)]
pub(crate) struct UrlParameters {
    q: Option<String>,
    parameters: Option<String>,
    max_rows: Option<u64>,
}

/// Members of a body in JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PostBody {
    query: String,
    #[serde(default)]
    parameters: Vec<Value>,
    max_rows: Option<u64>,
}

type Url = Result<Query<UrlParameters>, QueryRejection>;

impl SqlRequest {
    /// The request of a GET.
    pub(crate) fn from_url(url: Url) -> Result<Self, HttpError> {
        let url = parse_url(url)?;
        let missing =
            || HttpError::input("the statement is missing: send it as the parameter q, or POST it as the body");
        Ok(Self { sql: url.q.ok_or_else(missing)?, parameters: parse_list(url.parameters)?, rows_max: url.max_rows })
    }

    /// The request of a POST.
    pub(crate) fn from_body(headers: &HeaderMap, url: Url, body: &[u8]) -> Result<Self, HttpError> {
        let url = parse_url(url)?;
        let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if content_type.trim().to_ascii_lowercase().starts_with("application/json") {
            let body: PostBody = serde_json::from_slice(body).map_err(|error| {
                let members = "query, and where needed parameters and max_rows";
                HttpError::input(format!("the body is not a JSON object with the members {members}: {error}"))
            })?;
            let rows_max = body.max_rows.or(url.max_rows);
            return Ok(Self { sql: body.query, parameters: body.parameters, rows_max });
        }
        let sql = std::str::from_utf8(body)
            .map_err(|error| HttpError::input(format!("the statement is not UTF-8: {error}")))?;
        Ok(Self { sql: sql.to_owned(), parameters: parse_list(url.parameters)?, rows_max: url.max_rows })
    }
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
