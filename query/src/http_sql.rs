//! SQL over HTTP.
//!
//! | request | statement | values of `$1`, `$2` and so on |
//! |---|---|---|
//! | `POST /api/v1/sql`, `Content-Type: application/json` | member `query` of the object in the body | member `parameters`, a list |
//! | `POST /api/v1/sql`, any other type | the body, UTF-8 | `parameters` in the URL, a list in JSON |
//! | `GET /api/v1/sql?q=…` | `q` | the same |
//!
//! `max_rows` in the URL, or in the object, bounds the answer: one of more rows is an error with `too_large`, before or in the
//! midst of its rows, and never a part that looks like the whole.
//!
//! `Accept` chooses among the formats of [`crate::formats`]; 406 where it accepts none. `Accept-Encoding` may ask for gzip or
//! zstd. The name and password of a role are sent by Basic authentication. The token of a gateway is refused with 403: it may write only.
//!
//! An error before the first rows is a JSON object with `code` and `message`: 400 for a statement that cannot be run, 401
//! and 403 for who sent it, 413 where it or its intermediate results are too large, 429 where too many wait, 500, 503
//! when the server stops, 504 beyond the time limit. A later error ends the connection in the middle of the body, so that
//! no client takes a part of the rows for all of them.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, VARY, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::{StreamExt, stream};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::{Semaphore, mpsc};

use crate::compression::Encoding;
use crate::credentials::Credentials;
use crate::error::{QueryError, QueryErrorCode};
use crate::formats::{Format, FormatError};
use crate::http_parameters::parameter_values;
use crate::prepared::parameter_count;
use crate::session::{Caller, QueryEngine, QueryResult};
use crate::sql_session::{Interface, SqlSession};

/// The routes of SQL.
pub fn sql_routes(engine: Arc<QueryEngine>) -> Router {
    // A statement in JSON may be twice as long as itself, by its escapes.
    let body_bytes_max = 2 * engine.options().sql_bytes_max + 1_024;
    let state = Arc::new(SqlHttp { engine, password_checks: Semaphore::new(PASSWORD_CHECKS_MAX) });
    Router::new()
        .route("/api/v1/sql", get(handle_get).post(handle_post))
        .layer(DefaultBodyLimit::max(body_bytes_max))
        .with_state(state)
}

/// Passwords that are checked at the same time: each check takes much memory on purpose. Others wait.
const PASSWORD_CHECKS_MAX: usize = 2;
/// Pieces of a body that are made before the one that is sent.
const PIECES_AHEAD: usize = 4;

struct SqlHttp {
    engine: Arc<QueryEngine>,
    password_checks: Semaphore,
}

/// What the URL says.
#[derive(Deserialize)]
struct UrlParameters {
    q: Option<String>,
    parameters: Option<String>,
    max_rows: Option<u64>,
}

/// What a body in JSON says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PostBody {
    query: String,
    #[serde(default)]
    parameters: Vec<Value>,
    max_rows: Option<u64>,
}

/// What is asked for.
struct Question {
    sql: String,
    parameters: Vec<Value>,
    rows_max: Option<u64>,
}

async fn handle_get(
    State(sql): State<Arc<SqlHttp>>,
    headers: HeaderMap,
    url: Result<Query<UrlParameters>, QueryRejection>,
) -> Response {
    let question = in_url(url).and_then(|url| {
        let missing = || Refused::input("the statement is missing: send it as the parameter q, or POST it as the body");
        Ok(Question { sql: url.q.ok_or_else(missing)?, parameters: listed(url.parameters)?, rows_max: url.max_rows })
    });
    answer(&sql, &headers, question).await.unwrap_or_else(Refused::into_response)
}

async fn handle_post(
    State(sql): State<Arc<SqlHttp>>,
    headers: HeaderMap,
    url: Result<Query<UrlParameters>, QueryRejection>,
    body: Bytes,
) -> Response {
    let question = in_url(url).and_then(|url| posted(&headers, url, &body));
    answer(&sql, &headers, question).await.unwrap_or_else(Refused::into_response)
}

fn in_url(url: Result<Query<UrlParameters>, QueryRejection>) -> Result<UrlParameters, Refused> {
    url.map(|Query(url)| url).map_err(|error| Refused::input(format!("what the URL says: {}", error.body_text())))
}

