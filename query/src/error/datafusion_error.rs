//! Whom an error of DataFusion concerns: the statement, a file that is damaged, or this program.

use std::error::Error;

use arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use parquet::errors::ParquetError;

use super::execution_error::{computed, execution_error};
use super::plan_error::{plan_error, schema_error, subquery_error};
use super::scan_error::statement_fault;
use super::{QueryError, QueryErrorCode};
use crate::postgres::value_error::ValueError;

impl From<DataFusionError> for QueryError {
    fn from(error: DataFusionError) -> Self {
        if is_disk_space(&error) {
            tracing::warn!(%error, "intermediate results found no space on the disk");
            return Self::new(
                QueryErrorCode::TooLarge,
                "intermediate results need more disk space than there is for them; ask for less, or for fewer columns",
            );
        }
        if let Some(value) = find::<ValueError>(&error) {
            return Self::new(QueryErrorCode::Execution, value.message.clone()).with_sqlstate(value.sqlstate);
        }
        // An error of ours that has come through DataFusion.
        if let Some(own) = find::<Self>(&error) {
            return own.clone();
        }
        if let Some(fault) = find::<ArrowError>(&error).and_then(|arrow| statement_fault(&arrow.to_string())) {
            return fault;
        }
        if let Some(parquet) = find::<ParquetError>(&error) {
            return statement_fault(&parquet.to_string()).unwrap_or_else(|| Self::storage().logged(&error));
        }
        if find::<object_store::Error>(&error).is_some() {
            return Self::storage().logged(&error);
        }
        match error.find_root() {
            DataFusionError::SQL(parser, _) => Self::new(QueryErrorCode::Sql, parser.to_string()),
            DataFusionError::SchemaError(schema, _) => schema_error(schema),
            DataFusionError::Plan(words) => plan_error(words),
            DataFusionError::Configuration(words) => Self::new(QueryErrorCode::Sql, words.clone()),
            DataFusionError::NotImplemented(words) => subquery_error(words).unwrap_or_else(|| {
                Self::new(QueryErrorCode::Sql, format!("not supported: {words}")).with_sqlstate("0A000")
            }),
            // The message of DataFusion for a task of the statement that was aborted.
            DataFusionError::Execution(words) if words.starts_with("Non Panic Task error") => Self::stopping(),
            DataFusionError::Execution(words) => execution_error(words),
            DataFusionError::ArrowError(arrow, _) => from_arrow(arrow, &error),
            DataFusionError::ResourcesExhausted(words) => Self::new(
                QueryErrorCode::TooLarge,
                format!(
                    "the statement needs more memory than it may have; ask for less, or for fewer columns ({words})"
                ),
            ),
            DataFusionError::IoError(_) => intermediate_results().logged(&error),
            _ => Self::internal().logged(&error),
        }
    }
}

impl QueryError {
    fn logged(self, error: &DataFusionError) -> Self {
        tracing::error!(%error, code = self.code.name(), "a statement failed");
        self
    }
}

fn from_arrow(arrow: &ArrowError, error: &DataFusionError) -> QueryError {
    match arrow {
        ArrowError::ParquetError(_) => QueryError::storage().logged(error),
        ArrowError::IoError(..) | ArrowError::IpcError(_) => intermediate_results().logged(error),
        ArrowError::ExternalError(_) | ArrowError::CDataInterface(_) => QueryError::internal().logged(error),
        ArrowError::MemoryError(_) => QueryError::new(QueryErrorCode::TooLarge, arrow.to_string()),
        // The same words as where a filter fails within the scan of a file.
        ArrowError::DivideByZero => of_value("division by zero", "22012"),
        ArrowError::ArithmeticOverflow(words) => of_value(words, "22003"),
        ArrowError::CastError(words) | ArrowError::ParseError(words) => of_value(words, "22P02"),
        ArrowError::ComputeError(words) => computed(words),
        ArrowError::NotYetImplemented(_) => of_value(&arrow.to_string(), "0A000"),
        _ => of_value(&arrow.to_string(), "22000"),
    }
}

fn of_value(words: &str, sqlstate: &'static str) -> QueryError {
    QueryError::new(QueryErrorCode::Execution, words).with_sqlstate(sqlstate)
}

/// Stored files are read by the object store, so that every other error of input and output is of intermediate results.
fn intermediate_results() -> QueryError {
    let message = "intermediate results of the statement could not be written or read; the log of the server says more";
    QueryError::new(QueryErrorCode::Internal, message).with_sqlstate("58030")
}

/// True where the disk had no space for intermediate results. DataFusion wraps its own limit, and the machine's error of a
/// full disk, in errors of several kinds.
fn is_disk_space(error: &DataFusionError) -> bool {
    let words = error.to_string();
    words.contains("max_temp_directory_size") || words.contains("No space left on device")
}

/// The first error of a type among an error and its causes: a scan wraps errors in those of its own.
fn find<E: Error + 'static>(error: &DataFusionError) -> Option<&E> {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(this) = cause {
        if let Some(found) = this.downcast_ref::<E>() {
            return Some(found);
        }
        cause = this.source();
    }
    None
}
