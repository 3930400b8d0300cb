//! Files into a ZIP archive, one after the other: what `rust_xlsxwriter` calls of the crate of this name.
//!
//! - [`mod@write`]: options of a file, and where the archive goes
//! - [`result`]: what can go wrong
//! - [`ZipWriter`]: the archive
//! - [`ZipArchive`]: an archive to be read, which is always refused
//!
//! # Format
//!
//! APPNOTE.TXT of PKWARE, version 2.0, little-endian, without ZIP64: a file and the archive have less than 4 GiB, and there are less than
//! 65,536 files. A file is held in memory until it is complete, so that its sizes stand before it.
//!
//! | part | bytes |
//! |---|---|
//! | local header, of each file | signature `PK\3\4`, version 20, flags 0x0800 (names are UTF-8), method 8 or 0, time 0, date 0x21 (1 January 1980), CRC-32, size stored, size, length of the name, 0, name |
//! | content | deflated or as it is |
//! | directory, of each file | signature `PK\1\2`, version made by 0x0314 (Unix), the fields of the local header, 0, 0, 0, permissions, offset of the local header, name |
//! | end | signature `PK\5\6`, 0, 0, number of files twice, bytes and offset of the directory, 0 |

mod archive;
mod writer;

pub use archive::ZipArchive;
pub use writer::{CompressionMethod, DateTime, ZipWriter};

/// Options of a file, and where the archive goes.
pub mod write {
    pub use crate::writer::{SimpleFileOptions, StreamWriter};
}

/// What can go wrong.
pub mod result {
    pub use crate::writer::{ZipError, ZipResult};
}
