//! Stores for tests of rights: one with the rows of three zones and two operators, and for each role one that has only what
//! the role may see. What a role is told by both must be the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Decimal32Array, Decimal64Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, UInt8Array, UInt32Array, new_null_array,
};
use arrow::datatypes::DataType;
use zonelake_parquet::ParquetOptions;
use zonelake_registry::{Grant, GrantKey, OnlyRows, Place, Registry, RoleKind, RoleLimits, RoleScope, Visibility};
use zonelake_schemas::alerts::alerts_table;
use zonelake_schemas::audit::audit_table;
use zonelake_schemas::reject::rejected_table;
use zonelake_schemas::tables::builtin_tables;
use zonelake_schemas::{DeviceKey, TableDef, TableSchemas};

use crate::harness::{Harness, NEW_YEAR_US};

/// Zones of the rows, each with its province.
pub(crate) const ZONES: [(&str, &str); 3] = [("vung-ang", "ha-tinh"), ("phu-vinh", "ha-tinh"), ("hoa-phu", "dak-lak")];
/// Operators of the rows of `network`.
pub(crate) const OPERATORS: [&str; 2] = ["Viettel", "VNPT"];
/// Tables that have rows.
pub(crate) const TABLES: [&str; 6] = ["assets", "environment", "network", "rejected", "security", "alerts"];
/// Rows of a zone in each table.
pub(crate) const ROWS: usize = 24;
/// A minute.
const MINUTE_US: i64 = 60_000_000;

/// A stored row.
#[derive(Debug, Clone)]
pub(crate) struct StoredRow {
    pub table: &'static str,
    pub zone: &'static str,
    pub operator: &'static str,
    time_us: i64,
    device: String,
    values: BTreeMap<&'static str, Value>,
}

#[derive(Debug, Clone)]
enum Value {
    Text(String),
    Number(f64),
    Integer(i64),
}

/// Roles of the tests, by name.
pub(crate) const ROLES: [&str; 8] = ["zone", "shown", "analyst", "operator", "auditor", "nobody", "reader", "mixed"];

/// Store with all rows, whose roles are those of [`ROLES`].
pub(crate) struct World {
    pub full: Arc<Harness>,
    /// Passwords by role.
    pub passwords: BTreeMap<&'static str, String>,
    by_zones: [Arc<Harness>; 3],
}

impl World {
    pub(crate) async fn new() -> Self {
        let declared = declared();
        let base = Harness::new(&declared);
        let passwords = add_roles(base.registry_arc());
        // Each store knows devices and gateways of one more zone than the one before.
        let mut stores = Vec::new();
        for count in 1..=ZONES.len() {
            let last: &Arc<Harness> = stores.last().unwrap_or(&base);
            let store = last.copied(&declared);
            let (zone, _) = ZONES[count - 1];
            add_places(&store, zone);
            stores.push(store);
        }
        for (count, store) in (1..).zip(&stores) {
            let zones: Vec<&str> = ZONES[..count].iter().map(|(zone, _)| *zone).collect();
            publish(store, &all_rows().into_iter().filter(|row| zones.contains(&row.zone)).collect::<Vec<_>>()).await;
        }
        let by_zones: [Arc<Harness>; 3] = stores.try_into().expect("a store for each zone");
        Self { full: Arc::clone(&by_zones[2]), passwords, by_zones }
    }

    /// Store that has only the rows that a role may see: where no others exist at all.
    pub(crate) async fn permitted(&self, role: &str) -> Arc<Harness> {
        match role {
            "zone" | "shown" => Arc::clone(&self.by_zones[0]),
            "analyst" => Arc::clone(&self.by_zones[1]),
            "reader" => Arc::clone(&self.by_zones[2]),
            // The others see parts of tables.
            _ => {
                let store = self.full.copied(&declared());
                let rows: Vec<_> = all_rows().into_iter().filter(|row| sees(role, row)).collect();
                publish(&store, &rows).await;
                store
            }
        }
    }
}

/// True where a role sees a row.
pub(crate) fn sees(role: &str, row: &StoredRow) -> bool {
    match role {
        "reader" | "admin" => true,
        "zone" | "shown" => row.zone == "vung-ang",
        "analyst" => row.zone != "hoa-phu",
        "operator" => row.table == "network" && row.operator == "Viettel",
        "auditor" => row.table == "rejected",
        "nobody" => false,
        "mixed" if row.table == "security" => row.zone == "phu-vinh",
        // Rows of `rejected` that were meant for `security` go with it, and so are nowhere at once.
        "mixed" => row.zone == "vung-ang",
        _ => panic!("{role} has no entry"),
    }
}

