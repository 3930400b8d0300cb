//! `latest(table)`: the last row of every device.

use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning};
use datafusion::sql::sqlparser::ast::{Expr, FunctionArg, FunctionArgExpr, ObjectName, TableFactor};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;

/// Plans `latest(table)`.
#[derive(Debug)]
pub struct Latest;

/// What a table must have.
const COLUMNS: [&str; 5] = ["time", "ingested_at", "province", "zone", "device"];

impl RelationPlanner for Latest {
    fn plan_relation(&self, relation: TableFactor, context: &mut dyn RelationPlannerContext) -> Result<RelationPlanning> {
        let TableFactor::Table { name, alias, args: Some(arguments), .. } = &relation else {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        };
        if !name.to_string().eq_ignore_ascii_case("latest") {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        }
        let [FunctionArg::Unnamed(FunctionArgExpr::Expr(table))] = arguments.args.as_slice() else {
            return plan_err!("latest takes the name of one table");
        };
        let table = match table {
            Expr::Identifier(name) => ObjectName::from(vec![name.clone()]),
            Expr::CompoundIdentifier(names) => ObjectName::from(names.clone()),
            _ => return plan_err!("latest takes the name of one table, and not {table}"),
        };
        let reference = context.object_name_to_table_reference(table.clone())?;
        let schema = context.context_provider().get_table_source(reference)?.schema();
        if let Some(missing) = COLUMNS.into_iter().find(|column| schema.column_with_name(column).is_none()) {
            return plan_err!("latest is for tables of telemetry, and {table} has no column {missing}");
        }
        let alias = alias.clone();
        let plan = context.plan(rows_of(&table)?)?;
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, alias))))
    }
}

/// The times of the last rows take two columns of the whole table; the rows themselves are then few, and the join leaves
/// out what cannot have them. Of several rows of a device at one time, the one that was received last is taken.
fn rows_of(table: &ObjectName) -> Result<TableFactor> {
    let sql = format!(
        "(SELECT {table}.* FROM {table} \
         JOIN (SELECT province, zone, device, max(time) AS time FROM {table} GROUP BY province, zone, device) AS __last \
         ON {table}.time IS NOT DISTINCT FROM __last.time AND {table}.device IS NOT DISTINCT FROM __last.device \
         AND {table}.zone IS NOT DISTINCT FROM __last.zone AND {table}.province IS NOT DISTINCT FROM __last.province \
         QUALIFY row_number() OVER (PARTITION BY {table}.province, {table}.zone, {table}.device \
         ORDER BY {table}.ingested_at DESC) = 1)"
    );
    let dialect = GenericDialect {};
    Ok(Parser::new(&dialect).try_with_sql(&sql)?.parse_table_factor()?)
}
