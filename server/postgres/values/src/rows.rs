//! Rows of a batch as messages: DataRow, and CopyData of a COPY.

use std::ops::Range;

use bytes::{BufMut, BytesMut};

use crate::column_writer::Column;
use crate::copy_format::CopyFormat;
use crate::error::ValueError;
use crate::sized::{put_count, put_sized};

/// Writes these rows as DataRow messages, until the output has `out_max` bytes; true in `formats` for each column that is binary. Returns
/// how many rows were written.
///
/// # Errors
/// Fails at a value that PostgreSQL does not have; nothing of its row is written then.
pub fn put_data_rows(
    columns: &[Column],
    formats: &[bool],
    rows: Range<usize>,
    out: &mut BytesMut,
    out_max: usize,
) -> Result<usize, ValueError> {
    put_messages(b'D', rows, out, out_max, |row, out| {
        put_count(out, columns.len());
        columns.iter().zip(formats).try_for_each(|(column, is_binary)| column.put_sized(row, *is_binary, out))
    })
}

impl CopyFormat {
    /// Writes these rows as CopyData messages, until the output has `out_max` bytes; `header` goes in front of the first. Returns how many
    /// rows were written.
    ///
    /// # Errors
    /// Fails at a value that PostgreSQL does not have; nothing of its row is written then.
    pub fn put_data(
        &self,
        columns: &[Column],
        header: &mut BytesMut,
        rows: Range<usize>,
        out: &mut BytesMut,
        out_max: usize,
    ) -> Result<usize, ValueError> {
        put_messages(b'd', rows, out, out_max, |row, out| {
            out.extend_from_slice(&header.split());
            self.put_row(columns, row, out)
        })
    }
}

fn put_messages(
    kind: u8,
    rows: Range<usize>,
    out: &mut BytesMut,
    out_max: usize,
    mut put_row: impl FnMut(usize, &mut BytesMut) -> Result<(), ValueError>,
) -> Result<usize, ValueError> {
    let first = rows.start;
    for row in rows.clone() {
        if out.len() >= out_max {
            return Ok(row - first);
        }
        let at = out.len();
        out.put_u8(kind);
        let mut written = Ok(());
        put_sized(out, true, |out| written = put_row(row, out));
        if let Err(error) = written {
            // Half a message would break the protocol, and the error is a message of its own.
            out.truncate(at);
            return Err(error);
        }
    }
    Ok(rows.len())
}
