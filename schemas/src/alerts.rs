//! The table of what alert rules have found: a row for each transition of a rule over a device, written by the server alone.

use crate::audit::AUDIT;
use crate::on_repeat::OnRepeat;
use crate::reject::REJECTED;
use crate::table::{FieldDef, FieldKind, TableDef};

/// Name of the table.
pub const ALERTS: &str = "alerts";

/// The table of transitions. `time` is when the state began, by event time; the device is the one that the rule looked at.
pub fn alerts_table() -> TableDef {
    let field = |name: &str, kind: FieldKind, description: &str| FieldDef {
        name: name.into(),
        kind,
        unit: String::new(),
        min: None,
        max: None,
        decimals: None,
        digits: None,
        personal: None,
        description: description.into(),
    };
    let text = |name: &str, description: &str| field(name, FieldKind::Text, description);
    let number = |name: &str, description: &str| field(name, FieldKind::Bigint, description);
    let instant = |name: &str, description: &str| field(name, FieldKind::Timestamp, description);
    TableDef {
        name: ALERTS.into(),
        rights_by: Vec::new(),
        on_repeat: OnRepeat::KeepAll,
        description: "States of alert rules: a row for each transition of a rule over a device, from when on it holds."
            .into(),
        fields: vec![
            text("rule", "Name of the rule."),
            number(RULE_VERSION, "Version of the rule."),
            number(
                "number",
                "Number of the transition for its rule and device, from 1: rows of one time are in this order.",
            ),
            text("state", "State from now on: normal, pending, firing, recovering, no_data, stopped."),
            text(FROM_STATE, "State before."),
            text("cause", "Why: value, silence, rule_changed, rule_removed, right_lost."),
            instant("since", "Since when the conditions hold, or do not hold, by event time."),
            instant("seen", "Event time of the last value that the rule had looked at."),
            field("value", FieldKind::Double, "What its first condition compared: value, mean or rate of change."),
            text("severity", "How bad it is: info, warning, critical."),
            text("table_name", "Table that the rule looks at."),
            text("field", "Field of its first condition; null where it has none."),
            text("author", "Role with whose rights it looks; @local for the data folder's owner."),
            text("message", "What the rule says, in English."),
            text("message_vi", "What the rule says, in Vietnamese."),
        ],
    }
}

/// True for this table, and not for a table of its name that an operator has declared before there was one.
pub fn is_alerts_table(table: &TableDef) -> bool {
    table.name == ALERTS && [RULE_VERSION, FROM_STATE].iter().all(|name| table.field(name).is_some())
}

/// True for tables that the server alone writes.
pub fn is_written_by_server(table: &TableDef) -> bool {
    [REJECTED, AUDIT].contains(&table.name.as_str()) || is_alerts_table(table)
}

const RULE_VERSION: &str = "rule_version";
const FROM_STATE: &str = "from_state";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reject::rejected_table;

    #[test]
    fn the_table_reads_back_as_it_is_stored_and_a_table_of_an_operator_is_another() {
        let table = alerts_table();
        let text = toml::to_string(&table).expect("it can be written");
        assert_eq!(TableDef::from_toml(&text).expect("it reads back"), table);
        assert!(is_alerts_table(&table) && is_written_by_server(&table) && is_written_by_server(&rejected_table()));
        let own = "name = \"alerts\"\n[[field]]\nname = \"code\"\ntype = \"bigint\"";
        assert!(!is_written_by_server(&TableDef::from_toml(own).expect("it is a good declaration")));
    }
}
