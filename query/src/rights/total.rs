//! Predicates that cannot fail. A predicate that is evaluated on a row that the role may not see must tell nothing of it, and
//! an error would tell: only comparisons of columns with constants may come near hidden rows.

use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{Between, BinaryExpr, Expr, Operator};

/// True for a predicate over columns that `is_open` allows which has an answer for every row, whatever is in it.
pub(crate) fn is_total(predicate: &Expr, is_open: &impl Fn(&str) -> bool) -> bool {
    let total = |part: &Expr| is_total(part, is_open);
    match predicate {
        Expr::Column(column) => is_open(&column.name),
        Expr::Literal(..) => true,
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => compares(*op) && total(left) && total(right),
        Expr::Not(part)
        | Expr::IsNull(part)
        | Expr::IsNotNull(part)
        | Expr::IsTrue(part)
        | Expr::IsFalse(part)
        | Expr::IsNotTrue(part)
        | Expr::IsNotFalse(part) => total(part),
        Expr::Between(Between { expr, low, high, .. }) => total(expr) && total(low) && total(high),
        Expr::InList(InList { expr, list, .. }) => {
            total(expr) && list.iter().all(|item| matches!(item, Expr::Literal(..)))
        }
        _ => false,
    }
}

fn compares(operator: Operator) -> bool {
    matches!(
        operator,
        Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::And
            | Operator::Or
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom
    )
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::DataType;
    use datafusion::prelude::{cast, col, lit};

    use super::*;

    #[test]
    fn only_comparisons_of_open_columns_with_constants_are_total() {
        let is_open = |name: &str| name != "secret";
        for good in [
            col("level").gt(lit(1.0)),
            col("level").gt(lit(1.0)).and(col("zone").eq(lit("a")).or(col("note").is_null())),
            col("time").between(lit(1), lit(2)),
            col("note").in_list(vec![lit("a"), lit("b")], true),
            col("is_open"),
        ] {
            assert!(is_total(&good, &is_open), "{good}");
        }
        for bad in [
            (lit(1) / col("level")).gt(lit(1.0)),
            cast(col("note"), DataType::Int64).eq(lit(1)),
            (-col("pulses")).gt(lit(1)),
            col("secret").eq(lit("x")),
            col("level").gt(lit(1.0)).and((lit(1) / (col("level") - lit(20))).eq(lit(0))),
            col("note").in_list(vec![cast(col("level"), DataType::Utf8)], false),
            col("note").like(lit("a\\")),
        ] {
            assert!(!is_total(&bad, &is_open), "{bad}");
        }
    }
}
