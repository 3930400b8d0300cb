//! Opening a source: a file or standard input, in the format that its extension or the caller states.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use bytes::Bytes;

use crate::error::PushError;

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
    /// Standard input. It cannot be read twice, so the caller names it: the same name means the same content.
    Stdin {
        /// Name, in the place of the content's hash.
        name: String,
        /// Format of the content.
        format: PushFormat,
    },
}

/// Form of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushFormat {
    /// Text with columns: `.csv`, `.tsv`, `.txt`.
    Csv,
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
            "csv" | "tsv" | "txt" => Self::Csv,
            "parquet" => Self::Parquet,
            "arrow" | "arrows" | "ipc" | "feather" => Self::Arrow,
            "lp" | "line" | "influx" => Self::Line,
            _ => return None,
        })
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
    content: Content,
}

#[derive(Debug)]
enum Content {
    File { path: PathBuf, file: File, stamp: Stamp },
    Stdin,
}

/// Length and time of change, by which a change while reading is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    length: u64,
    modified: Option<SystemTime>,
}

impl OpenSource {
    /// Opens a source.
    pub(crate) fn open(input: &PushInput) -> Result<Self, PushError> {
        match input {
            PushInput::Stdin { name, format } => Ok(Self {
                name: format!("standard input ({name})"),
                stem: name.clone(),
                format: *format,
                bytes_total: None,
                bytes_read: Arc::default(),
                content: Content::Stdin,
            }),
            PushInput::File { path, format } => {
                let name = path.display().to_string();
                let format = format
                    .or_else(|| PushFormat::from_path(path))
                    .ok_or_else(|| PushError::Format { file: name.clone() })?;
                let file = File::open(path).map_err(|error| PushError::from_source(&name, &error))?;
                let stamp = Stamp::of(&file).map_err(|error| PushError::from_source(&name, &error))?;
                Ok(Self {
                    stem: path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default(),
                    format,
                    bytes_total: Some(stamp.length),
                    bytes_read: Arc::default(),
                    content: Content::File { path: path.clone(), file, stamp },
                    name,
                })
            }
        }
    }

    /// Feeds the content, or its name where it cannot be read twice, to `take`.
    pub(crate) fn feed(&mut self, mut take: impl FnMut(&[u8])) -> Result<(), PushError> {
        match &mut self.content {
            Content::Stdin => take(self.stem.as_bytes()),
            Content::File { file, .. } => {
                let mut buffer = vec![0; 1 << 20];
                let fed = loop {
                    match file.read(&mut buffer) {
                        Ok(0) => break file.seek(SeekFrom::Start(0)).map(drop),
                        Ok(length) => take(&buffer[..length]),
                        Err(error) => break Err(error),
                    }
                };
                fed.map_err(|error| PushError::from_source(&self.name, &error))?;
            }
        }
        Ok(())
    }

    /// True for a file, false for a stream under a name.
    pub(crate) fn is_file(&self) -> bool {
        matches!(self.content, Content::File { .. })
    }

    /// The content from its beginning, counted as it is read.
    pub(crate) fn reader(&self) -> Result<Box<dyn Read + Send>, PushError> {
        let counted = self.bytes_read.clone();
        match &self.content {
            Content::Stdin => Ok(Box::new(Counted { inner: std::io::stdin(), counted })),
            Content::File { file, .. } => {
                let file = file.try_clone().map_err(|error| PushError::from_source(&self.name, &error))?;
                Ok(Box::new(BufReader::with_capacity(1 << 18, Counted { inner: file, counted })))
            }
        }
    }

    /// The content for formats that are read from their end.
    pub(crate) fn seekable(&self) -> Result<Seekable, PushError> {
        match &self.content {
            Content::File { file, .. } => {
                file.try_clone().map(Seekable::File).map_err(|error| PushError::from_source(&self.name, &error))
            }
            Content::Stdin => {
                let mut bytes = Vec::new();
                std::io::stdin()
                    .take(STDIN_HELD_BYTES_MAX + 1)
                    .read_to_end(&mut bytes)
                    .map_err(|error| PushError::from_source(&self.name, &error))?;
                if bytes.len() as u64 > STDIN_HELD_BYTES_MAX {
                    let reason = format!(
                        "this format is read from its end, and more than {STDIN_HELD_BYTES_MAX} bytes are not held in memory: push it as a file"
                    );
                    return Err(PushError::Source { file: self.name.clone(), reason });
                }
                Ok(Seekable::Bytes(bytes.into()))
            }
        }
    }

    /// Refuses a file that was changed since it was opened: its hash would name other rows.
    pub(crate) fn check_unchanged(&self) -> Result<(), PushError> {
        let Content::File { path, file, stamp } = &self.content else { return Ok(()) };
        let own = Stamp::of(file).map_err(|error| PushError::from_source(&self.name, &error))?;
        let there = File::open(path).and_then(|file| Stamp::of(&file)).ok();
        if own == *stamp && there == Some(*stamp) {
            return Ok(());
        }
        Err(PushError::Changed { file: self.name.clone() })
    }
}

/// Content that can be read from anywhere.
#[derive(Debug)]
pub(crate) enum Seekable {
    File(File),
    Bytes(Bytes),
}

/// Most bytes of standard input that are held in memory.
const STDIN_HELD_BYTES_MAX: u64 = 1 << 30;

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
