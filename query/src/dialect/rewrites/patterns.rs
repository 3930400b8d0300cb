//! Regular expressions: PostgreSQL's pattern, flags and replacement in the words of the engine's.

use datafusion::sql::sqlparser::ast::{
    AccessExpr, BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName,
    Subscript, Value,
};

use crate::dialect::corrections::build::{call, number, take, text};
use crate::postgres::patterns::functions::{PATTERN, REPLACEMENT};
use crate::postgres::patterns::matches::{PART, REPLACE_FROM, SPLIT};
use crate::postgres::patterns::translate;

/// Translates the pattern of an operator or a function.
pub(super) fn rewrite(expr: &mut Expr) {
    match expr {
        Expr::BinaryOp {
            op:
                BinaryOperator::PGRegexMatch
                | BinaryOperator::PGRegexIMatch
                | BinaryOperator::PGRegexNotMatch
                | BinaryOperator::PGRegexNotIMatch,
            right,
            ..
        } => {
            **right = pattern(take(right), None);
        }
        Expr::Function(function) => rewrite_call(function),
        // `substring(x from 'pattern')`: the first group of the match, or all of it.
        Expr::Substring { expr: of, substring_from: Some(from), substring_for: None, .. }
            if constant(from).is_some() =>
        {
            let found = call("regexp_match", vec![take(of), pattern(take(from), None)]);
            let first = AccessExpr::Subscript(Subscript::Index { index: number(1) });
            *expr = Expr::CompoundFieldAccess { root: Box::new(found), access_chain: vec![first] };
        }
        _ => {}
    }
}

/// Where a function has its flags.
fn flags_at(name: &str) -> Option<usize> {
    match name {
        "regexp_match" | "regexp_like" | "regexp_split_to_array" => Some(2),
        "regexp_replace" | "regexp_count" => Some(3),
        _ => None,
    }
}

fn rewrite_call(function: &mut Function) {
    let name = function.name.to_string().to_lowercase();
    let FunctionArguments::List(list) = &mut function.args else { return };
    let args: Option<Vec<Expr>> = list.args.iter().map(positional).collect();
    let Some(mut args) = args else { return };
    if let Some((name, args)) = at_place(&name, &args) {
        function.name = ObjectName::from(vec![Ident::new(name)]);
        list.args = unnamed(args);
        return;
    }
    let Some(flags_at) = flags_at(&name) else { return };
    if args.len() < 2 || args.len() > flags_at + 1 {
        return;
    }
    let flags = if args.len() > flags_at { args.pop() } else { None };
    let is_global = match flags.as_ref().map(constant) {
        None => false,
        Some(Some(flags)) => flags.contains('g'),
        // A function of ours takes the flags of each row; the engine knows none but its own, and those of a column stay with it.
        Some(None) if ["regexp_match", "regexp_split_to_array"].contains(&name.as_str()) => false,
        Some(None) => return,
    };
    args[1] = pattern(take(&mut args[1]), flags);
    if name == "regexp_replace" && args.len() == 3 {
        args[2] = match constant(&args[2]) {
            Some(written) => text(translate::replacement(&written)),
            None => call(REPLACEMENT, vec![take(&mut args[2])]),
        };
        if is_global {
            args.push(text("g"));
        }
    }
    if name == "regexp_split_to_array" {
        function.name = ObjectName::from(vec![Ident::new(SPLIT)]);
    }
    list.args = unnamed(args);
}

fn unnamed(args: Vec<Expr>) -> Vec<FunctionArg> {
    args.into_iter().map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg))).collect()
}

/// Functions that look for a match from a place on, or for one of several: `regexp_substr`, and `regexp_replace` with numbers.
fn at_place(name: &str, args: &[Expr]) -> Option<(&'static str, Vec<Expr>)> {
    let is_number = |arg: &Expr| matches!(arg, Expr::Value(value) if matches!(value.value, Value::Number(..)));
    let or = |arg: Option<&Expr>, default: usize| arg.cloned().unwrap_or_else(|| number(default));
    match name {
        "regexp_substr" if (2..=6).contains(&args.len()) => {
            let of_match = [or(args.get(2), 1), or(args.get(3), 1), or(args.get(5), 0)];
            let pattern = pattern(args[1].clone(), args.get(4).cloned());
            Some((PART, [args[0].clone(), pattern].into_iter().chain(of_match).collect()))
        }
        "regexp_replace" if (4..=6).contains(&args.len()) && is_number(&args[3]) => {
            let of_match = [args[3].clone(), or(args.get(4), 1)];
            let pattern = pattern(args[1].clone(), args.get(5).cloned());
            let replaces = call(REPLACEMENT, vec![args[2].clone()]);
            Some((REPLACE_FROM, [args[0].clone(), pattern, replaces].into_iter().chain(of_match).collect()))
        }
        _ => None,
    }
}

/// The pattern of a text, a pattern and perhaps flags, of which the text is left.
pub(super) fn of_arguments(args: &mut Vec<Expr>) -> Option<Expr> {
    let flags = if args.len() > 2 { args.pop() } else { None };
    let written = args.pop()?;
    Some(pattern(written, flags))
}

/// True for flags that ask for all matches.
pub(super) fn is_global(flags: &Expr) -> bool {
    constant(flags).is_some_and(|flags| flags.contains('g'))
}

fn positional(argument: &FunctionArg) -> Option<Expr> {
    match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => Some(value.clone()),
        _ => None,
    }
}

/// The text of a constant.
fn constant(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Nested(inner) => constant(inner),
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) => Some(text.clone()),
            _ => None,
        },
        _ => None,
    }
}

/// A pattern with its flags. What is no pattern is left to a function, which tells so when it is asked.
fn pattern(written: Expr, flags: Option<Expr>) -> Expr {
    let of_flags = match &flags {
        Some(flags) => constant(flags),
        None => Some(String::new()),
    };
    let translated =
        constant(&written).zip(of_flags).and_then(|(written, flags)| translate::pattern(&written, &flags).ok());
    match translated {
        Some(pattern) => text(pattern),
        None => call(PATTERN, std::iter::once(written).chain(flags).collect()),
    }
}
