//! Errors of a statement that cannot be planned, as PostgreSQL tells them.

use datafusion::common::utils::datafusion_strsim::levenshtein;
use datafusion::common::{Column, SchemaError};

use super::{QueryError, QueryErrorCode};

/// Error of a column.
pub(super) fn schema_error(schema: &SchemaError) -> QueryError {
    let error = |message: String, sqlstate| QueryError::new(QueryErrorCode::Sql, message).with_sqlstate(sqlstate);
    match schema {
        SchemaError::FieldNotFound { field, valid_fields } => {
            // PostgreSQL quotes a name alone, and not one with that of its relation.
            let named = match &field.relation {
                Some(relation) => format!("{}.{}", relation.table(), field.name),
                None => format!("\"{}\"", field.name),
            };
            let error = error(format!("column {named} does not exist"), "42703").about(&field.name);
            match nearest(field, valid_fields) {
                Some(near) => error.with_hint(format!("Perhaps you meant to reference the column \"{near}\".")),
                None => error,
            }
        }
        SchemaError::AmbiguousReference { field } => {
            error(format!("column reference \"{}\" is ambiguous", field.name), "42702").about(&field.name)
        }
        SchemaError::DuplicateQualifiedField { .. } | SchemaError::DuplicateUnqualifiedField { .. } => {
            error(schema.to_string(), "42701")
        }
    }
}

/// The column whose name is nearest to a name, where one is near.
fn nearest(field: &Column, valid: &[Column]) -> Option<String> {
    let wanted = field.name.to_lowercase();
    let far = (wanted.chars().count() / 2).max(1);
    let distances = valid.iter().map(|column| (levenshtein(&wanted, &column.name.to_lowercase()), column));
    let (_, near) = distances.filter(|(distance, _)| *distance <= far).min_by_key(|(distance, _)| *distance)?;
    Some(match &near.relation {
        Some(relation) => format!("{}.{}", relation.table(), near.name),
        None => near.name.clone(),
    })
}

/// Error that DataFusion tells in words alone.
pub(super) fn plan_error(words: &str) -> QueryError {
    let error = |message: String, sqlstate| QueryError::new(QueryErrorCode::Sql, message).with_sqlstate(sqlstate);
    if let Some(name) = words.strip_prefix("table '").and_then(|rest| rest.strip_suffix("' not found")) {
        let parts: Vec<&str> = name.split('.').collect();
        let shown = match parts.as_slice() {
            [.., "public", table] => (*table).to_owned(),
            [_, rest @ ..] if parts.len() == 3 => rest.join("."),
            _ => name.to_owned(),
        };
        return error(format!("relation \"{shown}\" does not exist"), "42P01")
            .about(parts.last().copied().unwrap_or_default())
            .with_hint("SHOW TABLES lists the tables.");
    }
    if let Some(error) = subquery_error(words) {
        return error;
    }
    // The names that DataFusion proposes are of any function, and others each time.
    if let Some(name) = words.strip_prefix("Invalid function '").and_then(|rest| rest.split('\'').next()) {
        return error(format!("function {name} does not exist"), "42883").about(name);
    }
    error(words.to_owned(), plan_sqlstate(words))
}

/// Error of a subquery that DataFusion cannot plan, whose own words are its whole plan.
pub(super) fn subquery_error(words: &str) -> Option<QueryError> {
    SUBQUERIES.iter().any(|start| words.starts_with(start)).then(|| {
        let message = "not supported: a subquery that reads columns of the query around it otherwise than by equality, or of which \
                       there may be several rows; write it as a join";
        QueryError::new(QueryErrorCode::Sql, message).with_sqlstate("0A000")
    })
}

/// Beginnings of DataFusion's words for subqueries that it cannot plan.
const SUBQUERIES: [&str; 4] = [
    "Physical plan does not support logical expression ScalarSubquery",
    "Physical plan does not support logical expression OuterReferenceColumn",
    "Correlated scalar subquery",
    "Scalar subquery should only return one column",
];

/// SQLSTATE of a statement that cannot be planned, by DataFusion's message: its error has no code.
fn plan_sqlstate(words: &str) -> &'static str {
    if words.contains("GROUP BY") {
        "42803"
    } else if words.contains("coerce") || words.contains("Cannot infer common") || words.contains("candidate functions")
    {
        "42804"
    } else {
        "42601"
    }
}
