//! Crates that import what does not stand below them.

use std::collections::BTreeSet;

use crate::finding::Finding;
use crate::tree::Crate;

/// Each crate with the crates that it stands on. It may import these and all that they stand on. A crate stands behind those that it stands on.
///
/// `benches` is the workload alone here: its measurements import what they measure as development dependencies. `tests/fuzz`
/// tests everything and is imported by nobody.
pub(crate) const ORDER: [(&str, &[&str]); 29] = [
    ("zonelake-schemas", &[]),
    ("zonelake-alerts", &["zonelake-schemas"]),
    ("zonelake-registry", &["zonelake-schemas"]),
    ("zonelake-wal", &["zonelake-schemas"]),
    ("zonelake-objects", &["zonelake-schemas"]),
    ("zonelake-parquet", &["zonelake-objects"]),
    ("zonelake-tablelog", &["zonelake-parquet"]),
    ("zonelake-storage", &["zonelake-registry", "zonelake-wal", "zonelake-tablelog"]),
    ("zonelake-ingest", &["zonelake-storage"]),
    ("zonelake-timeseries", &["zonelake-schemas"]),
    ("zonelake-domain", &["zonelake-schemas"]),
    ("zonelake-query", &["zonelake-storage", "zonelake-timeseries", "zonelake-domain"]),
    ("zonelake-settings", &[]),
    ("zonelake-net", &["zonelake-registry"]),
    ("zonelake-quic", &["zonelake-net", "zonelake-ingest"]),
    ("zonelake-alerting", &["zonelake-alerts", "zonelake-ingest", "zonelake-query"]),
    ("zonelake-reports", &["zonelake-alerting"]),
    ("zonelake-http", &["zonelake-net", "zonelake-reports"]),
    ("zonelake-postgres-values", &["zonelake-timeseries"]),
    ("zonelake-postgres", &["zonelake-net", "zonelake-query", "zonelake-postgres-values"]),
    ("zonelake-flight", &["zonelake-net", "zonelake-ingest", "zonelake-query"]),
    (
        "zonelake-server",
        &["zonelake-settings", "zonelake-quic", "zonelake-http", "zonelake-postgres", "zonelake-flight"],
    ),
    ("zonelake-gateway", &["zonelake-schemas"]),
    ("zonelake-push", &["zonelake-gateway"]),
    ("zonelake-benches", &["zonelake-schemas"]),
    ("zonelake-loadtest", &["zonelake-gateway", "zonelake-benches"]),
    ("zonelake", &["zonelake-server", "zonelake-push"]),
    ("zonelake-fuzz", &["zonelake-server", "zonelake-push"]),
    // In the place of a published crate, for the library of spreadsheets alone.
    ("zip", &[]),
];

/// Imports that go up or aside, and crates that have no place in the order.
pub(crate) fn find(crates: &[Crate], order: &[(&str, &[&str])]) -> Vec<Finding> {
    let names: BTreeSet<&str> = crates.iter().map(|of| of.name.as_str()).collect();
    let mut findings = Vec::new();
    for of in crates {
        if !order.iter().any(|(name, _)| *name == of.name) {
            let text = format!("{} has no place in the order of crates (tests/tidy/edges.rs)", of.name);
            findings.push(Finding::new(&of.manifest, 1, text));
            continue;
        }
        let below = below(order, &of.name);
        for (import, line) in of.imports.iter().filter(|(import, _)| names.contains(import.as_str())) {
            if !below.contains(import.as_str()) {
                let text = format!("{} imports {import}, which does not stand below it", of.name);
                findings.push(Finding::new(&of.manifest, *line, text));
            }
        }
    }
    findings
}

/// All crates below one.
fn below<'a>(order: &[(&str, &'a [&'a str])], name: &str) -> BTreeSet<&'a str> {
    let mut below = BTreeSet::new();
    let mut next = vec![name];
    while let Some(name) = next.pop() {
        for &lower in order.iter().filter(|(other, _)| *other == name).flat_map(|(_, lower)| *lower) {
            if below.insert(lower) {
                next.push(lower);
            }
        }
    }
    below
}
