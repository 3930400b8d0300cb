//! The README's first command.

use crate::installation::{Installation, text};

#[test]
fn the_demo_runs_checks_itself_and_leaves_nothing_behind() {
    let place = Installation::new();
    let temporary = place.root().join("tmp");
    std::fs::create_dir(&temporary).expect("it can be made");
    let output = place.program().env("TMPDIR", &temporary).args(["demo", "--seconds", "2"]).output();
    let output = output.expect("the program can be started");
    let said = text(&output.stdout);
    assert!(output.status.success(), "{said}{}", text(&output.stderr));
    // 20 ticks of 4 zones with 1,632 devices each, and the recordings.
    assert!(said.contains("checked: all ") && said.contains("rows/s") && said.contains("p99"), "{said}");
    // Its questions go by the views, and each has an answer.
    for (view, told) in [
        ("air_quality_daily", "too_few_hours"),
        ("energy_use", "offpeak"),
        ("network_quality", "Viettel"),
        ("silent_trackers", "sim-assets-0000"),
        ("zone_overview", "hoa-hiep-1"),
        ("province_overview", "no_stations_reported"),
        ("FROM oee", "| hoa-phu"),
    ] {
        let (_, answer) = said.split_once(view).unwrap_or_else(|| panic!("{view} is not asked: {said}"));
        let answer = answer.split("\n\n").next().unwrap_or_default();
        assert!(answer.contains(told), "{view} does not say {told}: {said}");
    }
    assert!(said.contains("simulated 4 zones for 2 s: 130560 rows"), "{said}");
    let left: Vec<_> = std::fs::read_dir(&temporary).expect("it is a folder").collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn the_demo_refuses_a_folder_that_is_in_use() {
    let place = Installation::new();
    std::fs::create_dir_all(place.data()).expect("it can be made");
    std::fs::write(place.data().join("mine"), "1").expect("it can be written");
    let data = place.data().to_string_lossy().into_owned();
    let output = place.run(&["demo", "--seconds", "1", "--data", &data]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("not empty"), "{}", text(&output.stderr));
}
