//! The decoder of one stream of Arrow IPC messages: schema, dictionaries, batches.
//!
//! Buffers stay where the message has them: a column that is stored as it was sent shares the payload's memory, unless
//! it would hold much more of the payload in memory than it uses.

use std::collections::HashMap;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::buffer::Buffer;
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use arrow::ipc;
use arrow::ipc::reader::RecordBatchDecoder;
use bytes::Bytes;
use std::hash::Hasher;
use std::sync::Arc;
use twox_hash::XxHash3_64;
use zonelake_registry::RegisteredTable;
use zonelake_schemas::wire::control::RefusedCode;
use zonelake_schemas::{StorageType, TableDef};

use super::columns::{FieldFaults, FieldRule, convert, from_texts, texts};
use super::ipc_limits::{check_batch, claimed_bytes, open};
use super::rejected_content::SentArrow;
use super::sharing::without_waste;
use super::wire_schema::{Target, WireColumn, WireSchema};
use crate::batch::{BatchContext, DecodedBatch};
use crate::limits::DecodeLimits;
use crate::refusal::Refusal;
use crate::rows::checked_rows::CheckedRows;
use crate::rows::devices::{DeviceNames, NamedRows};
use crate::rows::dictionary::{Dictionary, Indexed, TextColumn};
use crate::rows::faults::{ReadingFaults, RowFaults};
use crate::rows::validate;
use crate::rows::zones::RowZones;

/// Decodes the messages of one stream for one table.
#[derive(Debug)]
pub struct ArrowDecoder {
    table: Arc<TableDef>,
    limits: DecodeLimits,
    rules: Vec<FieldRule>,
    schema: Option<WireSchema>,
    dictionaries: HashMap<i64, Box<Dictionary>>,
    names: DeviceNames,
    digest_seed: u64,
}

impl ArrowDecoder {
    /// A decoder for a stream into `table`.
    pub fn new(table: &RegisteredTable, limits: DecodeLimits) -> Self {
        Self {
            rules: FieldRule::all(&table.def.fields),
            table: Arc::clone(&table.def),
            limits,
            schema: None,
            dictionaries: HashMap::new(),
            names: DeviceNames::default(),
            digest_seed: 0,
        }
    }

    /// Takes the schema of the batches that follow: one encapsulated message. Dictionaries sent before are forgotten.
    ///
    /// # Errors
    /// Refuses what is not a valid schema, and columns that the table does not have or cannot take, by name.
    pub fn handle_schema(&mut self, payload: &[u8]) -> Result<(), Refusal> {
        let message = open(payload)?.message;
        let sent = message.header_as_schema().ok_or_else(|| bad("the message is not a schema"))?;
        self.schema = Some(WireSchema::bind(sent, &self.table)?);
        self.dictionaries.clear();
        self.mix_digest();
        Ok(())
    }

    /// Takes a dictionary, whole or as a delta: one encapsulated message.
    ///
    /// # Errors
    /// Refuses what is not a valid dictionary of the schema in force, or is over a limit. The stream cannot go on then.
    pub fn handle_dictionary(&mut self, payload: Bytes) -> Result<(), Refusal> {
        let Some(schema) = &self.schema else { return Err(out_of_order("a dictionary before its schema")) };
        let opened = open(&payload)?;
        let message = opened.message;
        let sent = message.header_as_dictionary_batch().ok_or_else(|| bad("the message is not a dictionary"))?;
        let id = sent.id();
        let column = schema.columns.iter().find(|column| column.dictionary_id() == Some(id));
        let column = column.ok_or_else(|| bad(format!("no column of the schema has dictionary {id}")))?;
        let values = sent.data().ok_or_else(|| bad("the dictionary has no values"))?;
        let (values_max, bytes_max) = (self.limits.dictionary_values_max, self.limits.dictionary_bytes_max);
        let body = &payload[opened.body.clone()];
        check_batch(
            &values,
            body,
            std::slice::from_ref(&column.data_type),
            values_max,
            self.limits.decompressed_bytes_max,
        )?;
        let field = Field::new("values", column.data_type.clone(), true);
        let decoded = read(&payload, &opened.body, values, message.version(), Arc::new(Schema::new(vec![field])))?;
        let text =
            TextColumn::plain(decoded.column(0)).expect("the schema's check lets only dictionaries of text pass");

        // Columns may share a dictionary.
        let mut sharing = schema.columns.iter().filter(|column| column.dictionary_id() == Some(id));
        let quality_scale = sharing.find_map(WireColumn::quality_scale);
        // A dictionary that is not a delta replaces the one of the same id.
        if !sent.isDelta() {
            self.dictionaries.remove(&id);
        }
        // The limit of bytes is that of all dictionaries of the stream together.
        let others: usize = self.dictionaries.iter().filter(|(other, _)| **other != id).map(|(_, d)| d.bytes()).sum();
        let dictionary = self.dictionaries.entry(id).or_default();
        dictionary.scale = quality_scale;
        dictionary.extend(&text, values_max, bytes_max.saturating_sub(others))?;
        self.mix_digest();
        Ok(())
    }

