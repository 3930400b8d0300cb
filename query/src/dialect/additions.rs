//! Syntax of PostgreSQL that the parser lacks, in words that it has: `BETWEEN SYMMETRIC`.

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, UnaryOperator};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

use crate::dialect::corrections::build::operation;

/// `x [NOT] BETWEEN [A]SYMMETRIC a AND b`, behind x; the bounds end at words that bind less than BETWEEN.
pub(super) fn between(parser: &mut Parser, value: &Expr, precedence: u8) -> Option<Result<Expr, ParserError>> {
    let is_negated = is_word(&parser.peek_nth_token(0).token, "NOT");
    let first = usize::from(is_negated);
    if !is_word(&parser.peek_nth_token(first).token, "BETWEEN") {
        return None;
    }
    let kind = parser.peek_nth_token(first + 1).token;
    let is_symmetric = is_word(&kind, "SYMMETRIC");
    // Followed by AND it is a column of that name.
    if !is_symmetric && !is_word(&kind, "ASYMMETRIC") || is_word(&parser.peek_nth_token(first + 2).token, "AND") {
        return None;
    }
    (0..first + 2).for_each(|_| parser.advance_token());
    Some(bounds(parser, precedence).and_then(|(low, high)| {
        // Each stands in the tree twice, and within another such condition four times.
        let length: usize = [value, &low, &high].into_iter().map(|part| part.to_string().len()).sum();
        if is_symmetric && length > REPEATED_BYTES_MAX {
            let words = "BETWEEN SYMMETRIC of so long an expression; write two conditions with BETWEEN";
            return Err(ParserError::ParserError(words.to_owned()));
        }
        let within = |low: &Expr, high: &Expr| {
            Expr::Nested(Box::new(Expr::Between {
                expr: Box::new(value.clone()),
                negated: false,
                low: Box::new(low.clone()),
                high: Box::new(high.clone()),
            }))
        };
        let between = match is_symmetric {
            true => operation(within(&low, &high), BinaryOperator::Or, within(&high, &low)),
            false => within(&low, &high),
        };
        Ok(match is_negated {
            true => Expr::Nested(Box::new(Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(between) })),
            false => between,
        })
    }))
}

/// Bytes of the operands of `BETWEEN SYMMETRIC`.
const REPEATED_BYTES_MAX: usize = 1_000;

fn bounds(parser: &mut Parser, precedence: u8) -> Result<(Expr, Expr), ParserError> {
    let low = parser.parse_subexpr(precedence)?;
    parser.expect_keyword_is(Keyword::AND)?;
    Ok((low, parser.parse_subexpr(precedence)?))
}

fn is_word(token: &Token, word: &str) -> bool {
    matches!(token, Token::Word(found) if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use crate::dialect::parse::parse_text;

    #[test]
    fn words_that_the_parser_lacks_are_read() {
        let read = |sql: &str| parse_text(sql, 50).expect(sql).pop_front().expect(sql).to_string();
        for (sql, expected) in [
            (
                "SELECT 1 WHERE a BETWEEN SYMMETRIC 5 AND 1 AND b",
                "SELECT 1 WHERE ((a BETWEEN 5 AND 1) OR (a BETWEEN 1 AND 5)) AND b",
            ),
            ("SELECT a NOT BETWEEN SYMMETRIC b AND c", "SELECT (NOT ((a BETWEEN b AND c) OR (a BETWEEN c AND b)))"),
            ("SELECT a BETWEEN ASYMMETRIC b AND c", "SELECT (a BETWEEN b AND c)"),
            ("SELECT a BETWEEN symmetric AND c", "SELECT a BETWEEN symmetric AND c"),
        ] {
            assert_eq!(read(sql), expected);
        }
    }
}
