//! Text that holds several queries, cut behind each semicolon that stands outside of quotes and comments. The tokenizer is the
//! one that the server parses with, so both agree on what a quote is.

use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

/// Queries of a text, without their semicolons and without blank ones.
pub(crate) fn split_queries(text: &str) -> Vec<&str> {
    let mut queries = Vec::new();
    let mut rest = text;
    while let Some(end) = query_end(rest) {
        queries.push(&rest[..end]);
        rest = &rest[end + 1..];
    }
    queries.push(rest);
    queries.iter().map(|query| query.trim()).filter(|query| !is_blank(query)).collect()
}

/// End of the first query of a text: the position of its semicolon.
pub(crate) fn query_end(text: &str) -> Option<usize> {
    let semicolon = tokens(text).into_iter().find(|token| token.token == Token::SemiColon)?;
    Some(position(text, semicolon.span.start))
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

/// Byte at which a token begins; lines and columns count from 1, columns in characters.
fn position(text: &str, at: Location) -> usize {
    let line = usize::try_from(at.line.saturating_sub(1)).unwrap_or(usize::MAX);
    let column = usize::try_from(at.column.saturating_sub(1)).unwrap_or(usize::MAX);
    let line_start = text.split_inclusive('\n').take(line).map(str::len).sum::<usize>();
    line_start + text[line_start..].chars().take(column).map(char::len_utf8).sum::<usize>()
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
        assert_eq!(split_queries("/* only ; a comment */"), Vec::<&str>::new());
    }
}
