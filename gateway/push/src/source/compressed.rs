//! Content that is compressed, known by its first bytes: gzip and Zstandard. Everything else is given as it is.

use std::io::{Cursor, Read, Result};

use flate2::read::MultiGzDecoder;

type Content = Box<dyn Read + Send>;

/// The content without its compression.
pub(crate) fn decompressed(content: Content) -> Result<Content> {
    let (first, content) = peeked(content, ZSTD_MAGIC.len())?;
    if first.starts_with(GZIP_MAGIC) {
        return Ok(Box::new(MultiGzDecoder::new(content)));
    }
    if first.starts_with(ZSTD_MAGIC) {
        return Ok(Box::new(zstd::stream::read::Decoder::new(content)?));
    }
    Ok(content)
}

/// The first bytes of a content, at most `length`, and the content with these bytes still in it.
pub(crate) fn peeked(mut content: Content, length: usize) -> Result<(Vec<u8>, Content)> {
    let mut first = Vec::with_capacity(length);
    (&mut content).take(length as u64).read_to_end(&mut first)?;
    let whole = Cursor::new(first.clone()).chain(content);
    Ok((first, Box::new(whole)))
}

/// First bytes of gzip (RFC 1952, section 2.3.1).
const GZIP_MAGIC: &[u8] = &[0x1F, 0x8B];
/// First bytes of a Zstandard frame (RFC 8878, section 3.1.1).
const ZSTD_MAGIC: &[u8] = &[0x28, 0xB5, 0x2F, 0xFD];

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn read(bytes: Vec<u8>) -> Vec<u8> {
        let mut plain = Vec::new();
        decompressed(Box::new(Cursor::new(bytes))).unwrap().read_to_end(&mut plain).unwrap();
        plain
    }

    #[test]
    fn content_is_the_same_plain_in_gzip_in_several_gzip_members_and_in_zstandard() {
        let gzip = |bytes: &[u8]| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        };
        let plain = b"time,device\n1,2\n";
        assert_eq!(read(plain.to_vec()), plain);
        assert_eq!(read(gzip(plain)), plain);
        assert_eq!(read([gzip(&plain[..5]), gzip(&plain[5..])].concat()), plain);
        assert_eq!(read(zstd::encode_all(&plain[..], 1).unwrap()), plain);
        assert_eq!(read(Vec::new()), b"");
        assert_eq!(read(b"a".to_vec()), b"a");
    }
}
