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

use crate::column_writer::Column;
use crate::error::ValueError;
use crate::sized::put_count;

/// Form of the rows of a COPY.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopyFormat {
    /// Values between delimiters, with backslashes as escapes.
    Text {
        /// Byte between values.
        delimiter: u8,
        /// Text of null.
        null: String,
        /// Whether a line of names is in front.
        header: bool,
    },
    /// Comma-separated values.
    Csv {
        /// Byte between values.
        delimiter: u8,
        /// Text of null.
        null: String,
        /// Whether a line of names is in front.
        header: bool,
        /// Byte around values that need it.
        quote: u8,
        /// Byte in front of a quote within a value.
        escape: u8,
        /// Whether all values have quotes.
        force_quote: bool,
    },
    /// PostgreSQL's binary form.
    Binary,
}

impl CopyFormat {
    /// Writes what stands in front of the rows.
    pub fn put_header(&self, names: &[String], out: &mut BytesMut) {
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
    pub fn put_trailer(&self, out: &mut BytesMut) {
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
