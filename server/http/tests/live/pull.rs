//! Pulls: choice, formats, tags, waiting.

use std::time::Duration;

use arrow::array::AsArray;
use arrow::datatypes::Float64Type;
use arrow::ipc::reader::StreamReader;

use crate::fixture::{Folder, Row, basic, get};

#[tokio::test(flavor = "multi_thread")]
async fn devices_are_chosen_by_place_name_field_and_window() {
    let folder = Folder::new();
    let mut running = folder.serve().await;
    let keys = running.devices("vung-ang", &["d0", "d1"]);
    let other = running.devices("hoa-phu", &["d0"]);
    running.append(0, &[Row::new(0, keys[0], 10), Row::note(100, keys[1], "x"), Row::new(100, other[0], 30)]);
    folder.clock.advance(Duration::from_secs(110));
    let authorization = basic("admin", &running.password);
    let auth = [("authorization", authorization.as_str())];
    let rows = async |query: &str| {
        let answer = get(running.address(), &format!("/api/v1/live/air{query}"), &auth).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    };
    let devices = |json: &serde_json::Value| -> Vec<String> {
        let rows = json["rows"].as_array().unwrap();
        rows.iter().map(|row| format!("{}/{}", row[1].as_str().unwrap(), row[3].as_str().unwrap())).collect()
    };
    assert_eq!(devices(&rows("").await), ["vung-ang/d0", "vung-ang/d1", "hoa-phu/d0"]);
    assert_eq!(devices(&rows("?zone=vung-ang").await), ["vung-ang/d0", "vung-ang/d1"]);
    assert_eq!(devices(&rows("?zone=vung-ang,hoa-phu&device=d0").await), ["vung-ang/d0", "hoa-phu/d0"]);
    assert_eq!(devices(&rows("?province=dak-lak").await), ["hoa-phu/d0"]);
    assert_eq!(devices(&rows("?window=10").await), ["vung-ang/d1", "hoa-phu/d0"]);
    let one = rows("?zone=vung-ang&device=d0&field=pm").await;
    let names: Vec<&str> = one["columns"].as_array().unwrap().iter().map(|of| of["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["province", "zone", "site", "device", "time", "age_seconds", "pm", "pm_time", "pm_quality"]);
    let expected = serde_json::json!([[
        "ha-tinh",
        "vung-ang",
        null,
        "d0",
        "2026-01-01T00:00:00.000000Z",
        110.0,
        0.1,
        "2026-01-01T00:00:00.000000Z",
        "good"
    ]]);
    assert_eq!(one["rows"], expected);
    let of_note = rows("?device=d1").await;
    let names: Vec<&str> =
        of_note["columns"].as_array().unwrap().iter().map(|of| of["name"].as_str().unwrap()).collect();
    assert_eq!(names[6..], ["note", "note_time", "note_quality"], "fields that no chosen device ever had are left out");

    for (path, status, word) in [
        ("/api/v1/live/nothing", 404, "no table"),
        ("/api/v1/live/air?field=nothing", 400, "no field"),
        ("/api/v1/live/air?zones=vung-ang", 400, "no parameter zones"),
        ("/api/v1/live/air?wait=1000", 400, "whole seconds up to 60"),
    ] {
        let answer = get(running.address(), path, &auth).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        assert!(answer.json()["message"].as_str().unwrap().contains(word), "{path}: {}", answer.text());
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_reads_without_a_role() {
    let folder = Folder::new();
    let running = folder.serve().await;
    let token = running.store.registry().add_gateway("other", "vung-ang").unwrap().token;
    let gateway = format!("Bearer {token}");
    let wrong = basic("admin", "wrong");
    for (headers, status) in [
        (vec![], 401),
        (vec![("authorization", wrong.as_str())], 401),
        (vec![("authorization", gateway.as_str())], 403),
    ] {
        for path in ["/api/v1/live/air", "/api/v1/live/nothing", "/api/v1/live/air?wrong=1"] {
            for accept in ["application/json", "text/event-stream"] {
                let headers = [headers.as_slice(), &[("accept", accept)]].concat();
                assert_eq!(get(running.address(), path, &headers).await.status, status, "{path} {accept}");
            }
        }
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_comes_as_arrow_too() {
    let folder = Folder::new();
    let mut running = folder.serve().await;
    let keys = running.devices("vung-ang", &["d0"]);
    running.append(0, &[Row::new(0, keys[0], 1_234)]);
    let authorization = basic("admin", &running.password);
    let headers = [("authorization", authorization.as_str()), ("accept", "application/vnd.apache.arrow.stream")];
    let answer = get(running.address(), "/api/v1/live/air?field=pm", &headers).await;
    assert_eq!(answer.headers["content-type"], "application/vnd.apache.arrow.stream");
    let batch = StreamReader::try_new(answer.body.as_slice(), None).unwrap().next().unwrap().unwrap();
    assert_eq!(batch.column_by_name("pm").unwrap().as_primitive::<Float64Type>().values(), &[12.34]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_not_changed_is_said_in_304_at_once_or_after_a_wait() {
    let folder = Folder::new();
    let mut running = folder.serve().await;
    let keys = running.devices("vung-ang", &["d0", "d1"]);
    running.append(0, &[Row::new(0, keys[0], 10), Row::new(0, keys[1], 20)]);
    let authorization = basic("admin", &running.password);
    let path = "/api/v1/live/air?device=d0";
    let first = get(running.address(), path, &[("authorization", &authorization)]).await;
    let tag = first.headers["etag"].clone();
    let known = [("authorization", authorization.as_str()), ("if-none-match", tag.as_str())];
    let again = get(running.address(), path, &known).await;
    assert_eq!((again.status, again.body.len(), &again.headers["etag"]), (304, 0, &tag));
    // Ages grow and other devices send: nothing that was chosen has changed.
    folder.clock.advance(Duration::from_secs(5));
    running.append(0, &[Row::new(1, keys[1], 21)]);
    assert_eq!(get(running.address(), path, &known).await.status, 304);
    assert_eq!(get(running.address(), &format!("{path}&wait=1"), &known).await.status, 304);

    let address = running.address();
    let waiting = {
        let (path, authorization, tag) = (format!("{path}&wait=30"), authorization.clone(), tag.clone());
        tokio::spawn(async move {
            let known = [("authorization", authorization.as_str()), ("if-none-match", tag.as_str())];
            get(address, &path, &known).await
        })
    };
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!waiting.is_finished(), "it waits for a change");
    running.append(1, &[Row::new(2, keys[0], 11)]);
    let changed = tokio::time::timeout(Duration::from_secs(10), waiting).await.unwrap().unwrap();
    assert_eq!(changed.status, 200);
    assert_ne!(changed.headers["etag"], tag);
    assert_eq!(changed.json()["rows"][0][6], 0.11);
    assert_eq!(get(running.address(), path, &known).await.status, 200, "the old tag is known no more");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_row_that_gives_a_field_its_value_is_a_change() {
    let folder = Folder::new();
    let mut running = folder.serve().await;
    let keys = running.devices("vung-ang", &["d0"]);
    running.append(0, &[Row::new(10, keys[0], 10)]);
    let authorization = basic("admin", &running.password);
    let first = get(running.address(), "/api/v1/live/air", &[("authorization", &authorization)]).await;
    running.append(0, &[Row::note(5, keys[0], "late")]);
    let known = [("authorization", authorization.as_str()), ("if-none-match", first.headers["etag"].as_str())];
    let second = get(running.address(), "/api/v1/live/air?field=note", &known).await;
    assert_eq!((second.status, &second.json()["rows"][0][6]), (200, &"late".into()));
    let third = [("authorization", authorization.as_str()), ("if-none-match", second.headers["etag"].as_str())];
    // Each of the fields that this row has a value of has a later one.
    running.append(0, &[Row::new(1, keys[0], 98)]);
    assert_eq!(get(running.address(), "/api/v1/live/air?field=note", &third).await.status, 304, "it changes nothing");
    running.stop().await;
}
