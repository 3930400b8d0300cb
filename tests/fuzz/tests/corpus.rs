//! The corpus, good inputs made by the code of a sender, and many changed ones of both, through every target.
//!
//! `ZONELAKE_FUZZ_WRITE_SEEDS=1` writes the good inputs into the corpus.
#![expect(
    clippy::cast_possible_truncation,
    clippy::unwrap_used,
    reason = "a test stops at what it does not expect, and its numbers are small"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Decimal32Array, DictionaryArray, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Int32Type};
use arrow_flight::sql::{
    CommandStatementIngest, CommandStatementQuery, TableDefinitionOptions, TableExistsOption, TableNotExistOption,
    TicketStatementQuery,
};
use arrow_flight::utils::batches_to_flight_data;
use proptest::prelude::*;
use prost::Message;
use zonelake_fuzz::files::good_spool;
use zonelake_fuzz::logs::{good_aside, good_segment, schemas};
use zonelake_fuzz::payloads::{NOW_US, TABLE, decode_line};
use zonelake_fuzz::second_opinion::{DIFFERENCES, compare, difference};
use zonelake_fuzz::{TARGETS, target};
use zonelake_gateway::{ArrowEncoder, Compression};
use zonelake_schemas::wire::control::{Ack, Open, Opened, Refused, Rejection};
use zonelake_schemas::wire::frame::{FrameKind, batch_prefix, control_frame};
use zonelake_schemas::{BatchNumber, SchemaVersion, TableId};
use zonelake_storage::record::{
    BatchHeader, EncodedRows, FenceHeader, ProducerHeader, RecordHeader, StreamHeader, StreamsHeader, encode_header,
};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name)
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder(name)).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| fs::read(path).unwrap()).collect()
}

fn rows(count: usize) -> RecordBatch {
    let some = |row: usize| !row.is_multiple_of(3);
    let device = |row: usize| if row.is_multiple_of(2) { "a" } else { "b" };
    let pm: Decimal32Array = (0..count).map(|row| some(row).then_some(row as i32)).collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("time", Arc::new(TimestampMicrosecondArray::from(vec![NOW_US; count]).with_timezone("UTC"))),
        ("device", Arc::new((0..count).map(device).collect::<DictionaryArray<Int32Type>>())),
        ("quality", Arc::new((0..count).map(|row| some(row).then_some("good")).collect::<StringArray>())),
        ("pm", Arc::new(pm.with_precision_and_scale(9, 2).unwrap())),
        ("raw", Arc::new((0..count).map(|row| Some(row as f64 / 3.0)).collect::<Float64Array>())),
        ("count", Arc::new((0..count).map(|row| some(row).then_some(row as i64)).collect::<Int64Array>())),
        ("on", Arc::new((0..count).map(|row| some(row).then_some(true)).collect::<BooleanArray>())),
        ("note", Arc::new((0..count).map(|row| some(row).then(|| format!("text {row}"))).collect::<StringArray>())),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

fn piece(kind: u8, message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).unwrap();
    [&[kind][..], &length.to_le_bytes(), message].concat()
}

fn arrow_stream(compression: Compression, count: usize) -> Vec<u8> {
    let batch = rows(count);
    let mut encoder = ArrowEncoder::new(&batch.schema(), compression).unwrap();
    let encoded = encoder.encode(&batch).unwrap();
    let mut stream = piece(0, encoded.prelude.schema().unwrap());
    encoded.prelude.dictionaries().for_each(|(_, message)| stream.extend(piece(1, message)));
    stream.extend(piece(2, &encoded.payload));
    stream
}

