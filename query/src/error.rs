//! Errors of statements, in words for the client. No message has a path of the machine in it.

use std::time::Duration;

use arrow::error::ArrowError;
use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
pub use zonelake_schemas::error::QueryErrorCode;

/// Reason why a statement has no rows, or only part of them.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct QueryError {
    /// Kind of reason.
    pub code: QueryErrorCode,
    /// The reason in words.
    pub message: String,
    /// The reason more narrowly, where PostgreSQL has a code for it.
    sqlstate: Option<&'static str>,
}

impl QueryError {
    /// Error with its message.
    pub fn new(code: QueryErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), sqlstate: None }
    }

    /// The same error under a SQLSTATE of its own.
    #[must_use]
    pub fn with_sqlstate(mut self, sqlstate: &'static str) -> Self {
        self.sqlstate = Some(sqlstate);
        self
    }

    /// SQLSTATE of the reason, where it is narrower than that of its kind.
    pub fn narrow_sqlstate(&self) -> Option<&'static str> {
        self.sqlstate
    }

    /// Error of a statement that its client cancelled.
    pub fn cancelled() -> Self {
        Self::new(QueryErrorCode::Stopping, "the statement was cancelled at the client's request")
            .with_sqlstate("57014")
    }

    /// Error of a statement beyond its time limit.
    pub fn time_limit(limit: Duration) -> Self {
        let seconds = limit.as_secs_f64();
        Self::new(
            QueryErrorCode::TimeLimit,
            format!("the statement took longer than the limit of {seconds} s; ask for less, as by a range of time"),
        )
    }

    /// Error of a server that is stopping.
    pub fn stopping() -> Self {
        Self::new(QueryErrorCode::Stopping, "the server is stopping")
    }

    /// Error by a defect, of which the server log says more.
    pub fn internal() -> Self {
        Self::new(QueryErrorCode::Internal, "the statement failed by a defect of the server; its log says more")
    }

    fn storage() -> Self {
        Self::new(
            QueryErrorCode::Storage,
            "a stored file cannot be read. On the server, `zonelake check` names it, and `zonelake check --set-apart` takes it out of its table; rows of other files can be asked for by their dates meanwhile",
        )
    }

    fn logged(self, error: &DataFusionError) -> Self {
        tracing::error!(%error, code = self.code.name(), "a statement failed");
        self
    }

    fn from_arrow(arrow: &ArrowError, error: &DataFusionError) -> Self {
        match arrow {
            ArrowError::IoError(..) | ArrowError::ParquetError(_) => Self::storage().logged(error),
            ArrowError::ExternalError(_) | ArrowError::CDataInterface(_) => Self::internal().logged(error),
            ArrowError::MemoryError(_) => Self::new(QueryErrorCode::TooLarge, arrow.to_string()),
            _ => Self::new(QueryErrorCode::Execution, arrow.to_string()).with_sqlstate(match arrow {
                ArrowError::DivideByZero => "22012",
                ArrowError::ArithmeticOverflow(_) => "22003",
                ArrowError::CastError(_) | ArrowError::ParseError(_) => "22P02",
                ArrowError::NotYetImplemented(_) => "0A000",
                _ => "22000",
            }),
        }
    }
}

