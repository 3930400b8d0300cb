//! Relations of the catalog about what this server does not have, or does not count: their columns, and no rows.

use arrow::datatypes::{DataType, TimeUnit};

use crate::catalog::relations::columns::{NamedColumn, nulls, text_array};

/// Type of a column, where it is not text.
#[derive(Clone, Copy)]
enum Of {
    Text,
    Int,
    Bigint,
    Bool,
    Time,
    Texts,
}

use Of::{Bigint, Bool, Int, Text, Texts, Time};

/// Columns of a relation in their order, those of one type beside each other at once.
type Columns = &'static [(Of, &'static [&'static str])];

/// Each relation with its columns, as PostgreSQL 15 has them.
const VACANT: &[(&str, Columns)] = &[
    ("pg_available_extensions", &[(Text, &["name", "default_version", "installed_version", "comment"])]),
    (
        "pg_cursors",
        &[
            (Text, &["name", "statement"]),
            (Bool, &["is_holdable", "is_binary", "is_scrollable"]),
            (Time, &["creation_time"]),
        ],
    ),
    ("pg_group", &[(Text, &["groname"]), (Int, &["grosysid"]), (Texts, &["grolist"])]),
    ("pg_indexes", &[(Text, &["schemaname", "tablename", "indexname", "tablespace", "indexdef"])]),
    (
        "pg_locks",
        &[
            (Text, &["locktype"]),
            (Int, &["database", "relation", "page", "tuple"]),
            (Text, &["virtualxid"]),
            (Bigint, &["transactionid"]),
            (Int, &["classid", "objid", "objsubid"]),
            (Text, &["virtualtransaction"]),
            (Int, &["pid"]),
            (Text, &["mode"]),
            (Bool, &["granted", "fastpath"]),
            (Time, &["waitstart"]),
        ],
    ),
    (
        "pg_matviews",
        &[
            (Text, &["schemaname", "matviewname", "matviewowner", "tablespace"]),
            (Bool, &["hasindexes", "ispopulated"]),
            (Text, &["definition"]),
        ],
    ),
    ("pg_parameter_acl", &[(Int, &["oid"]), (Text, &["parname"]), (Texts, &["paracl"])]),
    (
        "pg_policies",
        &[
            (Text, &["schemaname", "tablename", "policyname", "permissive"]),
            (Texts, &["roles"]),
            (Text, &["cmd", "qual", "with_check"]),
        ],
    ),
    (
        "pg_prepared_statements",
        &[
            (Text, &["name", "statement"]),
            (Time, &["prepare_time"]),
            (Texts, &["parameter_types"]),
            (Bool, &["from_sql"]),
        ],
    ),
    (
        "pg_prepared_xacts",
        &[(Bigint, &["transaction"]), (Text, &["gid"]), (Time, &["prepared"]), (Text, &["owner", "database"])],
    ),
    (
        "pg_publication_tables",
        &[(Text, &["pubname", "schemaname", "tablename"]), (Texts, &["attnames"]), (Text, &["rowfilter"])],
    ),
    (
        "pg_replication_slots",
        &[
            (Text, &["slot_name", "plugin", "slot_type"]),
            (Int, &["datoid"]),
            (Text, &["database"]),
            (Bool, &["temporary", "active"]),
            (Int, &["active_pid"]),
            (Text, &["restart_lsn", "confirmed_flush_lsn", "wal_status"]),
        ],
    ),
    ("pg_rules", &[(Text, &["schemaname", "tablename", "rulename", "definition"])]),
    (
        "pg_seclabels",
        &[
            (Int, &["objoid", "classoid", "objsubid"]),
            (Text, &["objtype"]),
            (Int, &["objnamespace"]),
            (Text, &["objname", "provider", "label"]),
        ],
    ),
    (
        "pg_sequences",
        &[
            (Text, &["schemaname", "sequencename", "sequenceowner", "data_type"]),
            (Bigint, &["start_value", "min_value", "max_value", "increment_by"]),
            (Bool, &["cycle"]),
            (Bigint, &["cache_size", "last_value"]),
        ],
    ),
    (
        "pg_stat_all_indexes",
        &[
            (Int, &["relid", "indexrelid"]),
            (Text, &["schemaname", "relname", "indexrelname"]),
            (Bigint, &["idx_scan", "idx_tup_read", "idx_tup_fetch"]),
        ],
    ),
    (
        "pg_stat_replication",
        &[
            (Int, &["pid", "usesysid"]),
            (Text, &["usename", "application_name", "client_addr", "client_hostname"]),
            (Int, &["client_port"]),
            (Time, &["backend_start"]),
            (Text, &["state", "sent_lsn", "write_lsn", "flush_lsn", "replay_lsn"]),
            (Text, &["write_lag", "flush_lag", "replay_lag", "sync_state"]),
        ],
    ),
    (
        "pg_stat_user_indexes",
        &[
            (Int, &["relid", "indexrelid"]),
            (Text, &["schemaname", "relname", "indexrelname"]),
            (Bigint, &["idx_scan", "idx_tup_read", "idx_tup_fetch"]),
        ],
    ),
    (
        "pg_statio_all_indexes",
        &[
            (Int, &["relid", "indexrelid"]),
            (Text, &["schemaname", "relname", "indexrelname"]),
            (Bigint, &["idx_blks_read", "idx_blks_hit"]),
        ],
    ),
    (
        "pg_stats",
        &[
            (Text, &["schemaname", "tablename", "attname"]),
            (Bool, &["inherited"]),
            (Int, &["avg_width"]),
            (Texts, &["most_common_vals", "histogram_bounds"]),
        ],
    ),
    ("pg_transform", &[(Int, &["oid", "trftype", "trflang", "trffromsql", "trftosql"])]),
    ("pg_ts_config_map", &[(Int, &["mapcfg", "maptokentype", "mapseqno", "mapdict"])]),
    (
        "pg_user_mappings",
        &[
            (Int, &["umid", "srvid"]),
            (Text, &["srvname"]),
            (Int, &["umuser"]),
            (Text, &["usename"]),
            (Texts, &["umoptions"]),
        ],
    ),
];

/// Names of the relations.
pub(crate) fn vacant_names() -> impl Iterator<Item = &'static str> {
    VACANT.iter().map(|(name, _)| *name)
}

/// Columns of a relation; `None` where this file has none of that name.
pub(crate) fn vacant(name: &str) -> Option<Vec<NamedColumn>> {
    let (_, columns) = VACANT.iter().find(|(known, _)| *known == name)?;
    Some(columns.iter().flat_map(|(of, names)| names.iter().map(|name| nulls(name, of.data_type(), 0))).collect())
}

impl Of {
    fn data_type(self) -> DataType {
        match self {
            Text => DataType::Utf8,
            Int => DataType::Int32,
            Bigint => DataType::Int64,
            Bool => DataType::Boolean,
            Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Texts => text_array(),
        }
    }
}
