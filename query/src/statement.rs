//! Which statements may be run: one at a time, and only those that read.

use datafusion::execution::context::SQLOptions;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast::Statement as SqlStatement;

use crate::error::{QueryError, QueryErrorCode};

/// Parses one statement that reads.
pub fn parse_reading(sql: &str, recursion_limit: usize) -> Result<Statement, QueryError> {
    let mut parser = DFParserBuilder::new(sql).with_recursion_limit(recursion_limit).build()?;
    let mut statements = parser.parse_statements()?;
    let Some(statement) = statements.pop_front() else {
        return Err(QueryError::new(QueryErrorCode::Sql, "there is no statement"));
    };
    if !statements.is_empty() {
        return Err(QueryError::new(QueryErrorCode::NotAllowed, "one statement at a time, please"));
    }
    ensure_reading(&statement)?;
    Ok(statement)
}

/// Refuses a statement that does not read.
pub fn ensure_reading(statement: &Statement) -> Result<(), QueryError> {
    if reads(statement) {
        return Ok(());
    }
    Err(QueryError::new(
        QueryErrorCode::NotAllowed,
        "only statements that read are run: SELECT, WITH, VALUES, EXPLAIN, SHOW TABLES, SHOW COLUMNS, DESCRIBE",
    ))
}

/// Makes sure that nothing below a plan writes or changes a setting.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_that_read_are_let_through() {
        for sql in [
            "select 1",
            "with a as (select 1) select * from a;",
            "values (1), (2)",
            "explain select 1",
            "explain analyze select 1",
            "show tables",
            "show columns from environment",
            "describe environment",
        ] {
            assert!(parse_reading(sql, 50).is_ok(), "{sql}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for sql in [
            "insert into environment values (1)",
            "delete from environment",
            "update environment set a = 1",
            "drop table environment",
            "create table a as select 1",
            "create view a as select 1",
            "create external table a stored as parquet location '/etc/passwd'",
            "copy (select 1) to 'out.parquet'",
            "explain copy (select 1) to 'out.parquet'",
            "explain analyze insert into environment values (1)",
            "set datafusion.execution.batch_size = 1",
            "reset datafusion.execution.batch_size",
            "show all",
            "show datafusion.execution.batch_size",
            "prepare a as select 1",
            "create function f() returns int return 1",
            "truncate table environment",
            "begin",
        ] {
            let refused = parse_reading(sql, 50).expect_err(sql);
            assert_eq!(refused.code, QueryErrorCode::NotAllowed, "{sql}: {refused}");
        }
        assert_eq!(parse_reading("select 1; select 2", 50).expect_err("two").code, QueryErrorCode::NotAllowed);
        assert_eq!(parse_reading("", 50).expect_err("none").code, QueryErrorCode::Sql);
        assert_eq!(parse_reading("selct 1", 50).expect_err("not SQL").code, QueryErrorCode::Sql);
    }
}
