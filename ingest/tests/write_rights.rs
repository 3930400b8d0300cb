//! What a gateway may write, row by row, in both encodings: tables, zones and devices that are granted, and nothing else.

#![expect(clippy::unwrap_used, reason = "tests stop at what they do not expect")]

mod fixture;

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::ipc::writer::IpcWriteOptions;
use zonelake_ingest::{ArrowDecoder, BatchContext, DecodedBatch, LineDecoder, Precision};
use zonelake_registry::{Gateway, WriteGrant};

use crate::fixture::{Fixture, NOW_US, Sender, rejections};

/// A row: device, and the zone that it states.
type Sent = (&'static str, Option<&'static str>);

/// Decoders of one stream in each encoding, which remember what they have looked up.
struct Decoders {
    arrow: ArrowDecoder,
    line: LineDecoder,
}

impl Decoders {
    fn new(fixture: &Fixture) -> Self {
        Self {
            arrow: ArrowDecoder::new(&fixture.table, fixture.limits.clone()),
            line: LineDecoder::new(&fixture.table, Precision::Nanoseconds),
        }
    }

    /// The fate of each row: the zone and device that it is stored under, or the reason. It is the same in both encodings.
    fn fates(&mut self, fixture: &Fixture, rows: &[Sent]) -> Vec<String> {
        let gateway = fixture.registry.gateway(fixture.gateway.id).unwrap();
        let context = BatchContext { gateway: &gateway, ..fixture.context() };
        let sent = Sender::new(IpcWriteOptions::default()).send(&batch(rows));
        self.arrow.handle_schema(&sent.schema).unwrap();
        let by_arrow = fates(fixture, &gateway, &self.arrow.decode(sent.batch, &context).unwrap());
        let line = |(device, zone): &Sent| {
            let zone = zone.map_or(String::new(), |zone| format!(",zone={zone}"));
            format!("t,device={device}{zone} pm=1 {}\n", NOW_US * 1_000)
        };
        let lines: String = rows.iter().map(line).collect();
        let by_line = fates(fixture, &gateway, &self.line.decode(lines.as_bytes(), &context).unwrap());
        assert_eq!(by_arrow, by_line);
        by_arrow
    }
}

fn batch(rows: &[Sent]) -> RecordBatch {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("time", Arc::new(TimestampMicrosecondArray::from(vec![NOW_US; rows.len()]).with_timezone("UTC"))),
        ("device", Arc::new(rows.iter().map(|row| Some(row.0)).collect::<StringArray>())),
        ("zone", Arc::new(rows.iter().map(|row| row.1).collect::<StringArray>())),
        ("pm", Arc::new(Float64Array::from(vec![1.0; rows.len()]))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true))).unwrap()
}

/// Stored rows first, as zone and device; then rejected ones, as the zone that the row is filed under, and the reason.
fn fates(fixture: &Fixture, gateway: &Gateway, decoded: &DecodedBatch) -> Vec<String> {
    let place = |key: &str| {
        let location = fixture.registry.location(zonelake_schemas::DeviceKey(key.parse().unwrap())).unwrap();
        (location.zone.clone().unwrap(), location.device.clone())
    };
    let mut fates = Vec::new();
    if let Some(stored) = &decoded.stored {
        for key in fixture::column_text(stored, "device_key") {
            let (zone, device) = place(&key);
            fates.push(format!("{zone} {}", device.unwrap()));
        }
    }
    if let Some(rejected) = &decoded.rejected {
        let keys = fixture::column_text(rejected, "device_key");
        for (key, rejection) in keys.iter().zip(rejections(decoded)) {
            fates.push(format!("{}: {}", place(key).0, rejection.2));
            assert!(rejection.3.contains(&*gateway.name) || rejection.2 != "no_right", "{rejection:?}");
        }
    }
    fates
}

fn grant(table: Option<&str>, zone: &str, devices: &str) -> WriteGrant {
    WriteGrant { table: table.map(Into::into), zone: zone.into(), devices: devices.parse().unwrap() }
}

