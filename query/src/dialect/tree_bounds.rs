//! Bounds of a parsed statement, which hold before it is handed on: how deep its tree is, and how many relations and
//! expressions it has once its `WITH` queries are expanded, as the planner expands them wherever they are named. Twenty
//! queries, each the union of the one before with itself, are a text of a kilobyte and a plan of a million nodes.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{Expr, Ident, Query, Select, SetExpr, TableFactor};
use zonelake_timeseries::{SyntaxVisitor, visit_statement};

use crate::dialect::nesting::too_complex;
use crate::error::QueryError;

/// Levels of a tree, over subqueries. Threads that handle statements clone, print, walk and drop such a tree.
pub(crate) const DEPTH_MAX: usize = 256;
/// Relations of a statement, with those of `WITH` queries as often as these are named.
pub(crate) const RELATIONS_MAX: u64 = 1_000;
/// Relations that one `FROM` joins. A plan of joins is as deep as they are many, and each has the columns of all below.
pub(crate) const JOINED_MAX: usize = 100;
/// Expressions of a statement, with those of `WITH` queries as often as these are named.
pub(crate) const EXPRESSIONS_MAX: u64 = 500_000;

/// Checks the tree of a statement.
///
/// # Errors
/// [`QueryErrorCode::Sql`](crate::QueryErrorCode) with SQLSTATE 54001 beyond the limits.
pub(crate) fn check_tree(statement: &Statement) -> Result<(), QueryError> {
    let statement = match statement {
        Statement::Statement(statement) => statement,
        Statement::Explain(explain) => return check_tree(&explain.statement),
        Statement::CreateExternalTable(_) | Statement::CopyTo(_) | Statement::Reset(_) => return Ok(()),
    };
    let mut measure = Measure::default();
    if visit_statement(statement, &mut measure).is_break() {
        return Err(too_complex(measure.wrong.unwrap_or("it is nested too deeply")));
    }
    Ok(())
}

/// Relations and expressions.
#[derive(Debug, Default, Clone, Copy)]
struct Size {
    relations: u64,
    expressions: u64,
}

impl Size {
    fn add(&mut self, other: Self) {
        self.relations = self.relations.saturating_add(other.relations);
        self.expressions = self.expressions.saturating_add(other.expressions);
    }
}

/// Query that is being walked.
#[derive(Debug, Default)]
struct OpenQuery {
    /// Own size so far.
    size: Size,
    /// Levels that its set operations add.
    levels: usize,
    /// Names of its `WITH` queries, by the address of each, until they are walked.
    named: HashMap<usize, String>,
    /// Sizes of its `WITH` queries that have been walked.
    known: HashMap<String, Size>,
}

#[derive(Debug, Default)]
struct Measure {
    depth: usize,
    queries: Vec<OpenQuery>,
    /// Relations that the text names, expanded or not.
    written: u64,
    wrong: Option<&'static str>,
}

impl Measure {
    fn deepen(&mut self, levels: usize) -> ControlFlow<()> {
        self.depth += levels;
        if self.depth > DEPTH_MAX {
            return self.refuse("it is nested too deeply");
        }
        ControlFlow::Continue(())
    }

    fn refuse(&mut self, why: &'static str) -> ControlFlow<()> {
        self.wrong = Some(why);
        ControlFlow::Break(())
    }

    fn add(&mut self, size: Size) -> ControlFlow<()> {
        let Some(query) = self.queries.last_mut() else { return ControlFlow::Continue(()) };
        query.size.add(size);
        let Size { relations, expressions } = query.size;
        if relations > RELATIONS_MAX || self.written > RELATIONS_MAX {
            return self.refuse("it reads too many relations, with those of its WITH queries wherever these are named");
        }
        if expressions > EXPRESSIONS_MAX {
            return self.refuse("it has too many expressions, with those of its WITH queries wherever these are named");
        }
        ControlFlow::Continue(())
    }

    /// Size of a `WITH` query that is in scope; none where the name is one of a table.
    fn known(&self, name: &str) -> Option<Size> {
        self.queries.iter().rev().find_map(|query| query.known.get(name).copied())
    }
}

