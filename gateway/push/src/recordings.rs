//! The mappings that are shipped, against the recordings that they are for, and what must hold of every source.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use arrow::buffer::Buffer;
use arrow::compute::concat_batches;
use arrow::datatypes::{Float64Type, Int32Type, Schema, TimestampMicrosecondType};
use arrow::ipc::reader::StreamDecoder;
use zonelake_schemas::{TableDef, TableSchemas};

use crate::columns::position::BadRow;
use crate::error::PushError;
use crate::identity::Identity;
use crate::look::Look;
use crate::mapping::declaration::Mapping;
use crate::mapping::time::Epoch;
use crate::sending::pieces::{PieceRows, Pieces, RowPieces};
use crate::source::open::{OpenSource, PushInput};
use zonelake_gateway::Compression;
use zonelake_gateway::EncodedBatch;

pub(crate) const AIR: &str = include_str!("../../mappings/air.toml");
pub(crate) const STEEL_PLANT: &str = include_str!("../../mappings/steel_plant.toml");
pub(crate) const PUMP: &str = include_str!("../../mappings/pump.toml");
pub(crate) const NETWORK: &str = include_str!("../../mappings/network.toml");

pub(crate) const ENVIRONMENT: &str = include_str!("../../../schemas/tables/environment.toml");
pub(crate) const ENERGY: &str = include_str!("../../../schemas/tables/energy.toml");
pub(crate) const PRODUCTION: &str = include_str!("../../../schemas/tables/production.toml");
pub(crate) const NETWORK_TABLE: &str = include_str!("../../../schemas/tables/network.toml");

/// The folder of the recordings; they are not part of the project, so without it there is nothing to check, except on CI.
pub(crate) fn recordings() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    if !folder.is_dir() {
        assert!(std::env::var_os("CI").is_none(), "CI has the recordings beside the project");
        return None;
    }
    Some(folder)
}

pub(crate) fn wire(table: &str) -> Arc<Schema> {
    TableSchemas::new(&TableDef::from_toml(table).unwrap()).wire
}

pub(crate) struct Pushed {
    pub(crate) batches: Vec<EncodedBatch>,
    pub(crate) bad: Vec<BadRow>,
}

pub(crate) fn pieces(path: &Path, mapping: &Mapping, table: &str, skip_bad_rows: bool) -> Result<Pushed, PushError> {
    mapping.check().unwrap();
    let source = OpenSource::open(&PushInput::File { path: path.into(), format: None })?;
    let mapping = Arc::new(mapping.clone());
    let look = Look::at_rows(&source, &mapping, &wire(table), |_, _| {})?;
    look.check(&source.name, skip_bad_rows)?;
    let mut pieces = RowPieces::open(&source, mapping, &wire(table), Compression::None, &look, PieceRows::default())?;
    let mut pushed = Pushed { batches: Vec::new(), bad: look.first_bad };
    while let Some(piece) = pieces.next_piece()? {
        pushed.batches.push(piece.batch);
    }
    Ok(pushed)
}

/// All rows, decoded as a server would, each batch under its own prelude.
pub(crate) fn rows(batches: &[EncodedBatch]) -> RecordBatch {
    let decoded: Vec<RecordBatch> = batches
        .iter()
        .map(|batch| {
            let mut decoder = StreamDecoder::new();
            let mut last = None;
            let prelude =
                batch.prelude.schema().into_iter().chain(batch.prelude.dictionaries().map(|(_, bytes)| bytes));
            for message in prelude.chain([&batch.payload]) {
                last = decoder.decode(&mut Buffer::from(message.clone())).unwrap();
            }
            last.unwrap()
        })
        .collect();
    concat_batches(&decoded[0].schema(), &decoded).unwrap()
}

/// Facts that an independent program (pandas) finds in a file.
struct Facts {
    file: &'static str,
    rows: usize,
    first_s: i64,
    last_s: i64,
    field: &'static str,
    not_null: usize,
    sum: f64,
}

