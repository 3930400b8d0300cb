//! What the catalog is asked for and has nothing of: relations without rows, and columns without values.

use crate::catalog::relations::vacant::vacant_names;

/// Relations of the catalog that have no rows about any table of this server: keys, indexes with their operator classes, defaults,
/// policies, privileges of objects, languages of functions, search in texts and the like. datafusion-pg-catalog has rows in some of
/// them, which are of the database that it was made of.
const RELATIONS: [&str; 54] = [
    "check_constraints",
    "constraint_column_usage",
    "key_column_usage",
    "pg_amop",
    "pg_amproc",
    "pg_attrdef",
    "pg_auth_members",
    "pg_authid",
    "pg_constraint",
    "pg_conversion",
    "pg_db_role_setting",
    "pg_default_acl",
    "pg_depend",
    "pg_enum",
    "pg_event_trigger",
    "pg_extension",
    "pg_foreign_data_wrapper",
    "pg_foreign_server",
    "pg_foreign_table",
    "pg_index",
    "pg_inherits",
    "pg_init_privs",
    "pg_language",
    "pg_largeobject",
    "pg_largeobject_metadata",
    "pg_opclass",
    "pg_opfamily",
    "pg_parameter_acl",
    "pg_partitioned_table",
    "pg_policy",
    "pg_publication",
    "pg_publication_namespace",
    "pg_publication_rel",
    "pg_replication_origin",
    "pg_rewrite",
    "pg_seclabel",
    "pg_sequence",
    "pg_shdepend",
    "pg_shseclabel",
    "pg_statistic",
    "pg_statistic_ext",
    "pg_statistic_ext_data",
    "pg_subscription",
    "pg_subscription_rel",
    "pg_transform",
    "pg_trigger",
    "pg_ts_config",
    "pg_ts_config_map",
    "pg_ts_dict",
    "pg_ts_parser",
    "pg_ts_template",
    "pg_user_mapping",
    "referential_constraints",
    "table_constraints",
];

/// Lists of texts of the catalog that are null in every row: no object here has options or privileges of its own.
const TEXT_LISTS: [&str; 20] = [
    "attacl",
    "attfdwoptions",
    "attoptions",
    "datacl",
    "fdwacl",
    "fdwoptions",
    "initprivs",
    "lanacl",
    "lomacl",
    "nspacl",
    "paracl",
    "proacl",
    "proconfig",
    "relacl",
    "reloptions",
    "setconfig",
    "spcacl",
    "spcoptions",
    "srvacl",
    "typacl",
];

/// Kinds of relations that `pg_class` lists: tables and views.
const KINDS: [&str; 2] = ["r", "v"];

/// True for the name of such a relation.
pub(crate) fn is_without_rows(name: &str) -> bool {
    RELATIONS.contains(&name) || vacant_names().any(|vacant| vacant == name)
}

/// True for the name of such a column.
pub(crate) fn is_without_texts(column: &str) -> bool {
    TEXT_LISTS.contains(&column)
}

/// True for a kind of relations, as `relkind` has it, of which there are some.
pub(crate) fn is_kind_of_relation(kind: &str) -> bool {
    KINDS.contains(&kind)
}
