//! Files that operators write: settings, and declarations of tables.

use std::str;

use confique::{Config, Layer};
use zonelake_schemas::{TableDef, TableSchemas};
use zonelake_settings::Settings;

/// Reads a settings file. What is accepted is within its bounds, which is what the bounds' check says.
pub fn settings(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    if let Ok(settings) = Settings::of_layers(<Settings as Config>::Layer::empty(), text) {
        assert!(!settings.node.is_empty(), "an empty name is out of bounds");
    }
}

/// Reads a table's declaration. What is accepted is written so that it reads the same, and has schemas.
pub fn table(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let Ok(table) = TableDef::from_toml(text) else { return };
    let written = toml::to_string(&table).expect("a declaration can be written");
    assert_eq!(TableDef::from_toml(&written).as_ref().ok(), Some(&table), "{written}");
    let schemas = TableSchemas::new(&table);
    assert_eq!(schemas.log.fields().len(), zonelake_schemas::columns::LOG_FIXED + table.fields.len());
    assert!(table.evolved_to(&table).is_ok(), "a table is its own next version");
}
