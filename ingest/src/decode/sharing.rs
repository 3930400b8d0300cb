//! The part of a message that its rows hold in memory. A column that shares the message's memory holds all of the
//! message; where the columns use little of it, a copy of them is cheaper than the rest.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, MutableArrayData, RecordBatch, downcast_primitive_array, make_array};
use arrow::buffer::Buffer;
use arrow::error::ArrowError;
use zonelake_schemas::columns::is_null_column;

/// The batch itself where its columns use half of `payload` or more, or nothing of it, or where it is short; else with
/// copies of the columns that share its memory.
pub(crate) fn without_waste(batch: RecordBatch, payload: &[u8]) -> Result<RecordBatch, ArrowError> {
    if payload.len() <= SHORT_BYTES_MAX {
        return Ok(batch);
    }
    let range = payload.as_ptr_range();
    let shared: Vec<usize> = batch.columns().iter().map(|column| shared_bytes(column.as_ref(), &range)).collect();
    let used: usize = shared.iter().sum();
    if used == 0 || used * 2 >= payload.len() {
        return Ok(batch);
    }
    let columns = batch.columns().iter().zip(shared).map(|(column, shared)| {
        if shared == 0 {
            return Ok(Arc::clone(column));
        }
        let data = column.to_data();
        let mut copy = MutableArrayData::new(vec![&data], false, data.len());
        copy.try_extend(0, 0, data.len())?;
        Ok(make_array(copy.freeze()))
    });
    RecordBatch::try_new(batch.schema(), columns.collect::<Result<_, ArrowError>>()?)
}

fn shared_bytes(column: &dyn Array, payload: &Range<*const u8>) -> usize {
    let shared = |buffer: &Buffer| {
        if !buffer.is_empty() && payload.contains(&buffer.as_ptr()) { buffer.len() } else { 0 }
    };
    // `to_data` allocates, which is a good part of what a small batch costs.
    if is_null_column(column) {
        return 0;
    }
    let values = downcast_primitive_array!(
        column => shared(column.values().inner()),
        _ => {
            let data = column.to_data();
            data.buffers().iter().map(shared).sum()
        }
    );
    values + column.nulls().map_or(0, |nulls| shared(nulls.buffer()))
}

/// Messages that are not worth it: the rows of short ones are copied anyway as soon as some have come, when live rows
/// are merged, and copying takes longer than all else that is done to decode twenty rows.
const SHORT_BYTES_MAX: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use arrow::array::{AsArray, Int32Array};
    use arrow::buffer::ScalarBuffer;
    use arrow::datatypes::{DataType, Field, Int32Type, Schema};
    use bytes::Bytes;

    use super::*;

    #[test]
    fn a_column_that_uses_little_of_a_long_message_lets_it_go() {
        for (payload_bytes, rows, is_shared) in
            [(SHORT_BYTES_MAX, 8, true), (SHORT_BYTES_MAX + 4, 8, false), (SHORT_BYTES_MAX + 4, 4_000, true)]
        {
            let payload = Bytes::from(vec![7; payload_bytes]);
            let values = ScalarBuffer::<i32>::new(Buffer::from(payload.slice(..rows * 4)), 0, rows);
            let schema = Arc::new(Schema::new(vec![Field::new("value", DataType::Int32, true)]));
            let sent = RecordBatch::try_new(schema, vec![Arc::new(Int32Array::new(values, None))]).unwrap();
            let kept = without_waste(sent.clone(), &payload).unwrap();
            assert_eq!(kept, sent);
            let kept = kept.column(0).as_primitive::<Int32Type>().values().inner().as_ptr();
            assert_eq!(payload.as_ptr_range().contains(&kept), is_shared, "{payload_bytes} bytes, {rows} rows");
        }
    }
}
