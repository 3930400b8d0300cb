//! `schemas/proto/zonelake.proto` says in the protobuf language what `wire/control.rs` says in Rust. Each message is
//! encoded with every field set, and its bytes are read back by the numbers and types of the `.proto` text alone.

use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message;
use zonelake_schemas::wire::control::{
    Ack, Encoding, Open, Opened, Push, PushTimes, Pushed, Pushes, Refused, RefusedCode, Rejection,
};

const PROTO: &str = include_str!("../proto/zonelake.proto");

/// Field number to (label and type, name), by message; value to name, by enum.
#[derive(Debug, Default)]
struct Proto {
    messages: BTreeMap<String, BTreeMap<u64, (String, String)>>,
    enums: BTreeMap<String, BTreeMap<u64, String>>,
}

fn parse(text: &str) -> Proto {
    let mut proto = Proto::default();
    let mut open: Option<(bool, String)> = None;
    for line in text.lines().map(|line| line.split("//").next().expect("a split has a first part").trim()) {
        let words: Vec<&str> = line.trim_end_matches(';').split_whitespace().collect();
        match (words.as_slice(), &open) {
            ([] | ["syntax" | "package", ..], None) | ([], Some(_)) => {}
            (["message", name, "{"], None) => open = Some((true, (*name).to_owned())),
            (["enum", name, "{"], None) => open = Some((false, (*name).to_owned())),
            (["}"], Some(_)) => open = None,
            ([kind @ .., name, "=", number], Some((true, message))) if !kind.is_empty() => {
                let fields = proto.messages.entry(message.clone()).or_default();
                let field = (kind.join(" "), (*name).to_owned());
                assert!(
                    fields.insert(number.parse().expect("a number"), field).is_none(),
                    "{message} has {number} twice"
                );
            }
            ([name, "=", number], Some((false, of))) => {
                let values = proto.enums.entry(of.clone()).or_default();
                assert!(
                    values.insert(number.parse().expect("a number"), (*name).to_owned()).is_none(),
                    "{of} has {number} twice"
                );
            }
            other => panic!("cannot read {line:?}: {other:?}"),
        }
    }
    proto
}

/// Numbers, wire types and contents of the fields of an encoded message (protobuf encoding: varint 0, bytes 2).
fn fields(mut bytes: &[u8]) -> Vec<(u64, u64, Vec<u8>)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let content = match key & 7 {
            0 => varint(&mut bytes).to_le_bytes().to_vec(),
            2 => {
                let length = usize::try_from(varint(&mut bytes)).expect("a short message");
                let (content, rest) = bytes.split_at(length);
                bytes = rest;
                content.to_vec()
            }
            other => panic!("wire type {other} is not in use"),
        };
        fields.push((key >> 3, key & 7, content));
    }
    fields
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for place in 0.. {
        let (byte, rest) = bytes.split_first().expect("one more byte");
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            break;
        }
    }
    value
}

/// Checks that the message's fields are those of the `.proto`, by number, wire type and content. `expected` are the
/// names with the contents that were set, in the order of their numbers.
fn check(name: &str, message: &impl Message, expected: &[(&str, Vec<u8>)]) {
    let proto = parse(PROTO);
    let declared = &proto.messages[name];
    let encoded = fields(&message.encode_to_vec());
    assert_eq!(encoded.len(), declared.len(), "{name}: every field is set, each is declared, and none more");
    assert_eq!(encoded.len(), expected.len(), "{name}");
    for ((number, wire_type, content), (field, value)) in encoded.iter().zip(expected) {
        let (kind, declared_name) = &declared[number];
        assert_eq!(declared_name, field, "{name}: field {number}");
        assert_eq!(content, value, "{name}.{field}");
        let expected_type = match kind.as_str() {
            "uint32" | "uint64" | "int64" | "bool" | "optional uint64" => 0,
            "string" | "bytes" | "repeated uint32" | "repeated uint64" | "repeated sint64" | "repeated string" => 2,
            other if proto.enums.contains_key(other) => 0,
            other if proto.messages.contains_key(other.trim_start_matches("repeated ")) => 2,
            other => panic!("{name}.{field}: unknown type {other:?}"),
        };
        assert_eq!(*wire_type, expected_type, "{name}.{field} is declared as {kind}");
    }
}

fn number(value: u64) -> Vec<u8> {
    value.to_le_bytes().to_vec()
}

fn text(value: &str) -> Vec<u8> {
    value.as_bytes().to_vec()
}

#[test]
fn what_a_gateway_says_has_the_numbers_of_the_proto_file() {
    let open = Open {
        minor_version: 1,
        token: "t".into(),
        producer: "p".into(),
        epoch: u64::MAX,
        table: "e".into(),
        lane: 2,
        encoding: Encoding::Line as i32,
        software: "s".into(),
    };
    let expected = [
        ("minor_version", number(1)),
        ("token", text("t")),
        ("producer", text("p")),
        ("epoch", number(u64::MAX)),
        ("table", text("e")),
        ("lane", number(2)),
        ("encoding", number(2)),
        ("software", text("s")),
    ];
    check("Open", &open, &expected);
}

