//! What the catalog is asked for and has nothing of: relations without rows, and columns without values.

/// Relations of the catalog that have no rows about any table of this server: keys, indexes, defaults, policies, privileges of
/// objects and the like. datafusion-pg-catalog has rows in some of them, which are of the database that it was made of.
const RELATIONS: [&str; 49] = [
    "check_constraints",
    "constraint_column_usage",
    "key_column_usage",
    "pg_attrdef",
    "pg_auth_members",
    "pg_authid",
    "pg_constraint",
    "pg_db_role_setting",
    "pg_default_acl",
    "pg_depend",
    "pg_enum",
    "pg_event_trigger",
    "pg_extension",
    "pg_foreign_server",
    "pg_foreign_table",
    "pg_index",
    "pg_indexes",
    "pg_inherits",
    "pg_init_privs",
    "pg_largeobject",
    "pg_largeobject_metadata",
    "pg_matviews",
    "pg_parameter_acl",
    "pg_partitioned_table",
    "pg_policies",
    "pg_policy",
    "pg_prepared_xacts",
    "pg_publication",
    "pg_publication_namespace",
    "pg_publication_rel",
    "pg_replication_origin",
    "pg_rewrite",
    "pg_rules",
    "pg_seclabel",
    "pg_seclabels",
    "pg_sequence",
    "pg_sequences",
    "pg_shdepend",
    "pg_shseclabel",
    "pg_statistic",
    "pg_statistic_ext",
    "pg_statistic_ext_data",
    "pg_subscription",
    "pg_subscription_rel",
    "pg_trigger",
    "pg_user_mapping",
    "pg_views",
    "referential_constraints",
    "table_constraints",
];

/// Lists of texts of the catalog that are null in every row: no table, column or schema here has options or privileges of its own.
const TEXT_LISTS: [&str; 6] = ["attacl", "attfdwoptions", "attoptions", "nspacl", "relacl", "reloptions"];

/// True for the name of such a relation.
pub(crate) fn is_without_rows(name: &str) -> bool {
    RELATIONS.contains(&name)
}

/// True for the name of such a column.
pub(crate) fn is_without_texts(column: &str) -> bool {
    TEXT_LISTS.contains(&column)
}
