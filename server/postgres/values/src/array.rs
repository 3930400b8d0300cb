//! Arrays of PostgreSQL, of one dimension.
//!
//! Binary, numbers big-endian:
//!
//! | bytes | content |
//! |---|---|
//! | 4 | dimensions: 1, or 0 where the array is empty |
//! | 4 | 1 where an item is null, else 0 |
//! | 4 | OID of the type of the items |
//! | 4 + 4 | length, and first index: 1 (only where there is a dimension) |
//! | each: 4 + n | length of an item and the item; length −1 is null |

use arrow::array::ListArray;
use bytes::{BufMut, BytesMut};
use postgres_types::Type;

use crate::error::ValueError;
use crate::sized::put_sized;

/// Writes the array of a row as text: `{1,NULL,"a b"}`. `put_item` writes an item, and returns `false` for null.
pub(crate) fn put_array_text(
    list: &ListArray,
    row: usize,
    out: &mut BytesMut,
    mut put_item: impl FnMut(usize, &mut BytesMut) -> Result<bool, ValueError>,
) -> Result<(), ValueError> {
    out.put_u8(b'{');
    for (number, item) in items_of(list, row).enumerate() {
        if number > 0 {
            out.put_u8(b',');
        }
        let at = out.len();
        if !put_item(item, out)? {
            out.put_slice(b"NULL");
            continue;
        }
        // Whether an item needs quotes is known once it is written.
        let text = out.split_off(at);
        if needs_quotes(&text) {
            out.put_u8(b'"');
            for byte in text {
                if matches!(byte, b'"' | b'\\') {
                    out.put_u8(b'\\');
                }
                out.put_u8(byte);
            }
            out.put_u8(b'"');
        } else {
            out.put_slice(&text);
        }
    }
    out.put_u8(b'}');
    Ok(())
}

fn needs_quotes(text: &[u8]) -> bool {
    text.is_empty()
        || text.eq_ignore_ascii_case(b"null")
        || text.iter().any(|byte| matches!(byte, b'{' | b'}' | b',' | b'"' | b'\\') || byte.is_ascii_whitespace())
}

/// Writes the array of a row in the binary form; `of` is the type of the items. `put_item` writes an item, and returns
/// `false` for null.
pub(crate) fn put_array(
    list: &ListArray,
    of: &Type,
    row: usize,
    out: &mut BytesMut,
    mut put_item: impl FnMut(usize, &mut BytesMut) -> Result<bool, ValueError>,
) -> Result<(), ValueError> {
    let items = items_of(list, row);
    let length = i32::try_from(items.len()).unwrap_or(i32::MAX);
    out.put_i32(i32::from(length > 0));
    // Known once all items are written, and filled in then.
    let null_flag_at = out.len();
    out.put_i32(0);
    out.put_u32(of.oid());
    if length > 0 {
        out.put_i32(length);
        out.put_i32(1);
    }
    for item in items {
        let at = out.len();
        let mut written = Ok(true);
        put_sized(out, false, |out| written = put_item(item, out));
        if !written? {
            out[at..at + 4].copy_from_slice(&(-1i32).to_be_bytes());
            out[null_flag_at..null_flag_at + 4].copy_from_slice(&1i32.to_be_bytes());
        }
    }
    Ok(())
}

/// Items of a row's array, by their index among the items of all rows.
fn items_of(list: &ListArray, row: usize) -> std::ops::Range<usize> {
    let at = |index: usize| usize::try_from(list.value_offsets()[index]).unwrap_or(0);
    at(row)..at(row + 1)
}

/// Reads the items of an array that a client has written as text; `None` where the text is no array.
pub fn read_array_text(text: &str) -> Option<Vec<Option<String>>> {
    let inner = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    let mut items = Vec::new();
    let mut characters = inner.chars().peekable();
    if inner.trim().is_empty() {
        return Some(items);
    }
    loop {
        let mut item = String::new();
        let mut is_quoted = false;
        while characters.next_if(|c| c.is_whitespace()).is_some() {}
        if characters.next_if_eq(&'"').is_some() {
            is_quoted = true;
            loop {
                match characters.next()? {
                    '"' => break,
                    '\\' => item.push(characters.next()?),
                    letter => item.push(letter),
                }
            }
            while characters.next_if(|c| c.is_whitespace()).is_some() {}
        } else {
            while let Some(letter) = characters.next_if(|c| *c != ',') {
                match letter {
                    '{' | '}' | '"' => return None,
                    '\\' => item.push(characters.next()?),
                    letter => item.push(letter),
                }
            }
            // Spaces within an unquoted item belong to it; those around do not.
            item.truncate(item.trim_end().len());
            if item.is_empty() {
                return None;
            }
        }
        // "NULL" in quotes is text.
        let is_null = !is_quoted && item.eq_ignore_ascii_case("null");
        items.push((!is_null).then_some(item));
        match characters.next() {
            None => return Some(items),
            Some(',') => {}
            Some(_) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_of_clients_are_read() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(read_array_text("{}"), Some(vec![]));
        assert_eq!(read_array_text("{1, 2,NULL}"), Some(vec![some("1"), some("2"), None]));
        assert_eq!(read_array_text(r#"{"a,b","null","q\"\\"}"#), Some(vec![some("a,b"), some("null"), some("q\"\\")]));
        for wrong in ["", "{", "{1,}", "{{1}}", "{\"a}", "{\"a\"b}", "1,2"] {
            assert_eq!(read_array_text(wrong), None, "{wrong}");
        }
    }
}