impl SyntaxVisitor for Measure {
    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let with = query.with.iter().flat_map(|with| &with.cte_tables);
        let named = with.map(|cte| (address(&cte.query), normalized(&cte.alias.name))).collect();
        let levels = levels_of(&query.body) + 1;
        self.queries.push(OpenQuery { named, levels, ..OpenQuery::default() });
        self.deepen(levels)
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let Some(done) = self.queries.pop() else { return ControlFlow::Continue(()) };
        self.depth = self.depth.saturating_sub(done.levels);
        if let Some(around) = self.queries.last_mut()
            && let Some(name) = around.named.remove(&address(query))
        {
            around.known.insert(name, done.size);
            return ControlFlow::Continue(());
        }
        self.add(done.size)
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        let joined = select.from.iter().map(|relation| 1 + relation.joins.len()).sum::<usize>();
        if joined > JOINED_MAX {
            return self.refuse("it joins too many relations in one FROM");
        }
        self.add(Size { relations: 0, expressions: select.projection.len() as u64 })
    }

    fn pre_visit_table_factor(&mut self, relation: &TableFactor) -> ControlFlow<()> {
        self.written += 1;
        let size = match relation {
            TableFactor::Table { name, .. } => {
                let [part] = name.0.as_slice() else { return self.add(ONE) };
                part.as_ident().and_then(|name| self.known(&normalized(name))).unwrap_or(ONE)
            }
            _ => ONE,
        };
        self.add(Size { relations: size.relations.max(1), ..size })
    }

    fn pre_visit_expr(&mut self, _: &Expr) -> ControlFlow<()> {
        self.deepen(1)?;
        self.add(Size { relations: 0, expressions: 1 })
    }

    fn post_visit_expr(&mut self, _: &Expr) -> ControlFlow<()> {
        self.depth = self.depth.saturating_sub(1);
        ControlFlow::Continue(())
    }
}

const ONE: Size = Size { relations: 1, expressions: 0 };

/// Levels of set operations; those in parentheses are queries of their own.
fn levels_of(body: &SetExpr) -> usize {
    let mut deepest = 0;
    let mut open = vec![(body, 0)];
    while let Some((body, level)) = open.pop() {
        deepest = deepest.max(level);
        if let SetExpr::SetOperation { left, right, .. } = body {
            open.push((left, level + 1));
            open.push((right, level + 1));
        }
    }
    deepest
}

fn address(query: &Query) -> usize {
    std::ptr::from_ref(query).addr()
}

