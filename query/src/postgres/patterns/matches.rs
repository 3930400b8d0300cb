//! Functions over the matches of a regular expression, of which DataFusion has only the first one, and drops a group that found nothing:
//! `regexp_match`, `regexp_matches`, `regexp_split_to_array`, `regexp_substr`, and `regexp_replace` from a place on. Their patterns have been
//! translated.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListBuilder, StringArray, StringBuilder};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{Result, plan_err};
use datafusion::functions::regex::compile_regex;

use crate::postgres::arrays::sets::list_type;
use crate::postgres::function::{Call, Function};
use crate::postgres::functions::array_functions::strings;
use crate::postgres::value_error::ValueError;

/// Name of the function that has the groups of all matches, or of the first one alone, each as an array.
pub(crate) const ALL_GROUPS: &str = "regexp_all_groups";
/// Name of the function that has the texts between matches.
pub(crate) const SPLIT: &str = "regexp_parts";
/// Name of the function that has one match, or a group of it.
pub(crate) const PART: &str = "regexp_part";
/// Name of the function that replaces one match, or all from a place on.
pub(crate) const REPLACE_FROM: &str = "regexp_replace_from";

/// The functions of this module.
pub(crate) fn functions() -> Vec<Function> {
    vec![
        Function::new("regexp_match", match_typing, first_groups),
        Function::new(ALL_GROUPS, all_typing, all_groups),
        Function::new(SPLIT, match_typing, split),
        Function::new(PART, part_typing, part),
        Function::new(REPLACE_FROM, replace_typing, replace),
    ]
}

type Typed = Result<(Vec<DataType>, DataType)>;

fn match_typing(given: &[DataType]) -> Typed {
    match given.len() {
        2 => Ok((vec![DataType::Utf8; 2], list_type(&DataType::Utf8))),
        _ => plan_err!("a text and a regular expression are wanted"),
    }
}

fn all_typing(given: &[DataType]) -> Typed {
    match given.len() {
        3 => {
            let wanted = vec![DataType::Utf8, DataType::Utf8, DataType::Boolean];
            Ok((wanted, list_type(&list_type(&DataType::Utf8))))
        }
        _ => plan_err!("a text, a regular expression and flags are wanted"),
    }
}

fn part_typing(given: &[DataType]) -> Typed {
    match given.len() {
        5 => {
            let wanted = vec![DataType::Utf8, DataType::Utf8, DataType::Int64, DataType::Int64, DataType::Int64];
            Ok((wanted, DataType::Utf8))
        }
        _ => plan_err!("a text, a regular expression and places are wanted"),
    }
}

fn replace_typing(given: &[DataType]) -> Typed {
    match given.len() {
        5 => {
            let wanted = vec![DataType::Utf8, DataType::Utf8, DataType::Utf8, DataType::Int64, DataType::Int64];
            Ok((wanted, DataType::Utf8))
        }
        _ => plan_err!("a text, a regular expression, what replaces it, and places are wanted"),
    }
}

/// Where the groups of a match are, of which the first is all of it; none for a group that found nothing.
type Groups = Vec<Option<Range<usize>>>;

/// Finds matches in a row's text from a byte on, at most so many.
type Find<'a> = dyn Fn(usize, usize) -> Vec<Groups> + 'a;

/// Calls a function with the text of each row whose arguments are known; rows are null where one is not.
fn each<T>(
    call: &Call<'_>,
    mut of_row: impl FnMut(usize, &str, &Find<'_>) -> Result<Option<T>>,
) -> Result<Vec<Option<T>>> {
    let (texts, patterns) = (strings(&call.args[0])?, strings(&call.args[1])?);
    let mut compiled = None;
    let mut rows = Vec::with_capacity(texts.len());
    for row in 0..texts.len() {
        if call.args.iter().any(|arg| arg.is_null(row)) {
            rows.push(None);
            continue;
        }
        let (text, pattern) = (texts.value(row), patterns.value(row));
        // A pattern is a constant as a rule, and compiled once.
        let regex = match compiled.take() {
            Some((known, regex)) if known == pattern => regex,
            _ => compile_regex(pattern, None)
                .map_err(|error| ValueError::error("2201B", format!("invalid regular expression: {error}")))?,
        };
        let find = |start: usize, count: usize| {
            let (mut found, mut at): (Vec<Groups>, usize) = (Vec::new(), start);
            while found.len() < count && at <= text.len() {
                let Some(captures) = regex.captures_at(text, at) else { break };
                let groups: Groups = captures.iter().map(|group| group.map(|group| group.range())).collect();
                let Some(Some(whole)) = groups.first() else { break };
                // Behind a match of no letters the search goes on at the next letter.
                at = match whole.is_empty() {
                    true => whole.end + text[whole.end..].chars().next().map_or(1, char::len_utf8),
                    false => whole.end,
                };
                found.push(groups);
            }
            found
        };
        rows.push(of_row(row, text, &find)?);
        compiled = Some((pattern, regex));
    }
    Ok(rows)
}

/// Texts of the groups of a match; of all of it where the pattern has no groups.
fn texts_of<'a>(text: &'a str, groups: &Groups) -> Vec<Option<&'a str>> {
    let own = if groups.len() > 1 { &groups[1..] } else { groups.as_slice() };
    own.iter().map(|group| group.clone().and_then(|group| text.get(group))).collect()
}