/// The list of values in a URL.
fn listed(parameters: Option<String>) -> Result<Vec<Value>, Refused> {
    let Some(parameters) = parameters else { return Ok(Vec::new()) };
    serde_json::from_str(&parameters)
        .map_err(|error| Refused::input(format!("parameters in the URL is not a list in JSON, as [1, \"a\"]: {error}")))
}

fn posted(headers: &HeaderMap, url: UrlParameters, body: &[u8]) -> Result<Question, Refused> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if content_type.trim().to_ascii_lowercase().starts_with("application/json") {
        let body: PostBody = serde_json::from_slice(body).map_err(|error| {
            let members = "query, and where needed parameters and max_rows";
            Refused::input(format!("the body is not a JSON object with the members {members}: {error}"))
        })?;
        return Ok(Question { sql: body.query, parameters: body.parameters, rows_max: body.max_rows.or(url.max_rows) });
    }
    let sql =
        std::str::from_utf8(body).map_err(|error| Refused::input(format!("the statement is not UTF-8: {error}")))?;
    Ok(Question { sql: sql.to_owned(), parameters: listed(url.parameters)?, rows_max: url.max_rows })
}

async fn answer(sql: &SqlHttp, headers: &HeaderMap, question: Result<Question, Refused>) -> Result<Response, Refused> {
    let caller = authenticate(sql, headers).await?;
    let accept = headers.get(ACCEPT).map(|value| value.to_str().unwrap_or("?"));
    let format = Format::accepted(accept).ok_or_else(not_acceptable)?;
    let encoding = Encoding::accepted(headers);
    let Question { sql: text, parameters, rows_max } = question?;
    let result = match parameters.is_empty() {
        true => sql.engine.execute(&text, &caller).await?,
        false => sql.engine.execute_with_values(&text, &parameters, &caller).await?,
    };
    let mut pieces = sql.engine.spawn_pieces(result, Written { format, encoding, rows_max });
    // The status is sent when the first rows are known, so that an error before them has a status of its own.
    let first = match pieces.recv().await {
        Some(first) => first?,
        None => return Err(QueryError::internal().into()),
    };
    let rest = stream::unfold(pieces, async |mut pieces| {
        let piece = pieces.recv().await?;
        Some((piece, pieces))
    });
    let body = Body::from_stream(stream::once(async { Ok::<_, QueryError>(first) }).chain(rest));
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
    headers.insert(VARY, HeaderValue::from_static("accept, accept-encoding"));
    if let Some(name) = encoding.name() {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(name));
    }
    Ok(response)
}

/// How an answer is written.
#[derive(Clone, Copy)]
struct Written {
    format: Format,
    encoding: Encoding,
    rows_max: Option<u64>,
}

impl QueryEngine {
    /// Runs a statement whose parameters have these values.
    async fn execute_with_values(
        &self,
        sql: &str,
        values: &[Value],
        caller: &Caller,
    ) -> Result<QueryResult, QueryError> {
        let session = SqlSession::new(caller.clone(), Interface::Http);
        let statement = self.parse(sql)?;
        let named = vec![None; parameter_count(&statement)?];
        let types = self.describe(statement.clone(), named, &session).await?.parameters;
        let values = parameter_values(values, &types)?;
        self.execute_parsed(sql, statement, values, &session).await
    }

    /// Writes an answer, on the threads of statements. The last piece is an error or ends the answer.
    fn spawn_pieces(&self, result: QueryResult, how: Written) -> mpsc::Receiver<Result<Bytes, QueryError>> {
        let (to, from) = mpsc::channel(PIECES_AHEAD);
        self.spawn(async move {
            if let Err(error) = write_pieces(result, how, &to).await
                && to.send(Err(error)).await.is_err()
            {
                tracing::debug!("an answer failed after its caller had gone");
            }
        });
        from
    }
}

