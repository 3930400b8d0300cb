//! Text that holds several queries, cut behind each semicolon that stands outside of quotes and comments, by the tokenizer of the
//! server with the quotes of PostgreSQL.

use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

/// Queries of a text, without their semicolons and without blank ones.
pub(crate) fn split_queries(text: &str) -> Vec<&str> {
    let mut queries = Vec::new();
    let mut begin = 0;
    for semicolon in semicolons(text) {
        queries.push(&text[begin..semicolon]);
        begin = semicolon + 1;
    }
    queries.push(&text[begin..]);
    queries.iter().map(|query| query.trim()).filter(|query| !is_blank(query)).collect()
}

/// End of the first query of a text: the position of its semicolon.
pub(crate) fn query_end(text: &str) -> Option<usize> {
    semicolons(text).first().copied()
}

/// Positions of all semicolons, in one walk over the text.
fn semicolons(text: &str) -> Vec<usize> {
    let tokens = tokens(text);
    let mut found = Vec::new();
    let mut lines = text.split_inclusive('\n');
    let (mut line, mut line_start, mut line_text) = (1, 0, lines.next().unwrap_or_default());
    for at in tokens.iter().filter(|token| token.token == Token::SemiColon).map(|token| token.span.start) {
        while line < at.line {
            line_start += line_text.len();
            line_text = lines.next().unwrap_or_default();
            line += 1;
        }
        found.push(line_start + byte_of_column(line_text, at.column));
    }
    found
}

/// Whether a text has nothing but space and comments.
fn is_blank(query: &str) -> bool {
    let is_blank = |token: &TokenWithSpan| matches!(token.token, Token::Whitespace(_));
    // A text that cannot be read, as an open quote, is the server's to refuse.
    let mut read = Vec::new();
    let whole = Tokenizer::new(&PostgreSqlDialect {}, query).tokenize_with_location_into_buf(&mut read);
    whole.is_ok() && read.iter().all(is_blank)
}

/// Tokens of a text, up to the first thing that is none, as a quote that is still open.
fn tokens(text: &str) -> Vec<TokenWithSpan> {
    let mut read = Vec::new();
    Tokenizer::new(&PostgreSqlDialect {}, text).tokenize_with_location_into_buf(&mut read).ok();
    read
}

/// Byte of a column within its line; columns count characters, from 1.
fn byte_of_column(line: &str, column: u64) -> usize {
    let characters = usize::try_from(column.saturating_sub(1)).unwrap_or(usize::MAX);
    line.chars().take(characters).map(char::len_utf8).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_semicolon_ends_a_query_outside_of_quotes_and_comments_only() {
        let text = "select ';', \"a;b\" -- no; not here\n/* ; */ from t; select 'it''s;' ;\n-- the end;\n";
        assert_eq!(split_queries(text), ["select ';', \"a;b\" -- no; not here\n/* ; */ from t", "select 'it''s;'"]);
        assert_eq!(split_queries("select 'Hà Tĩnh'"), ["select 'Hà Tĩnh'"]);
        assert_eq!(query_end("select ';"), None);
        assert!(split_queries(" ;\n; ").is_empty());
    }

    #[test]
    fn quotes_of_postgresql_hold_semicolons_too() {
        assert_eq!(split_queries("select $$a;b$$; select E'\\';'"), ["select $$a;b$$", "select E'\\';'"]);
        assert_eq!(split_queries("select 'ộ;',\n 'ộ' ; select 2"), ["select 'ộ;',\n 'ộ'", "select 2"]);
        assert_eq!(query_end("select 1; select 'open"), Some(8));
        let many = "select 'ộ';\n".repeat(20_000);
        assert_eq!(split_queries(&many).len(), 20_000);
        assert_eq!(split_queries("/* only ; a comment */"), Vec::<&str>::new());
    }
}
