//! `latest(table)`: the last row of every device.

use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::planner::{RelationPlanner, RelationPlannerContext, RelationPlanning};
use datafusion::sql::sqlparser::ast::{Expr, FunctionArg, FunctionArgExpr, ObjectName, TableFactor};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;

/// Refuses a `latest` that [`expand_latest`] could not read.
#[derive(Debug)]
pub(crate) struct Latest;

impl RelationPlanner for Latest {
    fn plan_relation(&self, relation: TableFactor, _: &mut dyn RelationPlannerContext) -> Result<RelationPlanning> {
        match &relation {
            TableFactor::Table { name, args: Some(_), .. } if is_latest(name) => {
                plan_err!("latest takes the name of one table")
            }
            _ => Ok(RelationPlanning::Original(Box::new(relation))),
        }
    }
}

fn is_latest(name: &ObjectName) -> bool {
    name.to_string().eq_ignore_ascii_case("latest")
}

/// The query that `latest(table)` abbreviates; `None` for other relations. Tables are looked up by the names in a statement,
/// hence this is done before planning.
pub(crate) fn expand_latest(relation: &TableFactor) -> Option<TableFactor> {
    let TableFactor::Table { name, alias, args: Some(arguments), .. } = relation else { return None };
    let [FunctionArg::Unnamed(FunctionArgExpr::Expr(table))] = arguments.args.as_slice() else { return None };
    let table = match table {
        _ if !is_latest(name) => return None,
        Expr::Identifier(name) => ObjectName::from(vec![name.clone()]),
        Expr::CompoundIdentifier(names) => ObjectName::from(names.clone()),
        _ => return None,
    };
    // The text is ours, so it parses for each name; if it does not, the planner refuses the call.
    let mut rows = latest_rows(&table).ok()?;
    if let TableFactor::Derived { alias: of_rows, .. } = &mut rows {
        of_rows.clone_from(alias);
    }
    Some(rows)
}

/// The last rows of a table. Their times take two columns of the whole table; the rows themselves are then few, and the join leaves
/// out what cannot have them. Of several rows of a device at one time, the last received one is taken.
fn latest_rows(table: &ObjectName) -> Result<TableFactor> {
    let sql = format!(
        "(SELECT {table}.* FROM (SELECT province, zone, device, max(time) AS time FROM {table} \
         GROUP BY province, zone, device) AS __last JOIN {table} \
         ON ({table}.time IS NOT DISTINCT FROM __last.time) AND ({table}.device IS NOT DISTINCT FROM __last.device) \
         AND ({table}.zone IS NOT DISTINCT FROM __last.zone) AND ({table}.province IS NOT DISTINCT FROM __last.province) \
         QUALIFY row_number() OVER (PARTITION BY {table}.province, {table}.zone, {table}.device \
         ORDER BY {table}.ingested_at DESC) = 1)"
    );
    let dialect = GenericDialect {};
    Ok(Parser::new(&dialect).try_with_sql(&sql)?.parse_table_factor()?)
}
