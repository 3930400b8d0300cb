//! Rows of Parquet and Arrow IPC, cut into chunks of one size whatever the batches of the source are.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::reader::{FileReader, StreamReader};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::errors::ParquetError;
use parquet::file::reader::ChunkReader;

use crate::columns::position::Positions;
use crate::columns::rows::RawRows;
use crate::error::PushError;
use crate::source::open::{OpenSource, PushFormat};
use crate::source::rows::RowSource;

type Batches = Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + Send>;

/// Reads typed columns.
pub(crate) struct ArrowRows {
    file: String,
    schema: SchemaRef,
    names: Vec<String>,
    batches: Batches,
    held: Vec<RecordBatch>,
    held_rows: usize,
    rows_given: u64,
}

impl ArrowRows {
    /// Opens the source and reads its schema.
    pub(crate) fn open(source: &OpenSource) -> Result<Self, PushError> {
        let (schema, batches) = match source.format {
            PushFormat::Parquet => {
                parquet_batches(source.seekable()?).map_err(|error| PushError::from_source(&source.name, &error))?
            }
            _ => ipc_batches(source)?,
        };
        Ok(Self {
            file: source.name.clone(),
            names: schema.fields().iter().map(|field| field.name().clone()).collect(),
            schema,
            batches,
            held: Vec::new(),
            held_rows: 0,
            rows_given: 0,
        })
    }

    fn take(&mut self, rows: usize) -> Result<RecordBatch, ArrowError> {
        let mut parts = Vec::new();
        let mut missing = rows;
        while missing > 0 {
            let first = self.held.remove(0);
            if first.num_rows() > missing {
                self.held.insert(0, first.slice(missing, first.num_rows() - missing));
                parts.push(first.slice(0, missing));
                missing = 0;
            } else {
                missing -= first.num_rows();
                parts.push(first);
            }
        }
        self.held_rows -= rows;
        concat_batches(&self.schema, &parts)
    }
}

impl RowSource for ArrowRows {
    fn columns(&self) -> &[String] {
        &self.names
    }

    fn next_rows(&mut self, _used: &[usize], rows_max: usize) -> Result<Option<RawRows>, PushError> {
        let wrong = |error: ArrowError| PushError::from_source(&self.file, &error);
        while self.held_rows < rows_max {
            let Some(batch) = self.batches.next() else { break };
            let batch = batch.map_err(wrong)?;
            if batch.num_rows() > 0 {
                self.held_rows += batch.num_rows();
                self.held.push(batch);
            }
        }
        let rows = self.held_rows.min(rows_max);
        if rows == 0 {
            return Ok(None);
        }
        let first = self.rows_given + 1;
        self.rows_given += rows as u64;
        let batch = self.take(rows).map_err(|error| PushError::from_source(&self.file, &error))?;
        Ok(Some(RawRows { batch, positions: Positions::RowsFrom(first), broken: BTreeMap::new() }))
    }
}

fn parquet_batches(content: impl ChunkReader + 'static) -> Result<(SchemaRef, Batches), ParquetError> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(content)?;
    Ok((builder.schema().clone(), Box::new(builder.build()?)))
}

fn ipc_batches(source: &OpenSource) -> Result<(SchemaRef, Batches), PushError> {
    let wrong = |error: ArrowError| PushError::from_source(&source.name, &error);
    let mut reader = source.reader()?;
    let mut magic = [0; IPC_FILE_MAGIC.len()];
    reader.read_exact(&mut magic).map_err(|error| PushError::from_source(&source.name, &error))?;
    if &magic != IPC_FILE_MAGIC {
        let whole = Cursor::new(magic).chain(reader);
        let stream = StreamReader::try_new(whole, None).map_err(wrong)?;
        return Ok((stream.schema(), Box::new(stream)));
    }
    let file = FileReader::try_new_buffered(source.seekable()?, None).map_err(wrong)?;
    Ok((file.schema(), Box::new(file)))
}

/// First bytes of an Arrow IPC file.
const IPC_FILE_MAGIC: &[u8; 6] = b"ARROW1";
