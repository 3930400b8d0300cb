//! Tokens of statements, read one after the other.

use std::sync::Arc;

use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

use crate::error::PgError;

/// Tokens of one statement and how far they are read. Spaces and comments are skipped.
#[derive(Debug, Clone)]
pub(crate) struct TokenCursor {
    source: Arc<str>,
    tokens: Vec<TokenWithSpan>,
    at: usize,
    last_but_one: Option<String>,
    last: Option<String>,
}

impl TokenCursor {
    fn new(source: &Arc<str>, tokens: Vec<TokenWithSpan>) -> Self {
        Self { source: Arc::clone(source), tokens, at: 0, last_but_one: None, last: None }
    }

    fn skip(&mut self) {
        while matches!(self.tokens.get(self.at).map(|token| &token.token), Some(Token::Whitespace(_))) {
            self.at += 1;
        }
    }

    fn peek(&mut self) -> Option<&Token> {
        self.skip();
        self.tokens.get(self.at).map(|token| &token.token)
    }

    /// Takes the next token.
    pub(crate) fn next_token(&mut self) -> Option<Token> {
        let token = self.peek().cloned();
        self.at += usize::from(token.is_some());
        token
    }

    /// Next word in lower case, where the next token is one without quotes.
    pub(crate) fn peek_word(&mut self) -> Option<String> {
        match self.peek() {
            Some(Token::Word(word)) if word.quote_style.is_none() => Some(word.value.to_ascii_lowercase()),
            _ => None,
        }
    }

    /// Takes the next word, in lower case.
    pub(crate) fn next_word(&mut self) -> Option<String> {
        let word = self.peek_word()?;
        self.at += 1;
        self.last_but_one = self.last.replace(word.clone());
        Some(word)
    }

    /// True where the last but one of the words taken is this one.
    pub(crate) fn is_after(&self, word: &str) -> bool {
        self.last_but_one.as_deref() == Some(word)
    }

    /// Takes the next word where it is this one; true where it was.
    pub(crate) fn take_word(&mut self, word: &str) -> bool {
        let is_next = self.peek_word().as_deref() == Some(word);
        self.at += usize::from(is_next);
        is_next
    }

    /// Takes the next token where it is this one; true where it was.
    pub(crate) fn take_token(&mut self, token: &Token) -> bool {
        let is_next = self.peek() == Some(token);
        self.at += usize::from(is_next);
        is_next
    }

    /// Takes the next word, which must be this one.
    pub(crate) fn expect_word(&mut self, word: &str) -> Result<(), PgError> {
        if self.take_word(word) { Ok(()) } else { Err(PgError::syntax(format!("{} is expected", word.to_uppercase()))) }
    }

    /// Takes a name, in lower case where it has no quotes.
    pub(crate) fn name(&mut self) -> Result<String, PgError> {
        match self.next_token() {
            Some(Token::Word(word)) if word.quote_style.is_none() => Ok(word.value.to_ascii_lowercase()),
            Some(Token::Word(word)) => Ok(word.value),
            Some(Token::SingleQuotedString(text)) => Ok(text),
            Some(other) => Err(PgError::syntax(format!("syntax error at or near \"{other}\""))),
            None => Err(PgError::syntax("syntax error at end of input")),
        }
    }

    /// Takes a number of rows, where a number is next.
    pub(crate) fn number(&mut self) -> Result<Option<usize>, PgError> {
        let Some(Token::Number(digits, _)) = self.peek() else { return Ok(None) };
        // The message names the digits, which says more than why they do not fit.
        let number = digits.parse().map_err(|_cause| PgError::syntax(format!("{digits} is no number of rows")))?;
        self.at += 1;
        Ok(Some(number))
    }

    /// Puts the last token back.
    pub(crate) fn step_back(&mut self) {
        self.at = self.at.saturating_sub(1);
    }

    /// Takes the parentheses that must be next; the value is the tokens between them.
    pub(crate) fn in_parentheses(&mut self) -> Result<Self, PgError> {
        if !self.take_token(&Token::LParen) {
            return Err(PgError::syntax("( is expected"));
        }
        let start = self.at;
        // Parentheses within quotes are parts of other tokens, so counting suffices.
        let mut depth = 1;
        while depth > 0 {
            match self.next_token() {
                Some(Token::LParen) => depth += 1,
                Some(Token::RParen) => depth -= 1,
                Some(_) => {}
                None => return Err(PgError::syntax("syntax error at end of input: ) is missing")),
            }
        }
        Ok(Self::new(&self.source, self.tokens[start..self.at - 1].to_vec()))
    }

    /// True at the end of the statement.
    pub(crate) fn is_done(&mut self) -> bool {
        self.peek().is_none()
    }

    /// Tokens that are still to be read, their text, and the characters in front of it.
    pub(crate) fn rest(mut self) -> (Vec<TokenWithSpan>, String, usize) {
        self.skip();
        let tokens = self.tokens.split_off(self.at.min(self.tokens.len()));
        let (text, before) = match (tokens.first(), tokens.last()) {
            (Some(first), Some(last)) => {
                let (start, end) = (offset(&self.source, first.span.start), offset(&self.source, last.span.end));
                let before = self.source.get(..start).unwrap_or_default().chars().count();
                (self.source.get(start..end).unwrap_or_default().trim_end().to_owned(), before)
            }
            _ => (String::new(), 0),
        };
        (tokens, text, before)
    }
}

/// Splits a text into the tokens of its statements at the semicolons outside of quotes; empty statements are left out.
pub(crate) fn split_statements(sql: &str) -> Result<Vec<TokenCursor>, PgError> {
    let source: Arc<str> = sql.into();
    let tokens = Tokenizer::new(&PostgreSqlDialect {}, sql)
        .with_unescape(true)
        .tokenize_with_location()
        .map_err(|error| PgError::syntax(format!("syntax error: {error}")))?;
    let mut statements = vec![Vec::new()];
    for token in tokens {
        match token.token {
            Token::SemiColon => statements.push(Vec::new()),
            Token::EOF => {}
            _ => statements.last_mut().expect("the vector begins with one statement").push(token),
        }
    }
    let is_space = |token: &TokenWithSpan| matches!(token.token, Token::Whitespace(_));
    statements.retain(|tokens| !tokens.iter().all(is_space));
    Ok(statements.into_iter().map(|tokens| TokenCursor::new(&source, tokens)).collect())
}

/// Offset of a line and column, which count characters and begin with 1.
fn offset(source: &str, location: Location) -> usize {
    let lines = usize::try_from(location.line).unwrap_or(1).saturating_sub(1);
    let line = source.match_indices('\n').map(|(at, _)| at + 1).nth(lines.wrapping_sub(1)).unwrap_or(0);
    let line = if lines == 0 { 0 } else { line };
    let characters = usize::try_from(location.column).unwrap_or(1).saturating_sub(1);
    source[line..].char_indices().nth(characters).map_or(source.len(), |(at, _)| line + at)
}