const fn facts(
    file: &'static str,
    rows: usize,
    first_s: i64,
    last_s: i64,
    field: &'static str,
    not_null: usize,
    sum: f64,
) -> Facts {
    Facts { file, rows, first_s, last_s, field, not_null, sum }
}

fn check(mapping: &str, table: &str, expected: &[Facts]) {
    let Some(folder) = recordings() else { return };
    for facts in expected {
        let mapping = Mapping::from_toml(mapping).unwrap();
        let pushed = pieces(&folder.join(facts.file), &mapping, table, false).unwrap();
        let rows = rows(&pushed.batches);
        let times = rows.column_by_name("time").unwrap().as_primitive::<TimestampMicrosecondType>();
        let values = rows.column_by_name(facts.field).unwrap().as_primitive::<Float64Type>();
        let sum: f64 = values.iter().flatten().sum();
        assert_eq!(rows.num_rows(), facts.rows, "{}", facts.file);
        assert_eq!(times.value(0), facts.first_s * 1_000_000, "{}", facts.file);
        assert_eq!(times.value(rows.num_rows() - 1), facts.last_s * 1_000_000, "{}", facts.file);
        assert_eq!(values.len() - values.null_count(), facts.not_null, "{}", facts.file);
        assert!((sum - facts.sum).abs() < 1e-9 * facts.sum.abs(), "{}: {sum}", facts.file);
    }
}

#[test]
fn air_stations_come_out_as_an_independent_program_reads_them() {
    check(
        AIR,
        ENVIRONMENT,
        &[
            facts("air/Aotizhongxin.csv", 35_064, 1_362_067_200, 1_488_294_000, "pm2_5", 34_139, 2_825_808.3),
            facts("air/Changping.csv", 35_064, 1_362_067_200, 1_488_294_000, "pm2_5", 34_290, 2_438_010.2),
            facts("air/Dingling.csv", 35_064, 1_362_067_200, 1_488_294_000, "pm2_5", 34_285, 2_262_449.9),
            facts("air/Dongsi.csv", 35_064, 1_362_067_200, 1_488_294_000, "pm2_5", 34_314, 2_957_671.1),
            facts("air/Guanyuan.csv", 35_064, 1_362_067_200, 1_488_294_000, "pm2_5", 34_448, 2_856_888.8),
            facts("air/Gucheng.csv", 35_064, 1_362_067_200, 1_488_294_000, "pm2_5", 34_418, 2_886_021.2),
        ],
    );
}

#[test]
fn the_steel_plants_days_close_at_24_hours() {
    let expected =
        facts("energy/steel_plant.csv", 35_040, 1_514_733_300, 1_546_268_400, "active_energy", 35_040, 959_640.31);
    check(STEEL_PLANT, ENERGY, &[expected]);
    let Some(folder) = recordings() else { return };
    let mapping = Mapping::from_toml(STEEL_PLANT).unwrap();
    let rows = rows(&pieces(&folder.join("energy/steel_plant.csv"), &mapping, ENERGY, false).unwrap().batches);
    let times = rows.column_by_name("time").unwrap().as_primitive::<TimestampMicrosecondType>();
    let quarter_hours = times.values().windows(2).all(|pair| pair[1] - pair[0] == 900_000_000);
    assert!(quarter_hours, "each row is a quarter of an hour behind the one before");
}

#[test]
fn pump_files_with_and_without_labels_come_out_whole() {
    check(
        PUMP,
        PRODUCTION,
        &[
            facts("production/pump_normal.csv", 9_405, 1_581_168_647, 1_581_178_607, "pressure", 9_405, 1_046.454539),
            facts("production/pump_valve1_0.csv", 1_147, 1_583_748_873, 1_583_750_072, "pressure", 1_147, 96.529998),
            facts("production/pump_valve1_7.csv", 1_094, 1_583_757_277, 1_583_758_477, "pressure", 1_094, 72.315058),
        ],
    );
}

