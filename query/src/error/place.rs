//! Where in its text a statement is wrong.

use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

/// Place of the first word of that name, by its characters from 1; `None` where the text has no such word.
pub(super) fn of_word(sql: &str, word: &str) -> Option<usize> {
    let tokens = Tokenizer::new(&PostgreSqlDialect {}, sql).tokenize_with_location().ok()?;
    let found = tokens.iter().find(|token| match &token.token {
        Token::Word(name) if name.quote_style.is_some() => name.value == word,
        Token::Word(name) => name.value.eq_ignore_ascii_case(word),
        _ => false,
    })?;
    let start = found.span.start;
    let lines_before = usize::try_from(start.line.checked_sub(1)?).ok()?;
    // Lines are counted with their ends, which are characters too.
    let before: usize = sql.split_inclusive('\n').take(lines_before).map(|line| line.chars().count()).sum();
    Some(before + usize::try_from(start.column).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_by_its_characters_and_not_within_quotes() {
        assert_eq!(of_word("select foo", "foo"), Some(8));
        assert_eq!(of_word("select 'foo', 'ệ',\n FOO from t", "foo"), Some(21));
        assert_eq!(of_word("select \"Foo\"", "foo"), None);
    }
}