    /// Digest of a batch's content: of its payload with the schema and the dictionaries in force.
    pub fn digest(&self, payload: &[u8]) -> u64 {
        XxHash3_64::oneshot_with_seed(self.digest_seed, payload)
    }

    /// Bytes that a dictionary or a batch decodes to, as far as its message tells before: its buffers uncompressed, the
    /// text that its rows may take from dictionaries, and what a row takes beside its fields. A message that cannot be
    /// read counts by its length.
    pub fn decoded_bytes(&self, payload: &[u8]) -> u64 {
        let Ok(opened) = open(payload) else { return payload.len() as u64 };
        let message = opened.message;
        let sent = message.header_as_record_batch().or_else(|| message.header_as_dictionary_batch()?.data());
        let Some(sent) = sent else { return payload.len() as u64 };
        let limits = &self.limits;
        let rows = usize::try_from(sent.length()).unwrap_or(0).min(limits.batch_rows_max);
        let buffers = claimed_bytes(&sent, &payload[opened.body]).min(limits.decompressed_bytes_max);
        let of_fields = self.schema.iter().flat_map(|schema| &schema.columns);
        let longest = of_fields
            .filter(|column| matches!(column.target, Target::Field(_)))
            .filter_map(|column| self.dictionaries.get(&column.dictionary_id()?))
            .map(|dictionary| dictionary.longest());
        let texts = longest.map(|longest| longest.saturating_mul(rows)).fold(0, usize::saturating_add);
        // All text of a batch is bounded as its buffers are.
        let decoded = buffers + texts.min(limits.decompressed_bytes_max) + rows * ROW_BYTES;
        decoded.max(payload.len()) as u64
    }

    /// Decodes one batch: one encapsulated record batch message. Devices may be registered, which blocks.
    ///
    /// # Errors
    /// Refuses the whole batch where it is not valid Arrow of the schema in force or is over a limit.
    pub fn decode(&mut self, payload: Bytes, context: &BatchContext<'_>) -> Result<DecodedBatch, Refusal> {
        let Some(schema) = &self.schema else { return Err(out_of_order("a batch before its schema")) };
        let opened = open(&payload)?;
        let message = opened.message;
        let sent = message.header_as_record_batch().ok_or_else(|| bad("the message is not a record batch"))?;
        let rows_max = context.limits.rows_max(&self.table);
        let body = &payload[opened.body.clone()];
        check_batch(&sent, body, &schema.physical_types, rows_max, context.limits.decompressed_bytes_max)?;
        let batch = read(&payload, &opened.body, sent, message.version(), Arc::clone(&schema.physical))?;

        self.names.trim(context.limits.dictionary_values_max);
        let mut faults = RowFaults::default();
        let columns = Columns { schema, batch: &batch, dictionaries: &self.dictionaries };
        let times_us = columns.times(context, &mut faults)?;
        let qualities = columns.qualities(&mut faults)?;
        let zones = columns.zones(context, &mut faults)?;
        zones.check_times(&times_us, context, &mut faults);
        let named = Named { schema, batch: &batch, zones: &zones, context };
        let devices = named.devices(&mut self.dictionaries, &mut self.names, &mut faults)?;
        // Built again: `devices` has borrowed the dictionaries for itself.
        let columns = Columns { schema, batch: &batch, dictionaries: &self.dictionaries };
        if let Some(sites) = columns.text(Target::Site)? {
            let stated = (0..sites.len()).filter_map(|row| Some((row, sites.get(row)?)));
            validate::check_sites(stated, &devices, context, &mut faults);
        }
        let mut reading_faults = ReadingFaults::new(context.limits.rejected_rows_max);
        let fields = columns.fields(&self.rules, context, &faults, &mut reading_faults)?;
        let rows = CheckedRows { times_us, devices, zones, qualities, fields, row_faults: faults, reading_faults };
        let sent = SentArrow { schema, batch: &batch, dictionaries: &self.dictionaries };
        let mut decoded = validate::split(rows, context, &sent)?;
        // Last, when it is known which rows are stored at all.
        let stored = decoded.stored.take().map(|stored| without_waste(stored, &payload));
        decoded.stored = stored.transpose().map_err(|error| Refusal::schema_mismatch(&error))?;
        Ok(decoded)
    }

