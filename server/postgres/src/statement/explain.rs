//! EXPLAIN as PostgreSQL answers it: one column of lines, or one JSON document, with an estimate of rows and cost. Clients decide by
//! these what they ask for: postgres_fdw reads the first line of each explanation.

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::sql::sqlparser::tokenizer::Token;

use crate::error::PgError;
use crate::statement::tokens::TokenCursor;

/// Form of an explanation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExplainForm {
    /// A row for each line.
    Text,
    /// One row with a JSON document.
    Json,
}

/// What stands between EXPLAIN and the statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ExplainOptions {
    /// True where the statement is executed too.
    pub analyzes: bool,
    pub form: ExplainForm,
}

/// Name of the column.
pub(crate) const COLUMN: &str = "QUERY PLAN";

impl ExplainOptions {
    /// Parses `EXPLAIN`, and its options in brackets or as words; the cursor stands at the statement then.
    pub(crate) fn parse(tokens: &mut TokenCursor) -> Result<Self, PgError> {
        tokens.next_word();
        let mut options = Self { analyzes: false, form: ExplainForm::Text };
        let mut ahead = tokens.clone();
        if ahead.take_token(&Token::LParen) && ahead.peek_word().is_some_and(|word| NAMES.contains(&word.as_str())) {
            *tokens = ahead;
            while !tokens.take_token(&Token::RParen) {
                options.parse_option(tokens)?;
                tokens.take_token(&Token::Comma);
            }
            return Ok(options);
        }
        options.analyzes = tokens.take_word("analyze") || tokens.take_word("analyse");
        tokens.take_word("verbose");
        Ok(options)
    }

    fn parse_option(&mut self, tokens: &mut TokenCursor) -> Result<(), PgError> {
        let name = tokens.next_word().unwrap_or_default();
        if !NAMES.contains(&name.as_str()) {
            return Err(PgError::syntax(format!("unrecognized EXPLAIN option \"{name}\"")));
        }
        let value = match tokens.next_word() {
            Some(word) => Some(word),
            None if tokens.take_token(&Token::Number("0".to_owned(), false)) => Some("0".to_owned()),
            None => {
                tokens.take_token(&Token::Number("1".to_owned(), false));
                None
            }
        };
        let is_on = !matches!(value.as_deref(), Some("false" | "off" | "0"));
        match (name.as_str(), value.as_deref()) {
            ("analyze", _) => self.analyzes = is_on,
            ("format", Some("text")) => self.form = ExplainForm::Text,
            ("format", Some("json")) => self.form = ExplainForm::Json,
            ("format", other) => {
                let message = format!("EXPLAIN has the formats TEXT and JSON, not {}", other.unwrap_or("none"));
                return Err(PgError::unsupported(message));
            }
            // What is shown does not depend on the others.
            _ => {}
        }
        Ok(())
    }
}

const NAMES: [&str; 9] = ["analyze", "buffers", "costs", "format", "settings", "summary", "timing", "verbose", "wal"];

/// Rows of an explanation, of the batches that the engine explains a statement with: kinds of plans, and their texts.
pub(crate) fn explained(batches: &[RecordBatch], form: ExplainForm) -> Vec<String> {
    let mut texts: Vec<(String, String)> = Vec::new();
    for batch in batches {
        let [kinds, plans] = batch.columns() else { continue };
        let (Ok(kinds), Ok(plans)) = (cast(kinds, &DataType::Utf8), cast(plans, &DataType::Utf8)) else { continue };
        let both = kinds.as_string::<i32>().iter().zip(plans.as_string::<i32>());
        texts.extend(both.filter_map(|(kind, plan)| Some((kind?.to_owned(), plan?.to_owned()))));
    }
    let of = |wanted: &[&str]| texts.iter().find(|(kind, _)| wanted.contains(&kind.as_str())).map(|(_, text)| text);
    let with_statistics = of(&["physical_plan_with_stats"]);
    let Some(plan) = of(&["physical_plan", "Plan with Metrics"]).or(with_statistics) else { return Vec::new() };
    let estimates: Vec<Option<f64>> = with_statistics.map_or_else(Vec::new, |text| text.lines().map(rows_of).collect());
    let nodes = nodes(plan, &estimates);
    match form {
        ExplainForm::Text => nodes.iter().map(Node::line).collect(),
        ExplainForm::Json if nodes.is_empty() => Vec::new(),
        ExplainForm::Json => vec![format!("[\n  {{\n    \"Plan\": {}\n  }}\n]", json(&nodes, &mut 0))],
    }
}