#[test]
fn what_the_server_says_has_the_numbers_of_the_proto_file() {
    let opened = Opened {
        minor_version: 1,
        last_number: 2,
        frame_bytes_max: 3,
        batch_rows_max: 4,
        schema_version: 5,
        schema: Bytes::from_static(b"six"),
        server_time_us: -7,
        unacked_bytes_max: 8,
    };
    let expected = [
        ("minor_version", number(1)),
        ("last_number", number(2)),
        ("frame_bytes_max", number(3)),
        ("batch_rows_max", number(4)),
        ("schema_version", number(5)),
        ("schema", text("six")),
        ("server_time_us", (-7i64).to_le_bytes().to_vec()),
        ("unacked_bytes_max", number(8)),
    ];
    check("Opened", &opened, &expected);

    let refused =
        Refused { code: RefusedCode::Gap as i32, message: "m".into(), number: 3, last_number: 4, retry_after_ms: 5 };
    let expected = [
        ("code", number(11)),
        ("message", text("m")),
        ("number", number(3)),
        ("last_number", number(4)),
        ("retry_after_ms", number(5)),
    ];
    check("Refused", &refused, &expected);

    let rejection = Rejection { number: 1, reason: "r".into(), count: 3, first: "f".into() };
    let expected = [("number", number(1)), ("reason", text("r")), ("count", number(3)), ("first", text("f"))];
    check("Rejection", &rejection, &expected);

    let ack = Ack {
        number: 1,
        rows: 2,
        readings: 3,
        rejected_rows: 4,
        rejected_readings: 5,
        rejections: vec![rejection.clone()],
        repeated_batches: 7,
        unacked_bytes_max: 8,
    };
    let expected = [
        ("number", number(1)),
        ("rows", number(2)),
        ("readings", number(3)),
        ("rejected_rows", number(4)),
        ("rejected_readings", number(5)),
        ("rejections", rejection.encode_to_vec()),
        ("repeated_batches", number(7)),
        ("unacked_bytes_max", number(8)),
    ];
    check("Ack", &ack, &expected);
}

#[test]
fn what_is_said_about_pushes_has_the_numbers_of_the_proto_file() {
    let bytes = |text: &'static str| Bytes::from_static(text.as_bytes());
    let push = Push {
        producer: "p".into(),
        head: bytes("h"),
        rows: 3,
        chain: bytes("c"),
        rows_set: bytes("s"),
        left_out: vec![6],
        base_rows: 7,
        base_left_out: vec![8],
        batch_rows: 9,
        file: "f".into(),
        content: bytes("o"),
        mapping: bytes("m"),
        is_done: true,
        begun_us: 14,
        table: "t".into(),
        epoch: 16,
    };
    let expected = [
        ("producer", text("p")),
        ("head", text("h")),
        ("rows", number(3)),
        ("chain", text("c")),
        ("rows_set", text("s")),
        // Repeated numbers are packed.
        ("left_out", vec![6]),
        ("base_rows", number(7)),
        ("base_left_out", vec![8]),
        ("batch_rows", number(9)),
        ("file", text("f")),
        ("content", text("o")),
        ("mapping", text("m")),
        ("is_done", number(1)),
        ("begun_us", number(14)),
        ("table", text("t")),
        ("epoch", number(16)),
    ];
    check("Push", &push, &expected);
    let pushed =
        Pushed { pushes: vec![push.clone()], schema: bytes("s"), noted: Some(push.clone()), times_stored: Some(4) };
    let expected = [
        ("pushes", push.encode_to_vec()),
        ("schema", text("s")),
        ("noted", push.encode_to_vec()),
        ("times_stored", number(4)),
    ];
    check("Pushed", &pushed, &expected);
    let times = PushTimes { device: "d".into(), steps_us: vec![3], repeats: vec![7] };
    // Signed numbers are in zigzag: 3 is 6.
    check("PushTimes", &times, &[("device", text("d")), ("steps_us", vec![6]), ("repeats", vec![7])]);
    let pushes = Pushes {
        minor_version: 1,
        token: "t".into(),
        table: "e".into(),
        lane: 2,
        head: bytes("h"),
        rows_set: bytes("s"),
        content: bytes("c"),
        latest: 8,
        note: Some(push.clone()),
        times: vec![times.clone()],
        fields: vec!["f".into()],
    };
    let expected = [
        ("minor_version", number(1)),
        ("token", text("t")),
        ("table", text("e")),
        ("lane", number(2)),
        ("head", text("h")),
        ("rows_set", text("s")),
        ("content", text("c")),
        ("latest", number(8)),
        ("note", push.encode_to_vec()),
        ("times", times.encode_to_vec()),
        ("fields", text("f")),
    ];
    check("Pushes", &pushes, &expected);
}

#[test]
fn the_proto_file_has_these_messages_and_enums_and_their_values_are_those_of_the_code() {
    let proto = parse(PROTO);
    let messages: Vec<&str> = proto.messages.keys().map(String::as_str).collect();
    assert_eq!(messages, ["Ack", "Open", "Opened", "Push", "PushTimes", "Pushed", "Pushes", "Refused", "Rejection"]);
    let enums: Vec<&str> = proto.enums.keys().map(String::as_str).collect();
    assert_eq!(enums, ["Encoding", "RefusedCode"]);
    // A name in capitals without its underscores: RefusedCode::BadPayload is REFUSED_CODE_BAD_PAYLOAD.
    let plain = |name: &str| name.replace('_', "").to_ascii_uppercase();
    let named = |name: String, of: &str| plain(of) + &plain(&name);
    for value in 0..=i32::from(u8::MAX) {
        let of = |name: &str| proto.enums[name].get(&u64::try_from(value).unwrap()).map(|name| plain(name));
        let encoding = Encoding::try_from(value).ok().map(|own| named(format!("{own:?}"), "Encoding"));
        let code = RefusedCode::try_from(value).ok().map(|own| named(format!("{own:?}"), "RefusedCode"));
        assert_eq!(of("Encoding"), encoding, "{value}");
        assert_eq!(of("RefusedCode"), code, "{value}");
    }
}
