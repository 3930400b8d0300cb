//! Expressions over times with the meaning that PostgreSQL gives them: which operand is coerced to which type, and which
//! operators and casts depend on the zone of the session.
//!
//! Instants are of one type, whatever zone their type is labelled with. A local time, a date or a constant of unknown type
//! that meets an instant is taken in the zone of the session.

use std::sync::Arc;

use arrow::datatypes::{DataType, IntervalMonthDayNano};
use datafusion::common::{DFSchema, ExprSchema, Result, ScalarValue, plan_err};
use datafusion::logical_expr::expr::{Between, BinaryExpr, Cast, InList, ScalarFunction};
use datafusion::logical_expr::{Expr, ExprSchemable, Operator, ScalarUDF, Sort, cast, lit};

use crate::functions::intervals::{BETWEEN, DIVIDE, LENGTH, MINUS, MULTIPLY, PLUS};
use crate::time::calendar::DAY_US;
use crate::time::columns::{interval_type, is_instant, is_local, is_text, local_type};
use crate::time::interval_text::parse_interval;
use crate::time::text::{parse_day, parse_instant, parse_local};
use crate::time::zone::Zone;

/// The functions that expressions become.
#[derive(Debug, Clone)]
pub(crate) struct Functions {
    /// Functions over times.
    pub(crate) all: Vec<Arc<ScalarUDF>>,
}

impl Functions {
    fn call(&self, name: &str, args: Vec<Expr>) -> Expr {
        match self.all.iter().find(|function| function.name() == name) {
            Some(function) => Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(function), args)),
            None => unreachable!("{name} is registered"),
        }
    }
}

/// Rewrites expressions over one schema.
#[derive(Debug)]
pub(crate) struct Rewriter<'a> {
    /// Columns that the expressions are over.
    pub(crate) schema: &'a DFSchema,
    /// Functions that expressions become.
    pub(crate) functions: &'a Functions,
    /// The zone of the session, where it is known.
    pub(crate) zone: Option<Zone>,
}