impl From<DataFusionError> for QueryError {
    fn from(error: DataFusionError) -> Self {
        if is_disk_space(&error) {
            tracing::warn!(%error, "intermediate results found no space on the disk");
            return Self::new(
                QueryErrorCode::TooLarge,
                "intermediate results need more disk space than there is for them; ask for less, or for fewer columns",
            );
        }
        match error.find_root() {
            DataFusionError::SQL(parser, _) => Self::new(QueryErrorCode::Sql, parser.to_string()),
            DataFusionError::SchemaError(schema, _) => Self::new(QueryErrorCode::Sql, schema.to_string())
                .with_sqlstate(match **schema {
                    SchemaError::FieldNotFound { .. } => "42703",
                    SchemaError::AmbiguousReference { .. } => "42702",
                    SchemaError::DuplicateQualifiedField { .. } | SchemaError::DuplicateUnqualifiedField { .. } => {
                        "42701"
                    }
                }),
            DataFusionError::Plan(words) => {
                Self::new(QueryErrorCode::Sql, plan_words(words)).with_sqlstate(plan_sqlstate(words))
            }
            DataFusionError::Configuration(words) => Self::new(QueryErrorCode::Sql, words.clone()),
            DataFusionError::NotImplemented(words) => {
                Self::new(QueryErrorCode::Sql, format!("not supported: {words}")).with_sqlstate("0A000")
            }
            // The message of DataFusion for a task of the statement that was aborted.
            DataFusionError::Execution(words) if words.starts_with("Non Panic Task error") => Self::stopping(),
            DataFusionError::Execution(words) => Self::new(QueryErrorCode::Execution, words.clone()),
            DataFusionError::ArrowError(arrow, _) => Self::from_arrow(arrow, &error),
            DataFusionError::ResourcesExhausted(words) => Self::new(
                QueryErrorCode::TooLarge,
                format!(
                    "the statement needs more memory than it may have; ask for less, or for fewer columns ({words})"
                ),
            ),
            DataFusionError::ParquetError(_) | DataFusionError::ObjectStore(_) | DataFusionError::IoError(_) => {
                Self::storage().logged(&error)
            }
            DataFusionError::External(cause) if is_storage(cause.as_ref()) => Self::storage().logged(&error),
            _ => Self::internal().logged(&error),
        }
    }
}

/// DataFusion's message; that of an unknown table says where tables are listed.
fn plan_words(words: &str) -> String {
    if words.starts_with("table '") && words.ends_with("not found") {
        format!("{words}; SHOW TABLES lists the tables")
    } else {
        words.to_owned()
    }
}

/// SQLSTATE of a statement that cannot be planned, by DataFusion's message: its error has no code.
fn plan_sqlstate(words: &str) -> &'static str {
    if words.starts_with("table '") && words.ends_with("not found") {
        "42P01"
    } else if words.starts_with("Invalid function") {
        "42883"
    } else if words.contains("GROUP BY") {
        "42803"
    } else if words.contains("coerce") || words.contains("Cannot infer common") || words.contains("candidate functions")
    {
        "42804"
    } else {
        "42601"
    }
}

/// True where the disk had no space for intermediate results. DataFusion wraps its own limit, and the machine's error of a
/// full disk, in errors of several kinds.
fn is_disk_space(error: &DataFusionError) -> bool {
    let words = error.to_string();
    words.contains("max_temp_directory_size") || words.contains("No space left on device")
}

fn is_storage(cause: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(cause);
    while let Some(this) = cause {
        if this.is::<parquet::errors::ParquetError>() || this.is::<object_store::Error>() || this.is::<std::io::Error>()
        {
            return true;
        }
        cause = this.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_of_the_machine_reaches_the_client() {
        let not_found = object_store::Error::NotFound {
            path: "/var/lib/zonelake/tables/energy/part-1.parquet".into(),
            source: "no such file".into(),
        };
        let nested = DataFusionError::External(Box::new(parquet::errors::ParquetError::External(Box::new(not_found))));
        let error = QueryError::from(nested.context("while scanning"));
        assert_eq!(error.code, QueryErrorCode::Storage);
        assert!(!error.message.contains("/var"), "{error}");

        let error = QueryError::from(DataFusionError::Internal("/src/file.rs:12".into()));
        assert_eq!((error.code, error.message.contains("/src")), (QueryErrorCode::Internal, false));
    }

    #[test]
    fn what_the_values_do_not_allow_is_said_in_words() {
        let error = QueryError::from(DataFusionError::from(ArrowError::DivideByZero));
        assert_eq!(error.code, QueryErrorCode::Execution);
        assert!(error.message.contains("ivide by zero"), "{error}");
    }
}
