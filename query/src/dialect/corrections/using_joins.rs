//! `FULL JOIN … USING` and `RIGHT JOIN … USING`. The key of such a join is that of the side that has a row; DataFusion gives that of the
//! left side, which is null where the left side has none
//! (datafusion issue 22881).
//!
//! The join is written with ON, and each use of the key becomes the key of the right side, or `coalesce` of both.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, ExcludeSelectItem, Expr, Ident, JoinConstraint, JoinOperator, ObjectName, OrderBy, Query, Select,
    SelectItem, SelectItemQualifiedWildcardKind, SetExpr, TableFactor, TableWithJoins, WildcardAdditionalOptions,
};

use super::build::{call, folded, operation};
use super::names::Names;
use crate::error::{QueryError, QueryErrorCode};

/// Rewrites the joins of a query and the names of their keys.
pub(super) fn correct(query: &mut Query) -> Result<(), QueryError> {
    correct_body(&mut query.body, query.order_by.as_mut())
}

fn correct_body(body: &mut SetExpr, order_by: Option<&mut OrderBy>) -> Result<(), QueryError> {
    match body {
        SetExpr::Select(select) => correct_select(select, order_by),
        SetExpr::SetOperation { left, right, .. } => {
            correct_body(left, None)?;
            correct_body(right, None)
        }
        _ => Ok(()),
    }
}

fn correct_select(select: &mut Select, order_by: Option<&mut OrderBy>) -> Result<(), QueryError> {
    if !select.from.iter().any(has_outer_using) {
        return Ok(());
    }
    let mut keys = Names::default();
    let mut tables = Vec::new();
    for table in &mut select.from {
        if has_outer_using(table) {
            tables.extend(correct_table(table, &mut keys)?);
        } else {
            tables.extend(plain_tables(table)?.into_iter().map(|name| (name, Vec::new())));
        }
    }
    let mut projection = Vec::with_capacity(select.projection.len());
    for item in std::mem::take(&mut select.projection) {
        match item {
            SelectItem::Wildcard(_) => projection.extend(all_columns(&keys, &tables)),
            other => projection.push(other),
        }
    }
    select.projection = projection;
    keys.replace_in(select, order_by);
    Ok(())
}

fn has_outer_using(table: &TableWithJoins) -> bool {
    table.joins.iter().any(|join| {
        matches!(
            &join.join_operator,
            JoinOperator::Right(constraint) | JoinOperator::RightOuter(constraint) | JoinOperator::FullOuter(constraint)
                if matches!(constraint, JoinConstraint::Using(_) | JoinConstraint::Natural)
        )
    })
}

/// Tables of a join, each with the keys that `*` does not repeat.
type Tables = Vec<(Vec<Ident>, Vec<Ident>)>;

fn correct_table(table: &mut TableWithJoins, keys: &mut Names) -> Result<Tables, QueryError> {
    let mut tables: Tables = vec![(name_of(&table.relation)?, Vec::new())];
    for join in &mut table.joins {
        let right = name_of(&join.relation)?;
        let mut of_right = Vec::new();
        let (constraint, side) = match &mut join.join_operator {
            JoinOperator::Join(constraint)
            | JoinOperator::Inner(constraint)
            | JoinOperator::Left(constraint)
            | JoinOperator::LeftOuter(constraint) => (constraint, Side::Left),
            JoinOperator::Right(constraint) | JoinOperator::RightOuter(constraint) => (constraint, Side::Right),
            JoinOperator::FullOuter(constraint) => (constraint, Side::Both),
            JoinOperator::CrossJoin(_) => {
                tables.push((right, of_right));
                continue;
            }
            _ => return Err(refused("joins of other kinds beside FULL or RIGHT JOIN … USING")),
        };
        match constraint {
            JoinConstraint::Using(names) => {
                let mut condition: Option<Expr> = None;
                for name in names.iter() {
                    let Some(key) = name.0.last().and_then(|part| part.as_ident()).cloned() else { continue };
                    let of_left = left_key(&key, keys, &mut tables)?;
                    let own = column(&right, &key);
                    let equal = operation(of_left.clone(), BinaryOperator::Eq, own.clone());
                    condition = Some(match condition {
                        Some(all) => operation(all, BinaryOperator::And, equal),
                        None => equal,
                    });
                    let value = match side {
                        Side::Left => of_left,
                        Side::Right => own,
                        Side::Both => call("coalesce", vec![of_left, own]),
                    };
                    keys.0.retain(|(known, _)| folded(known) != folded(&key));
                    keys.0.push((key.clone(), value));
                    of_right.push(key);
                }
                *constraint = condition.map_or(JoinConstraint::None, JoinConstraint::On);
            }
            JoinConstraint::On(condition) => keys.replace(condition),
            JoinConstraint::Natural => {
                return Err(refused("NATURAL beside FULL or RIGHT JOIN: name the keys by USING"));
            }
            JoinConstraint::None => {}
        }
        tables.push((right, of_right));
    }
    Ok(tables)
}

