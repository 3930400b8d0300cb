//! Names of columns as PostgreSQL gives them: `count` for `count(*)`, `?column?` for an expression without a name.
//! DataFusion names a column by its whole expression and accepts no name twice. So a column that stands twice gets an
//! internal name, which no client sees.

use std::collections::HashSet;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, Query, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, Statement, TrimWhereField,
};

/// Names of the columns of a query.
#[derive(Debug, Clone, Default)]
pub struct ColumnNames {
    /// Names in front of the one `*`, or all names.
    before: Vec<String>,
    /// Names behind the `*`, where there is one.
    behind: Option<Vec<String>>,
    /// False where the columns keep the names of DataFusion.
    is_known: bool,
}

impl ColumnNames {
    /// All names, where they are known without the columns of the relations.
    pub fn all(&self) -> Option<&[String]> {
        (self.is_known && self.behind.is_none()).then_some(&self.before)
    }

    /// True where both name as many columns, so that one can stand for the other.
    pub fn has_shape_of(&self, other: &Self) -> bool {
        let behind = |names: &Self| names.behind.as_ref().map(Vec::len);
        self.is_known && self.before.len() == other.before.len() && behind(self) == behind(other)
    }

    /// Names of a result whose columns have these names in DataFusion.
    pub fn apply(&self, columns: &[String]) -> Vec<String> {
        let own = |names: &[String]| names.iter().map(|name| shown(name).to_owned()).collect::<Vec<_>>();
        let known = self.before.len() + self.behind.as_ref().map_or(0, Vec::len);
        let fits = match self.behind {
            Some(_) => known <= columns.len(),
            None => known == columns.len(),
        };
        if !self.is_known || !fits {
            return own(columns);
        }
        // The columns that neither list accounts for are those of the `*`.
        let starred = own(&columns[self.before.len()..self.before.len() + (columns.len() - known)]);
        self.before.iter().cloned().chain(starred).chain(self.behind.iter().flatten().cloned()).collect()
    }
}

/// Mark of an internal name, which stands between the name that is shown and a number. No keyboard types a word joiner.
const INTERNAL: char = '\u{2060}';

/// A name that no other column has, and that [`shown`] takes back.
pub(super) fn internal(name: &str, index: usize) -> Ident {
    Ident::with_quote('"', format!("{name}{INTERNAL}{index}"))
}

/// The name that clients see.
fn shown(name: &str) -> &str {
    name.rsplit_once(INTERNAL).map_or(name, |(name, _)| name)
}

/// Determines the names of a statement's columns, and gives a column that stands twice an internal name.
pub(crate) fn name_columns(statement: &mut Statement) -> ColumnNames {
    let Statement::Query(query) = statement else { return ColumnNames::default() };
    let Some(projection) = projection(query) else { return ColumnNames::default() };
    let mut names = ColumnNames { is_known: true, ..ColumnNames::default() };
    let mut seen = HashSet::new();
    let stars = projection.iter().filter(|item| is_star(item)).count();
    for (index, item) in projection.iter_mut().enumerate() {
        if is_star(item) {
            // With two of them it is unknown which columns belong to which.
            names.is_known &= names.behind.is_none();
            names.behind = Some(Vec::new());
            continue;
        }
        let Some(column) = Column::of(item) else {
            names.is_known = false;
            continue;
        };
        // A plain column may be one of the `*` as well, which DataFusion would find twice.
        let is_second = !seen.insert(column.identity) || stars > 0 && column.is_plain;
        // Beside two `*` the name is not known by its place, so the column carries it.
        if is_second || stars > 1 && !column.is_plain && !column.is_named {
            rename(item, internal(&column.name, index));
        }
        names.behind.as_mut().unwrap_or(&mut names.before).push(column.name);
    }
    names
}

/// A column of a projection that is no `*`.
pub(super) struct Column {
    /// Name as PostgreSQL gives it.
    pub(super) name: String,
    /// What DataFusion tells it from others by.
    identity: String,
    /// True for a column of a relation as it is.
    pub(super) is_plain: bool,
    /// True where the statement names it.
    pub(super) is_named: bool,
}