/// A step of a plan.
struct Node<'a> {
    /// Steps around it.
    depth: usize,
    text: &'a str,
    rows: f64,
    cost: f64,
}

/// Steps of a plan, of whose estimates there are as many, or none where it was executed.
fn nodes<'a>(plan: &'a str, estimates: &[Option<f64>]) -> Vec<Node<'a>> {
    let lines: Vec<(usize, &str)> = plan
        .lines()
        .map(|line| (line.len() - line.trim_start().len(), line.trim_start()))
        .map(|(blanks, text)| (blanks / 2, text))
        .collect();
    // A step of which nothing is known is taken for as large as the largest.
    let largest = estimates.iter().flatten().fold(ROWS_UNKNOWN, |most: f64, rows| most.max(*rows));
    let known = |at: usize| estimates.get(at).copied().flatten();
    let step = |(at, &(depth, text)): (usize, &(usize, &'a str))| {
        let rows = known(at).unwrap_or(largest);
        let within = lines.iter().skip(at + 1).take_while(|(other, _)| *other > depth).count();
        let passed: f64 = (at..=at + within).filter_map(known).sum();
        // Each row that a step passes on costs as much as in PostgreSQL, so that clients can compare.
        Node { depth, text, rows, cost: passed.max(rows) * COST_OF_ROW }
    };
    lines.iter().enumerate().map(step).collect()
}

impl Node<'_> {
    fn line(&self) -> String {
        let Self { depth, text, rows, cost } = self;
        let indent = match depth {
            0 => String::new(),
            depth => format!("{}->  ", " ".repeat(depth * 6 - 4)),
        };
        format!("{indent}{text}  (cost=0.00..{cost:.2} rows={rows:.0} width={ROW_BYTES})")
    }
}