fn normalized(name: &Ident) -> String {
    if name.quote_style.is_some() { name.value.clone() } else { name.value.to_lowercase() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::deep_stack::STACK_BYTES;
    use crate::dialect::grammar::TextLimits;
    use crate::dialect::parse::parse_reading;

    const LIMITS: TextLimits = TextLimits { bytes_max: 1 << 20, recursion_max: 50 };

    fn refusal(sql: &str) -> Option<QueryError> {
        parse_reading(sql, LIMITS).err()
    }

    fn is_too_complex(sql: &str) -> bool {
        refusal(sql).is_some_and(|error| error.narrow_sqlstate() == Some("54001"))
    }

    fn chain(first: &str, link: &str, links: usize) -> String {
        format!("select {first}{}", link.repeat(links))
    }

    /// Each query of the WITH is made of the one before.
    fn doubling(queries: usize, of_before: &str) -> String {
        let with: Vec<String> = (1..=queries)
            .map(|n| format!("c{n} as ({})", of_before.replace("BEFORE", &format!("c{}", n - 1))))
            .collect();
        format!("with c0 as (select 1 as v), {} select * from c{queries}", with.join(", "))
    }

    #[test]
    fn a_chain_of_any_kind_is_refused_beyond_its_limit_whatever_its_length() {
        for (first, link) in [
            ("1", " + 1"),
            ("1", " = 1"),
            ("'a'", " || 'b'"),
            ("1", "::bigint"),
            ("1", " is null"),
            ("1", " is not null"),
            ("now()", " at time zone 'UTC'"),
            ("1", " between 1 and 2"),
            ("1", " in (1)"),
            ("'a'", " like 'b'"),
            ("1", " union all select 1"),
            ("1", " union select 1 intersect select 2"),
            ("1", " except select 1"),
        ] {
            for links in [300, 3_000, 20_000] {
                assert!(is_too_complex(&chain(first, link, links)), "{links} of {link}");
            }
            let refused = refusal(&chain(first, link, 100));
            assert!(refused.is_none(), "100 of {link}: {refused:?}");
        }
    }

    #[test]
    fn a_tree_within_the_bounds_is_copied_printed_walked_and_dropped_on_a_quarter_of_a_stack() {
        // Frames of code that is not optimised are larger: .ci/lean.toml says so.
        let unoptimised = std::env::var_os("ZONELAKE_UNOPTIMISED").is_some();
        let stack = if unoptimised { STACK_BYTES } else { STACK_BYTES / 4 };
        let deep = DEPTH_MAX - 5;
        let subquery = format!("{} + (select {})", vec!["1"; 60].join(" + "), vec!["1"; 60].join(" + "));
        let case = format!("{}1{}", "case when a then ".repeat(12), " end".repeat(12));
        for sql in [
            chain("1", " + 1", deep),
            chain("'a'", " || 'b'", deep),
            chain("1", "::bigint", deep),
            chain("1", " is null", deep),
            chain("now()", " at time zone 'UTC'", deep),
            chain("1", " between 1 and 2", deep),
            chain("1", " union all select 1", deep),
            format!("select {subquery}"),
            format!("select {case}{}", " + 1".repeat(deep - 20)),
        ] {
            let mut parsed = parse_reading(&sql, LIMITS).unwrap_or_else(|error| panic!("{error}: {sql}"));
            let small = std::thread::Builder::new().stack_size(stack);
            let walked = small.spawn(move || {
                let copy = parsed.clone();
                crate::dialect::rewrites::rewrite(&mut parsed);
                assert!(copy.to_string().len() > 100 && copy == copy.clone());
            });
            walked.expect("a thread").join().expect("it is walked");
        }
    }

    #[test]
    fn what_is_nested_is_refused_and_never_overflows() {
        for (open, close) in [
            ("(", ")"),
            ("not ", ""),
            ("- ", ""),
            ("interval ", ""),
            ("abs(", ")"),
            ("case when true then ", " end"),
            ("(select ", ")"),
            ("exists (select ", ")"),
            ("array[", "]"),
            ("cast(", " as int)"),
            ("extract(year from ", ")"),
            ("1 in (", ")"),
        ] {
            for levels in [300, 10_000] {
                let sql = format!("select {}1{}", open.repeat(levels), close.repeat(levels));
                assert!(refusal(&sql).is_some(), "{levels} of {open}");
            }
        }
        // Without a bound the time would double with each level.
        for (open, close) in
            [("interval ", ""), ("cast(", ""), ("extract(year from ", ""), ("case when ", ""), ("(", "x")]
        {
            for levels in [25, 40, 60, 100] {
                let sql = format!("select {}1{}", open.repeat(levels), close.repeat(levels));
                drop(refusal(&sql));
                drop(refusal(&format!("select * from {}", sql.trim_start_matches("select "))));
            }
        }
        for sql in [
            format!("{}select 1", "explain ".repeat(20_000)),
            format!("select * from {}a{}", "(".repeat(20_000), ")".repeat(20_000)),
            format!("select 1::{}int{}", "array<".repeat(20_000), ">".repeat(20_000)),
            format!("select 1::int{}", "[]".repeat(20_000)),
            format!("select a{}", "[1]".repeat(20_000)),
            format!("select 1 where {}", "(a = 1 or (b = 2 and ".repeat(5_000)),
        ] {
            assert!(refusal(&sql).is_some(), "{}", &sql[..60]);
        }
    }

    #[test]
    fn queries_that_double_the_one_before_are_counted_as_they_are_expanded() {
        for of_before in [
            "select * from BEFORE union all select * from BEFORE",
            "select a.v from BEFORE a, BEFORE b",
            "select a.v from BEFORE a join BEFORE b on a.v = b.v",
            "select v from BEFORE where v in (select v from BEFORE)",
            "select (select max(v) from BEFORE) as v from BEFORE",
            "with d as (select * from BEFORE) select * from d union all select * from d",
        ] {
            assert!(is_too_complex(&doubling(20, of_before)), "{of_before}");
            assert!(is_too_complex(&doubling(60, of_before)), "{of_before}");
            assert!(refusal(&doubling(5, of_before)).is_none(), "{of_before}");
        }
        assert!(refusal(&doubling(50, "select v + 1 as v from BEFORE")).is_none(), "queries in a row do not double");
        // The name of a table is not that of a WITH query elsewhere.
        let beside = "select * from (with c as (select 1 as v) select * from c) a, c b";
        assert!(refusal(beside).is_none());
    }

    #[test]
    fn what_reasonable_statements_need_is_let_through() {
        let list = |count: usize| (0..count).map(|n| format!("'device {n}'")).collect::<Vec<_>>().join(", ");
        let or = |count: usize| (0..count).map(|n| format!("device = 'd{n}'")).collect::<Vec<_>>().join(" or ");
        let part = "select time, device, value * 2 + 1 from t where time >= '2026-01-01' and device in ('a', 'b')";
        for sql in [
            format!("select * from t where device in ({})", list(10_000)),
            format!("select * from t where {}", or(500)),
            format!("select * from t where {}", or(2_000)),
            vec![part; 100].join(" union all "),
            format!("select * from (values {}) as v", vec!["(1, 'a', null)"; 5_000].join(", ")),
            format!("select {} from t", vec!["avg(value)"; 1_000].join(", ")),
            format!("select * from t0 {}", (1..40).map(|n| format!("join t{n} using (id) ")).collect::<String>()),
        ] {
            let refused = refusal(&sql);
            assert!(refused.is_none(), "{}: {refused:?}", &sql[..60]);
        }
        let many =
            format!("select * from t0 {}", (1..200).map(|n| format!("join t{n} using (id) ")).collect::<String>());
        assert!(is_too_complex(&many));
    }
}
