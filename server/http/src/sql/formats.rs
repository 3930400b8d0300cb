//! Formats of a response, each written batch by batch.
//!
//! | format | media type | notes |
//! |---|---|---|
//! | JSON | `application/json` | one object: `columns`, an array of `{"name", "type"}`, and `rows`, an array of arrays |
//! | NDJSON | `application/x-ndjson` | a line per row, an object by column name; a second column of a name has `_2` behind it |
//! | CSV | `text/csv` | a header line; null is an empty cell |
//! | Arrow | `application/vnd.apache.arrow.stream` | IPC stream, uncompressed, text as Utf8 |
//! | Parquet | `application/vnd.apache.parquet` | ZSTD, text as Utf8; a second column of a name has `_2` behind it |
//!
//! In JSON, NaN and infinities are null, and integers are numbers also beyond 2^53, which some readers round. In JSON and
//! CSV an instant is RFC 3339 with microseconds and `Z` (`2026-01-01T00:00:00.000000Z`); in a session of another time zone than UTC
//! it has that zone's offset, and without a zone none. In Arrow and Parquet the type of instants names the zone.

use std::collections::HashSet;
use std::io::Write;
use std::sync::Arc;

use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;
use arrow::json::StructMode;
use arrow::json::writer::{JsonFormat, LineDelimited, WriterBuilder};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use zonelake_query::{QueryError, QueryErrorCode, Zone, sql_name};

use crate::sql::instants::{NO_ZONE_FORMAT, OFFSET_FORMAT, times_as_text};

/// Format of responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// One JSON object.
    Json,
    /// A JSON object a line.
    NdJson,
    /// Comma-separated values with a header.
    Csv,
    /// Arrow IPC stream.
    Arrow,
    /// A Parquet file.
    Parquet,
}

/// Response that cannot be written in a format.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FormatError {
    /// A type that the format does not have, as lists in CSV.
    #[error("the answer cannot be written in this format: {0}")]
    Arrow(#[from] ArrowError),
    /// As above, for Parquet.
    #[error("the answer cannot be written as Parquet: {0}")]
    Parquet(#[from] ParquetError),
}

impl From<FormatError> for QueryError {
    fn from(error: FormatError) -> Self {
        Self::new(QueryErrorCode::Execution, error.to_string())
    }
}

impl Format {
    /// All formats; the first is the default.
    pub(crate) const ALL: [Self; 5] = [Self::Json, Self::NdJson, Self::Csv, Self::Arrow, Self::Parquet];

    /// Media type.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::NdJson => "application/x-ndjson",
            Self::Csv => "text/csv",
            Self::Arrow => "application/vnd.apache.arrow.stream",
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }

    /// Format that an `Accept` header prefers; `None` where it accepts none of them. No header, or one that accepts
    /// anything, means JSON.
    pub(crate) fn accepted(accept: Option<&str>) -> Option<Self> {
        let Some(accept) = accept.filter(|accept| !accept.trim().is_empty()) else { return Some(Self::Json) };
        let mut best: Option<(f32, Self)> = None;
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default().to_ascii_lowercase();
            let quality = parts.find_map(|part| part.strip_prefix("q=")).map_or(1.0, |q| q.parse().unwrap_or(0.0));
            let Some(format) = Self::ALL.into_iter().find(|format| matches_range(format.media_type(), &media)) else {
                continue;
            };
            if quality > 0.0 && best.is_none_or(|(known, _)| quality > known) {
                best = Some((quality, format));
            }
        }
        best.map(|(_, format)| format)
    }

    /// Writer of a response with these columns.
    ///
    /// # Errors
    /// For a type that the format does not have.
    pub(crate) fn writer(self, schema: &SchemaRef, zone: Zone) -> Result<ResponseWriter, FormatError> {
        let kind = match self {
            Self::Json => Writer::Json { schema: json_head(schema), rows: 0 },
            Self::NdJson => Writer::NdJson { distinct: distinct_names(schema) },
            Self::Csv => Writer::Csv { header: true, schema: Arc::clone(schema) },
            Self::Arrow => {
                let plain = plain_schema(schema, zone);
                Writer::Arrow { writer: Box::new(StreamWriter::try_new(Vec::new(), &plain)?), plain }
            }
            Self::Parquet => {
                let plain = plain_schema(&distinct_names(schema), zone);
                let properties = WriterProperties::builder()
                    .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
                    .set_max_row_group_row_count(Some(PARQUET_GROUP_ROWS))
                    .build();
                let writer = ArrowWriter::try_new(Vec::new(), Arc::clone(&plain), Some(properties))?;
                Writer::Parquet { writer: Box::new(writer), plain }
            }
        };
        Ok(ResponseWriter { kind, zone })
    }
}

