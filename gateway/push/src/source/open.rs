//! Opening a source: a file or standard input, in the format that its extension or the caller states.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use crate::error::PushError;
use crate::source::compressed::decompressed;

/// Source of rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PushInput {
    /// A file.
    File {
        /// Path of the file.
        path: PathBuf,
        /// Format; `None`: as the extension says.
        format: Option<PushFormat>,
    },
    /// Standard input. It is held in a file without a name until it is stored, since all of it is read before anything is sent.
    Stdin {
        /// Name for messages, and for what takes the name of a file.
        name: String,
        /// Format of the content.
        format: PushFormat,
    },
}

/// Form of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushFormat {
    /// Text with columns: `.csv`, `.tsv`, `.txt`, `.dat`; also compressed, with `.gz` or `.zst` behind that.
    Csv,
    /// Excel: `.xlsx`, `.xlsm`.
    Excel,
    /// Apache Parquet: `.parquet`.
    Parquet,
    /// Arrow IPC, file or stream: `.arrow`, `.arrows`, `.ipc`, `.feather`.
    Arrow,
    /// Lines of InfluxDB line protocol: `.lp`, `.line`, `.influx`.
    Line,
}

impl PushFormat {
    /// Format by extension; `None` for one that is not known.
    pub fn from_path(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        Some(match extension.as_str() {
            "gz" | "zst" => return Self::from_path(&path.with_extension("")).filter(|format| format.is_text()),
            "csv" | "tsv" | "txt" | "dat" => Self::Csv,
            "xlsx" | "xlsm" => Self::Excel,
            "parquet" => Self::Parquet,
            "arrow" | "arrows" | "ipc" | "feather" => Self::Arrow,
            "lp" | "line" | "influx" => Self::Line,
            _ => return None,
        })
    }

    /// True for what may be compressed as a whole.
    fn is_text(self) -> bool {
        matches!(self, Self::Csv | Self::Line)
    }
}

/// A source, opened.
#[derive(Debug)]
pub(crate) struct OpenSource {
    pub(crate) name: String,
    /// Name of the file without its extension, or the name of standard input: what `device.file_name` takes.
    pub(crate) stem: String,
    pub(crate) format: PushFormat,
    pub(crate) bytes_total: Option<u64>,
    /// Bytes read so far.
    pub(crate) bytes_read: Arc<AtomicU64>,
    file: File,
    /// Path and state of a file that others may change.
    path: Option<(PathBuf, Stamp)>,
}

/// Length and time of change, by which a change while reading is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    length: u64,
    modified: Option<SystemTime>,
}

impl OpenSource {
    /// Opens a source; standard input is read to its end.
    pub(crate) fn open(input: &PushInput) -> Result<Self, PushError> {
        match input {
            PushInput::Stdin { name, format } => {
                let shown = format!("standard input ({name})");
                let (file, length) =
                    held(&mut std::io::stdin()).map_err(|error| PushError::from_source(&shown, &error))?;
                Ok(Self {
                    name: shown,
                    stem: name.clone(),
                    format: *format,
                    bytes_total: Some(length),
                    bytes_read: Arc::default(),
                    file,
                    path: None,
                })
            }
            PushInput::File { path, format } => {
                let name = path.display().to_string();
                let format = format
                    .or_else(|| PushFormat::from_path(path))
                    .ok_or_else(|| PushError::Format { file: name.clone() })?;
                let file = File::open(path).map_err(|error| PushError::from_source(&name, &error))?;
                let stamp = Stamp::of(&file).map_err(|error| PushError::from_source(&name, &error))?;
                Ok(Self {
                    stem: stem_of(path),
                    format,
                    bytes_total: Some(stamp.length),
                    bytes_read: Arc::default(),
                    file,
                    path: Some((path.clone(), stamp)),
                    name,
                })
            }
        }
    }

    /// Feeds the content to `take`.
    pub(crate) fn feed(&mut self, mut take: impl FnMut(&[u8])) -> Result<(), PushError> {
        let mut content = self.seekable()?;
        let mut buffer = vec![0; 1 << 20];
        loop {
            match content.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(length) => take(&buffer[..length]),
                Err(error) => return Err(PushError::from_source(&self.name, &error)),
            }
        }
    }

    /// True for a file, false for standard input.
    pub(crate) fn is_file(&self) -> bool {
        self.path.is_some()
    }

    /// The content from its beginning, counted as it is read. Only one reader is in use at a time.
    pub(crate) fn reader(&self) -> Result<Box<dyn Read + Send>, PushError> {
        self.bytes_read.store(0, Ordering::Relaxed);
        let counted = Counted { inner: self.seekable()?, counted: self.bytes_read.clone() };
        let content: Box<dyn Read + Send> = Box::new(BufReader::with_capacity(1 << 18, counted));
        if self.format.is_text() {
            return decompressed(content).map_err(|error| PushError::from_source(&self.name, &error));
        }
        Ok(content)
    }

    /// The file at its beginning, for formats that are read from their end.
    pub(crate) fn seekable(&self) -> Result<File, PushError> {
        let at_start = || {
            let mut file = self.file.try_clone()?;
            file.seek(SeekFrom::Start(0))?;
            Ok(file)
        };
        at_start().map_err(|error: std::io::Error| PushError::from_source(&self.name, &error))
    }

    /// Refuses a file that was changed since it was opened: its hash would name other rows.
    pub(crate) fn check_unchanged(&self) -> Result<(), PushError> {
        let Some((path, stamp)) = &self.path else { return Ok(()) };
        let own = Stamp::of(&self.file).map_err(|error| PushError::from_source(&self.name, &error))?;
        let there = File::open(path).and_then(|file| Stamp::of(&file)).ok();
        if own == *stamp && there == Some(*stamp) {
            return Ok(());
        }
        Err(PushError::Changed { file: self.name.clone() })
    }
}

/// Name of a file without its extension, and without that of its compression.
fn stem_of(path: &Path) -> String {
    let is_compressed = path.extension().is_some_and(|extension| extension == "gz" || extension == "zst");
    let plain = if is_compressed { path.with_extension("") } else { path.to_owned() };
    plain.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Content that cannot be read twice, in a file that has no name and is gone with this process.
fn held(content: &mut dyn Read) -> std::io::Result<(File, u64)> {
    let mut file = tempfile::tempfile()?;
    let length = std::io::copy(content, &mut file)?;
    Ok((file, length))
}

impl Stamp {
    fn of(file: &File) -> std::io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self { length: metadata.len(), modified: metadata.modified().ok() })
    }
}

#[derive(Debug)]
struct Counted<R> {
    inner: R,
    counted: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.inner.read(buffer)?;
        // Relaxed: a figure for the progress, which orders nothing.
        self.counted.fetch_add(length as u64, Ordering::Relaxed);
        Ok(length)
    }
}
