//! Files that operators write: settings, and declarations of tables and alert rules.

use std::str;

use confique::{Config, Layer};
use zonelake_alerts::RuleDef;
use zonelake_schemas::{TableDef, TableSchemas};
use zonelake_settings::Settings;

use crate::payloads::TABLE;

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

/// Reads an alert rule. What is accepted is written so that it reads the same; over a table it is a rule of limited reach, or says why not.
pub fn rule(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let Ok(rule) = RuleDef::from_toml(text) else { return };
    let written = rule.to_toml().expect("a rule that was read has numbers of TOML");
    assert_eq!(RuleDef::from_toml(&written).as_ref().ok(), Some(&rule), "{written}");
    let table = TableDef::from_toml(TABLE).expect("it is good");
    match rule.compiled(&table) {
        Ok(compiled) => {
            assert_eq!(compiled.conditions.len(), rule.conditions.len());
            assert!((1..=3 * 31 * 86_400 * 1_000_000).contains(&compiled.reach_us()), "{written}");
        }
        Err(fault) => assert!(fault.0.contains(&rule.name), "{fault}"),
    }
}
