//! Statements parsed as commands, by their first tokens. A statement that is no command of the session is a query,
//! which sqlparser parses.

use datafusion::sql::sqlparser::tokenizer::Token;
use zonelake_timeseries::{Zone, parse_interval};

use crate::error::PgError;
use crate::statement::commands::{Command, Discard};
use crate::statement::parse_copy::parse_copy;
use crate::statement::query::Query;
use crate::statement::tokens::{TokenCursor, split_statements};
use zonelake_postgres_values::oid_of_name;

/// Most statements of one text.
const STATEMENTS_MAX: usize = 1_000;

/// Parses the statements of a text, in their order; none where the text is empty.
pub(crate) fn parse_commands(sql: &str) -> Result<Vec<Command>, PgError> {
    let statements = split_statements(sql)?;
    if statements.len() > STATEMENTS_MAX {
        return Err(PgError::new("54000", format!("a text has at most {STATEMENTS_MAX} statements")));
    }
    statements.into_iter().map(parse_command).collect()
}

fn parse_command(mut tokens: TokenCursor) -> Result<Command, PgError> {
    let first = tokens.peek_word().unwrap_or_default();
    let command = match first.as_str() {
        "begin" | "start" => Command::Begin,
        "commit" | "end" => Command::Commit,
        "abort" => Command::Rollback,
        "rollback" => parse_rollback(&mut tokens)?,
        "savepoint" => {
            tokens.next_word();
            Command::Savepoint(tokens.name()?)
        }
        "release" => {
            tokens.next_word();
            tokens.take_word("savepoint");
            Command::Release(tokens.name()?)
        }
        "set" => parse_set(&mut tokens)?,
        "show" => return parse_show(tokens),
        "reset" => {
            tokens.next_word();
            if tokens.take_word("all") {
                Command::Reset(None)
            } else {
                Command::Reset(Some(parse_variable_name(&mut tokens)?))
            }
        }
        "discard" => {
            tokens.next_word();
            match tokens.next_word().as_deref() {
                Some("all") => Command::Discard(Discard::All),
                Some("plans") => Command::Discard(Discard::Nothing("DISCARD PLANS")),
                Some("sequences") => Command::Discard(Discard::Nothing("DISCARD SEQUENCES")),
                Some("temp" | "temporary") => Command::Discard(Discard::Nothing("DISCARD TEMP")),
                _ => return Err(PgError::syntax("DISCARD is followed by ALL, PLANS, SEQUENCES or TEMP")),
            }
        }
        "deallocate" => {
            tokens.next_word();
            tokens.take_word("prepare");
            if tokens.take_word("all") { Command::Deallocate(None) } else { Command::Deallocate(Some(tokens.name()?)) }
        }
        "prepare" => parse_prepare(tokens)?,
        "declare" => parse_declare(tokens)?,
        "fetch" | "move" => parse_fetch(&mut tokens)?,
        "close" => {
            tokens.next_word();
            if tokens.take_word("all") { Command::Close(None) } else { Command::Close(Some(tokens.name()?)) }
        }
        "copy" => {
            let (query, format) = parse_copy(tokens)?;
            Command::Copy { query: Box::new(query), format }
        }
        "listen" => Command::Ignored("LISTEN"),
        "unlisten" => Command::Ignored("UNLISTEN"),
        "lock" => Command::Ignored("LOCK TABLE"),
        "insert" | "update" | "delete" | "merge" | "truncate" | "create" | "alter" | "drop" | "grant" | "revoke"
        | "vacuum" | "analyze" | "reindex" | "cluster" | "comment" | "refresh" | "import" | "do" | "call"
        | "notify" | "security" | "reassign" => return Err(PgError::writes(&first.to_uppercase())),
        _ => Command::Query(Box::new(Query::parse(tokens)?)),
    };
    Ok(command)
}

fn parse_rollback(tokens: &mut TokenCursor) -> Result<Command, PgError> {
    tokens.next_word();
    if !tokens.take_word("work") {
        tokens.take_word("transaction");
    }
    if tokens.take_word("to") {
        tokens.take_word("savepoint");
        return Ok(Command::RollbackTo(tokens.name()?));
    }
    Ok(Command::Rollback)
}