/// Texts that only rows have which a role may not see.
pub(crate) fn forbidden(role: &str) -> Vec<String> {
    let hidden = all_rows().into_iter().filter(|row| !sees(role, row));
    let mut marks: Vec<String> = hidden.map(|row| mark(row.table, row.zone, row.operator)).collect();
    if matches!(role, "zone" | "shown" | "mixed") {
        marks.extend(["hoa-phu", "4242"].map(str::to_owned));
    }
    if matches!(role, "zone" | "shown") {
        marks.push("phu-vinh".to_owned());
    }
    if !matches!(role, "shown" | "reader" | "mixed") {
        marks.extend(["plate-of", "person-of"].map(str::to_owned));
    }
    if role == "analyst" {
        marks.push("hoa-phu".to_owned());
    }
    marks.sort_unstable();
    marks.dedup();
    marks
}

/// Text of the rows of a table, zone and operator, which no other row has.
fn mark(table: &str, zone: &str, operator: &str) -> String {
    format!("mk-{table}-{zone}-{}", operator.to_lowercase())
}

pub(crate) fn declared() -> Vec<TableDef> {
    builtin_tables().into_iter().chain([rejected_table(), alerts_table(), audit_table()]).collect()
}

pub(crate) fn all_rows() -> Vec<StoredRow> {
    let of_zone = |table: &'static str, zone: &'static str| {
        (0..ROWS).map(move |n| {
            let operator = OPERATORS[n % 2];
            let time_us = NEW_YEAR_US + (n as i64) * MINUTE_US + i64::from(zone.len() as u32);
            let device = format!("dev-{zone}-{}", n % 3);
            StoredRow { table, zone, operator, time_us, device, values: values(table, zone, operator, n) }
        })
    };
    TABLES.iter().flat_map(|table| ZONES.iter().flat_map(move |(zone, _)| of_zone(table, zone))).collect()
}

/// Values of a row. Outside of vung-ang there are 20, 4242 and -4242, which no row there has.
fn values(table: &str, zone: &str, operator: &str, n: usize) -> BTreeMap<&'static str, Value> {
    let number = match (zone, n) {
        ("vung-ang", _) => n as i64 % 16,
        (_, 0) => 20,
        (_, 1) => 4_242,
        (_, 2) => -4_242,
        _ => 100 + n as i64,
    };
    // Halves have exact sums, whatever the order in which they are added.
    let precise = number as f64 + (n / 16) as f64 / 2.0;
    let marked = || Value::Text(mark(table, zone, operator));
    let text = |text: &str| Value::Text(text.to_owned());
    let values: Vec<(&'static str, Value)> = match table {
        "environment" => vec![("temperature", Value::Number(precise)), ("pm2_5", Value::Number(number as f64))],
        "network" => vec![
            ("operator", text(operator)),
            ("state", marked()),
            ("pci", Value::Integer(number)),
            ("rsrp", Value::Number(precise)),
        ],
        "security" => vec![
            ("event", text("plate_read")),
            ("plate_hash", Value::Text(format!("plate-of-{zone}-{}", n % 4))),
            ("person_hash", Value::Text(format!("person-of-{zone}-{}", n % 4))),
            ("location", marked()),
            ("confidence", Value::Number(0.5)),
        ],
        "assets" => vec![
            ("plate_hash", Value::Text(format!("plate-of-{zone}-{}", n % 4))),
            ("latitude", Value::Number(18.0 + precise / 1e6)),
            ("longitude", Value::Number(106.0)),
            ("status", marked()),
        ],
        "rejected" => vec![
            ("table_name", text(TABLES[n % 2])),
            ("reason", text("bad_time")),
            ("message", Value::Text(format!("{}-{n}", mark(table, zone, operator)))),
            ("content", Value::Text(format!("{{\"x\": \"{}\"}}", mark(table, zone, operator)))),
            ("gateway", Value::Text(format!("gw-{zone}"))),
            ("identity", Value::Text(format!("{zone}-{n}"))),
        ],
        "alerts" => vec![
            ("table_name", text(TABLES[n % 2])),
            ("rule", text("hot")),
            ("number", Value::Integer(number)),
            ("state", text("firing")),
            ("value", Value::Number(precise)),
            ("message", marked()),
        ],
        _ => panic!("{table} has no rows"),
    };
    values.into_iter().collect()
}

fn add_roles(registry: &Registry) -> BTreeMap<&'static str, String> {
    let zone = |code: &str| Place::Zone(code.into());
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let scope = |zones: &[&str], provinces: &[&str], operators: &[&str]| RoleScope {
        zones: names(zones),
        provinces: names(provinces),
        operators: names(operators),
    };
    let add = |name: &'static str, kind: RoleKind, grants: Vec<Grant>| {
        (name, registry.add_role_with(name, kind, RoleLimits::default(), &grants).unwrap())
    };
    let first = |kind: RoleKind, scope: RoleScope| (kind, kind.first_grants("r", &scope).unwrap());
    let (zone_operator, of_zone) = first(RoleKind::ZoneOperator, scope(&["vung-ang"], &[], &[]));
    let (analyst, of_province) = first(RoleKind::ProvinceAnalyst, scope(&[], &["ha-tinh"], &[]));
    let (operator, of_operator) = first(RoleKind::NetworkOperator, scope(&[], &[], &["Viettel"]));
    let (auditor, of_auditor) = first(RoleKind::Auditor, RoleScope::default());
    [
        add("zone", zone_operator, of_zone),
        add("shown", RoleKind::Own, vec![Grant::all_tables(zone("vung-ang"), Visibility::Shown)]),
        add("analyst", analyst, of_province),
        add("operator", operator, of_operator),
        add("auditor", auditor, of_auditor),
        add("nobody", RoleKind::Own, Vec::new()),
        add("reader", RoleKind::Own, vec![Grant::all_tables(Place::Everywhere, Visibility::Shown)]),
        add(
            "mixed",
            RoleKind::Own,
            vec![
                Grant::all_tables(zone("vung-ang"), Visibility::Shown),
                Grant::table("security", zone("phu-vinh"), Visibility::Hashed),
            ],
        ),
    ]
    .into_iter()
    .collect()
}

