//! Bound of a text's nesting before anything recursive sees it. Parsers recurse in what is nested and build what is
//! chained (`1 + 1 + 1`, `x::text::text`) as deep trees in a loop, which their own limit of recursion does not see.
//! Counting tokens needs no stack: a tree is never deeper than the tokens that can deepen it, counted along the way to
//! one of its leaves.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::error::{QueryError, QueryErrorCode};

/// Tokens that can deepen a tree, on the way to one leaf. The deep stack on which such a text is parsed has 32 KiB for
/// each of them; tests parse the deepest texts that pass within it.
pub(crate) const NESTING_MAX: usize = 8_192;
/// Tokens of a statement, of each of which a tree takes some hundred bytes. An `IN` list of 100,000 numbers is within.
pub(crate) const TOKENS_MAX: usize = 250_000;
/// Types of SQL that hold further types between angle brackets, in one statement. The parser recurses in them without
/// a limit of its own.
const TYPE_ARGUMENTS_MAX: usize = 32;

/// Greatest nesting that the tokens of a statement can have.
///
/// # Errors
/// [`QueryErrorCode::Sql`] with SQLSTATE 54001 beyond the limits.
pub(crate) fn check_nesting(tokens: &[TokenWithSpan]) -> Result<usize, QueryError> {
    if tokens.len() > TOKENS_MAX {
        return Err(too_complex(&format!("it has {} tokens; {TOKENS_MAX} are possible", tokens.len())));
    }
    let mut nesting = Nesting::default();
    let mut before = None;
    let mut type_arguments = 0;
    for token in tokens.iter().map(|token| &token.token).filter(|token| !matches!(token, Token::Whitespace(_))) {
        nesting.add(token);
        type_arguments += usize::from(*token == Token::Lt && before.is_some_and(takes_types));
        before = Some(token);
    }
    let deepest = nesting.deepest();
    if deepest > NESTING_MAX || type_arguments > TYPE_ARGUMENTS_MAX {
        return Err(too_complex("its expressions are nested or chained too deeply"));
    }
    Ok(deepest)
}

/// Error of a statement that is beyond a limit of its structure.
pub(crate) fn too_complex(why: &str) -> QueryError {
    let message = format!("the statement is too complex: {why}; write it as several, or as lists instead of chains");
    QueryError::new(QueryErrorCode::Sql, message).with_sqlstate("54001")
}

/// True for a word that is a type when an angle bracket follows it.
fn takes_types(token: &Token) -> bool {
    let Token::Word(word) = token else { return false };
    ["array", "struct", "map", "tuple", "nested", "nullable"].iter().any(|name| word.value.eq_ignore_ascii_case(name))
}

/// Count of the tokens on the way to the present one.
#[derive(Debug, Default)]
struct Nesting {
    /// Tokens on the way within the present parentheses and outside of them.
    here: usize,
    /// Greatest count within the present parentheses.
    deepest: usize,
    /// For each open parenthesis: the count at its opening, and the greatest count around it.
    open: Vec<(usize, usize)>,
}

impl Nesting {
    fn add(&mut self, token: &Token) {
        match token {
            Token::LParen | Token::LBracket | Token::LBrace => {
                self.deepen();
                self.open.push((self.here, self.deepest));
                self.deepest = self.here;
            }
            Token::RParen | Token::RBracket | Token::RBrace => {
                if let Some((_, around)) = self.open.pop() {
                    // What follows may stand above the whole of what was in parentheses.
                    self.here = self.deepest;
                    self.deepest = around.max(self.deepest);
                }
            }
            // Items of a list stand beside each other.
            Token::Comma | Token::SemiColon => self.here = self.open.last().map_or(0, |(start, _)| *start),
            token if deepens(token) => self.deepen(),
            _ => {}
        }
    }

    fn deepen(&mut self) {
        self.here += 1;
        self.deepest = self.deepest.max(self.here);
    }

    fn deepest(&self) -> usize {
        self.open.iter().map(|(_, around)| *around).fold(self.deepest, usize::max)
    }
}

/// False for tokens that are leaves or parts of names.
fn deepens(token: &Token) -> bool {
    match token {
        Token::Word(word) => word.keyword != Keyword::NoKeyword && word.quote_style.is_none(),
        Token::Number(..) | Token::Placeholder(_) | Token::Period | Token::EOF | Token::Char(_) => false,
        Token::SingleQuotedString(_) | Token::DoubleQuotedString(_) | Token::DollarQuotedString(_) => false,
        Token::NationalStringLiteral(_) | Token::EscapedStringLiteral(_) | Token::HexStringLiteral(_) => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
    use datafusion::sql::sqlparser::tokenizer::Tokenizer;

    use super::*;

    fn nesting(sql: &str) -> Result<usize, QueryError> {
        let tokens = Tokenizer::new(&PostgreSqlDialect {}, sql).tokenize_with_location().expect("tokens");
        check_nesting(&tokens)
    }

    #[test]
    fn items_of_a_list_are_counted_beside_and_links_of_a_chain_above_each_other() {
        let list = format!("select * from t where a in ({})", vec!["1"; 10_000].join(", "));
        assert!(nesting(&list).expect("a list") < 10);
        let chain = format!("select {}", vec!["1"; 1_000].join(" + "));
        assert_eq!(nesting(&chain).expect("a chain"), 1_000);
        let chains = format!("select {chain}, {chain}", chain = vec!["1"; 1_000].join(" + "));
        assert_eq!(nesting(&chains).expect("two chains"), 1_000);
        assert_eq!(nesting("select (a + (b + c, d), e) + 1").expect("parentheses"), 6);
        assert_eq!(nesting(")))) select (((").expect("no statement"), 4);
    }

    #[test]
    fn beyond_the_limits_the_statement_is_too_complex() {
        let long = |part: &str, count: usize| format!("select {}1", part.repeat(count));
        for sql in [
            long("1 + ", NESTING_MAX + 1),
            long("interval ", NESTING_MAX + 1),
            long("(", NESTING_MAX + 1),
            long("1, ", TOKENS_MAX),
            long("x struct<a struct<b int>, ", 20),
        ] {
            let refused = nesting(&sql).expect_err(&sql[..30]);
            assert_eq!(refused.narrow_sqlstate(), Some("54001"), "{refused}");
        }
    }
}
