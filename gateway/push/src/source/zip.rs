//! Files of a ZIP archive, as workbooks are: read through the directory at its end (APPNOTE.TXT, sections 4.3.12 and 4.3.16), stored or
//! deflated, with their checksums. Archives over 4 GiB, encrypted ones and such of several parts are refused.
//!
//! | record | signature | fields that are read, little-endian |
//! |---|---|---|
//! | end of directory | `PK 05 06` | at 10 entries (u16), 16 offset of the directory (u32) |
//! | entry of the directory | `PK 01 02` | at 8 flags, 10 method (u16), 16 CRC-32, 20 and 24 lengths (u32), 28, 30, 32 lengths of name, extra and comment (u16), 42 offset (u32) |
//! | file | `PK 03 04` | at 26 and 28 lengths of name and extra (u16) |

use std::collections::BTreeMap;
use std::io::Read;

use flate2::Crc;
use flate2::read::DeflateDecoder;

/// The files of an archive.
pub(crate) struct Archive {
    bytes: Vec<u8>,
    entries: BTreeMap<String, Entry>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    flags: u16,
    method: u16,
    crc: u32,
    packed: usize,
    plain: usize,
    at: usize,
}

impl Archive {
    /// Reads the directory.
    pub(crate) fn open(bytes: Vec<u8>) -> Result<Self, String> {
        let tail = bytes.len().saturating_sub(END_BYTES_MAX);
        let end = bytes[tail..]
            .windows(4)
            .rposition(|four| four == b"PK\x05\x06")
            .ok_or("it is no ZIP archive, as .xlsx is")?
            + tail;
        if bytes.len() < end + END_BYTES {
            return Err(CUT.into());
        }
        let mut entries = BTreeMap::new();
        let mut at = u32_at(&bytes, end + 16)?;
        for _ in 0..u16_at(&bytes, end + 10)? {
            if bytes.get(at..at + 4) != Some(b"PK\x01\x02") {
                return Err("the directory of the archive is damaged".into());
            }
            let name_length = usize::from(u16_at(&bytes, at + 28)?);
            let rest = usize::from(u16_at(&bytes, at + 30)?) + usize::from(u16_at(&bytes, at + 32)?);
            let name = bytes.get(at + 46..at + 46 + name_length).ok_or(CUT)?;
            let entry = Entry {
                flags: u16_at(&bytes, at + 8)?,
                method: u16_at(&bytes, at + 10)?,
                crc: u32::from_le_bytes(four_at(&bytes, at + 16)?),
                packed: u32_at(&bytes, at + 20)?,
                plain: u32_at(&bytes, at + 24)?,
                at: u32_at(&bytes, at + 42)?,
            };
            entries.insert(String::from_utf8_lossy(name).trim_start_matches('/').to_owned(), entry);
            at += 46 + name_length + rest;
        }
        Ok(Self { bytes, entries })
    }

    /// The content of a file; `None` where the archive has none of that name.
    pub(crate) fn file(&self, name: &str) -> Result<Option<Vec<u8>>, String> {
        let Some(entry) = self.entries.get(name) else { return Ok(None) };
        if entry.flags & ENCRYPTED != 0 {
            return Err("it is protected by a password".into());
        }
        if entry.plain > PLAIN_BYTES_MAX {
            return Err(format!("{name} in it is over {PLAIN_BYTES_MAX} bytes"));
        }
        let names = usize::from(u16_at(&self.bytes, entry.at + 26)?) + usize::from(u16_at(&self.bytes, entry.at + 28)?);
        let start = entry.at + 30 + names;
        let packed = self.bytes.get(start..start + entry.packed).ok_or(CUT)?;
        let mut plain = Vec::new();
        let read = match entry.method {
            STORED => packed.take(entry.plain as u64 + 1).read_to_end(&mut plain),
            DEFLATED => DeflateDecoder::new(packed).take(entry.plain as u64 + 1).read_to_end(&mut plain),
            other => return Err(format!("{name} in it is compressed by method {other}")),
        };
        read.map_err(|error| format!("{name} in it cannot be decompressed: {error}"))?;
        let mut crc = Crc::new();
        crc.update(&plain);
        if plain.len() != entry.plain || crc.sum() != entry.crc {
            return Err(format!("{name} in it is damaged: its checksum is another one"));
        }
        Ok(Some(plain))
    }
}

fn four_at(bytes: &[u8], at: usize) -> Result<[u8; 4], String> {
    bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).ok_or_else(|| CUT.to_owned())
}

fn u32_at(bytes: &[u8], at: usize) -> Result<usize, String> {
    Ok(u32::from_le_bytes(four_at(bytes, at)?) as usize)
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16, String> {
    bytes.get(at..at + 2).and_then(|two| two.try_into().ok()).map(u16::from_le_bytes).ok_or_else(|| CUT.to_owned())
}

const CUT: &str = "the archive is cut off";
const STORED: u16 = 0;
const DEFLATED: u16 = 8;
/// Flag of an encrypted file.
const ENCRYPTED: u16 = 1;
/// Bytes of the end of a directory without its comment.
const END_BYTES: usize = 22;
/// Longest end of a directory.
const END_BYTES_MAX: usize = END_BYTES + 65_535;
/// Most bytes of one file.
const PLAIN_BYTES_MAX: usize = 1 << 30;

/// An archive of stored files, for tests.
#[cfg(test)]
pub(crate) fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in files {
        let mut crc = Crc::new();
        crc.update(content);
        let length = u32::try_from(content.len()).unwrap().to_le_bytes();
        let name_length = u16::try_from(name.len()).unwrap().to_le_bytes();
        let sizes = [crc.sum().to_le_bytes(), length, length].concat();
        let at = u32::try_from(bytes.len()).unwrap().to_le_bytes();
        let parts: [&[u8]; 6] =
            [b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0", &sizes, &name_length, &[0, 0], name.as_bytes(), content];
        bytes.extend(parts.concat());
        let parts: [&[u8]; 6] =
            [b"PK\x01\x02\x14\0\x14\0\0\0\0\0\0\0\0\0", &sizes, &name_length, &[0; 12], &at, name.as_bytes()];
        directory.extend(parts.concat());
    }
    let count = u16::try_from(files.len()).unwrap().to_le_bytes();
    let (size, at) = (u32::try_from(directory.len()).unwrap(), u32::try_from(bytes.len()).unwrap());
    bytes.extend(directory);
    let parts: [&[u8]; 6] = [b"PK\x05\x06\0\0\0\0", &count, &count, &size.to_le_bytes(), &at.to_le_bytes(), &[0, 0]];
    bytes.extend(parts.concat());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_and_damage_is_an_error_at_every_byte_that_is_cut() {
        let whole = archive(&[("a/b.xml", b"<a/>"), ("c", b"")]);
        let read = Archive::open(whole.clone()).unwrap();
        assert_eq!(read.file("a/b.xml").unwrap().as_deref(), Some(&b"<a/>"[..]));
        assert_eq!(read.file("c").unwrap().as_deref(), Some(&b""[..]));
        assert_eq!(read.file("d").unwrap(), None);
        for length in 0..whole.len() {
            let cut = Archive::open(whole[..length].to_vec()).and_then(|cut| cut.file("a/b.xml"));
            assert!(!matches!(cut, Ok(Some(_))), "{length}");
        }
        let mut damaged = whole;
        let at = damaged.windows(4).position(|four| four == b"<a/>").unwrap();
        damaged[at] = b'[';
        assert!(Archive::open(damaged).unwrap().file("a/b.xml").unwrap_err().contains("checksum"));
    }
}
