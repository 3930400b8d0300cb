//! `latest(table)`: the last row of every device; `last_values(table)`: the last value of each of its fields.

use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::planner::{RelationPlanner, RelationPlannerContext, RelationPlanning};
use datafusion::sql::sqlparser::ast::{Expr, FunctionArg, FunctionArgExpr, ObjectName, SetExpr, TableFactor};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;

/// A function over the last rows of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastFunction {
    /// `latest(table)`.
    Latest,
    /// `last_values(table)`.
    LastValues,
}

impl LastFunction {
    const ALL: [Self; 2] = [Self::Latest, Self::LastValues];

    fn name(self) -> &'static str {
        match self {
            Self::Latest => "latest",
            Self::LastValues => "last_values",
        }
    }

    fn of(name: &ObjectName) -> Option<Self> {
        let name = name.to_string();
        Self::ALL.into_iter().find(|function| name.eq_ignore_ascii_case(function.name()))
    }

    /// The query that stands for a call in a prepared statement.
    fn rows(self, table: &ObjectName) -> Result<TableFactor> {
        match self {
            Self::Latest => latest_rows(table),
            Self::LastValues => last_values(table),
        }
    }
}

/// The function and the table of a relation that [`expand_latest`] has made, for an engine that knows last rows without a query. The
/// relation may as well have been written by a client: it means the same then.
pub fn last_relation(relation: &TableFactor) -> Option<(LastFunction, TableFactor)> {
    let TableFactor::Derived { subquery, .. } = relation else { return None };
    let SetExpr::Select(select) = subquery.body.as_ref() else { return None };
    let [from] = select.from.as_slice() else { return None };
    let (function, table) = match from.joins.as_slice() {
        [] => (LastFunction::LastValues, &from.relation),
        [join] => (LastFunction::Latest, &join.relation),
        _ => return None,
    };
    let TableFactor::Table { name, args: None, .. } = table else { return None };
    let TableFactor::Derived { subquery: expected, .. } = function.rows(name).ok()? else { return None };
    (expected == *subquery).then(|| (function, table.clone()))
}

/// Refuses a `latest` that [`expand_latest`] could not read.
#[derive(Debug)]
pub(crate) struct Latest;

impl RelationPlanner for Latest {
    fn plan_relation(&self, relation: TableFactor, _: &mut dyn RelationPlannerContext) -> Result<RelationPlanning> {
        match &relation {
            TableFactor::Table { name, args: Some(_), .. } if let Some(function) = LastFunction::of(name) => {
                plan_err!("{} takes the name of one table", function.name())
            }
            _ => Ok(RelationPlanning::Original(Box::new(relation))),
        }
    }
}

/// The query that `latest(table)` abbreviates, or the one that stands for `last_values(table)`; `None` for other relations. Tables are looked up by the names in a statement,
/// hence this is done before planning.
pub(crate) fn expand_latest(relation: &TableFactor) -> Option<TableFactor> {
    let TableFactor::Table { name, alias, args: Some(arguments), .. } = relation else { return None };
    let [FunctionArg::Unnamed(FunctionArgExpr::Expr(table))] = arguments.args.as_slice() else { return None };
    let function = LastFunction::of(name)?;
    let table = table_name(table)?;
    // The text is ours, so it parses for each name; if it does not, the planner refuses the call.
    let mut rows = function.rows(&table).ok()?;
    if let TableFactor::Derived { alias: of_rows, .. } = &mut rows {
        of_rows.clone_from(alias);
    }
    Some(rows)
}

/// The name of a table that is an argument.
pub(crate) fn table_name(argument: &Expr) -> Option<ObjectName> {
    match argument {
        Expr::Identifier(name) => Some(ObjectName::from(vec![name.clone()])),
        Expr::CompoundIdentifier(names) => Some(ObjectName::from(names.clone())),
        _ => None,
    }
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

/// The last values of a table, which the engine knows or not: there is no such function, so that the query is an error where it
/// does not.
fn last_values(table: &ObjectName) -> Result<TableFactor> {
    let sql = format!("(SELECT last_values_of_devices(1) FROM {table})");
    let dialect = GenericDialect {};
    Ok(Parser::new(&dialect).try_with_sql(&sql)?.parse_table_factor()?)
}