fn messages() -> [Vec<u8>; 4] {
    let open = Open {
        minor_version: 1,
        token: "zl_0".into(),
        producer: "p".into(),
        epoch: 2,
        table: "t".into(),
        lane: 1,
        encoding: 1,
        software: "s".into(),
    };
    let opened = Opened { last_number: 7, frame_bytes_max: 1 << 24, schema: vec![1, 2].into(), ..Opened::default() };
    let refused = Refused { code: 11, message: "no".into(), number: 3, last_number: 2, retry_after_ms: 1 };
    let rejection = Rejection { number: 3, reason: "bad_time".into(), count: 1, first: "row 0".into() };
    let ack = Ack { number: 3, rows: 9, readings: 8, rejections: vec![rejection], ..Ack::default() };
    [open.encode_to_vec(), opened.encode_to_vec(), refused.encode_to_vec(), ack.encode_to_vec()]
}

fn records() -> Vec<Vec<u8>> {
    let log = &schemas().log;
    let columns = log.fields().iter().enumerate().map(|(index, field)| match (index, field.data_type()) {
        (0..=3, data_type) => arrow::compute::cast(&Int64Array::from(vec![0, 1, 0]), data_type).unwrap(),
        (_, &DataType::Decimal32(precision, scale)) => {
            Arc::new(Decimal32Array::from(vec![1, 2, 3]).with_precision_and_scale(precision, scale).unwrap())
        }
        (_, DataType::Utf8) => Arc::new(StringArray::from(vec![Some("x"), None, Some("yz")])),
        _ => arrow::array::new_null_array(field.data_type(), 3),
    });
    let rows = EncodedRows::new(&RecordBatch::try_new(Arc::clone(log), columns.collect()).unwrap()).unwrap();
    let batch = BatchHeader {
        producer: 1,
        epoch: 1,
        table: 1,
        lane: 1,
        number: 1,
        stored: Some(rows.header(TableId(1), SchemaVersion(1))),
        ..BatchHeader::default()
    };
    let stream = StreamHeader { table: 1, lane: 1, last_number: 3, recent_digests: vec![1, 2, 3] };
    let producer = ProducerHeader { producer: 1, epoch: 2, streams: vec![stream] };
    let streams = StreamsHeader { producers: vec![producer], ingested_at_us: 5, ..Default::default() };
    vec![
        [encode_header(&RecordHeader { batch: Some(batch), ..RecordHeader::default() }), rows.parts().concat()]
            .concat(),
        encode_header(&RecordHeader { streams: Some(streams), ..RecordHeader::default() }),
        encode_header(&RecordHeader { fence: Some(FenceHeader { producer: 1, epoch: 2 }), ..RecordHeader::default() }),
    ]
}

/// Bodies of more rows and devices than one batch may have, and of faulty lines between them.
fn many_devices() -> Vec<Vec<u8>> {
    let line = |n: u64| format!("t,device=d{n} raw={n} {}\n", 1_735_689_500_000_000_000 + n);
    let distinct: String = (0..20).map(line).collect();
    let repeated: String = (0..20).map(|n| line(n % 5)).collect();
    let faulty: String = (0..9).map(|n| line(n) + "t,device=a,device=b raw=1\nt wind=1\nnowhere v=1\n").collect();
    [distinct, repeated, faulty].map(String::into_bytes).into()
}

/// Statements of every kind of clause, and the beginnings of those that grow.
const SQL: [&str; 12] = [
    "select device, avg(pm), max(raw) filter (where \"on\") from t where time >= now() - interval '1 day' and quality = 'good' group by 1 having count(*) > 2 order by 2 desc nulls last limit 10 offset 2",
    "select time_bucket('15 minutes', time) b, device, first(raw, time), rate(count, time) from t group by 1, 2",
    "with a as (select * from t), b as (select * from a union all select * from a) select * from a join b using (device) left join t on a.time = t.time",
    "select sum(raw) over (partition by device order by time rows between 3 preceding and current row), lag(pm) over w from t window w as (order by time)",
    "select case when raw > 1 then 'a' when raw is null then 'b' else note || '\u{e9}' end, cast(pm as bigint), raw::text, count % 3, -raw, not \"on\" from t",
    "select * from t where device in ('a', 'b') or note like '%x_' escape '\\' or raw between 1 and 2 or exists (select 1 from t u where u.device = t.device)",
    "select timestamp '2026-01-01' at time zone 'Asia/Ho_Chi_Minh', date_trunc('hour', time), extract(epoch from time), to_char(time, 'YYYY-MM-DD') from t",
    "values (1, 'a', null), (2, $1, array[1, 2])",
    "explain analyze select 1 + 1 + 1 + 1 + 1 + 1",
    "select $1::int + $2, $3 from t where time > $4 fetch first 3 rows only",
    "select * from t a asof join t b on a.device = b.device and a.time >= b.time",
    "select interval '1 day 2 hours' * 2, '1\u{e9}\u{e9}'::timestamptz, grouping(device) from t group by cube (device, zone)",
];

