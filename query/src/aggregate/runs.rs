//! Runs: neighboring rows with the same keys. Rows come by zone, device and time, so a run is mostly long, and the group of its
//! first row is that of all.

use arrow::array::{Array, ArrayRef, AsArray, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{ArrowPrimitiveType, DataType, Date32Type, Int64Type, TimeUnit, TimestampMicrosecondType};
use arrow::error::ArrowError;

/// Runs of a batch by some columns.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    /// 1 for the first row of a run. Bytes, since they are compared eight at a time.
    is_start: Vec<u8>,
    starts: Vec<u32>,
}

impl Runs {
    /// True for types of columns of which runs are found.
    pub(crate) fn supports(data_type: &DataType) -> bool {
        matches!(
            data_type,
            DataType::Utf8View | DataType::Int64 | DataType::Date32 | DataType::Timestamp(TimeUnit::Microsecond, _)
        )
    }

    /// Finds the runs of these columns, which are of types for which [`Runs::supports`] holds. Rows of one run are equal in
    /// all columns; two neighboring runs may be equal as well.
    pub(crate) fn find(&mut self, columns: &[ArrayRef]) {
        let rows = columns.first().map_or(0, Array::len);
        self.is_start.clear();
        self.is_start.resize(rows, 0);
        for column in columns {
            self.mark(column);
        }
        if let Some(first) = self.is_start.first_mut() {
            *first = 1;
        }
        self.starts.clear();
        for (first, eight) in (0u32..).step_by(8).zip(self.is_start.chunks(8)) {
            // Most rows begin no run, so eight are skipped by one comparison.
            if eight == [0; 8] {
                continue;
            }
            let rows = (0u32..).zip(eight).filter(|(_, is_start)| **is_start == 1);
            self.starts.extend(rows.map(|(row, _)| first + row));
        }
    }

    /// Number of runs.
    pub(crate) fn count(&self) -> usize {
        self.starts.len()
    }

    /// First row of each run.
    ///
    /// # Errors
    /// Where Arrow cannot take the rows.
    pub(crate) fn first_rows(&self, columns: &[ArrayRef]) -> Result<Vec<ArrayRef>, ArrowError> {
        let rows = UInt32Array::from(self.starts.clone());
        columns.iter().map(|column| take(column, &rows, None)).collect()
    }

    /// Gives each row the value of its run.
    pub(crate) fn spread<T: Copy>(&self, of_runs: &[T], rows: &mut Vec<T>) {
        rows.clear();
        rows.reserve(self.is_start.len());
        let ends = self.starts.iter().skip(1).map(|&start| start as usize).chain([self.is_start.len()]);
        for (&of_run, end) in of_runs.iter().zip(ends) {
            rows.resize(end, of_run);
        }
    }

    fn mark(&mut self, column: &ArrayRef) {
        match column.data_type() {
            // Equal views of one array are equal texts; other views may be, which makes a run too many at worst.
            DataType::Utf8View => self.mark_changes(column.as_string_view().views()),
            DataType::Int64 => self.mark_values::<Int64Type>(column),
            DataType::Date32 => self.mark_values::<Date32Type>(column),
            DataType::Timestamp(TimeUnit::Microsecond, _) => self.mark_values::<TimestampMicrosecondType>(column),
            _ => self.is_start.fill(1),
        }
        if let Some(nulls) = column.nulls() {
            for row in 1..column.len() {
                self.is_start[row] |= u8::from(nulls.is_null(row) != nulls.is_null(row - 1));
            }
        }
    }

    fn mark_values<T: ArrowPrimitiveType>(&mut self, column: &ArrayRef)
    where
        T::Native: PartialEq,
    {
        self.mark_changes(column.as_primitive::<T>().values());
    }

    fn mark_changes<T: PartialEq>(&mut self, values: &[T]) {
        let pairs = values.iter().zip(values.iter().skip(1));
        for (is_start, (before, value)) in self.is_start.iter_mut().skip(1).zip(pairs) {
            *is_start |= u8::from(before != value);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, StringViewArray};

    use super::*;

    fn starts(columns: &[ArrayRef]) -> Vec<u32> {
        let mut runs = Runs::default();
        runs.find(columns);
        runs.starts
    }

    #[test]
    fn a_run_ends_where_any_column_changes_and_at_nulls() {
        let names: ArrayRef = Arc::new(StringViewArray::from(vec![
            Some("a name beyond twelve bytes, one"),
            Some("a name beyond twelve bytes, one"),
            Some("a name beyond twelve bytes, two"),
            None,
            None,
            Some(""),
        ]));
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), Some(1), Some(1), Some(1), None, None]));
        assert!(starts(&[Arc::clone(&numbers)]).starts_with(&[0, 4]));
        let both = starts(&[names, numbers]);
        for start in [0, 2, 3, 4, 5] {
            assert!(both.contains(&start), "{start} in {both:?}");
        }
        // A null has the bits of a value below it.
        let zero: ArrayRef = Arc::new(Int64Array::from(vec![Some(0), None, Some(0)]));
        assert_eq!(starts(&[zero]), [0, 1, 2]);
        assert_eq!(starts(&[Arc::new(Int64Array::from(Vec::<i64>::new()))]), Vec::<u32>::new());
    }

    #[test]
    fn every_row_gets_what_its_run_has() {
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![7, 7, 8, 7]));
        let mut runs = Runs::default();
        runs.find(&[Arc::clone(&numbers)]);
        assert_eq!(runs.count(), 3);
        assert_eq!(runs.first_rows(&[numbers]).expect("rows")[0].as_primitive::<Int64Type>().values(), &[7, 8, 7]);
        let mut rows = vec![9];
        runs.spread(&[0, 1, 0], &mut rows);
        assert_eq!(rows, [0, 0, 1, 0]);
    }
}
