//! Bytes behind their length.

use bytes::{BufMut, BytesMut};

/// Writes a length in front of the bytes that `write` writes. With `with_itself` the length counts its own four bytes.
pub fn put_sized(out: &mut BytesMut, with_itself: bool, write: impl FnOnce(&mut BytesMut)) {
    let at = out.len();
    out.put_i32(0);
    write(out);
    let length = out.len() - at - if with_itself { 0 } else { 4 };
    let length =
        i32::try_from(length).expect("a message is bounded by the memory of a statement, which is below 2 GiB");
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
}

/// Writes a count of items that follow.
pub fn put_count(out: &mut BytesMut, count: usize) {
    out.put_u16(u16::try_from(count).expect("columns and parameters are counted before they are described"));
}
