//! Constants whose type their neighbours tell: in the rows of VALUES, in the parts of a set operation, and among the arguments of
//! `coalesce`. To PostgreSQL a text in quotes is of no type yet; DataFusion takes it for a text, and finds two types, or a text for all.

use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, CastKind, DataType, ExactNumberInfo, Expr, FunctionArg, FunctionArgExpr, FunctionArguments,
    Query, SelectItem, SetExpr, TimezoneInfo, UnaryOperator, Value,
};

use crate::dialect::corrections::build::{bare, take, text};

/// Types the constants of a query's rows.
pub(super) fn in_rows(query: &mut Query) {
    let mut rows = Rows::default();
    rows.gather(&query.body);
    let Some(width) = rows.width.filter(|_| rows.count > 1) else { return };
    let types: Vec<Option<DataType>> = (0..width).map(|at| rows.type_at(at)).collect();
    if types.iter().any(Option::is_some) {
        each_row(&mut query.body, &mut |row| {
            row.into_iter().zip(&types).for_each(|(expr, of)| {
                if let Some(of) = of {
                    give_type(expr, of);
                }
            });
        });
    }
}

/// Types of the constants and casts of each column of some rows.
#[derive(Debug, Default)]
struct Rows {
    count: usize,
    /// Columns of each row; none where the rows have different numbers of them, or one is not known.
    width: Option<usize>,
    is_unknown: bool,
    known: Vec<(usize, DataType)>,
}

impl Rows {
    fn gather(&mut self, body: &SetExpr) {
        match body {
            SetExpr::Select(select) => {
                let item = |item: &SelectItem| match item {
                    SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => Some(known_type(expr)),
                    _ => None,
                };
                match select.projection.iter().map(item).collect::<Option<Vec<_>>>() {
                    Some(types) => self.add(types),
                    None => self.add_unknown(),
                }
            }
            SetExpr::Values(values) => {
                values.rows.iter().for_each(|row| self.add(row.content.iter().map(known_type).collect()));
            }
            SetExpr::SetOperation { left, right, .. } => {
                self.gather(left);
                self.gather(right);
            }
            SetExpr::Query(query) => self.gather(&query.body),
            _ => self.add_unknown(),
        }
    }

    fn add(&mut self, types: Vec<Option<DataType>>) {
        self.is_unknown |= self.count > 0 && self.width != Some(types.len());
        self.width = Some(types.len()).filter(|_| !self.is_unknown);
        self.count += 1;
        let known = types.into_iter().enumerate().filter_map(|(at, of)| Some((at, of?)));
        self.known.extend(known);
    }

    fn add_unknown(&mut self) {
        (self.is_unknown, self.width) = (true, None);
        self.count += 1;
    }

    /// The type of a column: of several kinds of times the one that all of them become.
    fn type_at(&self, column: usize) -> Option<DataType> {
        let known = self.known.iter().filter(|(at, _)| *at == column).map(|(_, of)| of);
        known.max_by_key(|of| rank(of)).cloned()
    }
}

/// An instant before a local time before a day; a number with a point before a whole one.
fn rank(of: &DataType) -> u8 {
    match of {
        DataType::Timestamp(_, TimezoneInfo::WithTimeZone | TimezoneInfo::Tz) => 3,
        DataType::BigInt(_) | DataType::Date => 1,
        _ => 2,
    }
}

fn each_row(body: &mut SetExpr, visit: &mut dyn FnMut(Vec<&mut Expr>)) {
    match body {
        SetExpr::Select(select) => {
            let items = select.projection.iter_mut().filter_map(|item| match item {
                SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => Some(expr),
                _ => None,
            });
            visit(items.collect());
        }
        SetExpr::Values(values) => {
            values.rows.iter_mut().for_each(|row| visit(row.content.iter_mut().collect()));
        }
        SetExpr::SetOperation { left, right, .. } => {
            each_row(left, visit);
            each_row(right, visit);
        }
        SetExpr::Query(query) => each_row(&mut query.body, visit),
        _ => {}
    }
}

/// `coalesce(ARRAY[1], '{}')`: constants beside an array are arrays.
pub(super) fn in_arguments(expr: &mut Expr) {
    let Expr::Function(function) = expr else { return };
    let name = function.name.to_string().to_lowercase();
    if !["coalesce", "nullif", "greatest", "least"].contains(&name.as_str()) {
        return;
    }
    let FunctionArguments::List(list) = &mut function.args else { return };
    let mut args: Vec<&mut Expr> = Vec::with_capacity(list.args.len());
    for argument in &mut list.args {
        let FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) = argument else { return };
        args.push(value);
    }
    let array = args.iter().find_map(|arg| known_type(arg).filter(|of| matches!(of, DataType::Array(_))));
    if let Some(array) = array {
        args.into_iter().for_each(|arg| give_type(arg, &array));
    }
}

