//! Dictionaries of a stream, and text columns of every wire type read alike.

use std::hash::Hasher;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::datatypes::{
    DataType, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use twox_hash::XxHash3_64;
use zonelake_schemas::wire::control::RefusedCode;
use zonelake_schemas::{Quality, QualityScale};

use super::devices::DeviceSlots;
use crate::refusal::Refusal;

/// A dictionary, as far as it has been sent.
pub(crate) struct Dictionary {
    text: String,
    /// End of each value in `text`, and whether the value is null.
    ends: Vec<(u32, bool)>,
    /// Bytes of the longest value.
    longest: usize,
    hasher: XxHash3_64,
    /// Keys of the devices that its values name.
    pub(crate) devices: DeviceSlots,
    /// Scale of its values, where they are qualities.
    pub(crate) scale: Option<QualityScale>,
    qualities: Vec<Option<Quality>>,
}

impl std::fmt::Debug for Dictionary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dictionary").field("values", &self.ends.len()).field("bytes", &self.text.len()).finish()
    }
}

impl Default for Dictionary {
    fn default() -> Self {
        Self {
            text: String::new(),
            ends: Vec::new(),
            longest: 0,
            hasher: XxHash3_64::with_seed(0),
            devices: DeviceSlots::default(),
            scale: None,
            qualities: Vec::new(),
        }
    }
}

impl Dictionary {
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.text.len()
    }

    /// Bytes of the longest value, which each row of a batch may name.
    pub(crate) fn longest(&self) -> usize {
        self.longest
    }

    /// A value; `None` where it is null.
    pub(crate) fn get(&self, index: usize) -> Option<&str> {
        let (end, is_null) = *self.ends.get(index)?;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before].0);
        (!is_null).then(|| &self.text[start as usize..end as usize])
    }

    /// Adds values behind those that it has. Refuses what would pass the limits; the dictionary is then unusable.
    pub(crate) fn extend(
        &mut self,
        values: &TextColumn<'_>,
        values_max: usize,
        bytes_max: usize,
    ) -> Result<(), Refusal> {
        let over = |what: &str, limit: usize| {
            Err(Refusal::new(RefusedCode::TooLarge, format!("a dictionary of more than {limit} {what}")))
        };
        if self.len() + values.len() > values_max {
            return over("values", values_max);
        }
        for row in 0..values.len() {
            let value = values.get(row);
            // A null takes a slot too: indices count it.
            let text = value.unwrap_or_default();
            if self.text.len() + text.len() > bytes_max.min(u32::MAX as usize) {
                return over("bytes", bytes_max);
            }
            self.longest = self.longest.max(text.len());
            self.text.push_str(text);
            let end = u32::try_from(self.text.len()).expect("the limit above is below 4 GiB");
            self.ends.push((end, value.is_none()));
            // Read here, once for each value and not once for each row.
            if let Some(scale) = self.scale {
                self.qualities.push(value.and_then(|text| scale.quality_of_text(text)));
            }
            // The length parts neighbouring values; no text is as long as the mark of a null.
            self.hasher.write_u64(value.map_or(u64::MAX, |value| value.len() as u64));
            self.hasher.write(text.as_bytes());
        }
        Ok(())
    }

    /// Digest of the values in order, however they were cut into messages.
    pub(crate) fn digest(&self) -> u64 {
        self.hasher.finish()
    }

    /// The quality that a value of a dictionary of qualities names; outer `None` where the value is null.
    pub(crate) fn quality(&self, index: usize) -> Option<Option<Quality>> {
        self.get(index).map(|_| self.qualities.get(index).copied().flatten())
    }
}

