//! Statements that are allowed: those that read, and no others.

use datafusion::execution::context::SQLOptions;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::Statement as SqlStatement;

use crate::error::{QueryError, QueryErrorCode};

/// Refuses a statement that does not read.
///
/// # Errors
/// [`QueryErrorCode::NotAllowed`].
pub fn ensure_reading(statement: &Statement) -> Result<(), QueryError> {
    if reads(statement) {
        return Ok(());
    }
    Err(QueryError::new(
        QueryErrorCode::NotAllowed,
        "only statements that read are run: SELECT, WITH, VALUES, EXPLAIN, SHOW TABLES, SHOW COLUMNS, DESCRIBE",
    ))
}

/// Refuses a plan in which anything writes or changes a setting.
///
/// # Errors
/// [`QueryErrorCode::NotAllowed`].
pub fn verify_reading(plan: LogicalPlan) -> Result<LogicalPlan, QueryError> {
    let reading = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    reading
        .verify_plan(&plan)
        .map_err(|refused| QueryError::new(QueryErrorCode::NotAllowed, refused.message().into_owned()))?;
    Ok(plan)
}

fn reads(statement: &Statement) -> bool {
    match statement {
        Statement::Statement(statement) => matches!(
            **statement,
            SqlStatement::Query(_)
                | SqlStatement::ExplainTable { .. }
                | SqlStatement::ShowTables { .. }
                | SqlStatement::ShowColumns { .. }
        ),
        Statement::Explain(explain) => reads(&explain.statement),
        Statement::CreateExternalTable(_) | Statement::CopyTo(_) | Statement::Reset(_) => false,
    }
}
