//! The statements of a text, each as what is to be done. Queries are for the engine; the rest, of which DataFusion knows
//! nothing, is what clients say of their connection: transactions, variables, cursors, prepared statements, copies.

use std::sync::Arc;

use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use crate::statement::copy_format::CopyFormat;
use crate::error::PgError;
use crate::statement::query::Query;
use crate::statement::tokens::Words;

/// What a statement asks for.
#[derive(Debug, Clone)]
pub(crate) enum Command {
    /// Rows.
    Query(Box<Query>),
    /// BEGIN, START TRANSACTION.
    Begin,
    /// COMMIT, END.
    Commit,
    /// ROLLBACK, ABORT.
    Rollback,
    /// SAVEPOINT.
    Savepoint(String),
    /// RELEASE SAVEPOINT.
    Release(String),
    /// ROLLBACK TO SAVEPOINT.
    RollbackTo(String),
    /// SET; no value is DEFAULT. `is_local` ends with the transaction.
    Set { name: String, value: Option<String>, is_local: bool },
    /// SET TRANSACTION and SET SESSION CHARACTERISTICS: nothing changes.
    SetTransaction,
    /// SHOW of one variable.
    Show(String),
    /// SHOW ALL.
    ShowAll,
    /// RESET; no name is RESET ALL.
    Reset(Option<String>),
    /// DISCARD.
    Discard(Discard),
    /// DEALLOCATE; no name is ALL.
    Deallocate(Option<String>),
    /// PREPARE.
    Prepare { name: String, types: Vec<u32>, query: Box<Query> },
    /// DECLARE of a cursor.
    Declare { cursor: String, is_held: bool, query: Box<Query> },
    /// FETCH or MOVE of so many rows; none is all.
    Fetch { cursor: String, rows: Option<usize>, is_move: bool },
    /// CLOSE of a cursor; no name is ALL.
    Close(Option<String>),
    /// COPY … TO STDOUT.
    Copy { query: Box<Query>, format: CopyFormat },
    /// What has no meaning here and is taken without effect, under this tag.
    Ignored(&'static str),
}

impl Command {
    /// The query within it that may have parameters.
    pub(crate) fn with_parameters(&self) -> Option<&Query> {
        match self {
            Self::Query(query) | Self::Declare { query, .. } => Some(query),
            _ => None,
        }
    }
}

/// What DISCARD forgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Discard {
    All,
    Nothing(&'static str),
}

/// Statements of one text.
const STATEMENTS_MAX: usize = 1_000;

/// The statements of a text, in their order; none where it is empty.
pub(crate) fn read_commands(sql: &str) -> Result<Vec<Command>, PgError> {
    let source: Arc<str> = sql.into();
    let statements = split(sql)?;
    if statements.len() > STATEMENTS_MAX {
        return Err(PgError::new("54000", format!("a text has at most {STATEMENTS_MAX} statements")));
    }
    statements.into_iter().map(|tokens| read_command(Words::new(&source, tokens))).collect()
}

/// The tokens of each statement, without the semicolons between them.
fn split(sql: &str) -> Result<Vec<Vec<TokenWithSpan>>, PgError> {
    let tokens = Tokenizer::new(&PostgreSqlDialect {}, sql)
        .with_unescape(true)
        .tokenize_with_location()
        .map_err(|error| PgError::syntax(format!("syntax error: {error}")))?;
    let is_said = |tokens: &Vec<TokenWithSpan>| tokens.iter().any(|token| !matches!(token.token, Token::Whitespace(_)));
    let mut statements = vec![Vec::new()];
    for token in tokens {
        match token.token {
            Token::SemiColon => statements.push(Vec::new()),
            Token::EOF => {}
            _ => statements.last_mut().expect("there is one from the start").push(token),
        }
    }
    statements.retain(is_said);
    Ok(statements)
}

fn read_command(mut words: Words) -> Result<Command, PgError> {
    let first = words.peek_word().unwrap_or_default();
    let command = match first.as_str() {
        "begin" | "start" => Command::Begin,
        "commit" | "end" => Command::Commit,
        "abort" => Command::Rollback,
        "rollback" => read_rollback(&mut words)?,
        "savepoint" => {
            words.next_word();
            Command::Savepoint(words.name()?)
        }
        "release" => {
            words.next_word();
            words.take("savepoint");
            Command::Release(words.name()?)
        }
        "set" => read_set(&mut words)?,
        "show" => return read_show(words),
        "reset" => {
            words.next_word();
            if words.take("all") { Command::Reset(None) } else { Command::Reset(Some(variable_name(&mut words)?)) }
        }
        "discard" => {
            words.next_word();
            match words.next_word().as_deref() {
                Some("all") => Command::Discard(Discard::All),
                Some("plans") => Command::Discard(Discard::Nothing("DISCARD PLANS")),
                Some("sequences") => Command::Discard(Discard::Nothing("DISCARD SEQUENCES")),
                Some("temp" | "temporary") => Command::Discard(Discard::Nothing("DISCARD TEMP")),
                _ => return Err(PgError::syntax("DISCARD is followed by ALL, PLANS, SEQUENCES or TEMP")),
            }
        }
        "deallocate" => {
            words.next_word();
            words.take("prepare");
            if words.take("all") { Command::Deallocate(None) } else { Command::Deallocate(Some(words.name()?)) }
        }
        "prepare" => read_prepare(words)?,
        "declare" => read_declare(words)?,
        "fetch" | "move" => read_fetch(&mut words)?,
        "close" => {
            words.next_word();
            if words.take("all") { Command::Close(None) } else { Command::Close(Some(words.name()?)) }
        }
        "copy" => crate::statement::copy_format::read_copy(words)?,
        "listen" => Command::Ignored("LISTEN"),
        "unlisten" => Command::Ignored("UNLISTEN"),
        "lock" => Command::Ignored("LOCK TABLE"),
        "insert" | "update" | "delete" | "merge" | "truncate" | "create" | "alter" | "drop" | "grant" | "revoke"
        | "vacuum" | "analyze" | "reindex" | "cluster" | "comment" | "refresh" | "import" | "do" | "call"
        | "notify" | "security" | "reassign" => return Err(PgError::writes(&first.to_uppercase())),
        _ => Command::Query(Box::new(Query::read(words)?)),
    };
    Ok(command)
}

fn read_rollback(words: &mut Words) -> Result<Command, PgError> {
    words.next_word();
    if !words.take("work") {
        words.take("transaction");
    }
    if words.take("to") {
        words.take("savepoint");
        return Ok(Command::RollbackTo(words.name()?));
    }
    Ok(Command::Rollback)
}

fn variable_name(words: &mut Words) -> Result<String, PgError> {
    if words.take("time") {
        words.take("zone");
        return Ok("TimeZone".to_owned());
    }
    if words.take("names") {
        return Ok("client_encoding".to_owned());
    }
    let mut name = words.name()?;
    while words.take_token(&Token::Period) {
        name = format!("{name}.{}", words.name()?);
    }
    match name.as_str() {
        "transaction" if words.take("isolation") => {
            words.take("level");
            Ok("transaction_isolation".to_owned())
        }
        _ => Ok(name),
    }
}

fn read_set(words: &mut Words) -> Result<Command, PgError> {
    words.next_word();
    let is_local = words.take("local");
    if words.take("session") {
        if words.take("characteristics") {
            return Ok(Command::SetTransaction);
        }
        if words.take("authorization") {
            return Err(PgError::new("42501", "the user of a connection cannot be changed"));
        }
    }
    if words.take("transaction") || words.take("constraints") {
        return Ok(Command::SetTransaction);
    }
    if words.take("role") {
        return Err(PgError::new("42501", "the user of a connection cannot be changed"));
    }
    let is_zone = words.peek_word().as_deref() == Some("time");
    let is_names = words.peek_word().as_deref() == Some("names");
    let name = variable_name(words)?;
    if !is_zone && !is_names && !words.take_token(&Token::Eq) && !words.take("to") {
        return Err(PgError::syntax(format!("SET {name} is followed by = or TO")));
    }
    let value = read_value(words)?;
    let value = value.filter(|value| !(is_zone && value.eq_ignore_ascii_case("local")));
    Ok(Command::Set { name, value, is_local })
}

/// The values behind SET, with commas between them; `None` is DEFAULT.
fn read_value(words: &mut Words) -> Result<Option<String>, PgError> {
    if words.take("default") {
        return Ok(None);
    }
    words.take("interval");
    let mut value = String::new();
    while let Some(token) = words.next_token() {
        match token {
            Token::Comma => value.push_str(", "),
            Token::Minus => value.push('-'),
            Token::Plus => value.push('+'),
            Token::Word(word) => value.push_str(&word.value),
            Token::Number(number, _) => value.push_str(&number),
            Token::SingleQuotedString(text) | Token::EscapedStringLiteral(text) => value.push_str(&text),
            other => return Err(PgError::syntax(format!("syntax error at or near \"{other}\""))),
        }
    }
    Ok(Some(value))
}

fn read_show(mut words: Words) -> Result<Command, PgError> {
    let rest = words.clone();
    words.next_word();
    match words.peek_word().as_deref() {
        Some("all") => Ok(Command::ShowAll),
        // Those of DataFusion, which read.
        Some("tables" | "columns" | "functions") => Ok(Command::Query(Box::new(Query::read(rest)?))),
        _ => Ok(Command::Show(variable_name(&mut words)?)),
    }
}

fn read_prepare(mut words: Words) -> Result<Command, PgError> {
    words.next_word();
    let name = words.name()?;
    let mut types = Vec::new();
    if words.take_token(&Token::LParen) {
        while !words.take_token(&Token::RParen) {
            let type_name = words.name()?;
            types.push(
                crate::values::types::oid_of_name(&type_name)
                    .ok_or_else(|| PgError::new("42704", format!("type \"{type_name}\" does not exist")))?,
            );
            words.take_token(&Token::Comma);
        }
    }
    words.expect("as")?;
    Ok(Command::Prepare { name, types, query: Box::new(Query::read(words)?) })
}

fn read_declare(mut words: Words) -> Result<Command, PgError> {
    words.next_word();
    let cursor = words.name()?;
    let mut is_held = false;
    loop {
        match words.next_word().as_deref() {
            Some("binary") => return Err(PgError::unsupported("binary cursors are not supported")),
            Some("scroll") if !words.was_behind("no") => {
                return Err(PgError::unsupported("cursors go forward only: declare it with NO SCROLL"));
            }
            Some("with") => is_held = words.peek_word().as_deref() == Some("hold"),
            Some("without" | "hold" | "insensitive" | "asensitive" | "no" | "scroll" | "cursor") => {}
            Some("for") => break,
            _ => return Err(PgError::syntax("DECLARE name CURSOR FOR query")),
        }
    }
    Ok(Command::Declare { cursor, is_held, query: Box::new(Query::read(words)?) })
}

fn read_fetch(words: &mut Words) -> Result<Command, PgError> {
    let is_move = words.next_word().as_deref() == Some("move");
    let mut rows = Some(1);
    if words.take("next") {
    } else if words.take("all") {
        rows = None;
    } else if words.take("forward") {
        if words.take("all") {
            rows = None;
        } else if let Some(count) = words.number()? {
            rows = Some(count);
        }
    } else if let Some(count) = words.number()? {
        rows = Some(count);
    } else if let Some("prior" | "first" | "last" | "absolute" | "relative" | "backward") = words.peek_word().as_deref()
    {
        return Err(PgError::unsupported("cursors go forward only"));
    }
    if !words.take("from") {
        words.take("in");
    }
    Ok(Command::Fetch { cursor: words.name()?, rows, is_move })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(sql: &str) -> Command {
        let mut all = read_commands(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert_eq!(all.len(), 1, "{sql}");
        all.remove(0)
    }

    #[test]
    fn a_text_is_split_where_its_statements_end_and_not_within_quotes() {
        assert_eq!(read_commands("").unwrap().len(), 0);
        assert_eq!(read_commands(" ; -- nothing\n;").unwrap().len(), 0);
        assert_eq!(read_commands("select ';'; select $$;$$ ; begin").unwrap().len(), 3);
    }

    #[test]
    fn what_clients_say_of_their_connection_is_read() {
        let set = |sql| match one(sql) {
            Command::Set { name, value, .. } => (name, value),
            other => panic!("{sql}: {other:?}"),
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(set("SET extra_float_digits = 3"), ("extra_float_digits".into(), some("3")));
        assert_eq!(set("set application_name to 'a b'"), ("application_name".into(), some("a b")));
        assert_eq!(set("SET TIME ZONE 'Asia/Ho_Chi_Minh'"), ("TimeZone".into(), some("Asia/Ho_Chi_Minh")));
        assert_eq!(set("SET SESSION TIME ZONE DEFAULT"), ("TimeZone".into(), None));
        assert_eq!(set("SET DateStyle = ISO, DMY"), ("datestyle".into(), some("ISO, DMY")));
        assert_eq!(set("SET NAMES 'UTF8'"), ("client_encoding".into(), some("UTF8")));
        assert_eq!(set("SET app.user = 'x'"), ("app.user".into(), some("x")));
        assert!(matches!(one("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"), Command::SetTransaction));
        assert!(
            matches!(one("SHOW TRANSACTION ISOLATION LEVEL"), Command::Show(name) if name == "transaction_isolation")
        );
        assert!(matches!(one("show time zone"), Command::Show(name) if name == "TimeZone"));
        assert!(matches!(one("show tables"), Command::Query(_)));
        assert!(matches!(one("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"), Command::Begin));
        assert!(matches!(one("rollback to savepoint \"A\""), Command::RollbackTo(name) if name == "A"));
        assert!(matches!(one("DEALLOCATE ALL"), Command::Deallocate(None)));
        assert!(matches!(
            one("DECLARE \"c\" NO SCROLL CURSOR WITHOUT HOLD FOR SELECT 1"),
            Command::Declare { cursor, is_held: false, .. } if cursor == "c"
        ));
        assert!(matches!(one("DECLARE c CURSOR WITH HOLD FOR SELECT 1"), Command::Declare { is_held: true, .. }));
        for (sql, count) in [("FETCH FORWARD 100 FROM c", Some(100)), ("fetch all in c", None), ("FETCH c", Some(1))] {
            assert!(matches!(one(sql), Command::Fetch { cursor, rows, .. } if cursor == "c" && rows == count), "{sql}");
        }
    }

    #[test]
    fn what_writes_is_refused_and_what_is_no_sql_too() {
        for (sql, sqlstate) in [
            ("insert into environment values (1)", "25006"),
            ("CREATE TABLE a (b int)", "25006"),
            ("selct 1", "42601"),
            ("select 'a", "42601"),
            ("FETCH BACKWARD 1 FROM c", "0A000"),
            ("SET ROLE other", "42501"),
        ] {
            assert_eq!(read_commands(sql).unwrap_err().sqlstate, sqlstate, "{sql}");
        }
    }
}
