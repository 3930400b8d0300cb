//! `to_timestamp(text, template)` and `to_date(text, template)`: templates of PostgreSQL rewritten as those of
//! strftime, which the engine's functions take.

use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, TimezoneInfo, Value,
};

/// Rewrites the template of a call of one of these functions.
pub(super) fn rewrite(expr: &mut Expr) {
    let Expr::Function(function) = expr else { return };
    let is_date = match function.name.0.last().and_then(|part| part.as_ident()) {
        Some(name) if name.value.eq_ignore_ascii_case("to_timestamp") => false,
        Some(name) if name.value.eq_ignore_ascii_case("to_date") => true,
        _ => return,
    };
    let FunctionArguments::List(arguments) = &mut function.args else { return };
    let [_, FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(template)))] = arguments.args.as_mut_slice() else {
        return;
    };
    let Value::SingleQuotedString(text) = &mut template.value else { return };
    let Some(strftime) = strftime(text) else { return };
    *text = strftime;
    if !is_date {
        // The cast gives text without a zone the zone of the session.
        *expr = Expr::Cast {
            kind: CastKind::Cast,
            expr: Box::new(expr.clone()),
            data_type: DataType::Timestamp(None, TimezoneInfo::WithTimeZone),
            array: false,
            format: None,
        };
    }
}

/// Patterns of PostgreSQL and of strftime; longer ones first, since the first that fits is taken.
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
    // Any number of digits behind a point is a fraction of a second.
    (".MS", "%.f"),
    (".US", "%.f"),
    ("MS", "%3f"),
    ("SS", "%S"),
    ("US", "%6f"),
    ("YY", "%y"),
    ("AM", "%p"),
    ("PM", "%p"),
];

/// Template of strftime; `None` where it is one already, or has a pattern that strftime lacks.
fn strftime(template: &str) -> Option<String> {
    if template.contains('%') || !template.is_ascii() {
        return None;
    }
    let mut rewritten = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(first) = rest.chars().next() {
        let known = PATTERNS
            .iter()
            .find(|(pattern, _)| rest.get(..pattern.len()).is_some_and(|start| start.eq_ignore_ascii_case(pattern)));
        if let Some((pattern, meaning)) = known {
            rewritten.push_str(meaning);
            rest = &rest[pattern.len()..];
        } else if let Some(quoted) = rest.strip_prefix('"') {
            let (text, behind) = quoted.split_once('"')?;
            rewritten.push_str(text);
            rest = behind;
        } else if first.is_ascii_alphabetic() && first != 'T' {
            return None;
        } else {
            rewritten.push(first);
            rest = &rest[1..];
        }
    }
    Some(rewritten)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_rewritten_in_the_patterns_of_strftime() {
        for (template, expected) in [
            ("YYYY-MM-DD HH24:MI:SS.US", Some("%Y-%m-%d %H:%M:%S%.f")),
            ("yyyymmddhh24missms", Some("%Y%m%d%H%M%S%3f")),
            ("YYYY-MM-DD\"T\"HH24:MI:SS.MS", Some("%Y-%m-%dT%H:%M:%S%.f")),
            ("DD Mon YYYY, HH12:MI AM", Some("%d %b %Y, %I:%M %p")),
            ("%Y-%m-%d", None),
            ("IYYY-IW", None),
        ] {
            assert_eq!(strftime(template).as_deref(), expected, "{template}");
        }
    }
}
