//! Line protocol over HTTP, for networks that block UDP and for clients of InfluxDB:
//!
//! | request | response |
//! |---|---|
//! | `POST /api/v2/write?org=&bucket=&precision=ns\|us\|ms\|s` | 204; errors as `{"code", "message"}` |
//! | `POST /write?db=&precision=n\|ns\|u\|us\|ms\|s\|m\|h` | 204; errors as `{"error"}` |
//! | `GET` or `HEAD /ping`, `/api/v2/ping` | 204 |
//! | any method, `/query`, `/api/v2/query` | 501: SQL is asked elsewhere |
//!
//! Organisation, bucket and database are accepted and ignored: the token decides the zone, the measurement the table. A
//! body may hold lines of many tables. Good lines are stored also where others are faulty; then the response is 400 and
//! names the faulty lines. Rows and readings that are not acceptable are no faulty lines: they go to the table
//! `rejected`, and the header `x-zonelake-rejected` counts them.
//!
//! 204 means: durable and visible to queries. A request whose lines all have times, or one with the header `Idempotency-Key`, is stored in one
//! step and once, however often it is repeated; see `idempotency`. Any other one is stored again when it is repeated after a lost response, and
//! each table of its body for itself.
//!
//! | status | meaning | to do |
//! |---|---|---|
//! | 204 | stored | |
//! | 400 | faulty lines, or the whole body | fix them; the good lines are stored |
//! | 401 | no token, or an unknown or revoked one | |
//! | 408 | the body stopped to come | repeat |
//! | 413 | over a limit of size | smaller requests |
//! | 415 | a `Content-Encoding` other than gzip | |
//! | 429 | a limit of the registry is reached; `Retry-After` says when | repeat |
//! | 500 | a fault of the server | |
//! | 501 | InfluxQL or Flux | ask SQL |
//! | 503 | busy, full, stopping, or a token that cannot be checked; `Retry-After` says when | repeat |
//!
//! - `routes`: the routes and the way of a request
//! - `token`: where clients put their token
//! - `idempotency`: the key of a request; `tags`: what becomes of its tags
//! - `memory`: the bytes that a request may hold
//! - `body`: the body, within limits of bytes and of progress
//! - `decoding`: from the body to rows, while the client waits
//! - `response`: responses to requests that are stored; `error`: responses to all others

mod body;
mod decoding;
mod error;
mod idempotency;
mod memory;
mod response;
mod routes;
mod tags;
mod token;

pub use routes::write_routes;