/// Rules with every key that there is, and with as few as there may be.
const RULES: [&str; 3] = [
    "name = \"pm-high\"\ntable = \"t\"\nseverity = \"critical\"\nfor = \"5m\"\nrecover_for = \"90s\"\nno_data = \"2h\"\nhorizon = \"31d\"\n\
     [text]\nen = \"Particles are high\"\nvi = \"B\u{1ee5}i m\u{1ecb}n cao\"\n[scope]\nprovinces = [\"p\"]\nzones = [\"z\"]\ndevices = [\"stack-*\", \"a\"]\n\
     [[condition]]\nfield = \"pm\"\nmeasure = \"mean\"\nwindow = \"1d\"\nabove = 50.0\nclear = 45.5\n\
     [[condition]]\nfield = \"count\"\nmeasure = \"rate\"\nwindow = \"5m\"\nper = \"1h\"\nbelow = -1e3\n",
    "name = \"r\"\ntable = \"t\"\nno_data = \"1s\"\n[text]\nen = \"e\"\nvi = \"v\"\n",
    "name = \"on\"\ntable = \"t\"\ntext = { en = \"e\", vi = \"v\" }\ncondition = [{ field = \"on\", above = 0.5 }, { field = \"note\", below = 0.0 }]\n",
];

/// A message of a call over Flight, in a form.
fn flight_piece(form: u8, bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).unwrap().to_le_bytes()[..], &[form], bytes].concat()
}

fn flight_calls() -> Vec<Vec<u8>> {
    let definition = TableDefinitionOptions {
        if_not_exist: TableNotExistOption::Fail.into(),
        if_exists: TableExistsOption::Append.into(),
    };
    let ingest = CommandStatementIngest {
        table_definition_options: Some(definition),
        table: "t".into(),
        schema: None,
        catalog: None,
        temporary: false,
        transaction_id: None,
        options: std::collections::HashMap::default(),
    };
    // Names as plain texts: this encoder gives no number to a dictionary.
    let batch = rows(5);
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns()).map(|(field, column)| match field.data_type() {
        DataType::Dictionary(_, values) => (field.name().clone(), arrow::compute::cast(column, values).unwrap(), true),
        _ => (field.name().clone(), Arc::clone(column), true),
    });
    let batch = RecordBatch::try_from_iter_with_nullable(columns.collect::<Vec<_>>()).unwrap();
    let messages = batches_to_flight_data(&batch.schema(), vec![batch]).unwrap();
    let mut put = [&[0][..], &flight_piece(2, &ingest.encode_to_vec())].concat();
    put.extend(messages.iter().flat_map(|message| flight_piece(0, &message.encode_to_vec())));
    let query = CommandStatementQuery { query: SQL[0].into(), transaction_id: None };
    let ticket = TicketStatementQuery { statement_handle: "select device, raw from t".into() };
    let call = |which: u8, form: u8, bytes: &[u8]| [&[which][..], &flight_piece(form, bytes)].concat();
    vec![
        put,
        call(1, 1, &query.encode_to_vec()),
        call(2, 6, &ticket.encode_to_vec()),
        call(3, 4, &query.encode_to_vec()),
        call(1, 7, b""),
        call(4, 9, b""),
        vec![6],
        vec![1, 255, 255, 1, 10],
    ]
}