#[derive(Debug, Clone, Copy)]
enum Side {
    Left,
    Right,
    Both,
}

/// The key on the left side of a join.
fn left_key(key: &Ident, keys: &Names, tables: &mut Tables) -> Result<Expr, QueryError> {
    if let Some(value) = keys.value(key) {
        return Ok(value.clone());
    }
    match tables.as_mut_slice() {
        [(only, of_only)] => {
            of_only.push(key.clone());
            Ok(column(only, key))
        }
        _ => Err(refused(&format!(
            "USING ({key}) behind other joins, one of which is FULL or RIGHT: write ON with the name of its table"
        ))),
    }
}

fn column(table: &[Ident], key: &Ident) -> Expr {
    Expr::CompoundIdentifier(table.iter().cloned().chain([key.clone()]).collect())
}

fn name_of(relation: &TableFactor) -> Result<Vec<Ident>, QueryError> {
    match relation {
        TableFactor::Table { alias: Some(alias), .. }
        | TableFactor::Derived { alias: Some(alias), .. }
        | TableFactor::Function { alias: Some(alias), .. }
        | TableFactor::UNNEST { alias: Some(alias), .. }
        | TableFactor::NestedJoin { alias: Some(alias), .. } => Ok(vec![alias.name.clone()]),
        TableFactor::Table { name, .. } => {
            let last = name.0.last().and_then(|part| part.as_ident());
            last.map(|last| vec![last.clone()]).ok_or_else(|| refused("a table without a name in this join"))
        }
        _ => Err(refused("FULL or RIGHT JOIN … USING of a relation without a name: give it an alias")),
    }
}

fn plain_tables(table: &TableWithJoins) -> Result<Vec<Vec<Ident>>, QueryError> {
    let joined = table.joins.iter().map(|join| &join.relation);
    std::iter::once(&table.relation).chain(joined).map(name_of).collect()
}

/// What `*` means: each key once, then the other columns of the tables.
fn all_columns(keys: &Names, tables: &Tables) -> Vec<SelectItem> {
    let keys = keys.0.iter().map(|(key, value)| SelectItem::ExprWithAlias { expr: value.clone(), alias: key.clone() });
    let of_table = |(table, left_out): &(Vec<Ident>, Vec<Ident>)| {
        let mut options = WildcardAdditionalOptions::default();
        if !left_out.is_empty() {
            let names = left_out.iter().map(|key| ObjectName::from(vec![key.clone()])).collect();
            options.opt_exclude = Some(ExcludeSelectItem::Multiple(names));
        }
        let name = SelectItemQualifiedWildcardKind::ObjectName(ObjectName::from(table.clone()));
        SelectItem::QualifiedWildcard(name, options)
    };
    keys.chain(tables.iter().map(of_table)).collect()
}

fn refused(what: &str) -> QueryError {
    QueryError::new(QueryErrorCode::Sql, format!("not supported: {what}")).with_sqlstate("0A000")
}
