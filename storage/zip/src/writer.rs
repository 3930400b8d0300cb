//! The archive, written from its begin to its end.

use std::fmt::{self, Display};
use std::io::{self, Write};

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

/// An archive that is being written.
#[derive(Debug)]
pub struct ZipWriter<S> {
    out: S,
    written: u64,
    open: Option<OpenFile>,
    directory: Vec<u8>,
    files: u16,
}

impl<W: Write> ZipWriter<StreamWriter<W>> {
    /// An archive that goes to a writer which cannot seek.
    pub fn new_stream(inner: W) -> Self {
        Self { out: StreamWriter { inner }, written: 0, open: None, directory: Vec::new(), files: 0 }
    }

    /// Completes the file before, and begins one: what is written from now on is its content.
    ///
    /// # Errors
    /// Where the archive cannot be written, or is too large.
    pub fn start_file(&mut self, name: impl Into<String>, options: SimpleFileOptions) -> ZipResult<()> {
        self.complete_file()?;
        self.open = Some(OpenFile { name: name.into(), options, content: Vec::new() });
        Ok(())
    }

    /// Completes the archive.
    ///
    /// # Errors
    /// As [`Self::start_file`].
    pub fn finish(mut self) -> ZipResult<StreamWriter<W>> {
        self.complete_file()?;
        let directory = std::mem::take(&mut self.directory);
        let (offset, bytes) = (size(self.written)?, size(directory.len() as u64)?);
        self.put(&directory)?;
        let mut end = b"PK\x05\x06\0\0\0\0".to_vec();
        end.extend(self.files.to_le_bytes());
        end.extend(self.files.to_le_bytes());
        end.extend(bytes.to_le_bytes());
        end.extend(offset.to_le_bytes());
        end.extend([0, 0]);
        self.put(&end)?;
        self.out.inner.flush()?;
        Ok(self.out)
    }

    fn complete_file(&mut self) -> ZipResult<()> {
        let Some(OpenFile { name, options, content }) = self.open.take() else { return Ok(()) };
        let mut crc = Crc::new();
        crc.update(&content);
        let content_bytes = size(content.len() as u64)?;
        let stored = match options.method {
            CompressionMethod::Stored => content,
            CompressionMethod::Deflated => {
                let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(&content)?;
                encoder.finish()?
            }
        };
        let name_bytes = u16::try_from(name.len()).map_err(|_error| too_large())?;
        let mut fields = vec![20, 0, 0, 8, options.method.code(), 0, 0, 0, 0x21, 0];
        fields.extend(crc.sum().to_le_bytes());
        fields.extend(size(stored.len() as u64)?.to_le_bytes());
        fields.extend(content_bytes.to_le_bytes());
        fields.extend(name_bytes.to_le_bytes());
        fields.extend([0, 0]);

        self.directory.extend(b"PK\x01\x02\x14\x03");
        self.directory.extend(&fields);
        self.directory.extend([0; 6]);
        // The upper half has the mode of Unix: a plain file with its permissions.
        self.directory.extend(((0o100_000 | options.permissions) << 16).to_le_bytes());
        self.directory.extend(size(self.written)?.to_le_bytes());
        self.directory.extend(name.as_bytes());
        self.files = self.files.checked_add(1).ok_or_else(too_large)?;

        self.put(b"PK\x03\x04")?;
        self.put(&fields)?;
        self.put(name.as_bytes())?;
        self.put(&stored)
    }

    fn put(&mut self, bytes: &[u8]) -> ZipResult<()> {
        self.out.inner.write_all(bytes)?;
        self.written += bytes.len() as u64;
        Ok(())
    }
}

impl<W: Write> Write for ZipWriter<StreamWriter<W>> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(file) = &mut self.open else { return Err(io::Error::other("no file of the archive is open")) };
        file.content.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Where an archive goes that cannot seek.
#[derive(Debug)]
pub struct StreamWriter<W> {
    inner: W,
}

#[derive(Debug)]
struct OpenFile {
    name: String,
    options: SimpleFileOptions,
    content: Vec<u8>,
}

/// Options of a file.
#[derive(Debug, Clone, Copy)]
pub struct SimpleFileOptions {
    method: CompressionMethod,
    permissions: u32,
}

impl Default for SimpleFileOptions {
    fn default() -> Self {
        Self { method: CompressionMethod::Deflated, permissions: 0o644 }
    }
}

impl SimpleFileOptions {
    /// How the content is stored.
    #[must_use]
    pub fn compression_method(self, method: CompressionMethod) -> Self {
        Self { method, ..self }
    }

    /// Nothing: there is one level.
    #[must_use]
    pub fn compression_level(self, _level: Option<i64>) -> Self {
        self
    }

    /// Permissions of the file.
    #[must_use]
    pub fn unix_permissions(self, mode: u32) -> Self {
        Self { permissions: mode & 0o777, ..self }
    }

    /// Nothing: every file has the first time that there is.
    #[must_use]
    pub fn last_modified_time(self, _time: DateTime) -> Self {
        self
    }

    /// Nothing: a file of 4 GiB is refused.
    #[must_use]
    pub fn large_file(self, _is_large: bool) -> Self {
        self
    }
}

/// How content is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompressionMethod {
    /// As it is.
    Stored,
    /// Deflated.
    Deflated,
}

impl CompressionMethod {
    fn code(self) -> u8 {
        match self {
            Self::Stored => 0,
            Self::Deflated => 8,
        }
    }
}

/// 1 January 1980.
#[derive(Debug, Clone, Copy, Default)]
pub struct DateTime;

/// What can go wrong.
#[derive(Debug)]
pub struct ZipError(pub(crate) io::Error);

/// Result of a step.
pub type ZipResult<T> = Result<T, ZipError>;

impl Display for ZipError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for ZipError {}

impl From<io::Error> for ZipError {
    fn from(error: io::Error) -> Self {
        Self(error)
    }
}

/// A size or an offset of 32 bits.
fn size(bytes: u64) -> ZipResult<u32> {
    u32::try_from(bytes).map_err(|_error| too_large())
}

fn too_large() -> ZipError {
    ZipError(io::Error::other("an archive of 4 GiB or 65,536 files needs ZIP64, which is not written"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_of_one_stored_file_is_what_the_format_says_byte_by_byte() {
        let mut bytes = Vec::new();
        let mut archive = ZipWriter::new_stream(&mut bytes);
        let options =
            SimpleFileOptions::default().compression_method(CompressionMethod::Stored).unix_permissions(0o600);
        archive.start_file("a", options).unwrap();
        archive.write_all(b"123456789").unwrap();
        archive.finish().unwrap();
        let fields = b"\x14\0\0\x08\0\0\0\0\x21\0\x26\x39\xf4\xcb\x09\0\0\0\x09\0\0\0\x01\0\0\0";
        let mut wanted = b"PK\x03\x04".to_vec();
        wanted.extend(fields);
        wanted.extend(b"a123456789");
        let directory = u32::try_from(wanted.len()).unwrap();
        wanted.extend(b"PK\x01\x02\x14\x03");
        wanted.extend(fields);
        wanted.extend(b"\0\0\0\0\0\0\0\0\x80\x81\0\0\0\0a");
        let length = u32::try_from(wanted.len()).unwrap() - directory;
        wanted.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
        wanted.extend(length.to_le_bytes());
        wanted.extend(directory.to_le_bytes());
        wanted.extend([0, 0]);
        assert_eq!(bytes, wanted);
    }

    #[test]
    fn what_is_written_without_a_file_is_refused() {
        let mut archive = ZipWriter::new_stream(Vec::new());
        assert!(archive.write_all(b"x").is_err());
    }
}