/// Rows of a row group of a Parquet response, which are held before they are sent.
const PARQUET_GROUP_ROWS: usize = 65_536;

fn matches_range(media: &str, range: &str) -> bool {
    range == media
        || range == "*/*"
        || range.strip_suffix("/*").is_some_and(|kind| media.split('/').next() == Some(kind))
}

/// Writer of one response: each call returns the bytes to send next.
pub(crate) struct ResponseWriter {
    kind: Writer,
    zone: Zone,
}

impl std::fmt::Debug for ResponseWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResponseWriter").finish_non_exhaustive()
    }
}

enum Writer {
    Json { schema: Vec<u8>, rows: usize },
    NdJson { distinct: SchemaRef },
    Csv { header: bool, schema: SchemaRef },
    Arrow { writer: Box<StreamWriter<Vec<u8>>>, plain: SchemaRef },
    Parquet { writer: Box<ArrowWriter<Vec<u8>>>, plain: SchemaRef },
}

impl ResponseWriter {
    /// Bytes of a batch, with those that come before the first.
    ///
    /// # Errors
    /// For a value that the format cannot have.
    pub(crate) fn batch(&mut self, batch: &RecordBatch) -> Result<Bytes, FormatError> {
        let zone = self.zone;
        Ok(match &mut self.kind {
            Writer::Json { schema, rows } => {
                let mut out = std::mem::take(schema);
                json_rows::<CommaBetween>(&mut out, &times_as_text(batch, zone)?, StructMode::ListOnly, *rows > 0)?;
                *rows += batch.num_rows();
                out.into()
            }
            Writer::NdJson { distinct } => {
                let mut out = Vec::new();
                let batch = plain_batch(batch, distinct)?;
                json_rows::<LineDelimited>(&mut out, &times_as_text(&batch, zone)?, StructMode::ObjectOnly, false)?;
                out.into()
            }
            Writer::Csv { header, .. } => {
                let mut out = Vec::new();
                csv_rows(&mut out, &times_as_text(batch, zone)?, std::mem::take(header))?;
                out.into()
            }
            Writer::Arrow { writer, plain } => {
                writer.write(&plain_batch(batch, plain)?)?;
                std::mem::take(writer.get_mut()).into()
            }
            Writer::Parquet { writer, plain } => {
                writer.write(&plain_batch(batch, plain)?)?;
                std::mem::take(writer.inner_mut()).into()
            }
        })
    }

    /// Bytes that end the response, with those that come before the first batch where there was none.
    ///
    /// # Errors
    /// As [`ResponseWriter::batch`].
    pub(crate) fn end(self) -> Result<Bytes, FormatError> {
        Ok(match self.kind {
            Writer::Json { mut schema, .. } => {
                schema.extend_from_slice(b"]}\n");
                schema.into()
            }
            Writer::NdJson { .. } => Bytes::new(),
            Writer::Csv { header, schema } => {
                let mut out = Vec::new();
                if header {
                    csv_rows(&mut out, &RecordBatch::new_empty(schema), true)?;
                }
                out.into()
            }
            Writer::Arrow { mut writer, .. } => {
                writer.finish()?;
                std::mem::take(writer.get_mut()).into()
            }
            Writer::Parquet { writer, .. } => writer.into_inner()?.into(),
        })
    }
}

/// `{"columns":[…],"rows":[`
fn json_head(schema: &Schema) -> Vec<u8> {
    let columns = schema
        .fields()
        .iter()
        .map(|field| serde_json::json!({ "name": field.name(), "type": type_name(field.data_type()) }));
    let columns = serde_json::Value::Array(columns.collect());
    format!("{{\"columns\":{columns},\"rows\":[").into_bytes()
}

