//! An archive to be read. The one caller asks for it when it is given a theme from a file, which no report is.

use std::io::{self, Read, Seek};

use crate::result::{ZipError, ZipResult};

/// An archive to be read, which is always refused.
#[derive(Debug)]
pub struct ZipArchive<R>(R);

impl<R: Read + Seek> ZipArchive<R> {
    /// Refuses.
    ///
    /// # Errors
    /// Always.
    pub fn new(reader: R) -> ZipResult<Self> {
        drop(Self(reader));
        Err(ZipError(io::Error::from(io::ErrorKind::Unsupported)))
    }

    /// A file of the archive.
    ///
    /// # Errors
    /// Never: there is no archive.
    pub fn by_name(&mut self, _name: &str) -> ZipResult<&mut R> {
        Ok(&mut self.0)
    }
}