    fn mix_digest(&mut self) {
        // The same payload means other rows under another schema or dictionary.
        let mut hasher = XxHash3_64::with_seed(0);
        for column in self.schema.iter().flat_map(|schema| &schema.columns) {
            hasher.write(column.name.as_bytes());
            hasher.write(format!("\0{}\0", column.data_type).as_bytes());
            let dictionary =
                column.dictionary_id().map(|id| self.dictionaries.get(&id).map_or(0, |dictionary| dictionary.digest()));
            hasher.write_u64(dictionary.unwrap_or(u64::MAX));
        }
        self.digest_seed = hasher.finish();
    }
}

impl WireColumn {
    fn dictionary_id(&self) -> Option<i64> {
        self.dictionary.as_ref().map(|(id, _)| *id)
    }
}

/// The columns of one batch by what they are for.
struct Columns<'a> {
    schema: &'a WireSchema,
    batch: &'a RecordBatch,
    dictionaries: &'a HashMap<i64, Box<Dictionary>>,
}

impl<'a> Columns<'a> {
    fn of(&self, target: Target) -> Option<(&'a WireColumn, &'a ArrayRef)> {
        let position = self.schema.columns.iter().position(|column| column.target == target)?;
        Some((&self.schema.columns[position], self.batch.column(position)))
    }

    /// A text column; `None` where it was not sent or is not text.
    fn text(&self, target: Target) -> Result<Option<TextColumn<'a>>, Refusal> {
        let Some((column, array)) = self.of(target) else { return Ok(None) };
        self.text_of(column, array)
    }

    fn text_of(&self, column: &WireColumn, array: &'a ArrayRef) -> Result<Option<TextColumn<'a>>, Refusal> {
        let Some(id) = column.dictionary_id() else { return Ok(TextColumn::plain(array)) };
        match self.dictionaries.get(&id) {
            Some(dictionary) => Ok(Some(TextColumn::Indexed(Indexed::new(&column.name, array, dictionary)?))),
            // A column of nulls may come without its dictionary.
            None if array.null_count() == array.len() => Ok(Some(TextColumn::Null(array.len()))),
            None => Err(out_of_order(&format!("column {}: a batch before its dictionary {id}", column.name))),
        }
    }

    fn times(
        &self,
        context: &BatchContext<'_>,
        faults: &mut RowFaults,
    ) -> Result<arrow::buffer::ScalarBuffer<i64>, Refusal> {
        let (column, array) = self.of(Target::Time).ok_or_else(|| bad("the schema has no column time"))?;
        let DataType::Timestamp(unit, _) = column.data_type else {
            (0..array.len()).for_each(|row| faults.set(row, array.len(), zonelake_schemas::RejectReason::BadTime));
            return Ok(vec![0; array.len()].into());
        };
        let times = array.as_primitive::<Int64Type>();
        Ok(validate::times(times.values(), times.nulls(), unit, context, faults))
    }

    fn qualities(&self, faults: &mut RowFaults) -> Result<Vec<u8>, Refusal> {
        let rows = self.batch.num_rows();
        let found = self.schema.columns.iter().zip(self.batch.columns()).find_map(|(column, array)| {
            let scale = column.quality_scale()?;
            Some((column, array, scale))
        });
        let Some((column, array, scale)) = found else { return Ok(vec![0; rows]) };
        if let Some(text) = self.text_of(column, array)? {
            return Ok(validate::qualities_of_text(&text, scale, faults));
        }
        let mut qualities = vec![0; rows];
        arrow::array::downcast_integer_array!(
            array => for row in (0..rows).filter(|&row| array.is_valid(row)) {
                match scale.quality_of_code(i128::from(array.value(row))) {
                    Some(quality) => qualities[row] = quality as u8,
                    None => faults.set(row, rows, zonelake_schemas::RejectReason::BadQuality),
                }
            },
            other => unreachable!("the schema's check lets no {other} pass as a quality")
        );
        Ok(qualities)
    }

    fn zones(&self, context: &BatchContext<'_>, faults: &mut RowFaults) -> Result<RowZones, Refusal> {
        let (zone, province) = (self.text(Target::Zone)?, self.text(Target::Province)?);
        let mut zones = RowZones::new(context);
        let rows = self.batch.num_rows();
        validate::check_locations(rows, zone.as_ref(), province.as_ref(), &mut zones, context, faults);
        Ok(zones)
    }

    fn fields(
        &self,
        rules: &[FieldRule],
        context: &BatchContext<'_>,
        rows: &RowFaults,
        readings: &mut ReadingFaults,
    ) -> Result<Vec<Option<ArrayRef>>, Refusal> {
        let mut fields = vec![None; rules.len()];
        let mut text_bytes_left = context.limits.decompressed_bytes_max;
        for (column, array) in self.schema.columns.iter().zip(self.batch.columns()) {
            let Target::Field(index) = column.target else { continue };
            let rule = &rules[index];
            let mut faults = FieldFaults { field: rule.index, rows, readings };
            fields[index] = Some(match self.text_of(column, array)? {
                Some(text) if rule.storage == StorageType::Utf8 => {
                    texts(&text, context.limits, &mut text_bytes_left, &mut faults)?
                }
                Some(text) if column.data_type != DataType::Null => from_texts(rule, &text, faults),
                _ => convert(rule, &column.data_type, array, faults),
            });
        }
        Ok(fields)
    }
}

