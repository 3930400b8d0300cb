//! Lists: arrays of PostgreSQL, of one dimension.
//!
//! Binary, numbers big-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 4 | dimensions: 1, or 0 where the list is empty |
//! | 4 | whether an item is null |
//! | 4 | type of the items |
//! | 4 + 4 | length, and first index: 1 (only where there is a dimension) |
//! | each: 4 + n | length of an item and the item; length −1 is null |

use arrow::array::ListArray;
use bytes::{BufMut, BytesMut};
use pgwire::api::Type;

use crate::values::column::{Column, ValueError};
use crate::protocol::messages::put_sized;

/// Writes the list of a row, as text: `{1,NULL,"a b"}`.
pub(crate) fn put_list_text(
    list: &ListArray,
    items: &Column,
    row: usize,
    out: &mut BytesMut,
) -> Result<(), ValueError> {
    out.put_u8(b'{');
    for (number, item) in rows_of(list, row).enumerate() {
        if number > 0 {
            out.put_u8(b',');
        }
        if items.is_null(item) {
            out.put_slice(b"NULL");
            continue;
        }
        let at = out.len();
        items.put_text(item, out)?;
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

/// Writes the list of a row in the binary form.
pub(crate) fn put_list(
    list: &ListArray,
    items: &Column,
    of: &Type,
    row: usize,
    out: &mut BytesMut,
) -> Result<(), ValueError> {
    let rows = rows_of(list, row);
    let length = i32::try_from(rows.len()).unwrap_or(i32::MAX);
    out.put_i32(i32::from(length > 0));
    out.put_i32(i32::from(rows.clone().any(|item| items.is_null(item))));
    out.put_u32(of.oid());
    if length > 0 {
        out.put_i32(length);
        out.put_i32(1);
    }
    for item in rows {
        if items.is_null(item) {
            out.put_i32(-1);
            continue;
        }
        let mut written = Ok(());
        put_sized(out, false, |out| written = items.put_binary(item, out));
        written?;
    }
    Ok(())
}

fn rows_of(list: &ListArray, row: usize) -> std::ops::Range<usize> {
    let at = |index: usize| usize::try_from(list.value_offsets()[index]).unwrap_or(0);
    at(row)..at(row + 1)
}

/// The items of a list that a client has written as text; `None` where it is none.
pub(crate) fn read_list_text(text: &str) -> Option<Vec<Option<String>>> {
    let inner = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    let mut items = Vec::new();
    let mut letters = inner.chars().peekable();
    if inner.trim().is_empty() {
        return Some(items);
    }
    loop {
        let mut item = String::new();
        let mut is_quoted = false;
        while letters.next_if(|c| c.is_whitespace()).is_some() {}
        if letters.next_if_eq(&'"').is_some() {
            is_quoted = true;
            loop {
                match letters.next()? {
                    '"' => break,
                    '\\' => item.push(letters.next()?),
                    letter => item.push(letter),
                }
            }
            while letters.next_if(|c| c.is_whitespace()).is_some() {}
        } else {
            while let Some(letter) = letters.next_if(|c| *c != ',') {
                match letter {
                    '{' | '}' | '"' => return None,
                    '\\' => item.push(letters.next()?),
                    letter => item.push(letter),
                }
            }
            item.truncate(item.trim_end().len());
            if item.is_empty() {
                return None;
            }
        }
        let is_null = !is_quoted && item.eq_ignore_ascii_case("null");
        items.push((!is_null).then_some(item));
        match letters.next() {
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
    fn lists_of_clients_are_read() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(read_list_text("{}"), Some(vec![]));
        assert_eq!(read_list_text("{1, 2,NULL}"), Some(vec![some("1"), some("2"), None]));
        assert_eq!(read_list_text(r#"{"a,b","null","q\"\\"}"#), Some(vec![some("a,b"), some("null"), some("q\"\\")]));
        for wrong in ["", "{", "{1,}", "{{1}}", "{\"a}", "{\"a\"b}", "1,2"] {
            assert_eq!(read_list_text(wrong), None, "{wrong}");
        }
    }
}
