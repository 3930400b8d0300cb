//! The rules that are shipped as examples.

use std::collections::BTreeMap;
use std::path::Path;

use zonelake_alerts::{Measure, RuleDef};
use zonelake_schemas::tables::builtin_tables;

fn examples() -> BTreeMap<String, RuleDef> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let files = std::fs::read_dir(folder).expect("the folder is there").map(|entry| entry.expect("an entry").path());
    let read = |path: std::path::PathBuf| {
        let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a name").to_owned();
        let text = std::fs::read_to_string(&path).expect("it can be read");
        (name, RuleDef::from_toml(&text).unwrap_or_else(|why| panic!("{}: {why}", path.display())))
    };
    files.map(read).collect()
}

#[test]
fn every_example_is_named_like_its_file_and_fits_its_table() {
    let tables = builtin_tables();
    let examples = examples();
    assert!(examples.len() >= 10, "{}", examples.len());
    for (file, rule) in examples {
        assert_eq!(rule.name, file);
        let table = tables.iter().find(|table| table.name == rule.table).expect("a built-in table");
        rule.compiled(table).unwrap_or_else(|why| panic!("{file}: {why}"));
    }
}

#[test]
fn examples_of_ambient_air_have_the_limits_of_the_reference_data_for_their_averaging() {
    let limits = include_str!("../../../schemas/reference/air_limits.csv");
    let mut lines = limits.lines();
    let head: Vec<&str> = lines.next().expect("a head").split(',').collect();
    let column = |name: &str| head.iter().position(|column| *column == name).expect("it has this column");
    let (parameter, averaging, limit, until) =
        (column("parameter"), column("averaging"), column("limit_value"), column("valid_to"));
    let mut checked = 0;
    for rule in examples().values() {
        for condition in rule.conditions.iter().filter(|condition| condition.measure == Measure::Mean) {
            let (window, above) = (condition.window.expect("it has one").us(), condition.above.expect("it has one"));
            let hours = window / 3_600_000_000;
            let holds = limits.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>()).any(|cells| {
                cells[parameter].to_lowercase().replace('.', "_") == condition.field
                    && cells[averaging] == format!("{hours}h")
                    && cells[limit].parse::<f64>().ok() == Some(above)
                    && cells[until].is_empty()
            });
            assert!(holds, "{}: {above} over {hours} h is no limit of {}", rule.name, condition.field);
            checked += 1;
        }
    }
    assert_eq!(checked, 7);
}
