//! Bounds check of an IPC message: the lengths that it claims, compared with the bytes that are there. arrow-ipc takes
//! lengths on trust and would panic. A record's checksum keeps a failing disk out, not a fault of the writer.

use arrow::datatypes::{DataType, Schema};
use arrow::ipc::RecordBatch;

/// Checks a batch of columns of `schema`, all of them flat, against its body. Returns its rows, or what is wrong in
/// words.
pub(super) fn check_bounds(batch: &RecordBatch<'_>, body: &[u8], schema: &Schema) -> Result<u64, String> {
    let rows = usize::try_from(batch.length()).ok().filter(|rows| *rows > 0);
    let rows = rows.ok_or_else(|| format!("{} rows", batch.length()))?;
    if batch.compression().is_some() || batch.variadicBufferCounts().is_some_and(|counts| !counts.is_empty()) {
        return Err("a form that is never logged".into());
    }
    let (nodes, buffers) = (batch.nodes().unwrap_or_default(), batch.buffers().unwrap_or_default());
    if nodes.len() != schema.fields().len() {
        return Err(format!("{} columns, not {}", nodes.len(), schema.fields().len()));
    }
    let mut buffers = buffers.iter();
    for (node, field) in nodes.iter().zip(schema.fields()) {
        let nulls = usize::try_from(node.null_count()).ok().filter(|nulls| *nulls <= rows);
        let (Ok(length), Some(nulls)) = (usize::try_from(node.length()), nulls) else {
            return Err(format!("{} values and {} nulls", node.length(), node.null_count()));
        };
        if length != rows {
            return Err(format!("{length} values of {} in {rows} rows", field.name()));
        }
        let bits = if nulls > 0 { rows.div_ceil(8) } else { 0 };
        let needed: &[(usize, usize)] = match field.data_type() {
            DataType::Boolean => &[(bits, 1), (rows.div_ceil(8), 1)],
            DataType::Utf8 => &[(bits, 1), (4 * (rows + 1), 4), (0, 1)],
            fixed => {
                let width = fixed.primitive_width().ok_or_else(|| format!("a column of type {fixed}"))?;
                &[(bits, 1), (rows.saturating_mul(width), width)]
            }
        };
        for &(bytes, width) in needed {
            let buffer = buffers.next().ok_or_else(|| format!("a buffer of {} is missing", field.name()))?;
            let range = usize::try_from(buffer.offset()).ok().zip(usize::try_from(buffer.length()).ok());
            let there = range.and_then(|(offset, length)| body.get(offset..offset.checked_add(length)?));
            let there = there.ok_or_else(|| format!("a buffer of {} is not in the body", field.name()))?;
            if there.len() < bytes || there.len() % width != 0 {
                return Err(format!("a buffer of {} has {} bytes and needs {bytes}", field.name(), there.len()));
            }
        }
    }
    match buffers.next() {
        Some(_) => Err("more buffers than its columns take".into()),
        None => Ok(rows as u64),
    }
}