/// A text column of any wire type.
pub(crate) enum TextColumn<'a> {
    Small(&'a arrow::array::StringArray),
    Large(&'a arrow::array::LargeStringArray),
    View(&'a arrow::array::StringViewArray),
    Indexed(Indexed<'a>),
    Null(usize),
}

/// Indices into a dictionary; each valid one is in its range, each null one is 0.
pub(crate) struct Indexed<'a> {
    pub(crate) indices: ScalarBuffer<i32>,
    pub(crate) nulls: Option<NullBuffer>,
    pub(crate) dictionary: &'a Dictionary,
}

impl<'a> TextColumn<'a> {
    /// A column that is text by itself, or null.
    pub(crate) fn plain(array: &'a ArrayRef) -> Option<Self> {
        Some(match array.data_type() {
            DataType::Utf8 => Self::Small(array.as_string()),
            DataType::LargeUtf8 => Self::Large(array.as_string()),
            DataType::Utf8View => Self::View(array.as_string_view()),
            DataType::Null => Self::Null(array.len()),
            _ => return None,
        })
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Small(array) => array.len(),
            Self::Large(array) => array.len(),
            Self::View(array) => array.len(),
            Self::Indexed(indexed) => indexed.indices.len(),
            Self::Null(len) => *len,
        }
    }

    /// The value of a row; `None` where it is null.
    #[inline]
    pub(crate) fn get(&self, row: usize) -> Option<&str> {
        match self {
            Self::Small(array) => array.is_valid(row).then(|| array.value(row)),
            Self::Large(array) => array.is_valid(row).then(|| array.value(row)),
            Self::View(array) => array.is_valid(row).then(|| array.value(row)),
            Self::Indexed(indexed) => indexed.get(row),
            Self::Null(_) => None,
        }
    }
}

impl<'a> Indexed<'a> {
    /// Reads the index column of a dictionary column and checks every index.
    pub(crate) fn new(name: &str, array: &ArrayRef, dictionary: &'a Dictionary) -> Result<Self, Refusal> {
        let nulls = array.nulls().cloned();
        let indices = match array.data_type() {
            DataType::Int32 => array.as_primitive::<Int32Type>().values().clone(),
            DataType::Int8 => array.as_primitive::<Int8Type>().values().iter().map(|&i| i32::from(i)).collect(),
            DataType::Int16 => array.as_primitive::<Int16Type>().values().iter().map(|&i| i32::from(i)).collect(),
            DataType::UInt8 => array.as_primitive::<UInt8Type>().values().iter().map(|&i| i32::from(i)).collect(),
            DataType::UInt16 => array.as_primitive::<UInt16Type>().values().iter().map(|&i| i32::from(i)).collect(),
            DataType::UInt32 => narrowed(array.as_primitive::<UInt32Type>().values()),
            DataType::Int64 => narrowed(array.as_primitive::<Int64Type>().values()),
            _ => narrowed(array.as_primitive::<UInt64Type>().values()),
        };
        let values = u32::try_from(dictionary.len()).unwrap_or(u32::MAX);
        // Without its sign a negative index is a large one, so that one comparison finds both.
        let in_range = |index: i32| index.cast_unsigned() < values;
        // One pass without a branch, which is all that a good batch needs.
        if indices.iter().fold(true, |all, &index| all & in_range(index)) {
            return Ok(Self { indices, nulls, dictionary });
        }
        let is_null = |row: usize| nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
        if let Some(row) = (0..indices.len()).find(|&row| !is_null(row) && !in_range(indices[row])) {
            return Err(Refusal::new(
                RefusedCode::BadPayload,
                format!("column {name}, row {row}: index {} in a dictionary of {values} values", indices[row]),
            ));
        }
        // A null row may carry any index. It becomes 0, so that readers need not look at nulls first.
        let indices = (0..indices.len()).map(|row| if is_null(row) { 0 } else { indices[row] }).collect();
        Ok(Self { indices, nulls, dictionary })
    }

    #[inline]
    pub(crate) fn get(&self, row: usize) -> Option<&'a str> {
        if self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            return None;
        }
        self.dictionary.get(self.indices[row].cast_unsigned() as usize)
    }
}

/// Indices as 32 bits; what does not fit becomes -1, which is in no dictionary.
fn narrowed<T: Copy>(indices: &[T]) -> ScalarBuffer<i32>
where
    i32: TryFrom<T>,
{
    indices.iter().map(|&index| i32::try_from(index).unwrap_or(-1)).collect()
}