fn parse_variable_name(tokens: &mut TokenCursor) -> Result<String, PgError> {
    if tokens.take_word("time") {
        tokens.take_word("zone");
        return Ok("TimeZone".to_owned());
    }
    if tokens.take_word("names") {
        return Ok("client_encoding".to_owned());
    }
    let mut name = tokens.name()?;
    while tokens.take_token(&Token::Period) {
        name = format!("{name}.{}", tokens.name()?);
    }
    match name.as_str() {
        "transaction" if tokens.take_word("isolation") => {
            tokens.take_word("level");
            Ok("transaction_isolation".to_owned())
        }
        _ => Ok(name),
    }
}

fn parse_set(tokens: &mut TokenCursor) -> Result<Command, PgError> {
    tokens.next_word();
    let is_local = tokens.take_word("local");
    if tokens.take_word("session") {
        if tokens.take_word("characteristics") {
            return Ok(Command::SetTransaction);
        }
        if tokens.take_word("authorization") {
            return Err(PgError::new("42501", "the user of a connection cannot be changed"));
        }
    }
    if tokens.take_word("transaction") || tokens.take_word("constraints") {
        return Ok(Command::SetTransaction);
    }
    if tokens.take_word("role") {
        return Err(PgError::new("42501", "the user of a connection cannot be changed"));
    }
    // SET TIME ZONE and SET NAMES have neither = nor TO.
    let is_zone = tokens.peek_word().as_deref() == Some("time");
    let is_names = tokens.peek_word().as_deref() == Some("names");
    let name = parse_variable_name(tokens)?;
    if !is_zone && !is_names && !tokens.take_token(&Token::Eq) && !tokens.take_word("to") {
        return Err(PgError::syntax(format!("SET {name} is followed by = or TO")));
    }
    if is_zone && tokens.take_word("interval") {
        return Ok(Command::Set { name, value: Some(parse_zone_interval(tokens)?), is_local });
    }
    let value = parse_value(tokens)?;
    // SET TIME ZONE LOCAL is the zone at the start of the connection.
    let value = value.filter(|value| !(is_zone && value.eq_ignore_ascii_case("local")));
    Ok(Command::Set { name, value, is_local })
}