impl Column {
    /// The column that an item stands for; `None` for a `*` and for items of other dialects.
    pub(super) fn of(item: &SelectItem) -> Option<Self> {
        match item {
            SelectItem::ExprWithAlias { alias, .. } => {
                Some(Self { name: folded(alias), identity: folded(alias), is_plain: false, is_named: true })
            }
            SelectItem::UnnamedExpr(expr) => Some(Self {
                name: expr_name(expr).unwrap_or_else(|| "?column?".to_owned()),
                // A word that is a call, as `current_schema`, is the same column as with its parentheses.
                identity: expr.to_string().trim_end_matches("()").to_lowercase(),
                is_plain: matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_)),
                is_named: false,
            }),
            _ => None,
        }
    }
}

/// Gives a column another name.
pub(super) fn rename(item: &mut SelectItem, alias: Ident) {
    if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
        let expr = std::mem::replace(expr, Expr::Identifier(Ident::new("")));
        *item = SelectItem::ExprWithAlias { expr, alias };
    }
}

/// True for `*` and `t.*`.
pub(super) fn is_star(item: &SelectItem) -> bool {
    matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..))
}

/// True where a star may have the column of an item too. `m.*` has none of another relation: `SELECT m.*, c.x FROM m, c`.
pub(super) fn may_have(star: &SelectItem, item: &SelectItem) -> bool {
    let (SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(relation), _), Some(parts)) =
        (star, parts_of(item))
    else {
        return is_star(star);
    };
    let [.., of, _] = parts else { return true };
    relation.0.last().and_then(|part| part.as_ident()).is_none_or(|name| folded(name) == folded(of))
}

fn parts_of(item: &SelectItem) -> Option<&[Ident]> {
    match item {
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => Some(parts),
        _ => None,
    }
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
    if let Some(name) = own_name(expr) {
        return Some(name);
    }
    match expr {
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => expr_name(inner),
        Expr::Cast { data_type, .. } => Some(cast_name(&data_type.to_string())),
        Expr::TypedString(typed) => Some(cast_name(&typed.data_type.to_string())),
        Expr::Interval(_) => Some("interval".to_owned()),
        Expr::Case { .. } => Some("case".to_owned()),
        _ => None,
    }
}

/// Name of a column or call that stands in an expression, which goes before that of a type around it.
fn own_name(expr: &Expr) -> Option<String> {
    let name = match expr {
        Expr::Identifier(name) => return Some(folded(name)),
        Expr::CompoundIdentifier(parts) => return parts.last().map(folded),
        Expr::Nested(inner)
        | Expr::Collate { expr: inner, .. }
        | Expr::Cast { expr: inner, .. }
        | Expr::CompoundFieldAccess { root: inner, .. } => return own_name(inner),
        Expr::Case { else_result, .. } => return own_name(else_result.as_ref()?),
        Expr::Function(function) => return function.name.0.last().and_then(|part| part.as_ident()).map(folded),
        Expr::Subquery(query) => return subquery_name(&query.body),
        Expr::Extract { .. } => "extract",
        Expr::AtTimeZone { .. } => "timezone",
        Expr::Substring { .. } => "substring",
        Expr::Overlay { .. } => "overlay",
        Expr::Trim { trim_where: Some(TrimWhereField::Leading), .. } => "ltrim",
        Expr::Trim { trim_where: Some(TrimWhereField::Trailing), .. } => "rtrim",
        Expr::Trim { .. } => "btrim",
        Expr::Position { .. } => "position",
        Expr::Ceil { .. } => "ceil",
        Expr::Floor { .. } => "floor",
        Expr::Exists { .. } => "exists",
        Expr::Array(_) => "array",
        Expr::Tuple(_) => "row",
        _ => return None,
    };
    Some(name.to_owned())
}

/// Name of the one column of a subquery.
fn subquery_name(body: &SetExpr) -> Option<String> {
    match body {
        SetExpr::Select(select) => match select.projection.first()? {
            SelectItem::ExprWithAlias { alias, .. } => Some(folded(alias)),
            SelectItem::UnnamedExpr(expr) => expr_name(expr),
            _ => None,
        },
        SetExpr::Query(query) => subquery_name(&query.body),
        SetExpr::SetOperation { left, .. } => subquery_name(left),
        SetExpr::Values(_) => Some("column1".to_owned()),
        _ => None,
    }
}

