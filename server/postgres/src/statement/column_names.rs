//! Names of columns as PostgreSQL gives them: `count` for `count(*)`, `?column?` for an expression without a name.
//! DataFusion names a column by its whole expression and accepts no name twice. So a column that stands twice gets an
//! internal name, which no client sees.

use std::collections::HashSet;

use datafusion::sql::sqlparser::ast::{Expr, Ident, Query, SelectItem, SetExpr, Statement};

/// Names of the columns of a query.
#[derive(Debug, Clone, Default)]
pub(crate) struct ColumnNames {
    /// Names in front of the one `*`, or all names.
    before: Vec<String>,
    /// Names behind the `*`, where there is one.
    behind: Option<Vec<String>>,
    /// False where the columns keep the names of DataFusion.
    is_known: bool,
}

impl ColumnNames {
    /// All names, where they are known without the columns of the relations.
    pub(crate) fn all(&self) -> Option<&[String]> {
        (self.is_known && self.behind.is_none()).then_some(&self.before)
    }

    /// True where both name as many columns, so that one can stand for the other.
    pub(crate) fn has_shape_of(&self, other: &Self) -> bool {
        let behind = |names: &Self| names.behind.as_ref().map(Vec::len);
        self.is_known && self.before.len() == other.before.len() && behind(self) == behind(other)
    }

    /// Names of a result whose columns have these names in DataFusion.
    pub(crate) fn apply(&self, columns: &[String]) -> Vec<String> {
        let known = self.before.len() + self.behind.as_ref().map_or(0, Vec::len);
        let fits = match self.behind {
            Some(_) => known <= columns.len(),
            None => known == columns.len(),
        };
        if !self.is_known || !fits {
            return columns.to_vec();
        }
        // The columns that neither list accounts for are those of the `*`.
        let starred = &columns[self.before.len()..self.before.len() + (columns.len() - known)];
        self.before.iter().chain(starred).chain(self.behind.iter().flatten()).cloned().collect()
    }
}

/// Determines the names of a statement's columns, and gives a column that stands twice an internal name.
pub(crate) fn name_columns(statement: &mut Statement) -> ColumnNames {
    let Statement::Query(query) = statement else { return ColumnNames::default() };
    let Some(projection) = projection(query) else { return ColumnNames::default() };
    let mut names = ColumnNames { is_known: true, ..ColumnNames::default() };
    let mut seen = HashSet::new();
    let has_star = projection.iter().any(is_star);
    for (index, item) in projection.iter_mut().enumerate() {
        if is_star(item) {
            // With two of them it is unknown which columns belong to which.
            if names.behind.is_some() {
                names.is_known = false;
            }
            names.behind = Some(Vec::new());
            continue;
        }
        let (name, identity, is_plain) = match item {
            SelectItem::ExprWithAlias { alias, .. } => (folded(alias), folded(alias), false),
            SelectItem::UnnamedExpr(expr) => {
                let is_plain = matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
                (expr_name(expr).unwrap_or_else(|| "?column?".to_owned()), expr.to_string(), is_plain)
            }
            _ => {
                names.is_known = false;
                continue;
            }
        };
        // A plain column may be one of the `*` as well, which DataFusion would find twice.
        let is_second = !seen.insert(identity) || has_star && is_plain;
        if is_second {
            let internal = Ident::with_quote('"', format!("{name}:{index}"));
            let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item else { continue };
            *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: internal };
        }
        names.behind.as_mut().unwrap_or(&mut names.before).push(name);
    }
    names
}

fn is_star(item: &SelectItem) -> bool {
    matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..))
}

fn projection(query: &mut Query) -> Option<&mut Vec<SelectItem>> {
    let mut body = query.body.as_mut();
    loop {
        match body {
            SetExpr::Select(select) => return Some(&mut select.projection),
            SetExpr::Query(query) => body = query.body.as_mut(),
            // A union has the names of its first part.
            SetExpr::SetOperation { left, .. } => body = left.as_mut(),
            _ => return None,
        }
    }
}

/// Name as SQL understands it: in lower case without quotes.
fn folded(name: &Ident) -> String {
    if name.quote_style.is_some() { name.value.clone() } else { name.value.to_lowercase() }
}

/// Name that PostgreSQL gives an expression; `None` is `?column?`.
fn expr_name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(name) => Some(folded(name)),
        Expr::CompoundIdentifier(parts) => parts.last().map(folded),
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } | Expr::CompoundFieldAccess { root: inner, .. } => {
            expr_name(inner)
        }
        Expr::Function(function) => function.name.0.last().and_then(|part| part.as_ident()).map(folded),
        Expr::Cast { expr, data_type, .. } => {
            Some(expr_name(expr).unwrap_or_else(|| cast_name(&data_type.to_string())))
        }
        Expr::TypedString(typed) => Some(cast_name(&typed.data_type.to_string())),
        Expr::Case { .. } => Some("case".to_owned()),
        Expr::Extract { .. } => Some("extract".to_owned()),
        Expr::AtTimeZone { .. } => Some("timezone".to_owned()),
        Expr::Substring { .. } => Some("substring".to_owned()),
        Expr::Trim { .. } => Some("btrim".to_owned()),
        Expr::Position { .. } => Some("position".to_owned()),
        Expr::Ceil { .. } => Some("ceil".to_owned()),
        Expr::Floor { .. } => Some("floor".to_owned()),
        Expr::Exists { .. } => Some("exists".to_owned()),
        Expr::Array(_) => Some("array".to_owned()),
        Expr::Interval(_) => Some("interval".to_owned()),
        Expr::Subquery(query) => {
            let mut query = query.clone();
            match projection(&mut query)?.first()? {
                SelectItem::ExprWithAlias { alias, .. } => Some(folded(alias)),
                SelectItem::UnnamedExpr(expr) => expr_name(expr),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Name of a type in the catalog, by its name in SQL.
fn cast_name(sql: &str) -> String {
    let lower = sql.to_lowercase();
    let base = lower.split('(').next().unwrap_or_default().trim();
    match base {
        "int" | "integer" => "int4",
        "bigint" => "int8",
        "smallint" => "int2",
        "boolean" => "bool",
        "real" => "float4",
        "double precision" | "double" => "float8",
        "decimal" => "numeric",
        "timestamp with time zone" => "timestamptz",
        "timestamp without time zone" => "timestamp",
        "character varying" => "varchar",
        other => other,
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    #[test]
    fn columns_are_named_as_postgresql_names_them() {
        let named = |sql: &str, columns: &[&str]| {
            let mut statement = Parser::parse_sql(&PostgreSqlDialect {}, sql).unwrap().remove(0);
            let columns: Vec<String> = columns.iter().map(|name| (*name).to_owned()).collect();
            name_columns(&mut statement).apply(&columns).join(" ")
        };
        assert_eq!(named("select count(*), 1, a, t.B, \"C\" from t", &[""; 5]), "count ?column? a b C");
        assert_eq!(named("select max(a) as \"Top\", now()::date, '1'::int", &[""; 3]), "Top now int4");
        assert_eq!(named("select 1, *, count(*) from t", &["x", "a", "b", "y"]), "?column? a b count");
        assert_eq!(named("select * from t", &["a", "b"]), "a b");
        assert_eq!(named("select a.*, b.* from a, b", &["x", "y"]), "x y");
        assert_eq!(named("select 1 union select 2", &[""]), "?column?");
        assert_eq!(named("values (1)", &["column1"]), "column1");
        assert_eq!(named("select 1, 1", &["", ""]), "?column? ?column?");
    }
}
