//! Syntax that DataFusion's planner does not know, as functions and relations that it knows.

use datafusion::sql::parser::Statement;

/// Rewrites a parsed statement, as the last step before it is planned.
pub fn rewrite(statement: &mut Statement) {
    zonelake_timeseries::prepare(statement);
}
