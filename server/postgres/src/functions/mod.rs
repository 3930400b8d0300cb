//! SQL functions that PostgreSQL has and the engine lacks, and calls that are rewritten for the engine's own functions:
//!
//! - `like_escape`: patterns of `LIKE` with an escape of their own
//! - `templates`: templates of `to_timestamp` and `to_date`
//! - `text_format`: `format(template, values…)`
//! - `json`: `json_build_object(key, value, …)`

pub(crate) mod json;
pub(crate) mod like_escape;
pub(crate) mod templates;
pub(crate) mod text_format;
