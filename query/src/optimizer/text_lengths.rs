//! Upper bounds of the bytes that a function makes of each row.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::ColumnarValue;

/// How the values of a function grow out of its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Growth {
    /// At most all arguments together.
    Sum,
    /// All arguments, and between each two parts of them one that is itself an argument.
    Separated,
    /// The first argument, in which each occurrence of the second may become the third.
    Replacing,
    /// The first argument, in which anything may become the third, and with flags more than once.
    Matching,
}

/// Upper bound of the bytes of each row.
///
/// # Errors
/// Where an argument cannot be looked at.
pub(crate) fn row_bytes(growth: Growth, args: &[ColumnarValue], rows: usize) -> Result<Vec<usize>> {
    let lengths = args.iter().map(|value| Lengths::of(value, rows)).collect::<Result<Vec<_>>>()?;
    let at = |argument: usize, row: usize| lengths.get(argument).map_or(0, |lengths| lengths.at(row));
    let of_row = |row: usize| match growth {
        Growth::Sum => (0..args.len()).map(|argument| at(argument, row)).fold(0, usize::saturating_add),
        Growth::Separated => {
            let all = (0..args.len()).map(|argument| at(argument, row)).fold(0, usize::saturating_add);
            // The separator is the first argument, or the second behind a list.
            let parts = parts(args, row);
            let separator = at(usize::from(parts.is_some()), row);
            all.saturating_add(parts.unwrap_or(args.len()).saturating_mul(separator))
        }
        Growth::Replacing => {
            // An empty text stands between all letters.
            let found = at(0, row) / at(1, row).max(1) + 1;
            at(0, row).saturating_add(found.saturating_mul(at(2, row)))
        }
        Growth::Matching => {
            // `\1` stands for what was found: each two bytes of the third argument may be all of the first.
            let found = if args.len() > 3 { at(0, row) + 1 } else { 1 };
            let again = (at(2, row) / 2).saturating_mul(at(0, row));
            at(0, row).saturating_add(found.saturating_mul(at(2, row))).saturating_add(again)
        }
    };
    Ok((0..rows).map(of_row).collect())
}

/// Items of the first argument; none where it is no list.
fn parts(args: &[ColumnarValue], row: usize) -> Option<usize> {
    match args.first()? {
        ColumnarValue::Array(list) => match list.data_type() {
            DataType::List(_) => usize::try_from(list.as_list::<i32>().value_length(row)).ok(),
            DataType::LargeList(_) => usize::try_from(list.as_list::<i64>().value_length(row)).ok(),
            _ => None,
        },
        ColumnarValue::Scalar(ScalarValue::List(list)) => Some(list.value(0).len()),
        ColumnarValue::Scalar(_) => None,
    }
}

/// Bytes of the values of one argument.
enum Lengths {
    Same(usize),
    Each(Vec<usize>),
}

impl Lengths {
    fn of(value: &ColumnarValue, rows: usize) -> Result<Self> {
        Ok(match value {
            ColumnarValue::Scalar(scalar) => Self::Same(bytes_of(&scalar.to_array()?)),
            ColumnarValue::Array(array) => match array.data_type() {
                DataType::Utf8 => Self::Each(array.as_string::<i32>().offsets().lengths().collect()),
                DataType::LargeUtf8 => Self::Each(array.as_string::<i64>().offsets().lengths().collect()),
                // The length is the lower half of a view.
                DataType::Utf8View => {
                    let views = array.as_string_view().views().iter();
                    Self::Each(views.map(|view| usize::try_from(view & u128::from(u32::MAX)).unwrap_or(0)).collect())
                }
                // Lists of one batch are about alike.
                _ => Self::Same(bytes_of(array).div_ceil(rows.max(1))),
            },
        })
    }

    fn at(&self, row: usize) -> usize {
        match self {
            Self::Same(bytes) => *bytes,
            Self::Each(bytes) => bytes.get(row).copied().unwrap_or(0),
        }
    }
}

fn bytes_of(array: &ArrayRef) -> usize {
    match array.data_type() {
        DataType::Utf8View => array.as_string_view().iter().flatten().map(str::len).sum(),
        _ => array.to_data().get_slice_memory_size().unwrap_or_else(|_unknown| array.get_array_memory_size()),
    }
}
