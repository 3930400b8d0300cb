//! SQL over HTTP.
//!
//! | request | statement |
//! |---|---|
//! | `POST /api/v1/sql`, `Content-Type: application/json` | member `query` of the object in the body |
//! | `POST /api/v1/sql`, any other type | the body, UTF-8 |
//! | `GET /api/v1/sql?q=…` | parameter `q` |
//!
//! `Accept` chooses among the formats of [`crate::formats`]; 406 where it accepts none. The administrator's name and
//! password are sent by Basic authentication. The token of a gateway is refused with 403: it may write only.
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
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::{StreamExt, stream};
use serde::Deserialize;
use tokio::sync::{Semaphore, mpsc};

use crate::credentials::Credentials;
use crate::error::{QueryError, QueryErrorCode};
use crate::formats::{Format, FormatError};
use crate::session::{Caller, QueryEngine, QueryResult};

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

#[derive(Deserialize)]
struct GetParameters {
    q: String,
}

#[derive(Deserialize)]
struct PostBody {
    query: String,
}

async fn handle_get(
    State(sql): State<Arc<SqlHttp>>,
    headers: HeaderMap,
    parameters: Result<Query<GetParameters>, QueryRejection>,
) -> Response {
    let statement = parameters
        .map(|Query(parameters)| parameters.q)
        .map_err(|_| Refused::input("the statement is missing: send it as the parameter q, or POST it as the body"));
    answer(&sql, &headers, statement).await.unwrap_or_else(Refused::into_response)
}

async fn handle_post(State(sql): State<Arc<SqlHttp>>, headers: HeaderMap, body: Bytes) -> Response {
    let statement = posted_statement(&headers, &body);
    answer(&sql, &headers, statement).await.unwrap_or_else(Refused::into_response)
}

fn posted_statement(headers: &HeaderMap, body: &[u8]) -> Result<String, Refused> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if content_type.trim().to_ascii_lowercase().starts_with("application/json") {
        let body: PostBody = serde_json::from_slice(body)
            .map_err(|error| Refused::input(format!("the body is not a JSON object with a member query: {error}")))?;
        return Ok(body.query);
    }
    std::str::from_utf8(body)
        .map(str::to_owned)
        .map_err(|error| Refused::input(format!("the statement is not UTF-8: {error}")))
}

async fn answer(sql: &SqlHttp, headers: &HeaderMap, statement: Result<String, Refused>) -> Result<Response, Refused> {
    let caller = authenticate(sql, headers).await?;
    let accept = headers.get(ACCEPT).map(|value| value.to_str().unwrap_or("?"));
    let format = Format::accepted(accept).ok_or_else(not_acceptable)?;
    let result = sql.engine.execute(&statement?, &caller).await?;
    let mut pieces = sql.engine.spawn_pieces(result, format);
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
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
    Ok(response)
}

impl QueryEngine {
    /// Writes an answer in a format, on the threads of statements. The last piece is an error or ends the answer.
    fn spawn_pieces(&self, result: QueryResult, format: Format) -> mpsc::Receiver<Result<Bytes, QueryError>> {
        let (to, from) = mpsc::channel(PIECES_AHEAD);
        self.spawn(async move {
            if let Err(error) = write_pieces(result, format, &to).await
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
    format: Format,
    to: &mpsc::Sender<Result<Bytes, QueryError>>,
) -> Result<(), QueryError> {
    let mut writer = format.writer(&result.schema)?;
    while let Some(batch) = result.stream.next().await {
        let batch: RecordBatch = batch?;
        let piece = writer.batch(&batch)?;
        if !piece.is_empty() && to.send(Ok(piece)).await.is_err() {
            return Ok(());
        }
    }
    if to.send(Ok(writer.end()?)).await.is_err() {
        tracing::debug!("the caller has gone before the end of its answer");
    }
    Ok(())
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
            let check = tokio::task::spawn_blocking(move || registry.authenticate_admin(&user, &password));
            match check.await {
                Ok(true) => Ok(Caller { name }),
                Ok(false) => Err(Refused::unauthorized("the user name or password is wrong")),
                Err(_) => Err(QueryError::internal().into()),
            }
        }
        Some(Credentials::Token(token)) if registry.authenticate_gateway(&token).is_some() => Err(Refused::gateway()),
        Some(Credentials::Token(_)) => Err(Refused::unauthorized("the token is not known, and tokens do not query")),
        None => Err(Refused::unauthorized("send the administrator's name and password by Basic authentication")),
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
        let message = "the token of a gateway may write only; query with the administrator's name and password";
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