/// A grant of the rows of one operator.
pub(crate) fn operator_grant(operator: &str) -> Grant {
    let only = Some(OnlyRows { column: "operator".into(), value: operator.into() });
    Grant::new(GrantKey { table: Some("network".into()), place: Place::Everywhere, only }, Visibility::Hidden)
}

fn add_places(store: &Arc<Harness>, zone: &str) {
    let names: Vec<String> = (0..3).map(|n| format!("dev-{zone}-{n}")).collect();
    store.devices(zone, &names);
    store.registry_arc().add_gateway(&format!("gw-{zone}"), zone).unwrap();
}

/// Publishes rows: half of them in a file, a quarter in another one, and a quarter live. Rows of all zones stand together.
async fn publish(store: &Arc<Harness>, rows: &[StoredRow]) {
    for table in TABLES {
        let mut of_table: Vec<&StoredRow> = rows.iter().filter(|row| row.table == table).collect();
        of_table.sort_by_key(|row| row.time_us);
        let schemas = store.schemas(table).clone();
        let (half, quarter) = (of_table.len() / 2, of_table.len() / 4);
        let parts = [&of_table[..half], &of_table[half..half + quarter], &of_table[half + quarter..]];
        for (number, part) in parts.into_iter().enumerate() {
            if part.is_empty() {
                continue;
            }
            store.add_live(table, vec![live_batch(store, &schemas, part)]);
            if number < 2 {
                store.flush(table, &ParquetOptions::default()).await;
            }
        }
    }
}

fn live_batch(store: &Harness, schemas: &TableSchemas, rows: &[&StoredRow]) -> RecordBatch {
    let key = |row: &StoredRow| -> DeviceKey {
        let zone = store.registry_arc().zone_by_code(row.zone).expect("a seeded zone").id;
        store.registry_arc().device(zone, &row.device).expect("a registered device")
    };
    let times = |after: i64| -> ArrayRef {
        let times = rows.iter().map(|row| row.time_us + after);
        Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC"))
    };
    let mut columns: Vec<ArrayRef> = vec![
        times(0),
        times(1_000_000),
        Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| key(row).0))),
        Arc::new(UInt8Array::from_iter_values(rows.iter().map(|_| 0))),
        Arc::new(rows.iter().map(|_| Some(false)).collect::<BooleanArray>()),
    ];
    for field in &schemas.live.fields()[columns.len()..] {
        columns.push(column(rows, field.name(), field.data_type()));
    }
    RecordBatch::try_new(Arc::clone(&schemas.live), columns).unwrap()
}

fn column(rows: &[&StoredRow], name: &str, data_type: &DataType) -> ArrayRef {
    if rows.iter().all(|row| !row.values.contains_key(name)) {
        return new_null_array(data_type, rows.len());
    }
    let number = |row: &&StoredRow| match row.values.get(name)? {
        Value::Number(value) => Some(*value),
        Value::Integer(value) => Some(*value as f64),
        Value::Text(text) => panic!("{name} is no number: {text}"),
    };
    let scaled = |scale: i8| rows.iter().map(move |row| Some((number(row)? * 10f64.powi(i32::from(scale))).round()));
    match data_type {
        DataType::Utf8 => Arc::new(
            rows.iter()
                .map(|row| match row.values.get(name) {
                    Some(Value::Text(text)) => Some(text.as_str()),
                    _ => None,
                })
                .collect::<StringArray>(),
        ),
        DataType::Float64 => Arc::new(rows.iter().map(number).collect::<Float64Array>()),
        DataType::Int64 => {
            Arc::new(rows.iter().map(|row| number(row).map(|value| value as i64)).collect::<Int64Array>())
        }
        DataType::Decimal32(precision, scale) => {
            let values: Decimal32Array = scaled(*scale).map(|value| value.map(|value| value as i32)).collect();
            Arc::new(values.with_precision_and_scale(*precision, *scale).unwrap())
        }
        DataType::Decimal64(precision, scale) => {
            let values: Decimal64Array = scaled(*scale).map(|value| value.map(|value| value as i64)).collect();
            Arc::new(values.with_precision_and_scale(*precision, *scale).unwrap())
        }
        other => panic!("{name}: no values of {other}"),
    }
}
