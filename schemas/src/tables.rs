//! Tables of every installation, declared in `schemas/tables/*.toml` and built into the program.

use crate::table::TableDef;

/// The declarations as text, in the order of their names: file name without its ending, and content.
const BUILTIN: [(&str, &str); 6] = [
    ("assets", include_str!("../tables/assets.toml")),
    ("energy", include_str!("../tables/energy.toml")),
    ("environment", include_str!("../tables/environment.toml")),
    ("network", include_str!("../tables/network.toml")),
    ("production", include_str!("../tables/production.toml")),
    ("security", include_str!("../tables/security.toml")),
];

/// The six declared tables, in the order of their names. The table of what was rejected is apart:
/// [`crate::reject::rejected_table`].
pub fn builtin_tables() -> Vec<TableDef> {
    BUILTIN
        .iter()
        .map(|(_, text)| TableDef::from_toml(text).expect("a test reads every built-in declaration"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reject::{REJECTED, rejected_table};
    use crate::table::{FieldKind, StorageType};

    #[test]
    fn every_builtin_declaration_reads_and_is_named_like_its_file() {
        for (file, text) in BUILTIN {
            let table = TableDef::from_toml(text).unwrap_or_else(|error| panic!("{file}: {error}"));
            assert_eq!(table.name, file);
            assert!(!table.description.is_empty(), "{file} has no description");
        }
        assert_eq!(builtin_tables().len(), BUILTIN.len());
    }

    #[test]
    fn every_field_says_what_it_means_and_every_number_has_a_range_or_says_why_not() {
        for table in builtin_tables() {
            for field in &table.fields {
                let name = format!("{}.{}", table.name, field.name);
                assert!(field.description.ends_with('.'), "{name} has no description of whole sentences");
                let is_number = matches!(field.kind, FieldKind::Double | FieldKind::Bigint);
                if is_number && (field.min.is_none() || field.max.is_none()) {
                    assert!(field.description.contains("no range"), "{name} has no range and does not say why");
                }
            }
        }
    }

    #[test]
    fn the_table_of_what_was_rejected_has_a_name_of_its_own() {
        assert_eq!(rejected_table().name, REJECTED);
        assert!(builtin_tables().iter().all(|table| table.name != REJECTED));
    }

    #[test]
    fn what_averaging_leaves_with_long_tails_is_kept_as_plain_doubles() {
        let tables = builtin_tables();
        let stored = |table: &str, field: &str| {
            let table = tables.iter().find(|def| def.name == table).expect("a built-in table");
            table.field(field).expect("a declared field").1.storage_type()
        };
        assert_eq!(stored("environment", "temperature"), StorageType::Float64);
        assert_eq!(stored("network", "latitude"), StorageType::Float64);
        assert_eq!(stored("environment", "pm2_5"), StorageType::Decimal32 { decimals: 2 });
        assert_eq!(stored("environment", "so2"), StorageType::Decimal32 { decimals: 4 });
    }
}