/// Rows of a batch whose devices are named.
struct Named<'a> {
    schema: &'a WireSchema,
    batch: &'a RecordBatch,
    zones: &'a RowZones,
    context: &'a BatchContext<'a>,
}

impl Named<'_> {
    /// The device key of each row.
    fn devices(
        &self,
        dictionaries: &mut HashMap<i64, Box<Dictionary>>,
        names: &mut DeviceNames,
        faults: &mut RowFaults,
    ) -> Result<Vec<u32>, Refusal> {
        let columns = Columns { schema: self.schema, batch: self.batch, dictionaries };
        let text = columns.text(Target::Device)?.ok_or_else(|| bad("the schema has no column device"))?;
        if let TextColumn::Indexed(Indexed { indices, nulls, dictionary }) = &text {
            let (indices, nulls, values) = (indices.clone(), nulls.clone(), dictionary.len());
            let id = columns.of(Target::Device).and_then(|(column, _)| column.dictionary_id());
            let dictionary = id.and_then(|id| dictionaries.get_mut(&id)).expect("the column above was read with it");
            // The slots are taken out while the names are read, and put back whatever happens.
            let mut slots = std::mem::take(&mut dictionary.devices);
            let rows = NamedRows { indices: &indices, nulls: nulls.as_ref(), values };
            let keys = slots.keys(&rows, |index| dictionary.get(index), self.zones, self.context, faults);
            dictionary.devices = slots;
            return keys;
        }
        let is_null: Vec<bool> = (0..text.len()).map(|row| text.get(row).is_none()).collect();
        let indices: Vec<i32> = (0..text.len()).map(|row| text.get(row).map_or(0, |name| names.index(name))).collect();
        let nulls = is_null.contains(&true).then(|| is_null.iter().map(|null| !null).collect());
        names.keys(&indices, nulls.as_ref(), self.zones, self.context, faults)
    }
}

/// Reads the columns of a checked batch; full validation of arrow-ipc is on.
fn read(
    payload: &Bytes,
    body: &std::ops::Range<usize>,
    batch: ipc::RecordBatch<'_>,
    version: ipc::MetadataVersion,
    schema: SchemaRef,
) -> Result<RecordBatch, Refusal> {
    let body = Buffer::from(payload.slice(body.clone()));
    let none = HashMap::new();
    RecordBatchDecoder::try_new(&body, batch, schema, &none, &version)
        .and_then(RecordBatchDecoder::read_record_batch)
        .map_err(|error| bad(format!("the batch is not valid Arrow: {error}")))
}

/// Bytes of a row beside its fields: time, device, quality and lane.
const ROW_BYTES: usize = 16;

fn bad(message: impl Into<String>) -> Refusal {
    Refusal::new(RefusedCode::BadPayload, message)
}

fn out_of_order(what: &str) -> Refusal {
    Refusal::new(RefusedCode::Protocol, what)
}