/// Messages of PostgreSQL's protocol, one behind the other.
fn postgres_messages() -> Vec<Vec<u8>> {
    let message =
        |kind: u8, body: &[u8]| [&[kind][..], &u32::try_from(body.len() + 4).unwrap().to_be_bytes(), body].concat();
    let sync = message(b'S', b"");
    let query = |sql: &str| message(b'Q', &[sql.as_bytes(), b"\0"].concat());
    let parse = message(b'P', b"s\0select $1::int + 1, device from t where time > $2\0\0\x01\0\0\0\x17");
    let bind = message(b'B', b"\0s\0\0\x02\0\0\0\0\0\x02\0\0\0\x017\0\0\0\x0a2026-01-01\0\x01\0\x01");
    let rest = [message(b'D', b"P\0"), message(b'E', b"\0\0\0\0\x05"), sync.clone(), message(b'X', b"")].concat();
    vec![
        query("select device, avg(pm) from t group by 1; show search_path"),
        [query("begin"), query("declare c cursor for select * from t"), query("fetch 3 from c"), query("rollback")]
            .concat(),
        [parse, bind, rest].concat(),
        [query("set timezone = 'Asia/Ho_Chi_Minh'"), query("select * from pg_catalog.pg_class limit 3")].concat(),
        [message(b'D', b"Sx\0"), message(b'C', b"Px\0"), message(b'H', b""), sync].concat(),
    ]
}

