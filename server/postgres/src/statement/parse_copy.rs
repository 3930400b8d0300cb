//! COPY statements, parsed. Rows go to the client only: COPY FROM and files of the server are refused.

use datafusion::sql::sqlparser::tokenizer::Token;

use crate::error::PgError;
use crate::statement::query::Query;
use crate::statement::tokens::{TokenCursor, split_statements};
use zonelake_postgres_values::CopyFormat;

/// Parses a COPY statement: the query whose rows are copied, and their form.
pub(crate) fn parse_copy(mut tokens: TokenCursor) -> Result<(Query, CopyFormat), PgError> {
    tokens.next_word();
    let query = if tokens.take_token(&Token::LParen) {
        // `in_parentheses` takes the parenthesis itself.
        tokens.step_back();
        Query::parse(tokens.in_parentheses()?)?
    } else {
        parse_table(&mut tokens)?
    };
    if tokens.take_word("from") {
        return Err(PgError::writes("COPY FROM"));
    }
    tokens.expect_word("to")?;
    if !tokens.take_word("stdout") {
        return Err(PgError::new("42501", "COPY writes to STDOUT only"));
    }
    tokens.take_word("with");
    let mut options = CopyOptions::default();
    if tokens.take_token(&Token::LParen) {
        while !tokens.take_token(&Token::RParen) {
            options.parse(&mut tokens)?;
            tokens.take_token(&Token::Comma);
        }
    }
    while !tokens.is_done() {
        options.parse_bare(&mut tokens)?;
    }
    Ok((query, options.format()?))
}

/// Parses `table` or `schema.table`, with columns or without, as the query that reads it.
fn parse_table(tokens: &mut TokenCursor) -> Result<Query, PgError> {
    // The name is put into SQL again, so it is quoted as the token was.
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let mut table = quoted(&tokens.name()?);
    while tokens.take_token(&Token::Period) {
        table = format!("{table}.{}", quoted(&tokens.name()?));
    }
    let mut columns = Vec::new();
    if tokens.take_token(&Token::LParen) {
        while !tokens.take_token(&Token::RParen) {
            columns.push(quoted(&tokens.name()?));
            tokens.take_token(&Token::Comma);
        }
    }
    let columns = if columns.is_empty() { "*".to_owned() } else { columns.join(", ") };
    let mut statements = split_statements(&format!("SELECT {columns} FROM {table}"))?;
    Query::parse(statements.pop().ok_or_else(|| PgError::syntax("a query is expected"))?)
}

/// Options of a COPY statement, `None` where they are not given.
#[derive(Debug, Default)]
struct CopyOptions {
    format: Option<String>,
    delimiter: Option<u8>,
    null: Option<String>,
    header: bool,
    quote: Option<u8>,
    escape: Option<u8>,
    force_quote: bool,
}

impl CopyOptions {
    /// Parses one of the options between parentheses.
    fn parse(&mut self, tokens: &mut TokenCursor) -> Result<(), PgError> {
        let name = tokens.name()?;
        match name.as_str() {
            "format" => self.format = Some(tokens.name()?.to_lowercase()),
            "delimiter" => self.delimiter = Some(one_byte("DELIMITER", &tokens.name()?)?),
            "null" => self.null = Some(tokens.name()?),
            "header" => self.header = !tokens.take_word("false") && !tokens.take_word("off"),
            "quote" => self.quote = Some(one_byte("QUOTE", &tokens.name()?)?),
            "escape" => self.escape = Some(one_byte("ESCAPE", &tokens.name()?)?),
            "encoding" if matches!(tokens.name()?.to_uppercase().as_str(), "UTF8" | "UTF-8") => {}
            "encoding" => return Err(PgError::unsupported("text is UTF-8")),
            "force_quote" if tokens.take_token(&Token::Mul) => self.force_quote = true,
            _ => return Err(PgError::unsupported(format!("the option {name} of COPY is not supported here"))),
        }
        if name == "header" && !tokens.take_word("true") {
            tokens.take_word("on");
        }
        Ok(())
    }

    /// Parses one of the options without parentheses, as PostgreSQL had them before 9.0.
    fn parse_bare(&mut self, tokens: &mut TokenCursor) -> Result<(), PgError> {
        match tokens.name()?.as_str() {
            word @ ("csv" | "binary" | "text") => self.format = Some(word.to_owned()),
            "header" => self.header = true,
            "delimiter" | "delimiters" => {
                tokens.take_word("as");
                self.delimiter = Some(one_byte("DELIMITER", &tokens.name()?)?);
            }
            "null" => {
                tokens.take_word("as");
                self.null = Some(tokens.name()?);
            }
            other => return Err(PgError::syntax(format!("syntax error at or near \"{other}\""))),
        }
        Ok(())
    }