fn first_groups(call: &Call<'_>) -> Result<ArrayRef> {
    let mut lists = ListBuilder::new(StringBuilder::new());
    let rows = each(call, |_, text, find| {
        let first = find(0, 1);
        Ok(first.first().map(|groups| texts_of(text, groups).into_iter().map(|part| part.map(str::to_owned)).collect()))
    })?;
    rows.into_iter().for_each(|row: Option<Vec<Option<String>>>| lists.append_option(row));
    Ok(Arc::new(lists.finish()))
}

fn all_groups(call: &Call<'_>) -> Result<ArrayRef> {
    let is_global = call.args[2].as_boolean();
    let rows = each(call, |row, text, find| {
        let count = if is_global.value(row) { usize::MAX } else { 1 };
        let texts = |groups: &Groups| -> Vec<Option<String>> {
            texts_of(text, groups).into_iter().map(|part| part.map(str::to_owned)).collect()
        };
        Ok(Some(find(0, count).iter().map(texts).collect::<Vec<_>>()))
    })?;
    let mut lists = ListBuilder::new(ListBuilder::new(StringBuilder::new()));
    for row in rows {
        match row {
            Some(matches) => {
                matches.into_iter().for_each(|groups| lists.values().append_value(groups));
                lists.append(true);
            }
            None => lists.append(false),
        }
    }
    Ok(Arc::new(lists.finish()))
}

/// Texts between matches. A match of no letters at an end of the text, or at the end of another match, ends none.
fn split(call: &Call<'_>) -> Result<ArrayRef> {
    let rows = each(call, |_, text, find| {
        let (mut parts, mut behind) = (Vec::new(), 0);
        for groups in find(0, usize::MAX) {
            let Some(Some(whole)) = groups.first() else { continue };
            if whole.start < text.len() && whole.end > behind {
                parts.push(Some(text[behind..whole.start].to_owned()));
                behind = whole.end;
            }
        }
        parts.push(Some(text[behind..].to_owned()));
        Ok(Some(parts))
    })?;
    let mut lists = ListBuilder::new(StringBuilder::new());
    rows.into_iter().for_each(|row: Option<Vec<Option<String>>>| lists.append_option(row));
    Ok(Arc::new(lists.finish()))
}

/// Where the letter of a number begins, counted from 1; behind the text where it has fewer.
fn letter_at(text: &str, number: i64) -> Result<usize> {
    let letters = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
    let Some(letters) = letters else {
        return Err(ValueError::error("22023", format!("invalid value for parameter \"start\": {number}")));
    };
    Ok(text.char_indices().nth(letters).map_or(text.len() + usize::from(letters > text.chars().count()), |(at, _)| at))
}

fn part(call: &Call<'_>) -> Result<ArrayRef> {
    let number = |at: usize| call.args[at].as_primitive::<Int64Type>();
    let (starts, counts, groups) = (number(2), number(3), number(4));
    let rows = each(call, |row, text, find| {
        let invalid = |name: &str, value: i64| {
            ValueError::error("22023", format!("invalid value for parameter \"{name}\": {value}"))
        };
        let start = letter_at(text, starts.value(row))?;
        let count = usize::try_from(counts.value(row)).ok().filter(|count| *count > 0);
        let Some(count) = count else { return Err(invalid("n", counts.value(row))) };
        let Ok(group) = usize::try_from(groups.value(row)) else { return Err(invalid("subexpr", groups.value(row))) };
        let found = find(start, count);
        let wanted = found.get(count - 1).and_then(|groups| groups.get(group).cloned().flatten());
        Ok(wanted.and_then(|wanted| text.get(wanted)).map(str::to_owned))
    })?;
    Ok(Arc::new(StringArray::from(rows)))
}

fn replace(call: &Call<'_>) -> Result<ArrayRef> {
    let replacements = strings(&call.args[2])?;
    let (starts, numbers) = (call.args[3].as_primitive::<Int64Type>(), call.args[4].as_primitive::<Int64Type>());
    let rows = each(call, |row, text, find| {
        let start = letter_at(text, starts.value(row))?;
        let Ok(number) = usize::try_from(numbers.value(row)) else {
            let words = format!("invalid value for parameter \"n\": {}", numbers.value(row));
            return Err(ValueError::error("22023", words));
        };
        let found = find(start, if number == 0 { usize::MAX } else { number });
        let chosen = if number == 0 { found.as_slice() } else { found.get(number - 1..).unwrap_or_default() };
        let (mut made, mut behind) = (String::with_capacity(text.len()), 0);
        for groups in chosen {
            let Some(Some(whole)) = groups.first() else { continue };
            made.push_str(&text[behind..whole.start]);
            push_replacement(&mut made, replacements.value(row), text, groups);
            behind = whole.end;
        }
        made.push_str(&text[behind..]);
        Ok(Some(made))
    })?;
    Ok(Arc::new(StringArray::from(rows)))
}

/// What replaces a match, in the engine's words: `${1}` is a group, and `$$` a dollar sign.
fn push_replacement(made: &mut String, replacement: &str, text: &str, groups: &Groups) {
    let mut rest = replacement;
    while let Some((before, behind)) = rest.split_once('$') {
        made.push_str(before);
        if let Some(behind) = behind.strip_prefix('$') {
            made.push('$');
            rest = behind;
        } else if let Some((number, behind)) = behind.strip_prefix('{').and_then(|group| group.split_once('}')) {
            let group = number.parse::<usize>().ok().and_then(|number| groups.get(number).cloned().flatten());
            made.push_str(group.and_then(|group| text.get(group)).unwrap_or_default());
            rest = behind;
        } else {
            rest = behind;
        }
    }
    made.push_str(rest);
}