#[test]
fn network_tests_come_out_whole_with_their_file_as_the_test() {
    check(
        NETWORK,
        NETWORK_TABLE,
        &[
            facts("network/driving_1.csv", 1_155, 1_576_318_590, 1_576_319_752, "snr", 722, 4_399.0),
            facts("network/driving_2.csv", 2_617, 1_576_480_963, 1_576_483_559, "snr", 2_617, 19_723.0),
            facts("network/driving_3.csv", 1_646, 1_581_673_102, 1_581_674_820, "snr", 1_646, 7_276.0),
            facts("network/static_1.csv", 2_143, 1_576_503_604, 1_576_505_885, "snr", 2_143, 7_966.0),
            facts("network/static_2.csv", 3_322, 1_579_171_414, 1_579_175_093, "snr", 3_322, 8_042.0),
        ],
    );
    let Some(folder) = recordings() else { return };
    let mapping = Mapping::from_toml(NETWORK).unwrap();
    let rows = rows(&pieces(&folder.join("network/static_1.csv"), &mapping, NETWORK_TABLE, false).unwrap().batches);
    assert_eq!(rows.column_by_name("test_id").unwrap().as_string::<i32>().value(7), "static_1");
}

/// A mapping of the small files of the tests below.
fn small() -> Mapping {
    let mut mapping = Mapping::by_name("energy");
    mapping.batch_rows = Some(4);
    mapping
}

fn write(folder: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn csv(rows: usize) -> String {
    let rows = (0..rows).map(|n| format!("2025-01-01T00:00:{:02}Z,meter-{},{n}.5\n", n % 60, n % 3));
    "time,device,active_energy\n".to_owned() + &rows.collect::<String>()
}

#[test]
fn the_same_file_gives_the_same_batches_and_the_same_producer() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (write(&folder, "one.csv", &csv(30)), write(&folder, "two.csv", &csv(30)));
    let bytes = |path: &Path| -> Vec<Vec<u8>> {
        let pushed = pieces(path, &small(), ENERGY, false).unwrap();
        pushed
            .batches
            .iter()
            .map(|batch| {
                let dictionaries = batch.prelude.dictionaries().flat_map(|(_, bytes)| bytes.to_vec());
                batch
                    .prelude
                    .schema()
                    .unwrap()
                    .iter()
                    .copied()
                    .chain(dictionaries)
                    .chain(batch.payload.to_vec())
                    .collect()
            })
            .collect()
    };
    assert_eq!(bytes(&one).len(), 8, "30 rows by 4");
    assert_eq!(bytes(&one), bytes(&two));

    let name = |path: &Path, mapping: &Mapping| {
        let mut source = OpenSource::open(&PushInput::File { path: path.into(), format: None }).unwrap();
        Identity::of(&mut source, mapping, Epoch::Ns).unwrap().producer
    };
    assert_eq!(name(&one, &small()), name(&two, &small()));
    assert_eq!(name(&one, &small()).len(), "push:".len() + 32);
    assert_ne!(name(&one, &small()), name(&write(&folder, "three.csv", &csv(29)), &small()));
    assert_ne!(name(&one, &small()), name(&one, &Mapping { batch_rows: None, ..small() }));
    let by_file = Mapping { file_name_field: Some("tariff".into()), ..small() };
    assert_ne!(name(&one, &by_file), name(&two, &by_file), "the file's name is part of the rows");
}

#[test]
fn a_row_that_cannot_be_read_stops_the_push_and_names_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let text = csv(6).replace("4.5", "four");
    let error = pieces(&write(&folder, "bad.csv", &text), &small(), ENERGY, false).err().unwrap().to_string();
    for words in ["bad.csv", "line 6", "\"active_energy\"", "\"four\"", "no number"] {
        assert!(error.contains(words), "{words} in {error}");
    }
}