/// Name of a type in a response: SQL's where a table can have it, else Arrow's.
fn type_name(data_type: &DataType) -> String {
    match sql_name(data_type) {
        "text" if !matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) => {
            data_type.to_string()
        }
        name => name.to_owned(),
    }
}

/// Rows with a comma between them, without brackets around them all.
#[derive(Debug, Default)]
struct CommaBetween;

impl JsonFormat for CommaBetween {
    fn start_row<W: Write>(&self, writer: &mut W, is_first_row: bool) -> Result<(), ArrowError> {
        if !is_first_row {
            writer.write_all(b",\n")?;
        }
        Ok(())
    }
}

fn json_rows<F: JsonFormat>(
    out: &mut Vec<u8>,
    batch: &RecordBatch,
    mode: StructMode,
    after_others: bool,
) -> Result<(), ArrowError> {
    if batch.num_rows() == 0 {
        return Ok(());
    }
    if after_others {
        out.extend_from_slice(b",\n");
    }
    let builder = WriterBuilder::new()
        .with_explicit_nulls(true)
        .with_struct_mode(mode)
        .with_timestamp_format(NO_ZONE_FORMAT.to_owned())
        .with_timestamp_tz_format(OFFSET_FORMAT.to_owned());
    builder.build::<_, F>(out).write(batch)
}

fn csv_rows(out: &mut Vec<u8>, batch: &RecordBatch, header: bool) -> Result<(), ArrowError> {
    arrow::csv::WriterBuilder::new().with_header(header).build(out).write(batch)
}

/// The schema with names that are all different, for formats that cannot have a name twice.
fn distinct_names(schema: &SchemaRef) -> SchemaRef {
    let mut taken: HashSet<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
    if taken.len() == schema.fields().len() {
        return Arc::clone(schema);
    }
    let mut seen = HashSet::new();
    let fields = schema.fields().iter().map(|field| {
        if seen.insert(field.name().clone()) {
            return Arc::clone(field);
        }
        let mut names = (2..).map(|number: u64| format!("{}_{number}", field.name()));
        let name = names.find(|name| taken.insert(name.clone())).unwrap_or_default();
        Arc::new(Field::clone(field).with_name(name))
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The schema with text and bytes in the types that every reader of Arrow has, and instants in a zone.
fn plain_schema(schema: &Schema, zone: Zone) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| plain_field(field, zone));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn plain_field(field: &FieldRef, zone: Zone) -> FieldRef {
    let plain = match field.data_type() {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::List(item) => DataType::List(plain_field(item, zone)),
        DataType::LargeList(item) => DataType::LargeList(plain_field(item, zone)),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(|field| plain_field(field, zone)).collect()),
        DataType::Timestamp(unit, Some(_)) if zone != Zone::UTC => {
            DataType::Timestamp(*unit, Some(zone.arrow_name().into()))
        }
        _ => return Arc::clone(field),
    };
    Arc::new(Field::clone(field).with_data_type(plain))
}

fn plain_batch(batch: &RecordBatch, plain: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let columns = batch.columns().iter().zip(plain.fields()).map(|(column, field)| {
        if column.data_type() == field.data_type() { Ok(Arc::clone(column)) } else { cast(column, field.data_type()) }
    });
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(plain), columns, &options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_accept_header_decides_the_format() {
        for (accept, format) in [
            (None, Some(Format::Json)),
            (Some("*/*"), Some(Format::Json)),
            (Some("text/csv"), Some(Format::Csv)),
            (Some("text/*"), Some(Format::Csv)),
            (Some("text/html, application/json;q=0.5, text/csv;q=0.9"), Some(Format::Csv)),
            (Some("application/vnd.apache.arrow.stream"), Some(Format::Arrow)),
            (Some("APPLICATION/VND.APACHE.PARQUET; q=1"), Some(Format::Parquet)),
            (Some("application/x-ndjson"), Some(Format::NdJson)),
            (Some("text/html"), None),
            (Some("text/csv;q=0"), None),
        ] {
            assert_eq!(Format::accepted(accept), format, "{accept:?}");
        }
    }
}