#[test]
fn a_row_is_judged_by_the_zone_and_device_that_it_states_under_the_grants_of_that_moment() {
    let fixture = Fixture::new();
    let mut decoders = Decoders::new(&fixture);
    let rows: [Sent; 5] = [
        ("a", None),
        ("crane-1", Some("hoa-phu")),
        ("meter-1", Some("hoa-phu")),
        ("a", Some("vung-ang")),
        ("a", Some("elsewhere")),
    ];
    let own = ["vung-ang a", "vung-ang a"];
    let elsewhere = "vung-ang: wrong_place";
    let refused = "vung-ang: no_right";
    assert_eq!(decoders.fates(&fixture, &rows), [&own[..], &[refused, refused, elsewhere]].concat());
    assert_eq!(fixture.registry.devices().len(), 1, "what may not be written is not registered");

    let cranes = grant(None, "hoa-phu", "crane-*");
    fixture.registry.grant_gateway("gw", &cranes).unwrap();
    let of_other = "hoa-phu: no_right";
    let stored = ["vung-ang a", "hoa-phu crane-1", "vung-ang a"];
    assert_eq!(decoders.fates(&fixture, &rows), [&stored[..], &[of_other, elsewhere]].concat());
    fixture.registry.grant_gateway("gw", &grant(Some("t"), "hoa-phu", "meter-1")).unwrap();
    fixture.registry.grant_gateway("gw", &grant(Some("other"), "phu-vinh", "*")).unwrap();
    let stored = ["vung-ang a", "hoa-phu crane-1", "hoa-phu meter-1", "vung-ang a"];
    assert_eq!(decoders.fates(&fixture, &rows), [&stored[..], &[elsewhere]].concat());
    let of_other_table = decoders.fates(&fixture, &[("a", Some("phu-vinh"))]);
    assert_eq!(of_other_table, [refused], "that zone is granted for another table");

    // Taken away while the stream has the names looked up.
    fixture.registry.revoke_gateway_grant("gw", &cranes).unwrap();
    fixture.registry.revoke_gateway_grant("gw", &grant(None, "vung-ang", "*")).unwrap();
    let fates = decoders.fates(&fixture, &rows);
    assert_eq!(fates, ["hoa-phu meter-1", refused, of_other, refused, elsewhere]);
    fixture.registry.revoke_gateway_grant("gw", &grant(Some("t"), "hoa-phu", "meter-1")).unwrap();
    let gateway = fixture.registry.gateway(fixture.gateway.id).unwrap();
    assert!(gateway.rights.zones("t").is_empty() && !gateway.rights.zones("other").is_empty());
    assert_eq!(decoders.fates(&fixture, &[("a", None)]), [refused]);
}

#[test]
fn devices_of_one_name_in_two_zones_are_two_devices_and_each_zone_has_its_own_policy() {
    let fixture = Fixture::new();
    fixture.registry.grant_gateway("gw", &grant(None, "hoa-phu", "*")).unwrap();
    fixture.registry.set_auto_register("hoa-phu", false).unwrap();
    let mut decoders = Decoders::new(&fixture);
    let rows: [Sent; 3] = [("a", Some("hoa-phu")), ("a", None), ("b", Some("hoa-phu"))];
    let unknown = "hoa-phu: unknown_device";
    assert_eq!(decoders.fates(&fixture, &rows), ["vung-ang a", unknown, unknown]);
    let other = fixture.registry.zone_by_code("hoa-phu").unwrap().id;
    fixture.registry.register_devices(other, &["a"]).unwrap();
    assert_eq!(decoders.fates(&fixture, &rows), ["hoa-phu a", "vung-ang a", unknown]);
    let keys = [other, fixture.gateway.zone].map(|zone| fixture.registry.device(zone, "a").unwrap());
    assert_ne!(keys[0], keys[1]);
}

#[test]
fn retention_of_each_zone_holds_for_its_own_rows() {
    let fixture = Fixture::new();
    fixture.registry.grant_gateway("gw", &grant(None, "hoa-phu", "*")).unwrap();
    let mut decoders = Decoders::new(&fixture);
    let rows: [Sent; 2] = [("a", Some("hoa-phu")), ("a", None)];
    let floors = |zones: &[(&str, i64)]| {
        let zones = zones.iter().map(|(zone, us)| ((*zone).into(), *us)).collect();
        fixture.table.earliest.set(None, zones);
    };
    floors(&[("vung-ang", NOW_US + 1)]);
    assert_eq!(decoders.fates(&fixture, &rows), ["hoa-phu a", "vung-ang: past_time"]);
    floors(&[("hoa-phu", NOW_US + 1)]);
    assert_eq!(decoders.fates(&fixture, &rows), ["vung-ang a", "hoa-phu: past_time"]);
}
