//! Text of any encoding as UTF-8. A byte order mark decides before the mapping does; without both, the content is taken as
//! UTF-8, and cells that are not are told one by one.

use std::io::{Error, ErrorKind, Read, Result};

use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8, WINDOWS_1258};
use unicode_normalization::UnicodeNormalization;

use crate::mapping::time::MappingError;
use crate::source::compressed::peeked;

type Content = Box<dyn Read + Send>;

/// The encoding that a mapping names.
pub(crate) fn named(label: &str) -> std::result::Result<&'static Encoding, MappingError> {
    Encoding::for_label(label.as_bytes()).ok_or_else(|| {
        MappingError::Invalid(format!(
            "encoding {label:?} is not known; \"utf-8\", \"utf-16le\", \"utf-16be\", \"windows-1252\" and \"windows-1258\" are some that are"
        ))
    })
}

/// The content as UTF-8, without a byte order mark.
pub(crate) fn utf8(content: Content, stated: Option<&'static Encoding>) -> Result<Content> {
    let (first, mut content) = peeked(content, MARK_BYTES_MAX)?;
    let marked = Encoding::for_bom(&first);
    if let Some((_, length)) = marked {
        std::io::copy(&mut (&mut content).take(length as u64), &mut std::io::sink())?;
    }
    let encoding = marked.map(|(encoding, _)| encoding).or(stated).unwrap_or(UTF_8);
    if encoding == UTF_8 {
        return Ok(content);
    }
    Ok(Box::new(Decoded {
        content,
        encoding,
        decoder: encoding.new_decoder_without_bom_handling(),
        input: Vec::new(),
        text: String::new(),
        given: 0,
        held: String::new(),
        lines: 0,
        is_ended: false,
    }))
}

/// Content that is decoded as it is read.
struct Decoded {
    content: Content,
    encoding: &'static Encoding,
    decoder: Decoder,
    /// Bytes that are read and not yet decoded.
    input: Vec<u8>,
    /// Text that is decoded, of which `given` bytes were given.
    text: String,
    given: usize,
    /// Decoded text behind the last line break, where letters are still to be composed.
    held: String,
    lines: u64,
    is_ended: bool,
}

impl Read for Decoded {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        while self.given == self.text.len() {
            if self.is_ended {
                return Ok(0);
            }
            self.decode_more()?;
        }
        let length = buffer.len().min(self.text.len() - self.given);
        buffer[..length].copy_from_slice(&self.text.as_bytes()[self.given..self.given + length]);
        self.given += length;
        Ok(length)
    }
}

impl Decoded {
    fn decode_more(&mut self) -> Result<()> {
        let read = (&mut self.content).take(STEP_BYTES as u64).read_to_end(&mut self.input)?;
        self.is_ended = read == 0;
        let room = self.decoder.max_utf8_buffer_length_without_replacement(self.input.len()).unwrap_or(STEP_BYTES * 4);
        let mut decoded = String::with_capacity(room);
        let (result, taken) =
            self.decoder.decode_to_string_without_replacement(&self.input, &mut decoded, self.is_ended);
        self.lines += decoded.bytes().filter(|byte| *byte == b'\n').count() as u64;
        if let DecoderResult::Malformed(..) = result {
            let (line, name) = (self.lines + 1, self.encoding.name());
            let reason = format!("line {line} has bytes that are not {name}; encoding in the mapping decides it");
            return Err(Error::new(ErrorKind::InvalidData, reason));
        }
        self.input.drain(..taken);
        (self.text, self.given) = (self.composed(decoded), 0);
        Ok(())
    }

    /// Windows-1258 has Vietnamese letters as a letter and a mark behind it; names are compared as one letter.
    fn composed(&mut self, decoded: String) -> String {
        if self.encoding != WINDOWS_1258 {
            return decoded;
        }
        self.held.push_str(&decoded);
        // A mark may come with the next bytes, and never behind a line break.
        let whole = if self.is_ended { self.held.len() } else { self.held.rfind('\n').map_or(0, |at| at + 1) };
        self.held.drain(..whole).collect::<String>().nfc().collect()
    }
}

/// Bytes of the longest byte order mark.
const MARK_BYTES_MAX: usize = 3;
/// Bytes that are decoded at a time.
const STEP_BYTES: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use encoding_rs::WINDOWS_1252;

    use super::*;

    fn read(bytes: Vec<u8>, stated: Option<&str>) -> Result<String> {
        let mut text = String::new();
        let stated = stated.map(|label| named(label).unwrap());
        utf8(Box::new(Cursor::new(bytes)), stated)?.read_to_string(&mut text).map(|_| text)
    }

    fn utf16(text: &str, bytes_of: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes_of).collect()
    }

    #[test]
    fn text_is_the_same_in_every_encoding_with_and_without_its_mark() {
        let text = "Nhiệt độ;µg/m³\n25,5;7\n".repeat(9_000);
        let little = utf16(&text, u16::to_le_bytes);
        assert_eq!(read(text.clone().into_bytes(), None).unwrap(), text);
        assert_eq!(read(format!("\u{FEFF}{text}").into_bytes(), None).unwrap(), text);
        assert_eq!(read([vec![0xFF, 0xFE], little.clone()].concat(), None).unwrap(), text);
        assert_eq!(read([vec![0xFE, 0xFF], utf16(&text, u16::to_be_bytes)].concat(), None).unwrap(), text);
        assert_eq!(read(little, Some("utf-16le")).unwrap(), text);
        let latin = "Température;µg/m³\n";
        assert_eq!(read(WINDOWS_1252.encode(latin).0.into_owned(), Some("windows-1252")).unwrap(), latin);
    }

    #[test]
    fn vietnamese_of_windows_1258_has_letters_of_one_piece() {
        // "Nhiệt": e with circumflex is one byte there, and the dot below another one behind it.
        let bytes = vec![b'N', b'h', b'i', 0xEA, 0xF2, b't', b'\n'];
        assert_eq!(read(bytes, Some("windows-1258")).unwrap(), "Nhiệt\n");
    }

    #[test]
    fn bytes_that_are_not_of_the_encoding_are_told_by_line() {
        let mut bytes = utf16("a\nb\n", u16::to_le_bytes);
        bytes.extend([0x00, 0xD8, b'x', 0]);
        let error = read(bytes, Some("utf-16le")).unwrap_err().to_string();
        assert!(error.contains("line 3") && error.contains("encoding"), "{error}");
        assert!(named("klingon").unwrap_err().to_string().contains("windows-1258"));
    }
}
