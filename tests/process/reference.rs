//! Reference data, listed, exported, checked and replaced beside a running server.

use crate::installation::{Installation, text};

#[test]
fn reference_data_is_exported_imported_and_read_by_sql_while_the_server_runs() {
    let place = Installation::new();
    let server = place.first_start();
    let listed = text(&place.run(&["reference", "list"]).stdout);
    let rows = |name: &str| {
        let line = listed.lines().find(|line| line.starts_with(name)).expect("it is listed");
        line.split_whitespace().nth(1).map(str::to_owned)
    };
    assert_eq!(rows("air_limits").as_deref(), Some("18"));
    assert_eq!(rows("stations").as_deref(), Some("0"));

    let exported = text(&place.run(&["reference", "export", "air_limits", "--format", "json"]).stdout);
    let file = place.root().join("air_limits.json");
    std::fs::write(&file, exported.replace("\"limit_value\": 45", "\"limit_value\": 44.5")).expect("written");
    let file = file.to_str().expect("UTF-8");
    let sql = "select limit_value from air_limits where parameter = 'PM2.5' and averaging = '24h' and valid_to is null";
    let limit = || server.sql_value(sql);

    let dry = place.run(&["reference", "import", "air_limits", file, "--dry-run"]);
    assert!(text(&dry.stderr).contains("1 new ones, 1 no more. Nothing is changed."), "{}", text(&dry.stderr));
    assert_eq!(limit(), 45.0);
    let done = place.run(&["reference", "import", "air_limits", file]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert_eq!(limit(), 44.5);
    let sql = "select added, removed from reference_changes where table_name = 'air_limits' order by changed_at";
    let changes: Vec<(u64, u64)> =
        server.sql(sql).iter().map(|row| (row["added"].as_u64().unwrap(), row["removed"].as_u64().unwrap())).collect();
    assert_eq!(changes, [(18, 0), (1, 1)]);
}

#[test]
fn rows_that_are_wrong_are_refused_with_file_and_line_and_nothing_is_changed() {
    let place = Installation::new();
    drop(place.first_start());
    let file = place.root().join("limits.csv");
    let header = "regulation,parameter,unit,averaging,limit_value,valid_from,valid_to\n";
    for (rows, said) in [
        ("R,SO2,u,1h,1,2024-01-01,\nR,SO2,u,1h,2,2025-01-01,\n", "line 3: it is valid at the same time as line 2"),
        ("R,SO2,u,1h,1,2024-02-30,\n", "line 2: valid_from"),
    ] {
        std::fs::write(&file, format!("{header}{rows}")).expect("written");
        let refused = place.run(&["reference", "import", "air_limits", file.to_str().expect("UTF-8")]);
        let told = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{told}");
        assert!(told.contains("limits.csv") && told.contains(said), "{told}");
    }
    let unknown = place.run(&["reference", "show", "lakes"]);
    assert_eq!(unknown.status.code(), Some(2), "{}", text(&unknown.stderr));
    let shown = text(&place.run(&["reference", "show", "air_limits"]).stdout);
    assert_eq!(shown.lines().count(), 2 + 1 + 18, "{shown}");
}
