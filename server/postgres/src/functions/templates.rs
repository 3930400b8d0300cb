//! `to_timestamp(text, template)` and `to_date(text, template)`: templates of PostgreSQL as the engine's functions take them,
//! which know those of strftime.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, TimezoneInfo, Value, VisitMut,
    VisitorMut,
};

/// Says each such template over.
pub(crate) fn rewrite_templates<S: VisitMut>(statement: &mut S) {
    let _ = statement.visit(&mut Templates);
}

struct Templates;

impl VisitorMut for Templates {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let Expr::Function(function) = expr else { return ControlFlow::Continue(()) };
        let is_date = match function.name.0.last().and_then(|part| part.as_ident()) {
            Some(name) if name.value.eq_ignore_ascii_case("to_timestamp") => false,
            Some(name) if name.value.eq_ignore_ascii_case("to_date") => true,
            _ => return ControlFlow::Continue(()),
        };
        let FunctionArguments::List(arguments) = &mut function.args else { return ControlFlow::Continue(()) };
        let [_, FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(template)))] = arguments.args.as_mut_slice()
        else {
            return ControlFlow::Continue(());
        };
        let Value::SingleQuotedString(text) = &mut template.value else { return ControlFlow::Continue(()) };
        let Some(strftime) = strftime(text) else { return ControlFlow::Continue(()) };
        *text = strftime;
        if !is_date {
            // Text without a zone means the session's.
            *expr = Expr::Cast {
                kind: CastKind::Cast,
                expr: Box::new(expr.clone()),
                data_type: DataType::Timestamp(None, TimezoneInfo::WithTimeZone),
                array: false,
                format: None,
            };
        }
        ControlFlow::Continue(())
    }
}

/// Patterns of PostgreSQL with those of strftime, longer ones first.
const PATTERNS: [(&str, &str); 18] = [
    ("YYYY", "%Y"),
    ("HH24", "%H"),
    ("HH12", "%I"),
    ("MONTH", "%B"),
    ("DDD", "%j"),
    ("MON", "%b"),
    ("DD", "%d"),
    ("HH", "%I"),
    ("MI", "%M"),
    ("MM", "%m"),
    // Behind a point any number of digits is a part of a second.
    (".MS", "%.f"),
    (".US", "%.f"),
    ("MS", "%3f"),
    ("SS", "%S"),
    ("US", "%6f"),
    ("YY", "%y"),
    ("AM", "%p"),
    ("PM", "%p"),
];

/// The same template for strftime; `None` where it is one already, or says what it cannot.
fn strftime(template: &str) -> Option<String> {
    if template.contains('%') || !template.is_ascii() {
        return None;
    }
    let mut said = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(first) = rest.chars().next() {
        let known = PATTERNS
            .iter()
            .find(|(pattern, _)| rest.get(..pattern.len()).is_some_and(|start| start.eq_ignore_ascii_case(pattern)));
        if let Some((pattern, meaning)) = known {
            said.push_str(meaning);
            rest = &rest[pattern.len()..];
        } else if let Some(quoted) = rest.strip_prefix('"') {
            let (text, behind) = quoted.split_once('"')?;
            said.push_str(text);
            rest = behind;
        } else if first.is_ascii_alphabetic() && first != 'T' {
            return None;
        } else {
            said.push(first);
            rest = &rest[1..];
        }
    }
    Some(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_say_the_same_in_the_patterns_of_strftime() {
        for (template, said) in [
            ("YYYY-MM-DD HH24:MI:SS.US", Some("%Y-%m-%d %H:%M:%S%.f")),
            ("yyyymmddhh24missms", Some("%Y%m%d%H%M%S%3f")),
            ("YYYY-MM-DD\"T\"HH24:MI:SS.MS", Some("%Y-%m-%dT%H:%M:%S%.f")),
            ("DD Mon YYYY, HH12:MI AM", Some("%d %b %Y, %I:%M %p")),
            ("%Y-%m-%d", None),
            ("IYYY-IW", None),
        ] {
            assert_eq!(strftime(template).as_deref(), said, "{template}");
        }
    }
}
