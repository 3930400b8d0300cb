//! `COPY (query) TO STDOUT` in PostgreSQL's three forms: text, CSV and binary.
//!
//! Text and CSV are UTF-8, a line for each row. Binary, numbers big-endian:
//!
//! | bytes | content |
//! |---|---|
//! | 11 | `PGCOPY\n\xff\r\n\0` |
//! | 4 | flags: 0 |
//! | 4 | length of an extension: 0 |
//! | each row: 2 | number of values |
//! | each value: 4 + n | length and value in its binary form; length −1 is null |
//! | 2 | −1 behind the last row |

use bytes::{BufMut, BytesMut};

use crate::protocol::messages::put_count;
use crate::values::column_writer::Column;
use crate::values::error::ValueError;

/// Form of the rows of a COPY.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CopyFormat {
    /// Values between delimiters, with backslashes as escapes.
    Text { delimiter: u8, null: String, header: bool },
    /// Comma-separated values.
    Csv { delimiter: u8, null: String, header: bool, quote: u8, escape: u8, force_quote: bool },
    /// PostgreSQL's binary form.
    Binary,
}

impl CopyFormat {
    /// Writes what stands in front of the rows.
    pub(crate) fn put_header(&self, names: &[String], out: &mut BytesMut) {
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

    /// Writes a row.
    pub(crate) fn put_row(&self, columns: &[Column], row: usize, out: &mut BytesMut) -> Result<(), ValueError> {
        let (delimiter, null) = match self {
            Self::Binary => {
                put_count(out, columns.len());
                for column in columns {
                    column.put_sized(row, true, out)?;
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
            // Escaping depends on bytes that are known once the value is written.
            let cell = out.split_off(at);
            self.put_cell(&cell, out);
        }
        out.put_u8(b'\n');
        Ok(())
    }

    /// Writes what stands behind the rows.
    pub(crate) fn put_trailer(&self, out: &mut BytesMut) {
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
                        // The delimiter itself, after a backslash.
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
                // A cell that looks like null or like the end of the data has quotes, so that it is read back as text.
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int32Array, StringArray};

    use super::*;
    use crate::statement::commands::Command;
    use crate::statement::parse::parse_commands;
    use crate::values::datetime::Zone;

    fn copied(sql: &str) -> String {
        let Command::Copy { format, .. } = parse_commands(sql).unwrap().remove(0) else { panic!("{sql}") };
        let arrays: [ArrayRef; 2] =
            [Arc::new(Int32Array::from(vec![Some(1), None])), Arc::new(StringArray::from(vec!["a,\"b\"\n\t\\", ""]))];
        let columns = arrays.map(|array| Column::new(&array, Zone::UTC).unwrap());
        let mut out = BytesMut::new();
        format.put_header(&["n".to_owned(), "t".to_owned()], &mut out);
        for row in 0..2 {
            format.put_row(&columns, row, &mut out).unwrap();
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