#[test]
fn bad_rows_can_be_left_out_and_bad_cells_are_sent_as_they_stand() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = csv(12).replace("1.5", "x").replace("2025-01-01T00:00:05Z", "yesterday");
    text.push_str("2025-01-01T00:01:00Z,meter-1\n,meter-1,3\n2025-01-01T00:01:00Z,,3\n");
    let pushed = pieces(&write(&folder, "bad.csv", &text), &small(), ENERGY, true).unwrap();
    let places: Vec<String> = pushed.bad.iter().map(|bad| format!("{} {}", bad.position, bad.column)).collect();
    assert_eq!(
        places,
        ["line 3 active_energy", "line 7 time", "line 13 active_energy", "line 14 ", "line 15 time", "line 16 device"]
    );
    let sizes: Vec<u64> = pushed.batches.iter().map(|batch| batch.rows).collect();
    assert_eq!(sizes, [4, 4, 3], "batches are cut by the rows that can be read");
    let energy = rows(&pushed.batches).column_by_name("active_energy").unwrap().as_string::<i32>().clone();
    assert_eq!(
        energy.iter().take(3).flatten().collect::<Vec<_>>(),
        ["0.5", "x", "2.5"],
        "a bad reading is sent as it stands"
    );
}

#[test]
fn a_column_that_is_neither_mapped_nor_ignored_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path =
        write(&folder, "more.csv", &csv(1).replace("active_energy", "active_energy,colour").replace(".5", ".5,red"));
    let error = pieces(&path, &small(), ENERGY, false).err().unwrap().to_string();
    assert!(error.contains("\"colour\""), "{error}");
    let ignored = Mapping { ignore: vec!["colour".into()], ..small() };
    assert_eq!(pieces(&path, &ignored, ENERGY, false).unwrap().batches.len(), 1);
    let renamed = Mapping {
        ignore_rest: true,
        columns: [("colour".into(), crate::mapping::parts::ColumnMapping::Field("hue".into()))].into(),
        ..small()
    };
    let error = pieces(&path, &renamed, ENERGY, false).err().unwrap().to_string();
    assert!(error.contains("\"hue\""), "{error}");
}

#[test]
fn parquet_and_arrow_give_the_rows_of_the_csv() {
    let folder = tempfile::tempdir().unwrap();
    let from_csv = rows(&pieces(&write(&folder, "a.csv", &csv(30)), &small(), ENERGY, false).unwrap().batches);
    let parquet = folder.path().join("a.parquet");
    let mut writer =
        parquet::arrow::ArrowWriter::try_new(std::fs::File::create(&parquet).unwrap(), from_csv.schema(), None)
            .unwrap();
    writer.write(&from_csv).unwrap();
    writer.close().unwrap();
    let (file, stream) = (folder.path().join("a.arrow"), folder.path().join("a.arrows"));
    let mut writer =
        arrow::ipc::writer::FileWriter::try_new(std::fs::File::create(&file).unwrap(), &from_csv.schema()).unwrap();
    writer.write(&from_csv).unwrap();
    writer.finish().unwrap();
    let mut writer =
        arrow::ipc::writer::StreamWriter::try_new(std::fs::File::create(&stream).unwrap(), &from_csv.schema()).unwrap();
    for start in [0, 7, 14, 21, 28] {
        writer.write(&from_csv.slice(start, 7.min(30 - start))).unwrap();
    }
    writer.finish().unwrap();

    for path in [parquet, file, stream] {
        let pushed = pieces(&path, &small(), ENERGY, false).unwrap();
        assert_eq!(pushed.batches.len(), 8, "{path:?}: batches are cut by rows, not as the file has them");
        let back = rows(&pushed.batches);
        assert_eq!(back.column(0), from_csv.column(0));
        assert_eq!(names(&back), names(&from_csv));
        assert_eq!(back.column(2), from_csv.column(2));
    }
}

fn names(batch: &RecordBatch) -> Vec<String> {
    let devices = batch.column(1).as_dictionary::<Int32Type>().downcast_dict::<StringArray>().unwrap();
    devices.into_iter().map(|name| name.unwrap().to_owned()).collect()
}