fn delta_entries() -> Vec<Vec<u8>> {
    let first = zonelake_fuzz::files::first_delta_entry();
    let txn = br#"{"txn":{"appId":"node-1/shard-0000","version":4,"lastUpdated":1}}"#;
    let add = br#"{"add":{"path":"date=2026-01-01/a.parquet","partitionValues":{"date":"2026-01-01"},"size":7,"modificationTime":1,"dataChange":true,"stats":"{\"numRecords\":3,\"minValues\":{\"raw\":1.0},\"maxValues\":{\"raw\":2.5},\"nullCount\":{\"raw\":0}}"}}"#;
    let remove = br#"{"remove":{"path":"date=2026-01-01/b.parquet","deletionTimestamp":1,"dataChange":true}}"#;
    vec![
        [&[0][..], &first].concat(),
        [&[0][..], &txn[..], b"\n", add, b"\n", remove].concat(),
        [&[2][..], br#"{"version":0,"size":3}"#].concat(),
        vec![3],
    ]
}

/// Bodies of requests: which, and lines as they cross the network.
fn http_bodies() -> Vec<Vec<u8>> {
    use std::io::Write as _;
    let lines = b"t,device=a pm=21.53,on=true 1735689599000000000\nt,device=b raw=1\nt,device=c count=1i\n";
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(lines).unwrap();
    let compressed = gzip.finish().unwrap();
    vec![
        [&[0][..], lines].concat(),
        [&[1][..], &compressed].concat(),
        [&[3][..], &compressed, &compressed].concat(),
        [&[6][..], b"t,device=a pm=21.53 1735689599\nnowhere v=1\n"].concat(),
        [&[14][..], &many_devices()[1]].concat(),
    ]
}

/// Inputs that are good, by target.
fn seeds(name: &str) -> Vec<Vec<u8>> {
    match name {
        "frames" => {
            let kinds = [FrameKind::Open, FrameKind::Opened, FrameKind::Refused, FrameKind::Ack];
            let mut all = control_frame(kinds[0], &Open::decode(&messages()[0][..]).unwrap());
            all.extend([&batch_prefix(BatchNumber(1), 3)[..], b"abc"].concat());
            vec![all, control_frame(kinds[3], &Ack { number: 1, ..Ack::default() })]
        }
        "control" => (0u8..).zip(messages()).map(|(kind, body)| [&[kind][..], &body].concat()).collect(),
        "arrow" => vec![
            arrow_stream(Compression::None, 3),
            arrow_stream(Compression::Lz4, 40),
            arrow_stream(Compression::Zstd, 40),
        ],
        "line" => vec![
            b"t,device=a,zone=vung-ang,quality=uncertain pm=21.53,wide=-1.0005,raw=1e-3,count=7i,on=true 1735689599000000000\n".to_vec(),
            b"# a comment\n\nt,device=b note=\"say \\\"hi\\\"\",raw=NaN\nt,device=c\\ d raw=1u\r\n".to_vec(),
        ],
        "request" => many_devices(),
        "wal_segment" => vec![[&[1][..], good_segment()].concat(), vec![0], vec![0, 32, 16, 7, 128], vec![0, 90, 16, 255]],
        "wal_aside" => vec![[&[1][..], good_aside()].concat(), vec![0], vec![0, 80, 0, 9], vec![0, 200, 0, 1, 77]],
        "wal_record" => records(),
        "plan" => (0..12u8).map(|seed| (0..90u8).map(|step| step.wrapping_mul(7 + 2 * seed) ^ seed).collect()).collect(),
        "http_write" => http_bodies(),
        "flight" => flight_calls(),
        "postgres" => postgres_messages(),
        "delta_log" => delta_entries(),
        "spool" => vec![[&[1][..], good_spool()].concat(), vec![0], vec![0, 40, 0, 7], vec![0, 90, 0, 200, 99]],
        "sql" => SQL.iter().map(|sql| sql.as_bytes().to_vec()).collect(),
        "settings" => vec![
            b"data = \"d\"\nnode = \"n-1\"\n[wal]\nsegment_bytes = 1048576\n[quic]\nnames = [\"a\"]\n[log]\nlevel = \"info,quinn=warn\"\n".to_vec(),
            b"[flush]\nage_seconds = 1\n[http]\nlisten = \"127.0.0.1:1\"\n".to_vec(),
        ],
        "table" => vec![TABLE.trim().as_bytes().to_vec()],
        "rule" => RULES.map(|rule| rule.as_bytes().to_vec()).into(),
        other => panic!("target {other} has no seeds"),
    }
}

#[test]
fn every_good_input_and_every_entry_of_the_corpus_is_handled() {
    for target in TARGETS {
        if std::env::var_os("ZONELAKE_FUZZ_WRITE_SEEDS").is_some() {
            fs::create_dir_all(folder(target.name)).unwrap();
            for (number, seed) in seeds(target.name).iter().enumerate() {
                fs::write(folder(target.name).join(format!("good-{number}")), seed).unwrap();
            }
        }
        let entries = corpus(target.name);
        assert!(!entries.is_empty(), "target {} has no corpus", target.name);
        for input in seeds(target.name).iter().chain(&entries) {
            (target.run)(input);
        }
    }
}

#[test]
fn lines_of_the_corpus_read_as_another_parser_reads_them() {
    let mut compared = 0;
    for input in seeds("line").into_iter().chain(corpus("line")) {
        let decoded = decode_line(&input);
        compare(&input, decoded.as_ref(), NOW_US);
        compared += 1;
    }
    assert!(compared > 40, "{compared}");
}

#[test]
fn each_listed_difference_between_the_parsers_is_one() {
    for known in DIFFERENCES {
        let decoded = decode_line(known.example.as_bytes());
        let found = difference(known.example.as_bytes(), decoded.as_ref(), NOW_US);
        assert!(found.is_some(), "{}: {:?} reads alike", known.what, known.example);
        assert!((known.may_show)(known.example), "{}", known.what);
    }
}

#[test]
fn plain_lines_read_alike_value_by_value() {
    let plain = "t,device=a,zone=vung-ang pm=21.53,wide=-1.0005,raw=-1e-3,count=7i,on=true,note=\"say \\\"hi\\\"\",at=5000i 1735689599000000000\n\
                 t,device=b raw=0.1 1735689598000000001\nt,device=a on=F\n";
    assert!(DIFFERENCES.iter().all(|known| !(known.may_show)(plain)), "nothing excuses a difference here");
    let decoded = decode_line(plain.as_bytes());
    let stored = decoded.as_ref().unwrap();
    assert_eq!((stored.rows, stored.readings, stored.rejected_rows), (3, 9, 0));
    assert_eq!(difference(plain.as_bytes(), decoded.as_ref(), NOW_US), None);
    // The comparison itself sees a changed value: other lines against the same rows.
    for changed in [plain.replace("21.53", "21.55"), plain.replace("hi", "ho"), plain.replace("0.1 ", "0.2 ")] {
        assert!(difference(changed.as_bytes(), decoded.as_ref(), NOW_US).is_some(), "{changed}");
    }
}

/// One change of an input.
#[derive(Debug, Clone)]
enum Change {
    Byte(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Repeat(prop::sample::Index, usize),
    Word(prop::sample::Index, u32),
}

fn change() -> impl Strategy<Value = Change> {
    let word = prop_oneof![Just(u32::MAX), Just(i32::MAX as u32), Just(1 << 31), Just(0), any::<u32>()];
    prop_oneof![
        4 => (any::<prop::sample::Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
        1 => any::<prop::sample::Index>().prop_map(Change::Cut),
        1 => (any::<prop::sample::Index>(), 1..64usize).prop_map(|(at, length)| Change::Repeat(at, length)),
        2 => (any::<prop::sample::Index>(), word).prop_map(|(at, word)| Change::Word(at, word)),
    ]
}

fn apply(mut input: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        if input.is_empty() {
            break;
        }
        match change {
            Change::Byte(at, byte) => *at.get_mut(&mut input) = *byte,
            Change::Cut(at) => input.truncate(at.index(input.len())),
            Change::Repeat(at, length) => {
                let at = at.index(input.len());
                let again = input[at..input.len().min(at + length)].to_vec();
                input.splice(at..at, again);
            }
            Change::Word(at, word) => {
                let at = at.index(input.len());
                let end = input.len().min(at + 4);
                input[at..end].copy_from_slice(&word.to_le_bytes()[..end - at]);
            }
        }
    }
    input
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_good_input_may_be_changed_in_any_way(
        name in prop::sample::select(TARGETS.map(|target| target.name).to_vec()),
        which: prop::sample::Index,
        changes in prop::collection::vec(change(), 1..6),
    ) {
        let seeds = seeds(name);
        let input = apply(which.get(&seeds).clone(), &changes);
        (target(name).unwrap().run)(&input);
    }

    #[test]
    fn any_bytes_may_come(
        name in prop::sample::select(TARGETS.map(|target| target.name).to_vec()),
        input in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        (target(name).unwrap().run)(&input);
    }
}

#[test]
fn nearly_all_statements_of_the_grammar_parse_and_most_can_be_planned() {
    let mut state = 1u64;
    let statements: Vec<String> = (0..400)
        .map(|_| {
            let bytes: Vec<u8> = (0..60)
                .map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    (state >> 56) as u8
                })
                .collect();
            zonelake_fuzz::grammar::statement(&bytes)
        })
        .collect();
    let planned = statements.iter().map(|sql| zonelake_fuzz::sql::outcome(sql));
    let (mut parsed, mut good) = (0, 0);
    for outcome in planned {
        parsed += usize::from(outcome.is_some());
        good += usize::from(outcome == Some(true));
    }
    println!("{parsed} parse and {good} can be planned of {}", statements.len());
    assert!(parsed > 390 && good > 340, "{parsed} parse and {good} can be planned of {}", statements.len());
}