/// Parses the values of SET as one text with commas between them; `None` is DEFAULT.
fn parse_value(tokens: &mut TokenCursor) -> Result<Option<String>, PgError> {
    if tokens.take_word("default") {
        return Ok(None);
    }
    let mut value = String::new();
    while let Some(token) = tokens.next_token() {
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

/// Parses `'+07:00' HOUR TO MINUTE` behind `SET TIME ZONE INTERVAL`, as the zone of so many hours east. The fields change nothing of
/// an interval that is written with a colon or a unit.
fn parse_zone_interval(tokens: &mut TokenCursor) -> Result<String, PgError> {
    let refused = |text: &str, why: &str| {
        PgError::new("22023", format!("invalid value for parameter \"TimeZone\": INTERVAL '{text}'{why}"))
    };
    let text = tokens.name()?;
    let interval = parse_interval(&text).ok_or_else(|| refused(&text, ""))?;
    if interval.months != 0 || interval.days != 0 {
        return Err(refused(&text, ", a time zone interval has no months and no days"));
    }
    while tokens.peek_word().is_some_and(|word| ["hour", "minute", "second", "to"].contains(&word.as_str())) {
        tokens.next_word();
    }
    if let Some(token) = tokens.next_token() {
        return Err(PgError::syntax(format!("syntax error at or near \"{token}\"")));
    }
    let minutes = interval.nanoseconds / 60_000_000_000;
    // Whole minutes of less than a day, or no zone: exact as a double.
    let hours = i32::try_from(minutes).ok().filter(|_| interval.nanoseconds % 60_000_000_000 == 0);
    let zone = hours.and_then(|minutes| Zone::of_hours_east(f64::from(minutes) / 60.0));
    zone.map(|(_, shown)| shown).ok_or_else(|| refused(&text, ""))
}

fn parse_show(mut tokens: TokenCursor) -> Result<Command, PgError> {
    // A copy, for DataFusion parses SHOW TABLES from its first word.
    let rest = tokens.clone();
    tokens.next_word();
    match tokens.peek_word().as_deref() {
        Some("all") => Ok(Command::ShowAll),
        // DataFusion has these, and they read rows.
        Some("tables" | "columns" | "functions") => Ok(Command::Query(Box::new(Query::parse(rest)?))),
        _ => Ok(Command::Show(parse_variable_name(&mut tokens)?)),
    }
}

fn parse_prepare(mut tokens: TokenCursor) -> Result<Command, PgError> {
    tokens.next_word();
    let name = tokens.name()?;
    let mut types = Vec::new();
    if tokens.take_token(&Token::LParen) {
        while !tokens.take_token(&Token::RParen) {
            let type_name = tokens.name()?;
            types.push(
                oid_of_name(&type_name)
                    .ok_or_else(|| PgError::new("42704", format!("type \"{type_name}\" does not exist")))?,
            );
            tokens.take_token(&Token::Comma);
        }
    }
    tokens.expect_word("as")?;
    Ok(Command::Prepare { name, types, query: Box::new(Query::parse(tokens)?) })
}

fn parse_declare(mut tokens: TokenCursor) -> Result<Command, PgError> {
    tokens.next_word();
    let cursor = tokens.name()?;
    let mut is_held = false;
    loop {
        match tokens.next_word().as_deref() {
            Some("binary") => return Err(PgError::unsupported("binary cursors are not supported")),
            Some("scroll") if !tokens.is_after("no") => {
                return Err(PgError::unsupported("cursors go forward only: declare it with NO SCROLL"));
            }
            Some("with") => is_held = tokens.peek_word().as_deref() == Some("hold"),
            Some("without" | "hold" | "insensitive" | "asensitive" | "no" | "scroll" | "cursor") => {}
            Some("for") => break,
            _ => return Err(PgError::syntax("DECLARE name CURSOR FOR query")),
        }
    }
    Ok(Command::Declare { cursor, is_held, query: Box::new(Query::parse(tokens)?) })
}

fn parse_fetch(tokens: &mut TokenCursor) -> Result<Command, PgError> {
    let is_move = tokens.next_word().as_deref() == Some("move");
    let mut rows = Some(1);
    // FETCH without a count is FETCH NEXT.
    if tokens.take_word("next") {
    } else if tokens.take_word("all") {
        rows = None;
    } else if tokens.take_word("forward") {
        if tokens.take_word("all") {
            rows = None;
        } else if let Some(count) = tokens.number()? {
            rows = Some(count);
        }
    } else if let Some(count) = tokens.number()? {
        rows = Some(count);
    } else if let Some("prior" | "first" | "last" | "absolute" | "relative" | "backward") =
        tokens.peek_word().as_deref()
    {
        return Err(PgError::unsupported("cursors go forward only"));
    }
    if !tokens.take_word("from") {
        tokens.take_word("in");
    }
    Ok(Command::Fetch { cursor: tokens.name()?, rows, is_move })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(sql: &str) -> Command {
        let mut all = parse_commands(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert_eq!(all.len(), 1, "{sql}");
        all.remove(0)
    }

    #[test]
    fn a_text_is_split_where_its_statements_end_and_not_within_quotes() {
        assert_eq!(parse_commands("").unwrap().len(), 0);
        assert_eq!(parse_commands(" ; -- nothing\n;").unwrap().len(), 0);
        assert_eq!(parse_commands("select ';'; select $$;$$ ; begin").unwrap().len(), 3);
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
        assert_eq!(set("SET TIME ZONE -3.5"), ("TimeZone".into(), some("-3.5")));
        assert_eq!(set("SET TIME ZONE INTERVAL '7 hours'"), ("TimeZone".into(), some("<+07>-07")));
        let hanoi = set("SET TIME ZONE INTERVAL '+07:00' HOUR TO MINUTE");
        assert_eq!(hanoi, ("TimeZone".into(), some("<+07>-07")));
        let newfoundland = set("SET TIME ZONE INTERVAL '-03:30' HOUR TO MINUTE");
        assert_eq!(newfoundland, ("TimeZone".into(), some("<-03:30>+03:30")));
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
            ("SET TIME ZONE INTERVAL '1 month'", "22023"),
        ] {
            assert_eq!(parse_commands(sql).unwrap_err().sqlstate, sqlstate, "{sql}");
        }
    }
}
