//! How much of a message the rows decoded from it hold on to. A column that shares the message's memory keeps all of the
//! message alive; where the columns use little of it, copying them is cheaper than holding the rest.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayData, MutableArrayData, RecordBatch, make_array};
use arrow::error::ArrowError;

/// The batch itself where its columns use half of `payload` or more, or nothing of it; else with copies of the columns
/// that share its memory.
pub(crate) fn without_waste(batch: RecordBatch, payload: &[u8]) -> Result<RecordBatch, ArrowError> {
    let range = payload.as_ptr_range();
    let shared: Vec<usize> = batch.columns().iter().map(|column| shared_bytes(&column.to_data(), &range)).collect();
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

fn shared_bytes(data: &ArrayData, payload: &Range<*const u8>) -> usize {
    let nulls = data.nulls().map(|nulls| nulls.buffer());
    let buffers = data.buffers().iter().chain(nulls);
    buffers.filter(|buffer| !buffer.is_empty() && payload.contains(&buffer.as_ptr())).map(|buffer| buffer.len()).sum()
}
