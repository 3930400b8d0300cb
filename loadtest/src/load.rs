//! The loads by name: what the figures of `docs/performance.md` were measured with, and a mix of whole zones.

use std::time::Duration;

use crate::rows::Wire;
use crate::workload::{AIR, CELL, MACHINE, METER};
use zonelake_benches::workload::FieldWalk;

/// A named load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LoadName {
    /// 4 connections, 8,192-row batches of 8 readings, doubles on the wire, as fast as it goes
    Doubles,
    /// The same with declared decimals, Decimal32 on the wire
    Decimals,
    /// The same with doubles that are stored as doubles, every bit
    Plain,
    /// 4 connections, 8,192-row batches of 1 reading
    OneReading,
    /// 1,000 connections, 100-row batches of 8 readings, declared decimals
    ManyConnections,
    /// The same with doubles on the wire
    ManyConnectionsDoubles,
    /// 10,000 connections, one 20-row batch a second each, declared decimals
    TenThousand,
    /// Line protocol, 8 fields a line, 4 connections
    Lines,
    /// 1 million readings/s from 20 gateways, with freshness
    Steady,
    /// 20 gateways that each send a batch of their 50 devices, as at once a second, 20 times as fast
    OnceASecond,
    /// Twice what can be taken, offered for a minute by 4 gateways that spill to disk, beside one that sends little
    Overload,
    /// The load of `steady`, with 500 screens that pull a zone's last 5 minutes once a second, and 500 that follow a device
    Screens,
    /// Zones with air stations, machines, meters and cells: late data, bursts, reconnect storms, and freshness
    Zones,
}

/// Rows that one kind of device of each connection sends.
#[derive(Debug, Clone)]
pub(crate) struct StreamPlan {
    /// Table.
    pub table: &'static str,
    /// Kind of device, in its name.
    pub kind: &'static str,
    /// Walks of its values.
    pub walks: &'static [FieldWalk],
    /// Encoding.
    pub wire: Wire,
    /// Devices of this kind, over all connections.
    pub devices: usize,
    /// Rows of a batch.
    pub batch_rows: usize,
    /// Rows a second over all connections; `None`: as fast as it goes.
    pub rows_per_second: Option<f64>,
}

/// A load.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    /// Connections.
    pub connections: usize,
    /// Streams of each connection.
    pub streams: Vec<StreamPlan>,
    /// Time measured.
    pub length: Duration,
    /// Time before, not measured.
    pub warm_up: Duration,
    /// Freshness is measured.
    pub freshness: bool,
    /// Clients that pull a zone's last 5 minutes once a second.
    pub screens: usize,
    /// Clients that follow the device whose freshness is measured.
    pub followers: usize,
    /// Share of the batches that come late, on the back-fill lane.
    pub late_share: f64,
    /// Every so often each gateway is silent for a tenth of that time and then sends what has come up at once.
    pub burst_every: Option<Duration>,
    /// Every so often all connections are cut at once.
    pub storm_every: Option<Duration>,
}

impl LoadName {
    /// The load of that name.
    pub(crate) fn load(self) -> Load {
        let air = |table, wire| StreamPlan {
            table,
            kind: "air",
            walks: &AIR,
            wire,
            devices: 1_000,
            batch_rows: 8_192,
            rows_per_second: None,
        };
        let four = |stream| Load {
            connections: 4,
            streams: vec![stream],
            length: Duration::from_secs(60),
            warm_up: Duration::from_secs(5),
            freshness: false,
            screens: 0,
            followers: 0,
            late_share: 0.0,
            burst_every: None,
            storm_every: None,
        };
        let doubles = air("environment", Wire::Doubles);
        match self {
            Self::Doubles => four(doubles),
            Self::Decimals => four(air("loadtest_hundredths", Wire::Decimals)),
            Self::Plain => four(air("loadtest_plain", Wire::Doubles)),
            Self::OneReading => four(StreamPlan { walks: &AIR[..1], ..air("loadtest_hundredths", Wire::Doubles) }),
            Self::ManyConnections => thousand(four(air("loadtest_hundredths", Wire::Decimals))),
            Self::ManyConnectionsDoubles => thousand(four(doubles)),
            Self::TenThousand => Load {
                connections: 10_000,
                ..four(StreamPlan {
                    devices: 200_000,
                    batch_rows: 20,
                    rows_per_second: Some(200_000.0),
                    ..air("loadtest_hundredths", Wire::Decimals)
                })
            },
            Self::Lines => four(StreamPlan { batch_rows: 4_096, ..air("environment", Wire::Lines) }),
            Self::Steady => Load {
                connections: 20,
                freshness: true,
                ..four(StreamPlan { batch_rows: 500, rows_per_second: Some(125_000.0), ..doubles })
            },
            Self::Screens => Load { screens: 500, followers: 500, ..Self::Steady.load() },
            Self::OnceASecond => Load {
                connections: 20,
                length: Duration::from_secs(130),
                ..four(StreamPlan {
                    batch_rows: 50,
                    rows_per_second: Some(20_000.0),
                    ..air("loadtest_hundredths", Wire::Decimals)
                })
            },
            // The last connection is the one that sends little.
            Self::Overload => Load { connections: 5, ..four(air("loadtest_hundredths", Wire::Decimals)) },
            Self::Zones => Load { streams: zones(), ..as_zones(four(doubles)) },
        }
    }
}

/// A thousand gateways of ten devices.
fn thousand(mut base: Load) -> Load {
    for stream in &mut base.streams {
        (stream.devices, stream.batch_rows) = (10_000, 100);
    }
    Load { connections: 1_000, ..base }
}

/// Twenty zones of the size of the requirements' two provinces: about 370,000 readings a second.
fn as_zones(base: Load) -> Load {
    Load {
        connections: 20,
        freshness: true,
        late_share: 0.02,
        burst_every: Some(Duration::from_secs(20)),
        storm_every: Some(Duration::from_secs(25)),
        ..base
    }
}

#[expect(clippy::cast_possible_truncation, reason = "figures of a load are far from the bounds of these types")]
fn zones() -> Vec<StreamPlan> {
    let plan = |table, kind, walks: &'static [FieldWalk], devices: usize, seconds: f64| StreamPlan {
        table,
        kind,
        walks,
        wire: Wire::Doubles,
        devices,
        // Half a second of the zone's devices of this kind.
        batch_rows: ((devices as f64 / 20.0 / seconds / 2.0) as usize).max(1),
        rows_per_second: Some(devices as f64 / seconds),
    };
    vec![
        plan("environment", "air", &AIR, 2_000, 10.0),
        plan("production", "machine", &MACHINE, 25_000, 1.0),
        plan("energy", "meter", &METER, 40_000, 10.0),
        plan("network", "cell", &CELL, 10_000, 5.0),
    ]
}