/// A step and those within it, of which the first is the one at this place; the place is behind them then.
fn json(nodes: &[Node<'_>], at: &mut usize) -> String {
    let Node { depth, text, rows, cost } = &nodes[*at];
    *at += 1;
    let (name, detail) = text.split_once(':').unwrap_or((text, ""));
    let (name, detail) = (quoted(name), quoted(detail.trim()));
    let mut within = Vec::new();
    while nodes.get(*at).is_some_and(|next| next.depth > *depth) {
        within.push(json(nodes, at));
    }
    let plans = if within.is_empty() { String::new() } else { format!(", \"Plans\": [{}]", within.join(", ")) };
    format!(
        "{{\"Node Type\": {name}, \"Startup Cost\": 0.00, \"Total Cost\": {cost:.2}, \"Plan Rows\": {rows:.0}, \
         \"Plan Width\": {ROW_BYTES}, \"Detail\": {detail}{plans}}}"
    )
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            control if control.is_control() => quoted.push(' '),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

/// Rows of a step by its statistics: `Rows=Exact(5)` or `Rows=Inexact(5)`.
fn rows_of(line: &str) -> Option<f64> {
    let (_, behind) = line.rsplit_once("statistics=[Rows=")?;
    let (_, number) = behind.split_once('(').filter(|(kind, _)| ["Exact", "Inexact"].contains(kind))?;
    number.split(')').next()?.parse().ok()
}

/// Rows of a step of which nothing is known, as PostgreSQL estimates them.
const ROWS_UNKNOWN: f64 = 1_000.0;
/// Bytes of a row: how wide columns are is not counted.
const ROW_BYTES: usize = 32;
/// What PostgreSQL counts for one row that passes one step, its `cpu_tuple_cost`.
const COST_OF_ROW: f64 = 0.01;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, StringArray};

    use super::*;
    use crate::statement::tokens::split_statements;

    fn batch() -> RecordBatch {
        let kinds: ArrayRef = Arc::new(StringArray::from(vec!["physical_plan", "physical_plan_with_stats"]));
        let plans: ArrayRef = Arc::new(StringArray::from(vec![
            "Sort: a\n  Union\n    Scan: x\n    Scan: \"y\"\n",
            "Sort: a, statistics=[Rows=Inexact(7), Bytes=Absent]\n  Union, statistics=[Rows=Exact(5)]\n    \
             Scan: x, statistics=[Rows=Exact(3)]\n    Scan: \"y\", statistics=[Rows=Absent]\n",
        ]));
        RecordBatch::try_from_iter([("plan_type", kinds), ("plan", plans)]).unwrap()
    }

    #[test]
    fn each_line_ends_with_what_postgres_fdw_reads() {
        let lines = explained(&[batch()], ExplainForm::Text);
        assert_eq!(
            lines,
            [
                "Sort: a  (cost=0.00..0.15 rows=7 width=32)",
                "  ->  Union  (cost=0.00..0.08 rows=5 width=32)",
                "        ->  Scan: x  (cost=0.00..0.03 rows=3 width=32)",
                // Of this one nothing is known.
                "        ->  Scan: \"y\"  (cost=0.00..10.00 rows=1000 width=32)",
            ]
        );
    }

    #[test]
    fn a_document_has_the_steps_within_each_other() {
        let document = explained(&[batch()], ExplainForm::Json);
        let step = |name: &str, cost: &str, rows: &str, detail: &str| {
            format!(
                "{{\"Node Type\": \"{name}\", \"Startup Cost\": 0.00, \"Total Cost\": {cost}, \"Plan Rows\": {rows}, \
                 \"Plan Width\": 32, \"Detail\": \"{detail}\""
            )
        };
        let (sort, union) = (step("Sort", "0.15", "7", "a"), step("Union", "0.08", "5", ""));
        let (x, y) = (step("Scan", "0.03", "3", "x"), step("Scan", "10.00", "1000", "\\\"y\\\""));
        let wanted =
            format!("[\n  {{\n    \"Plan\": {sort}, \"Plans\": [{union}, \"Plans\": [{x}}}, {y}}}]}}]}}\n  }}\n]");
        assert_eq!(document, [wanted]);
    }

    #[test]
    fn options_stand_in_brackets_or_as_words() {
        let parse = |sql: &str| {
            let mut tokens = split_statements(sql).unwrap().remove(0);
            ExplainOptions::parse(&mut tokens).map(|options| (options, tokens.peek_word()))
        };
        let of = |analyzes, form| ExplainOptions { analyzes, form };
        for (sql, wanted) in [
            ("explain select 1", of(false, ExplainForm::Text)),
            ("explain (format json) select 1", of(false, ExplainForm::Json)),
            ("explain (analyze, verbose off, format text) select 1", of(true, ExplainForm::Text)),
            ("explain (analyze false, costs 0) select 1", of(false, ExplainForm::Text)),
            ("explain analyze verbose select 1", of(true, ExplainForm::Text)),
        ] {
            assert_eq!(parse(sql).unwrap(), (wanted, Some("select".to_owned())), "{sql}");
        }
        assert_eq!(parse("explain (select 1)").unwrap(), (of(false, ExplainForm::Text), None));
        assert_eq!(parse("explain (format xml) select 1").unwrap_err().sqlstate, "0A000");
        assert_eq!(parse("explain (format json, shape round) select 1").unwrap_err().sqlstate, "42601");
    }
}
