//! `COPY (query) TO STDOUT` in PostgreSQL's three forms: text, CSV and binary.
//!
//! Binary, numbers big-endian: `PGCOPY\n\xff\r\n\0`, flags (4 bytes, 0), length of an extension (4 bytes, 0); then each row:
//! number of values (2 bytes), each its length (4 bytes; −1 is null) and the value; then −1 (2 bytes).

use bytes::{BufMut, BytesMut};
use datafusion::sql::sqlparser::tokenizer::Token;

use crate::values::column::{Column, ValueError};
use crate::statement::parse::Command;
use crate::error::PgError;
use crate::protocol::messages::{put_count, put_sized};
use crate::statement::query::Query;
use crate::statement::tokens::Words;

/// The form of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CopyFormat {
    /// Values between delimiters, with backslashes.
    Text { delimiter: u8, null: String, header: bool },
    /// Comma-separated values.
    Csv { delimiter: u8, null: String, header: bool, quote: u8, escape: u8, force_quote: bool },
    /// PostgreSQL's binary form.
    Binary,
}

impl CopyFormat {
    /// What stands in front of the rows.
    pub(crate) fn put_head(&self, names: &[String], out: &mut BytesMut) {
        match self {
            Self::Binary => {
                out.put_slice(b"PGCOPY\n\xff\r\n\0");
                out.put_i32(0);
                out.put_i32(0);
            }
            Self::Text { delimiter, header: true, .. } | Self::Csv { delimiter, header: true, .. } => {
                for (index, name) in names.iter().enumerate() {
                    if index > 0 {
                        out.put_u8(*delimiter);
                    }
                    self.put_cell(name.as_bytes(), out);
                }
                out.put_u8(b'\n');
            }
            _ => {}
        }
    }

    /// A row.
    pub(crate) fn put_row(&self, columns: &[Column], row: usize, out: &mut BytesMut) -> Result<(), ValueError> {
        let (delimiter, null) = match self {
            Self::Binary => {
                put_count(out, columns.len());
                for column in columns {
                    put_value(column, row, true, out)?;
                }
                return Ok(());
            }
            Self::Text { delimiter, null, .. } | Self::Csv { delimiter, null, .. } => (*delimiter, null),
        };
        for (index, column) in columns.iter().enumerate() {
            if index > 0 {
                out.put_u8(delimiter);
            }
            if column.is_null(row) {
                out.put_slice(null.as_bytes());
                continue;
            }
            let at = out.len();
            column.put_text(row, out)?;
            let cell = out.split_off(at);
            self.put_cell(&cell, out);
        }
        out.put_u8(b'\n');
        Ok(())
    }

    /// What stands behind the rows.
    pub(crate) fn put_end(&self, out: &mut BytesMut) {
        if *self == Self::Binary {
            out.put_i16(-1);
        }
    }

    fn put_cell(&self, cell: &[u8], out: &mut BytesMut) {
        match self {
            Self::Binary => {}
            Self::Text { delimiter, .. } => {
                for byte in cell {
                    let escaped = match byte {
                        b'\\' => b'\\',
                        b'\n' => b'n',
                        b'\r' => b'r',
                        b'\t' => b't',
                        8 => b'b',
                        11 => b'v',
                        12 => b'f',
                        other if other == delimiter => *other,
                        other => {
                            out.put_u8(*other);
                            continue;
                        }
                    };
                    out.put_slice(&[b'\\', escaped]);
                }
            }
            Self::Csv { delimiter, null, quote, escape, force_quote, .. } => {
                let special = |byte: &u8| [*delimiter, *quote, b'\n', b'\r'].contains(byte);
                let is_quoted = *force_quote || cell == null.as_bytes() || cell == b"\\." || cell.iter().any(special);
                if !is_quoted {
                    return out.put_slice(cell);
                }
                out.put_u8(*quote);
                for byte in cell {
                    if byte == quote || byte == escape {
                        out.put_u8(*escape);
                    }
                    out.put_u8(*byte);
                }
                out.put_u8(*quote);
            }
        }
    }
}

/// A value with its length in front; null has length −1.
pub(crate) fn put_value(column: &Column, row: usize, is_binary: bool, out: &mut BytesMut) -> Result<(), ValueError> {
    if column.is_null(row) {
        out.put_i32(-1);
        return Ok(());
    }
    let mut written = Ok(());
    put_sized(out, false, |out| {
        written = if is_binary { column.put_binary(row, out) } else { column.put_text(row, out) };
    });
    written
}

