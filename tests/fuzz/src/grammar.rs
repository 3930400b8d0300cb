//! Statements from a grammar: each byte of an input chooses what comes next. Values are of the kind that their place asks for and columns
//! are there, so that most statements can be planned, and what is tried is planning.

use crate::sql::plan;
use crate::words::{Column, Kind, Words};

/// Plans the statement that the bytes choose.
pub fn planned(input: &[u8]) {
    plan(&statement(input));
}

/// The statement that the bytes choose.
pub fn statement(input: &[u8]) -> String {
    Words::new(input).statement()
}

/// Columns of the table `t`, and of what shows its rows.
const OF_TABLE: [(&str, Kind); 14] = [
    ("time", Kind::Time),
    ("device", Kind::Text),
    ("zone", Kind::Text),
    ("pm", Kind::Number),
    ("wide", Kind::Number),
    ("raw", Kind::Number),
    ("ratio", Kind::Number),
    ("count", Kind::Number),
    ("\"on\"", Kind::Flag),
    ("note", Kind::Text),
    ("at", Kind::Time),
    ("quality", Kind::Text),
    ("site", Kind::Text),
    ("ingested_at", Kind::Time),
];

/// A query, with the columns that it gives.
type Query = (String, Vec<Column>);

impl Words<'_> {
    fn statement(&mut self) -> String {
        let mut with = Vec::new();
        while self.ctes.len() < 3 && self.is(4) {
            let (body, columns) = self.nested(|words| words.select(None), |words| words.select(None));
            let name = format!("c{}", self.ctes.len());
            with.push(format!("{name} as ({body})"));
            self.ctes.push((name, columns));
        }
        let with = if with.is_empty() { String::new() } else { format!("with {} ", with.join(", ")) };
        let (mut text, columns) = self.select(None);
        if self.is(5) {
            let kinds: Vec<Kind> = columns.iter().map(|column| column.kind).collect();
            let other = self.nested(|words| words.query_of(&kinds), |words| words.query_of(&kinds));
            let how = self.pick(&["union all", "union", "intersect", "except"]);
            text = format!("{text} {how} {other}");
        }
        if self.is(3) {
            let by = 1 + self.choose(columns.len());
            text += &format!(" order by {by}{}", self.pick(&["", " desc", " asc nulls first"]));
        }
        if self.is(3) {
            text += self.pick(&[" limit 10", " limit 0", " offset 3", " fetch first 2 rows only"]);
        }
        format!("{with}{text}")
    }

    /// A query whose columns are of these kinds.
    pub(crate) fn query_of(&mut self, kinds: &[Kind]) -> String {
        self.select(Some(kinds)).0
    }

    /// A query of one column, without choices.
    pub(crate) fn plain_query(&mut self, kind: Kind) -> String {
        let (name, _) = OF_TABLE.into_iter().find(|(_, of)| *of == kind).unwrap_or(("interval '1 day'", kind));
        format!("select {name} from t")
    }

    /// A query of one row with one number.
    pub(crate) fn scalar_query(&mut self) -> String {
        let (from, columns) = self.relation();
        let of = self.expression(Kind::Number, &columns);
        let how = self.pick(&["max", "min", "avg", "count"]);
        format!("(select {how}({of}) from {from})")
    }

    fn select(&mut self, kinds: Option<&[Kind]>) -> Query {
        let (from, columns) = self.relation();
        let where_ = match self.is(2) {
            true => format!(" where {}", self.condition(&columns)),
            false => String::new(),
        };
        match (self.choose(4), kinds) {
            (2, None) => self.grouped(&from, &where_, &columns),
            (3, None) if self.is(3) => self.gapfilled(),
            _ => self.plain(kinds, &from, &where_, &columns),
        }
    }

    /// A query of rows.
    fn plain(&mut self, kinds: Option<&[Kind]>, from: &str, where_: &str, columns: &[Column]) -> Query {
        if kinds.is_none() && self.is(8) {
            return (format!("select * from (select {} from {from}{where_}) s", all_of(columns)), outer(columns));
        }
        let kinds: Vec<Kind> = match kinds {
            Some(kinds) => kinds.to_vec(),
            None => (0..=self.choose(4)).map(|_| self.kind()).collect(),
        };
        let mut list = Vec::new();
        for (number, kind) in kinds.iter().enumerate() {
            let item = match kind {
                Kind::Number if self.is(4) => self.window(columns),
                kind => self.expression(*kind, columns),
            };
            list.push(format!("{item} as x{number}"));
        }
        let distinct = self.pick(&["", "", "", "distinct "]);
        (format!("select {distinct}{} from {from}{where_}", list.join(", ")), named(&kinds))
    }

    /// A query of groups.
    fn grouped(&mut self, from: &str, where_: &str, columns: &[Column]) -> Query {
        let (mut keys, mut kinds) = (Vec::new(), Vec::new());
        for _ in 0..self.choose(3) {
            let kind = [Kind::Text, Kind::Time, Kind::Number][self.choose(3)];
            if let Some(column) = self.column(kind, columns) {
                keys.push(if kind == Kind::Time { format!("time_bucket('1 hour', {column})") } else { column });
                kinds.push(kind);
            }
        }
        let mut list: Vec<String> = keys.clone();
        for _ in 0..=self.choose(3) {
            let (aggregate, kind) = self.aggregate(columns);
            list.push(aggregate);
            kinds.push(kind);
        }
        let list: Vec<String> = list.iter().enumerate().map(|(number, item)| format!("{item} as x{number}")).collect();
        let group = match (keys.len(), self.choose(4)) {
            (0, _) => String::new(),
            (_, 0) => format!(" group by rollup ({})", keys.join(", ")),
            (_, 1) => format!(" group by {}", keys.join(", ")),
            (2, 2) => " group by 1, 2".into(),
            _ => format!(" group by {}", (1..=keys.len()).map(|at| at.to_string()).collect::<Vec<_>>().join(", ")),
        };
        let having = match self.is(4) {
            true => format!(" having count(*) > {}", self.choose(3)),
            false => String::new(),
        };
        (format!("select {} from {from}{where_}{group}{having}", list.join(", ")), named(&kinds))
    }

    /// A query whose gaps are filled.
    fn gapfilled(&mut self) -> Query {
        let name = self.relation_name();
        let columns = of_table(&name);
        let filled = self.pick(&["locf(avg({}))", "interpolate(avg({}))", "avg({})", "locf(max({}))"]);
        let value = filled.replace("{}", &self.simple(Kind::Number, &columns));
        let range = "timestamptz '2026-01-01 00:00+00', timestamptz '2026-01-02 00:00+00'";
        let text = format!(
            "select time_bucket_gapfill('{}', {name}.time, {range}) as x0, {value} as x1 from t {name} group by 1",
            self.pick(&["1 hour", "1 day", "15 minutes"])
        );
        (text, named(&[Kind::Time, Kind::Number]))
    }

    /// What stands behind FROM, with the columns that it gives.
    fn relation(&mut self) -> Query {
        let name = self.relation_name();
        match self.choose(10) {
            4 if !self.ctes.is_empty() => {
                let chosen = self.choose(self.ctes.len());
                let (cte, columns) = self.ctes[chosen].clone();
                (format!("{cte} {name}"), of_relation(&name, &columns))
            }
            5 => {
                let (body, columns) = self.nested(|words| words.select(None), |_| all_rows());
                (format!("({body}) {name}"), of_relation(&name, &columns))
            }
            6 => {
                let (left, mut columns) = self.nested(Self::relation, |words| words.table());
                let how = self.pick(&["join", "left join", "right join", "full join", "cross join"]);
                let on = match (self.column(Kind::Text, &columns), how) {
                    (_, "cross join") => String::new(),
                    (Some(key), _) => format!(" on {key} = {name}.device"),
                    (None, _) => " on true".into(),
                };
                columns.extend(of_table(&name));
                (format!("{left} {how} t {name}{on}"), columns)
            }
            7 => {
                let other = self.relation_name();
                let on = self.pick(&["{l}.device = {r}.device", "{l}.zone = {r}.zone and {l}.device = {r}.device"]);
                let on = on.replace("{l}", &name).replace("{r}", &other);
                let text =
                    format!("t {name} asof join t {other} match_condition ({name}.time >= {other}.time) on {on}");
                (text, of_table(&name).into_iter().chain(of_table(&other)).collect())
            }
            8 => match self.choose(3) {
                0 => (format!("generate_series(1, 10) {name}(x0)"), of_relation(&name, &named(&[Kind::Number]))),
                1 => {
                    let kinds = [Kind::Number, Kind::Text];
                    (format!("(values (1, 'a'), (2, null)) {name}(x0, x1)"), of_relation(&name, &named(&kinds)))
                }
                _ => {
                    let columns = ["table_name", "column_name"]
                        .map(|column| Column { name: format!("{name}.{column}"), kind: Kind::Text });
                    (format!("information_schema.columns {name}"), columns.into())
                }
            },
            9 => (format!("latest(t) {name}"), of_table(&name)),
            _ => (format!("t {name}"), of_table(&name)),
        }
    }

    fn table(&mut self) -> Query {
        let name = self.relation_name();
        (format!("t {name}"), of_table(&name))
    }
}

/// All rows of the table, as a query.
fn all_rows() -> Query {
    ("select time as x0, device as x1, pm as x2 from t".into(), named(&[Kind::Time, Kind::Text, Kind::Number]))
}

fn of_table(relation: &str) -> Vec<Column> {
    OF_TABLE.map(|(name, kind)| Column { name: format!("{relation}.{name}"), kind }).into()
}

/// Columns of a query under the name of a relation.
fn of_relation(relation: &str, columns: &[Column]) -> Vec<Column> {
    columns.iter().map(|column| Column { name: format!("{relation}.{}", column.name), kind: column.kind }).collect()
}

/// The columns `x0`, `x1` and so on.
fn named(kinds: &[Kind]) -> Vec<Column> {
    kinds.iter().enumerate().map(|(number, kind)| Column { name: format!("x{number}"), kind: *kind }).collect()
}

/// All columns as `x0`, `x1` and so on.
fn all_of(columns: &[Column]) -> String {
    let items = columns.iter().enumerate().map(|(number, column)| format!("{} as x{number}", column.name));
    items.collect::<Vec<_>>().join(", ")
}

fn outer(columns: &[Column]) -> Vec<Column> {
    named(&columns.iter().map(|column| column.kind).collect::<Vec<_>>())
}