async fn write_pieces(
    mut result: QueryResult,
    how: Written,
    to: &mpsc::Sender<Result<Bytes, QueryError>>,
) -> Result<(), QueryError> {
    let mut writer = how.format.writer(&result.schema)?;
    let mut compressor = how.encoding.encoder().map_err(not_compressed)?;
    let mut rows = 0;
    loop {
        // A statement may compute for long before its next rows; a caller who has gone does not wait for them.
        let batch = tokio::select! {
            batch = result.stream.next() => batch,
            () = to.closed() => return Ok(()),
        };
        let Some(batch) = batch else { break };
        let batch: RecordBatch = batch?;
        rows += batch.num_rows() as u64;
        if let Some(rows_max) = how.rows_max.filter(|rows_max| rows > *rows_max) {
            let message = format!("the answer has more than {rows_max} rows, which max_rows allows");
            return Err(QueryError::new(QueryErrorCode::TooLarge, message));
        }
        let piece = writer.batch(&batch)?;
        if piece.is_empty() {
            continue;
        }
        let piece = compressor.piece(piece).map_err(not_compressed)?;
        if !piece.is_empty() && to.send(Ok(piece)).await.is_err() {
            return Ok(());
        }
    }
    let last = compressor.end(writer.end()?).map_err(not_compressed)?;
    if to.send(Ok(last)).await.is_err() {
        tracing::debug!("the caller has gone before the end of its answer");
    }
    Ok(())
}

fn not_compressed(error: std::io::Error) -> QueryError {
    QueryError::new(QueryErrorCode::Internal, format!("the answer cannot be compressed: {error}"))
}

async fn authenticate(sql: &SqlHttp, headers: &HeaderMap) -> Result<Caller, Refused> {
    let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let registry = Arc::clone(sql.engine.source().registry());
    match header.and_then(Credentials::parse) {
        Some(Credentials::Basic { user, password }) => {
            if registry.authenticate_gateway(&password).is_some() {
                return Err(Refused::gateway());
            }
            let _turn = sql.password_checks.acquire().await.map_err(|_| QueryError::stopping())?;
            let name: Arc<str> = user.as_str().into();
            let check = tokio::task::spawn_blocking(move || registry.authenticate(&user, &password));
            match check.await {
                Ok(true) => Ok(Caller { name }),
                Ok(false) => Err(Refused::unauthorized("the user name or password is wrong")),
                Err(_) => Err(QueryError::internal().into()),
            }
        }
        Some(Credentials::Token(token)) if registry.authenticate_gateway(&token).is_some() => Err(Refused::gateway()),
        Some(Credentials::Token(_)) => Err(Refused::unauthorized("the token is not known, and tokens do not query")),
        None => Err(Refused::unauthorized("send the name and password of a role by Basic authentication")),
    }
}

/// A request that gets no rows.
struct Refused {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl Refused {
    fn input(message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code: "bad_request", message: message.into() }
    }

    fn unauthorized(message: &str) -> Self {
        Self { status: StatusCode::UNAUTHORIZED, code: "unauthorized", message: message.into() }
    }

    fn gateway() -> Self {
        let message = "the token of a gateway may write only; query with the name and password of a role";
        Self { status: StatusCode::FORBIDDEN, code: "forbidden", message: message.into() }
    }
}

fn not_acceptable() -> Refused {
    let formats = Format::ALL.map(Format::media_type).join(", ");
    Refused {
        status: StatusCode::NOT_ACCEPTABLE,
        code: "not_acceptable",
        message: format!("Accept allows none of the formats that there are: {formats}"),
    }
}

impl From<QueryError> for Refused {
    fn from(error: QueryError) -> Self {
        let status = match error.code {
            QueryErrorCode::Sql | QueryErrorCode::NotAllowed | QueryErrorCode::Execution => StatusCode::BAD_REQUEST,
            QueryErrorCode::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            QueryErrorCode::TimeLimit => StatusCode::GATEWAY_TIMEOUT,
            QueryErrorCode::Busy => StatusCode::TOO_MANY_REQUESTS,
            QueryErrorCode::Stopping => StatusCode::SERVICE_UNAVAILABLE,
            QueryErrorCode::Storage | QueryErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self { status, code: error.code.name(), message: error.message }
    }
}

impl From<FormatError> for QueryError {
    fn from(error: FormatError) -> Self {
        Self::new(QueryErrorCode::Execution, error.to_string())
    }
}

impl Refused {
    fn into_response(self) -> Response {
        let body = serde_json::json!({ "code": self.code, "message": self.message }).to_string();
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"zonelake\", charset=\"UTF-8\""));
        }
        response
    }
}