/// Reads a COPY statement.
pub(crate) fn read_copy(mut words: Words) -> Result<Command, PgError> {
    words.next_word();
    let query = if words.take_token(&Token::LParen) {
        words.step_back();
        Query::read(words.in_parentheses()?)?
    } else {
        read_table(&mut words)?
    };
    if words.take("from") {
        return Err(PgError::writes("COPY FROM"));
    }
    words.expect("to")?;
    if !words.take("stdout") {
        return Err(PgError::new("42501", "COPY writes to STDOUT only"));
    }
    words.take("with");
    let mut options = Options::default();
    if words.take_token(&Token::LParen) {
        while !words.take_token(&Token::RParen) {
            options.read(&mut words)?;
            words.take_token(&Token::Comma);
        }
    }
    while !words.is_done() {
        options.read_bare(&mut words)?;
    }
    Ok(Command::Copy { query: Box::new(query), format: options.format()? })
}

/// `table`, `schema.table`, with columns or without.
fn read_table(words: &mut Words) -> Result<Query, PgError> {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let mut table = quoted(&words.name()?);
    while words.take_token(&Token::Period) {
        table = format!("{table}.{}", quoted(&words.name()?));
    }
    let mut columns = Vec::new();
    if words.take_token(&Token::LParen) {
        while !words.take_token(&Token::RParen) {
            columns.push(quoted(&words.name()?));
            words.take_token(&Token::Comma);
        }
    }
    let columns = if columns.is_empty() { "*".to_owned() } else { columns.join(", ") };
    Query::of_text(&format!("SELECT {columns} FROM {table}"))
}

#[derive(Default)]
struct Options {
    format: Option<String>,
    delimiter: Option<u8>,
    null: Option<String>,
    header: bool,
    quote: Option<u8>,
    escape: Option<u8>,
    force_quote: bool,
}

impl Options {
    /// One of the options between parentheses.
    fn read(&mut self, words: &mut Words) -> Result<(), PgError> {
        let name = words.name()?;
        match name.as_str() {
            "format" => self.format = Some(words.name()?.to_lowercase()),
            "delimiter" => self.delimiter = Some(one_byte("DELIMITER", &words.name()?)?),
            "null" => self.null = Some(words.name()?),
            "header" => self.header = !words.take("false") && !words.take("off"),
            "quote" => self.quote = Some(one_byte("QUOTE", &words.name()?)?),
            "escape" => self.escape = Some(one_byte("ESCAPE", &words.name()?)?),
            "encoding" if matches!(words.name()?.to_uppercase().as_str(), "UTF8" | "UTF-8") => {}
            "encoding" => return Err(PgError::unsupported("text is UTF-8")),
            "force_quote" if words.take_token(&Token::Mul) => self.force_quote = true,
            _ => return Err(PgError::unsupported(format!("the option {name} of COPY is not supported here"))),
        }
        if name == "header" && !words.take("true") {
            words.take("on");
        }
        Ok(())
    }

    /// One of the options without parentheses.
    fn read_bare(&mut self, words: &mut Words) -> Result<(), PgError> {
        match words.name()?.as_str() {
            word @ ("csv" | "binary" | "text") => self.format = Some(word.to_owned()),
            "header" => self.header = true,
            "delimiter" | "delimiters" => {
                words.take("as");
                self.delimiter = Some(one_byte("DELIMITER", &words.name()?)?);
            }
            "null" => {
                words.take("as");
                self.null = Some(words.name()?);
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
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int32Array, StringArray};

    use super::*;
    use crate::values::datetime::Zone;
    use crate::statement::parse::read_commands;

    fn copied(sql: &str) -> String {
        let Command::Copy { format, .. } = read_commands(sql).unwrap().remove(0) else { panic!("{sql}") };
        let arrays: [ArrayRef; 2] =
            [Arc::new(Int32Array::from(vec![Some(1), None])), Arc::new(StringArray::from(vec!["a,\"b\"\n\t\\", ""]))];
        let columns = arrays.map(|array| Column::new(&array, Zone::UTC).unwrap());
        let mut out = BytesMut::new();
        format.put_head(&["n".to_owned(), "t".to_owned()], &mut out);
        for row in 0..2 {
            format.put_row(&columns, row, &mut out).unwrap();
        }
        format.put_end(&mut out);
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

    #[test]
    fn a_copy_reads_only_and_goes_to_the_client_only() {
        for (sql, sqlstate) in [
            ("copy t from stdin", "25006"),
            ("copy t to '/etc/passwd'", "42501"),
            ("copy t to program 'sh'", "42501"),
            ("copy t to stdout (format parquet)", "22023"),
            ("copy (insert into t values (1)) to stdout", "25006"),
        ] {
            assert_eq!(read_commands(sql).map(|_| ()).unwrap_err().sqlstate, sqlstate, "{sql}");
        }
    }
}