    fn format(self) -> Result<CopyFormat, PgError> {
        let Self { delimiter, null, header, quote, escape, force_quote, .. } = self;
        match self.format.as_deref().unwrap_or("text") {
            "text" => Ok(CopyFormat::Text {
                delimiter: delimiter.unwrap_or(b'\t'),
                null: null.unwrap_or_else(|| "\\N".to_owned()),
                header,
            }),
            "csv" => {
                let quote = quote.unwrap_or(b'"');
                Ok(CopyFormat::Csv {
                    delimiter: delimiter.unwrap_or(b','),
                    null: null.unwrap_or_default(),
                    header,
                    quote,
                    escape: escape.unwrap_or(quote),
                    force_quote,
                })
            }
            "binary" => Ok(CopyFormat::Binary),
            other => Err(PgError::new("22023", format!("COPY format \"{other}\" not recognized"))),
        }
    }
}

fn one_byte(option: &str, value: &str) -> Result<u8, PgError> {
    match value.as_bytes() {
        [byte] if !matches!(byte, b'\n' | b'\r') => Ok(*byte),
        _ => Err(PgError::new("22023", format!("COPY {option} is one byte"))),
    }
}

#[cfg(test)]
mod tests {
    use crate::statement::commands::Command;
    use crate::statement::parse::parse_commands;
    use arrow::array::{ArrayRef, Int32Array, StringArray};
    use bytes::{Buf, BytesMut};
    use std::sync::Arc;
    use zonelake_postgres_values::Column;
    use zonelake_timeseries::Zone;

    #[test]
    fn a_copy_reads_only_and_goes_to_the_client_only() {
        for (sql, sqlstate) in [
            ("copy t from stdin", "25006"),
            ("copy t to '/etc/passwd'", "42501"),
            ("copy t to program 'sh'", "42501"),
            ("copy t to stdout (format parquet)", "22023"),
            ("copy (insert into t values (1)) to stdout", "25006"),
        ] {
            assert_eq!(parse_commands(sql).map(|_| ()).unwrap_err().sqlstate, sqlstate, "{sql}");
        }
    }

    fn copied(sql: &str) -> String {
        let Command::Copy { format, .. } = parse_commands(sql).unwrap().remove(0) else { panic!("{sql}") };
        let arrays: [ArrayRef; 2] =
            [Arc::new(Int32Array::from(vec![Some(1), None])), Arc::new(StringArray::from(vec!["a,\"b\"\n\t\\", ""]))];
        let columns = arrays.map(|array| Column::new(&array, Zone::UTC).unwrap());
        let (mut header, mut messages) = (BytesMut::new(), BytesMut::new());
        format.put_header(&["n".to_owned(), "t".to_owned()], &mut header);
        let written = format.put_data(&columns, &mut header, 0..2, &mut messages, usize::MAX).unwrap();
        assert_eq!(written, 2);
        let mut out = BytesMut::new();
        while !messages.is_empty() {
            assert_eq!(messages.get_u8(), b'd');
            let length = usize::try_from(messages.get_u32()).unwrap() - 4;
            out.extend_from_slice(&messages.split_to(length));
        }
        format.put_trailer(&mut out);
        out.iter().map(|byte| char::from(*byte)).collect()
    }

    #[test]
    fn the_forms_are_those_of_postgresql() {
        assert_eq!(copied("copy (select 1, 2) to stdout"), "1\ta,\"b\"\\n\\t\\\\\n\\N\t\n");
        assert_eq!(
            copied("copy (select 1, 2) to stdout with (format csv, header true)"),
            "n,t\n1,\"a,\"\"b\"\"\n\t\\\"\n,\"\"\n"
        );
        assert_eq!(copied("copy t to stdout csv header null 'x'"), "n,t\n1,\"a,\"\"b\"\"\n\t\\\"\nx,\n");
        let binary = copied("copy t (a, b) to stdout (format binary)");
        assert!(binary.starts_with("PGCOPY\n\u{ff}\r\n\0\0\0\0\0\0\0\0\0\0\u{2}\0\0\0\u{4}\0\0\0\u{1}"), "{binary:?}");
        assert!(binary.ends_with("\u{ff}\u{ff}"));
    }
}
