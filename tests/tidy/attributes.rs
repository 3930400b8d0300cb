//! Lints that are turned off without a reason, and modules that are taken from elsewhere by `#[path]`.

use crate::finding::Finding;
use crate::lexer::{Kind, Token, tokens};

/// `#[allow(…)]` and `#[expect(…)]` without a `reason` in a source; in product code `#[path]` too.
pub(crate) fn find(file: &str, source: &str, is_product: bool) -> Vec<Finding> {
    let tokens = tokens(source);
    let mut findings = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let Some(word) = token.ident().filter(|_| in_attribute(&tokens, at)) else { continue };
        let next = tokens.get(at + 1);
        if matches!(word, "allow" | "expect") && next.is_some_and(|next| next.is('(')) && !has_reason(&tokens[at + 1..])
        {
            findings.push(Finding::new(file, token.line, format!("`{word}` of a lint without a reason")));
        }
        if is_product && word == "path" && next.is_some_and(|next| next.is('=')) {
            findings.push(Finding::new(file, token.line, "`#[path]` in product code: a module is where its name says"));
        }
    }
    findings
}

/// True where a token is the first word of an attribute, or stands in a `cfg_attr`.
fn in_attribute(tokens: &[Token], at: usize) -> bool {
    let before = |back: usize| at.checked_sub(back).map(|at| &tokens[at]);
    let is = |back: usize, punct: char| before(back).is_some_and(|token| token.is(punct));
    if is(1, '[') {
        return is(2, '#') || is(2, '!') && is(3, '#');
    }
    if !is(1, ',') {
        return false;
    }
    // Back to the bracket that is open here.
    let mut depth = 0_usize;
    for (back, token) in tokens[..at].iter().enumerate().rev() {
        match token.kind {
            Kind::Punct(')' | ']' | '}') => depth += 1,
            Kind::Punct('(' | '[' | '{') if depth == 0 => {
                return token.is('(') && back > 0 && tokens[back - 1].ident() == Some("cfg_attr");
            }
            Kind::Punct('(' | '[' | '{') => depth -= 1,
            _ => {}
        }
    }
    false
}

/// True where the brackets that open here have `reason =` in them.
fn has_reason(tokens: &[Token]) -> bool {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Punct('(') => depth += 1,
            Kind::Punct(')') if depth == 1 => return false,
            Kind::Punct(')') => depth -= 1,
            _ if token.ident() == Some("reason") && tokens.get(at + 1).is_some_and(|next| next.is('=')) => return true,
            _ => {}
        }
    }
    false
}
