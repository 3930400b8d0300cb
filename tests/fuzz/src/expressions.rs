//! Expressions of the grammar: of one kind each, over the columns that their place may name.

use crate::words::{Column, Kind, Words};

const BUCKETS: [&str; 6] = ["1 hour", "15 minutes", "1 minute", "1 day", "1 month", "7 days"];
const PARTS: [&str; 8] = ["hour", "year", "month", "day", "epoch", "dow", "quarter", "second"];
const UNITS: [&str; 5] = ["day", "hour", "week", "month", "year"];
const ZONES: [&str; 3] = ["UTC", "Asia/Ho_Chi_Minh", "Europe/Berlin"];
const FRAMES: [&str; 4] = [
    "",
    " rows between 3 preceding and current row",
    " range between interval '1 hour' preceding and current row",
    " rows between unbounded preceding and unbounded following",
];

impl Words<'_> {
    /// An expression of a kind.
    pub(crate) fn expression(&mut self, kind: Kind, columns: &[Column]) -> String {
        let kind = self.wanted(kind);
        match self.choose(4) {
            0 => self.simple(kind, columns),
            1 => self.literal(kind),
            _ => self.nested(|words| words.composed(kind, columns), |words| words.simple(kind, columns)),
        }
    }

    /// A column, or a value where no column is of the kind.
    pub(crate) fn simple(&mut self, kind: Kind, columns: &[Column]) -> String {
        match self.column(kind, columns) {
            Some(name) => name,
            None => self.literal(kind),
        }
    }

    fn literal(&mut self, kind: Kind) -> String {
        let of_kind: &[&str] = match kind {
            Kind::Number => &["1", "0", "-1", "9223372036854775807", "1e308", "0.1", "3.25"],
            Kind::Text => &["'a'", "''", "'pump'", "'%p_'"],
            Kind::Time => &["now()", "timestamptz '2026-01-01 00:00+07'", "timestamptz '2026-10-25 02:30+00'"],
            Kind::Flag => &["true", "false"],
            Kind::Span => &["interval '1 day'", "interval '1 month 2 days 3 hours'", "interval '90 seconds'"],
        };
        match kind {
            Kind::Number if self.is(12) => format!("{}::double precision", self.parameter()),
            Kind::Text if self.is(12) => format!("{}::text", self.parameter()),
            _ => self.pick(of_kind).into(),
        }
    }

    fn composed(&mut self, kind: Kind, columns: &[Column]) -> String {
        match (self.choose(6), kind) {
            (0, _) => {
                let when = self.condition(columns);
                let (then, other) = (self.expression(kind, columns), self.expression(kind, columns));
                format!("case when {when} then {then} else {other} end")
            }
            (1, _) => format!("coalesce({}, {})", self.simple(kind, columns), self.expression(kind, columns)),
            (_, Kind::Number) => self.number(columns),
            (_, Kind::Text) => self.text(columns),
            (_, Kind::Time) => self.time(columns),
            (_, Kind::Flag) => self.condition(columns),
            (_, Kind::Span) => {
                let (from, to) = (self.expression(Kind::Time, columns), self.expression(Kind::Time, columns));
                format!("({to} - {from})")
            }
        }
    }

    fn number(&mut self, columns: &[Column]) -> String {
        match self.choose(8) {
            0 | 1 => {
                let operator = self.pick(&["+", "-", "*", "/"]);
                let (left, right) = (self.expression(Kind::Number, columns), self.expression(Kind::Number, columns));
                format!("({left} {operator} {right})")
            }
            2 => {
                let of = self.pick(&["abs", "ceil", "floor", "round", "sqrt", "ln", "exp", "-"]);
                format!("{of}({})", self.expression(Kind::Number, columns))
            }
            3 => format!("length({})", self.expression(Kind::Text, columns)),
            4 => {
                let (part, of) = (self.pick(&PARTS), self.expression(Kind::Time, columns));
                match self.is(3) {
                    true => format!("extract({part} from ({of}) at time zone '{}')", self.pick(&ZONES)),
                    false => format!("extract({part} from {of})"),
                }
            }
            5 => {
                let to = self.pick(&["double precision", "bigint", "int"]);
                format!("cast({} as {to})", self.expression(Kind::Number, columns))
            }
            6 => {
                let of = self.pick(&["greatest", "least"]);
                format!("{of}({}, {})", self.simple(Kind::Number, columns), self.expression(Kind::Number, columns))
            }
            _ => {
                let plain = |_: &mut Self| "(select count(*) from t)".to_owned();
                self.nested(Self::scalar_query, plain)
            }
        }
    }

    fn text(&mut self, columns: &[Column]) -> String {
        match self.choose(5) {
            0 => {
                let of = self.pick(&["lower", "upper", "trim", "md5", "reverse"]);
                format!("{of}({})", self.expression(Kind::Text, columns))
            }
            1 => format!("({} || {})", self.expression(Kind::Text, columns), self.expression(Kind::Text, columns)),
            2 => {
                let kind = self.kind();
                format!("cast({} as text)", self.expression(kind, columns))
            }
            3 => format!("to_char({}, 'YYYY-MM-DD HH24:MI')", self.expression(Kind::Time, columns)),
            _ => format!("left({}, 3)", self.expression(Kind::Text, columns)),
        }
    }

    fn time(&mut self, columns: &[Column]) -> String {
        let of = self.expression(Kind::Time, columns);
        match self.choose(4) {
            0 => format!("time_bucket('{}', {of})", self.pick(&BUCKETS)),
            1 => format!("date_trunc('{}', {of})", self.pick(&UNITS)),
            2 => format!("({of} {} {})", self.pick(&["-", "+"]), self.expression(Kind::Span, columns)),
            _ => {
                let (there, back) = (self.pick(&ZONES), self.pick(&ZONES));
                format!("(({of}) at time zone '{there}' at time zone '{back}')")
            }
        }
    }

    /// A condition.
    pub(crate) fn condition(&mut self, columns: &[Column]) -> String {
        let kind = [Kind::Number, Kind::Text, Kind::Time][self.choose(3)];
        let of = self.expression(kind, columns);
        match self.choose(9) {
            0 | 1 => {
                let operator = self.pick(&["<", "=", "<>", ">=", "is distinct from"]);
                format!("{of} {operator} {}", self.expression(kind, columns))
            }
            2 => format!("{of} in ({}, {})", self.literal(kind), self.literal(kind)),
            3 => format!("{of} between {} and {}", self.literal(kind), self.expression(kind, columns)),
            4 => format!("{of} is {}null", self.pick(&["", "not "])),
            5 => {
                let how = self.pick(&["like", "ilike", "not like", "~"]);
                format!("{} {how} '%a_b'", self.expression(Kind::Text, columns))
            }
            6 => {
                let how = self.pick(&["and", "or"]);
                let (left, right) = self.nested(
                    |words| (words.condition(columns), words.condition(columns)),
                    |words| (words.literal(Kind::Flag), words.literal(Kind::Flag)),
                );
                format!("({left} {how} not ({right}))")
            }
            7 => {
                let body = self.nested(|words| words.query_of(&[kind]), |words| words.plain_query(kind));
                format!("{of} in ({body})")
            }
            _ => {
                let how = self.pick(&["", "not "]);
                let device = self.column(Kind::Text, columns);
                match device {
                    Some(device) => format!("{how}exists (select 1 from t e where e.device = {device})"),
                    None => format!("{how}exists (select 1 from t)"),
                }
            }
        }
    }

    /// An aggregate, with its kind.
    pub(crate) fn aggregate(&mut self, columns: &[Column]) -> (String, Kind) {
        let number = |words: &mut Self| words.expression(Kind::Number, columns);
        let (call, kind) = match self.choose(9) {
            0 => ("count(*)".into(), Kind::Number),
            1 | 2 => {
                let of = self.pick(&["sum", "avg", "min", "max", "stddev", "var_pop", "median", "count"]);
                (format!("{of}({})", number(self)), Kind::Number)
            }
            3 | 4 if columns.iter().any(|column| column.kind == Kind::Time) => {
                let of = self.pick(&["first", "last", "delta", "increase", "rate", "time_weighted_average"]);
                (format!("{of}({}, {})", number(self), self.simple(Kind::Time, columns)), Kind::Number)
            }
            5 => {
                let kind = [Kind::Time, Kind::Text][self.choose(2)];
                (format!("{}({})", self.pick(&["min", "max"]), self.expression(kind, columns)), kind)
            }
            6 => (format!("bool_or({})", self.condition(columns)), Kind::Flag),
            7 => {
                let (how, kind) =
                    (self.pick(&["count(distinct ", "approx_distinct("]), [Kind::Number, Kind::Text][self.choose(2)]);
                (format!("{how}{})", self.simple(kind, columns)), Kind::Number)
            }
            _ => (format!("string_agg({}, ',')", self.simple(Kind::Text, columns)), Kind::Text),
        };
        match self.is(6) {
            true => (format!("{call} filter (where {})", self.condition(columns)), kind),
            false => (call, kind),
        }
    }

    /// A number by a window over all rows.
    pub(crate) fn window(&mut self, columns: &[Column]) -> String {
        let partition = match self.column(Kind::Text, columns) {
            Some(name) if self.is(2) => format!("partition by {name} "),
            _ => String::new(),
        };
        let (order, frame) = match self.column(Kind::Time, columns) {
            Some(time) => (time, self.pick(&FRAMES)),
            None => (self.simple(Kind::Number, columns), ""),
        };
        let of = self.simple(Kind::Number, columns);
        let (call, frame) = match self.choose(4) {
            0 | 1 => (format!("{}({of})", self.pick(&["sum", "avg", "min", "max", "count"])), frame),
            2 => (self.pick(&["row_number()", "rank()", "dense_rank()"]).into(), ""),
            _ => (format!("{}({of})", self.pick(&["lag", "lead", "first_value", "last_value"])), ""),
        };
        format!("{call} over ({partition}order by {order}{frame})")
    }
}