impl Rewriter<'_> {
    /// An expression, whose parts have been rewritten; the same one where nothing is to be changed.
    pub(crate) fn rewrite(&self, expr: Expr) -> Result<(Expr, bool)> {
        let changed = match &expr {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => self.binary(left, *op, right)?,
            Expr::Between(between) => self.between(between)?,
            Expr::InList(list) => self.in_list(list)?,
            Expr::Cast(Cast { expr, field }) => self.cast(expr, field.data_type())?,
            Expr::ScalarFunction(function) => self.function(function)?,
            _ => None,
        };
        Ok(match changed {
            Some(changed) => (changed, true),
            None => (expr, false),
        })
    }

    fn type_of(&self, expr: &Expr) -> Option<DataType> {
        expr.get_type(self.schema as &dyn ExprSchema).ok()
    }

    /// An operator between two operands; `None` where DataFusion's own is right.
    pub(crate) fn binary(&self, left: &Expr, op: Operator, right: &Expr) -> Result<Option<Expr>> {
        if matches!(op, Operator::Multiply | Operator::Divide) {
            return Ok(self.multiply_interval(left, op, right));
        }
        let arithmetic = matches!(op, Operator::Plus | Operator::Minus);
        if !arithmetic && !is_comparison(op) && op != Operator::StringConcat {
            return Ok(None);
        }
        let (Some(left_type), Some(right_type)) = (self.type_of(left), self.type_of(right)) else { return Ok(None) };
        if !is_temporal(&left_type) && !is_temporal(&right_type) {
            return Ok(None);
        }
        Ok(match op {
            Operator::StringConcat => self.concatenate(left, &left_type, right, &right_type),
            _ if arithmetic => self.arithmetic((left, &left_type), op, (right, &right_type))?,
            _ => self.coerce_pair(left, &left_type, right, &right_type)?.map(|(left, right)| binary(left, op, right)),
        })
    }

    /// An order by intervals as one by their lengths, by which they are compared.
    pub(crate) fn sort_spans(&self, mut sort: Sort) -> Sort {
        for by in &mut sort.expr {
            if self.type_of(&by.expr).is_some_and(|of| is_span(&of)) {
                by.expr = self.functions.call(LENGTH, vec![by.expr.clone()]);
            }
        }
        sort
    }

    fn multiply_interval(&self, left: &Expr, op: Operator, right: &Expr) -> Option<Expr> {
        let (left_type, right_type) = (self.type_of(left)?, self.type_of(right)?);
        let name = if op == Operator::Multiply { MULTIPLY } else { DIVIDE };
        let (interval, number) = match (&left_type, &right_type) {
            (DataType::Interval(_), number) if number.is_numeric() => (left, right),
            (number, DataType::Interval(_)) if number.is_numeric() && op == Operator::Multiply => (right, left),
            _ => return None,
        };
        Some(self.functions.call(name, vec![interval.clone(), number.clone()]))
    }

    fn concatenate(&self, left: &Expr, left_type: &DataType, right: &Expr, right_type: &DataType) -> Option<Expr> {
        let written = |expr: &Expr, data_type: &DataType| match data_type {
            DataType::Timestamp(..) | DataType::Interval(_) | DataType::Duration(_) => {
                Some(self.functions.call("text", vec![expr.clone()]))
            }
            _ => None,
        };
        let (a, b) = (written(left, left_type), written(right, right_type));
        if a.is_none() && b.is_none() {
            return None;
        }
        let (a, b) = (a.unwrap_or_else(|| left.clone()), b.unwrap_or_else(|| right.clone()));
        Some(binary(a, Operator::StringConcat, b))
    }

    /// The operands of a comparison, where one is to be changed.
    fn coerce_pair(
        &self,
        left: &Expr,
        left_type: &DataType,
        right: &Expr,
        right_type: &DataType,
    ) -> Result<Option<(Expr, Expr)>> {
        let (left, right, spans) = if is_span(left_type) && is_span(right_type) {
            (left.clone(), right.clone(), true)
        } else if let Some(coerced) = self.coerce(right, right_type, left_type)? {
            (left.clone(), coerced, is_span(left_type))
        } else if let Some(coerced) = self.coerce(left, left_type, right_type)? {
            (coerced, right.clone(), is_span(right_type))
        } else {
            return Ok(None);
        };
        // Intervals are compared by length, a month as 30 days: `1 month` equals `30 days` in PostgreSQL.
        let length = |expr: Expr| self.functions.call(LENGTH, vec![expr]);
        Ok(Some(if spans { (length(left), length(right)) } else { (left, right) }))
    }

    /// An operand as the type of the other one; `None` where it need not be changed.
    fn coerce(&self, expr: &Expr, from: &DataType, to: &DataType) -> Result<Option<Expr>> {
        let constant = is_text(from) && matches!(expr, Expr::Literal(..));
        let coerced = if is_instant(to) && (is_local(from) || *from == DataType::Date32 || constant) {
            self.instant(expr)?
        } else if is_local(to) && *from == DataType::Date32 {
            cast(expr.clone(), local_type())
        } else if is_local(to) && constant {
            self.local(expr)?
        } else if *to == DataType::Date32 && constant {
            self.date(expr)?
        } else if is_span(to) && constant {
            interval(expr)?
        } else {
            return Ok(None);
        };
        Ok(Some(coerced))
    }

    fn arithmetic(&self, left: (&Expr, &DataType), op: Operator, right: (&Expr, &DataType)) -> Result<Option<Expr>> {
        let ((left, left_type), (right, right_type)) = (left, right);
        let constant = |expr: &Expr, data_type: &DataType| is_text(data_type) && matches!(expr, Expr::Literal(..));
        Ok(match (left_type, op, right_type) {
            (time, _, DataType::Interval(_)) if is_instant(time) => self.add_interval(left, op, right, time),
            (DataType::Interval(_), Operator::Plus, time) if is_instant(time) => {
                self.add_interval(right, op, left, time)
            }
            (DataType::Date32, _, span) if is_span(span) => {
                Some(binary(cast(left.clone(), local_type()), op, right.clone()))
            }
            (span, Operator::Plus, DataType::Date32) if is_span(span) => {
                Some(binary(cast(right.clone(), local_type()), op, left.clone()))
            }
            (DataType::Timestamp(..), Operator::Minus, other) | (other, Operator::Minus, DataType::Timestamp(..))
                if matches!(other, DataType::Timestamp(..) | DataType::Date32)
                    || constant(left, left_type)
                    || constant(right, right_type) =>
            {
                let both = self.coerce_pair(left, left_type, right, right_type)?;
                let (left, right) = both.unwrap_or_else(|| (left.clone(), right.clone()));
                Some(self.functions.call(BETWEEN, vec![left, right]))
            }
            (DataType::Timestamp(..), Operator::Plus, _) if constant(right, right_type) => {
                let interval = interval(right)?;
                Some(
                    self.add_interval(left, op, &interval, left_type)
                        .unwrap_or_else(|| binary(left.clone(), op, interval)),
                )
            }
            (DataType::Date32, Operator::Minus, _) if constant(right, right_type) => {
                Some(binary(left.clone(), op, self.date(right)?))
            }
            _ => None,
        })
    }

    /// An instant plus or minus an interval.
    fn add_interval(&self, time: &Expr, op: Operator, interval: &Expr, time_type: &DataType) -> Option<Expr> {
        if !is_instant(time_type) {
            return None;
        }
        // Operators that DataFusion has itself stay, since it reasons about them: it leaves out files by them. They mean
        // the same where the zone cannot matter.
        let label =
            matches!(time_type, DataType::Timestamp(_, Some(zone)) if matches!(zone.as_ref(), "UTC" | "+00:00"));
        let time_alone = matches!(
            interval,
            Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(IntervalMonthDayNano { months: 0, days: 0, .. })), _)
        );
        if label && (self.zone.is_some_and(Zone::is_utc) || time_alone) {
            return None;
        }
        let name = if op == Operator::Plus { PLUS } else { MINUS };
        Some(self.functions.call(name, vec![time.clone(), interval.clone()]))
    }

    fn between(&self, between: &Between) -> Result<Option<Expr>> {
        let Between { expr, negated, low, high } = between;
        let types = (self.type_of(expr), self.type_of(low), self.type_of(high));
        let (Some(of), Some(low_type), Some(high_type)) = types else { return Ok(None) };
        if ![&of, &low_type, &high_type].into_iter().any(is_temporal) {
            return Ok(None);
        }
        let above = self.coerce_pair(expr, &of, low, &low_type)?;
        let below = self.coerce_pair(expr, &of, high, &high_type)?;
        if above.is_none() && below.is_none() {
            return Ok(None);
        }
        let (above_expr, low) = above.unwrap_or_else(|| ((**expr).clone(), (**low).clone()));
        let (below_expr, high) = below.unwrap_or_else(|| ((**expr).clone(), (**high).clone()));
        // Both bounds may coerce the value in different ways, so BETWEEN becomes two comparisons.
        let both = binary(above_expr, Operator::GtEq, low).and(binary(below_expr, Operator::LtEq, high));
        Ok(Some(if *negated { Expr::Not(Box::new(both)) } else { both }))
    }

    fn in_list(&self, list: &InList) -> Result<Option<Expr>> {
        let Some(of) = self.type_of(&list.expr) else { return Ok(None) };
        if !is_temporal(&of) || is_span(&of) {
            return Ok(None);
        }
        let mut changed = false;
        let mut members = Vec::with_capacity(list.list.len());
        for member in &list.list {
            let coerced = match self.type_of(member) {
                Some(member_type) => self.coerce(member, &member_type, &of)?,
                None => None,
            };
            changed |= coerced.is_some();
            members.push(coerced.unwrap_or_else(|| member.clone()));
        }
        Ok(changed.then(|| Expr::InList(InList::new(list.expr.clone(), members, list.negated))))
    }

    fn cast(&self, expr: &Expr, to: &DataType) -> Result<Option<Expr>> {
        let Some(from) = self.type_of(expr) else { return Ok(None) };
        let made = match (&from, to) {
            (from, DataType::Timestamp(_, Some(_))) if is_text(from) || is_local(from) || *from == DataType::Date32 => {
                self.instant(expr)?
            }
            (from, DataType::Timestamp(_, None)) if is_text(from) || is_instant(from) => self.local(expr)?,
            (from, DataType::Date32) if is_text(from) || is_instant(from) => self.date(expr)?,
            (from, DataType::Time32(_) | DataType::Time64(_)) if is_instant(from) => self.local(expr)?,
            (from, DataType::Interval(_)) if is_text(from) && constant_text(expr).is_some() => interval(expr)?,
            (of, text) if is_time_or_span(of) && is_text(text) => self.functions.call("text", vec![expr.clone()]),
            (DataType::List(of), DataType::List(text))
                if is_time_or_span(of.data_type()) && is_text(text.data_type()) =>
            {
                self.functions.call("text", vec![expr.clone()])
            }
            _ => return Ok(None),
        };
        // The rest, such as another unit, is a cast that does not depend on the zone.
        let same = self.type_of(&made).is_some_and(|made| made == *to);
        Ok(Some(if same { made } else { cast(made, to.clone()) }))
    }

    /// `age(x)` is counted from today's midnight.
    fn function(&self, function: &ScalarFunction) -> Result<Option<Expr>> {
        match (function.name(), function.args.as_slice()) {
            ("age", [time]) => {
                let today = self.special_instant("today");
                Ok(today.map(|today| self.functions.call("age", vec![today, time.clone()])))
            }
            ("date_trunc", [_, time, ..]) if constant_text(time).is_some() => {
                let mut args = function.args.clone();
                args[1] = self.instant(time)?;
                Ok(Some(Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(&function.func), args))))
            }
            ("time_bucket" | "time_bucket_gapfill", [_, time, options @ ..]) => self.bucket(function, time, options),
            ("date_bin", [width, ..]) if constant_text(width).is_some() => Ok(Some(with_interval(function)?)),
            _ => Ok(None),
        }
    }

    /// Constants of unknown type that are times, and not zones, are of the type of the time.
    fn bucket(&self, function: &ScalarFunction, time: &Expr, options: &[Expr]) -> Result<Option<Expr>> {
        let is_time = |expr: &Expr| constant_text(expr).is_some_and(|text| Zone::named(text).is_err());
        let by_text = function.args.first().and_then(constant_text).is_some();
        if !by_text && constant_text(time).is_none() && !options.iter().any(is_time) {
            return Ok(None);
        }
        let local = self.type_of(time).is_some_and(|time| is_local(&time) || time == DataType::Date32);
        let mut args = function.args.clone();
        if by_text {
            args[0] = interval(&args[0])?;
        }
        if constant_text(time).is_some() {
            args[1] = self.instant(time)?;
        }
        for option in args.iter_mut().skip(2).filter(|option| is_time(option)) {
            *option = if local { self.local(option)? } else { self.instant(option)? };
        }
        Ok(Some(Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(&function.func), args))))
    }

    fn instant(&self, expr: &Expr) -> Result<Expr> {
        let Some(text) = constant_text(expr) else { return Ok(self.functions.call("timestamptz", vec![expr.clone()])) };
        if let Some(instant) = self.special_instant(text) {
            return Ok(instant);
        }
        Ok(match self.zone {
            Some(zone) => lit(ScalarValue::TimestampMicrosecond(Some(parse_instant(text, zone)?), Some("UTC".into()))),
            None => self.functions.call("timestamptz", vec![expr.clone()]),
        })
    }

    fn local(&self, expr: &Expr) -> Result<Expr> {
        let Some(text) = constant_text(expr) else { return Ok(self.functions.call("timestamp", vec![expr.clone()])) };
        Ok(match self.special_instant(text) {
            Some(instant) => self.functions.call("timestamp", vec![instant]),
            None => lit(ScalarValue::TimestampMicrosecond(Some(parse_local(text)?), None)),
        })
    }

    fn date(&self, expr: &Expr) -> Result<Expr> {
        let Some(text) = constant_text(expr) else { return Ok(self.functions.call("date", vec![expr.clone()])) };
        Ok(match self.special_instant(text) {
            Some(instant) => self.functions.call("date", vec![instant]),
            None => lit(ScalarValue::Date32(i32::try_from(parse_day(text)?.div_euclid(DAY_US)).ok())),
        })
    }

    /// The instant that `now`, `today`, `tomorrow` or `yesterday` means.
    fn special_instant(&self, name: &str) -> Option<Expr> {
        let now = self.functions.call("now", Vec::new());
        let today = || self.functions.call("date_trunc", vec![lit("day"), self.functions.call("now", Vec::new())]);
        let day = lit(ScalarValue::new_interval_mdn(0, 1, 0));
        Some(match name.trim().to_ascii_lowercase().as_str() {
            "now" => now,
            "today" => today(),
            "tomorrow" => self.functions.call(PLUS, vec![today(), day]),
            "yesterday" => self.functions.call(MINUS, vec![today(), day]),
            _ => return None,
        })
    }
}

fn binary(left: Expr, op: Operator, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))
}

/// A text as an interval.
fn interval(text: &Expr) -> Result<Expr> {
    let Some(words) = constant_text(text) else { return Ok(cast(text.clone(), interval_type())) };
    match parse_interval(words) {
        Some(interval) => Ok(lit(ScalarValue::IntervalMonthDayNano(Some(interval)))),
        None => plan_err!("invalid input syntax for type interval: \"{words}\""),
    }
}

/// The same call, whose first argument is an interval.
fn with_interval(function: &ScalarFunction) -> Result<Expr> {
    let mut args = function.args.clone();
    args[0] = interval(&args[0])?;
    Ok(Expr::ScalarFunction(ScalarFunction::new_udf(Arc::clone(&function.func), args)))
}

fn is_comparison(op: Operator) -> bool {
    matches!(
        op,
        Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom
    )
}

fn is_temporal(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(..) | DataType::Date32) || is_span(data_type)
}

fn is_time_or_span(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(..)) || is_span(data_type)
}

fn is_span(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Interval(_) | DataType::Duration(_))
}

fn constant_text(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(value, _) => value.try_as_str().flatten(),
        _ => None,
    }
}