/// Name of a type in the catalog, by its name in SQL.
fn cast_name(sql: &str) -> String {
    let lower = sql.to_lowercase();
    let base = lower.split(['(', '[']).next().unwrap_or_default().trim();
    let base = base.strip_prefix("pg_catalog.").unwrap_or(base).trim_matches('"');
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
        "character varying" | "char varying" => "varchar",
        "character" | "char" => "bpchar",
        "time without time zone" => "time",
        "time with time zone" => "timetz",
        other => other,
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use super::*;

    fn named(sql: &str, columns: &[&str]) -> String {
        let mut statement = Parser::parse_sql(&PostgreSqlDialect {}, sql).unwrap().remove(0);
        let columns: Vec<String> = columns.iter().map(|name| (*name).to_owned()).collect();
        name_columns(&mut statement).apply(&columns).join(" ")
    }

    #[test]
    fn columns_are_named_as_postgresql_names_them() {
        assert_eq!(named("select count(*), 1, a, t.B, \"C\" from t", &[""; 5]), "count ?column? a b C");
        assert_eq!(named("select max(a) as \"Top\", now()::date, '1'::int", &[""; 3]), "Top now int4");
        assert_eq!(named("select 1, *, count(*) from t", &["x", "a", "b", "y"]), "?column? a b count");
        assert_eq!(named("select * from t", &["a", "b"]), "a b");
        assert_eq!(named("select a.*, b.* from a, b", &["x", "y"]), "x y");
        assert_eq!(named("select 1 union select 2", &[""]), "?column?");
        assert_eq!(named("values (1)", &["column1"]), "column1");
        assert_eq!(named("select 1, 1", &["", ""]), "?column? ?column?");
    }

    #[test]
    fn each_kind_of_expression_has_the_name_that_postgresql_15_shows() {
        for (expr, name) in [
            ("true", "?column?"),
            ("null::int", "int4"),
            ("date '2026-01-01'", "date"),
            ("interval '1 day'", "interval"),
            ("case when true then 1 end", "case"),
            ("case when true then a end", "case"),
            ("case when true then 1 else a end", "a"),
            ("case when true then 1 else '1'::int end", "case"),
            ("coalesce(a, 1)", "coalesce"),
            ("(a)::text", "a"),
            ("a is null", "?column?"),
            ("extract(year from a)", "extract"),
            ("substring('a' from 1)", "substring"),
            ("trim('a')", "btrim"),
            ("trim(leading 'a' from 'b')", "ltrim"),
            ("trim(trailing 'a' from 'b')", "rtrim"),
            ("overlay('abc' placing 'x' from 1)", "overlay"),
            ("a at time zone 'UTC'", "timezone"),
            ("array(select 1)", "array"),
            ("row(1, 2)", "row"),
            ("(1, 2)", "row"),
            ("(select max(a) from t)", "max"),
            ("(select 1)", "?column?"),
            ("(array[1])[1]", "array"),
            ("current_date", "current_date"),
            ("'{1}'::int[]", "int4"),
            ("'x'::char(3)", "bpchar"),
            ("a::double precision", "a"),
            ("1.5::double precision", "float8"),
            ("sum(a) over ()", "sum"),
        ] {
            assert_eq!(named(&format!("select {expr} from t"), &["x"]), name, "{expr}");
        }
    }

    #[test]
    fn a_column_beside_two_stars_and_one_that_stands_twice_carry_their_names() {
        let mut statement =
            Parser::parse_sql(&PostgreSqlDialect {}, "select a.*, max(x), b.*, max(x) from a, b").unwrap().remove(0);
        let names = name_columns(&mut statement);
        let columns = ["i".to_owned(), internal("max", 1).value, "j".to_owned(), internal("max", 3).value];
        assert_eq!(names.apply(&columns).join(" "), "i max j max");
        assert!(statement.to_string().contains(&columns[1]) && statement.to_string().contains(&columns[3]));
    }
}