/// The type of an expression that tells it by how it is written; none for a text in quotes too.
fn known_type(expr: &Expr) -> Option<DataType> {
    match bare(expr) {
        Expr::Cast { data_type, .. } => Some(data_type).filter(|of| tells(of)).cloned(),
        Expr::TypedString(typed) => Some(&typed.data_type).filter(|of| tells(of)).cloned(),
        Expr::Interval(_) => Some(DataType::Interval { fields: None, precision: None }),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => known_type(expr),
        Expr::Array(array) => {
            let item = known_type(array.elem.first()?)?;
            Some(DataType::Array(ArrayElemTypeDef::SquareBracket(Box::new(item), None)))
        }
        Expr::Value(value) => match &value.value {
            Value::Number(number, _) if number.to_string().contains(['.', 'e', 'E']) => Some(DataType::DoublePrecision),
            Value::Number(..) => Some(DataType::BigInt(None)),
            Value::Boolean(_) => Some(DataType::Boolean),
            _ => None,
        },
        _ => None,
    }
}

/// True for types that a text in quotes beside them has too. Texts need none, and names of the catalog have casts of their own.
fn tells(of: &DataType) -> bool {
    match of {
        DataType::Array(ArrayElemTypeDef::SquareBracket(item, _)) => tells(item) || matches!(**item, DataType::Text),
        other => matches!(
            other,
            DataType::Boolean
                | DataType::SmallInt(_)
                | DataType::Int(_)
                | DataType::Integer(_)
                | DataType::BigInt(_)
                | DataType::Int2(_)
                | DataType::Int4(_)
                | DataType::Int8(_)
                | DataType::Real
                | DataType::Float(_)
                | DataType::Float4
                | DataType::Float8
                | DataType::Double(_)
                | DataType::DoublePrecision
                | DataType::Numeric(_)
                | DataType::Decimal(_)
                | DataType::Date
                | DataType::Time(..)
                | DataType::Timestamp(..)
                | DataType::Interval { .. }
                | DataType::Char(_)
                | DataType::Character(_)
        ),
    }
}

/// Gives a text in quotes its type, and a day the type of the times beside it.
fn give_type(expr: &mut Expr, of: &DataType) {
    let is_day = known_type(expr) == Some(DataType::Date) && matches!(of, DataType::Timestamp(..));
    let constant = match bare(expr) {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(words) => Some(words.clone()),
            _ => None,
        },
        _ => None,
    };
    match (constant, of) {
        // Blanks at its end do not count.
        (Some(words), DataType::Char(_) | DataType::Character(_)) => *expr = text(words.trim_end_matches(' ')),
        (None, _) if !is_day => {}
        (_, of) => {
            let data_type = match of {
                // Lengths and digits are those of the constant that states them.
                DataType::Numeric(_) | DataType::Decimal(_) => DataType::Numeric(ExactNumberInfo::None),
                other => other.clone(),
            };
            let operand = Box::new(take(expr));
            *expr = Expr::Cast { kind: CastKind::Cast, expr: operand, data_type, array: false, format: None };
        }
    }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::parser::Statement;
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::parser::Parser;

    use crate::dialect::rewrites::rewrite;

    #[test]
    fn a_constant_has_the_type_of_its_neighbours() {
        let rewritten = |sql: &str| {
            let parsed = Parser::parse_sql(&PostgreSqlDialect {}, sql).expect(sql).remove(0);
            let mut statement = Statement::Statement(Box::new(parsed));
            rewrite(&mut statement);
            statement.to_string()
        };
        for (sql, expected) in [
            ("VALUES (DATE '2026-01-01'), ('2026-01-02')", "VALUES (DATE '2026-01-01'), (CAST('2026-01-02' AS DATE))"),
            ("SELECT 'a' UNION SELECT 1", "SELECT CAST('a' AS BIGINT) UNION SELECT 1"),
            ("SELECT a, 'b' UNION SELECT 'c', d", "SELECT a, 'b' UNION SELECT 'c', d"),
            ("SELECT 'a'::CHAR(3) UNION SELECT 'b  '", "SELECT 'a'::CHAR(3) UNION SELECT 'b'"),
            ("SELECT *, 'a' FROM t UNION SELECT 1, 2", "SELECT *, 'a' FROM t UNION SELECT 1, 2"),
            ("SELECT coalesce(ARRAY[1], '{}')", "SELECT coalesce(ARRAY[1], CAST('{}' AS BIGINT[]))"),
            ("VALUES ('a'), ('b')", "VALUES ('a'), ('b')"),
        ] {
            assert_eq!(rewritten(sql), expected);
        }
    }
}
