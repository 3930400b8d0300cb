//! Roles that see a part of a table: what they do not see does not exist, in answers, tags, positions and streams.

use arrow::util::display::array_value_to_string;
use futures::StreamExt;
use zonelake_query::Caller;
use zonelake_registry::{Grant, GrantKey, OnlyRows, Place, RoleKind, Visibility};

use crate::events::Events;
use crate::fixture::{Folder, Row, Running, basic, get};

fn add_role(running: &Running, name: &str, place: Place) -> String {
    let grant = Grant::all_tables(place, Visibility::Shown);
    let registry = running.store.registry();
    let password = registry.add_role_with(name, RoleKind::Own, Default::default(), &[grant]).unwrap();
    basic(name, password.as_str())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_of_one_zone_gets_its_devices_and_nothing_of_others() {
    let folder = Folder::new();
    let mut running = folder.serve().await;
    let of_zone = add_role(&running, "zone", Place::Zone("hoa-phu".into()));
    let of_province = add_role(&running, "province", Place::Province("dak-lak".into()));
    let of_nowhere = add_role(&running, "nowhere", Place::Zone("vung-ang".into()));
    let own = running.devices("hoa-phu", &["d0", "d1"]);
    let other = running.devices("vung-ang", &["d0"])[0];
    running.append(0, &[Row::new(0, own[0], 10), Row::new(0, other, 500)]);
    let devices = async |path: &str, authorization: &str| -> Vec<String> {
        let answer = get(running.address(), path, &[("authorization", authorization)]).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(!answer.headers.contains_key("zonelake-position"), "records are of all zones");
        let json = answer.json();
        let rows = json["rows"].as_array().unwrap().iter();
        rows.map(|row| format!("{}/{}", row[1].as_str().unwrap(), row[3].as_str().unwrap())).collect()
    };
    let path = "/api/v1/live/air";
    assert_eq!(devices(path, &of_zone).await, ["hoa-phu/d0"]);
    assert_eq!(devices(path, &of_province).await, ["hoa-phu/d0"]);
    assert_eq!(devices(path, &of_nowhere).await, ["vung-ang/d0"]);
    assert_eq!(devices("/api/v1/live/air?zone=vung-ang&device=d0", &of_zone).await, Vec::<String>::new());

    // A table that it does not see is told like one that there is not, pulled or as events.
    for accept in ["application/json", "text/event-stream"] {
        for path in ["/api/v1/live/audit", "/api/v1/live/nothing"] {
            let asked = [("authorization", of_zone.as_str()), ("accept", accept)];
            assert_eq!(get(running.address(), path, &asked).await.status, 404, "{path} as {accept}");
        }
    }

    // Neither a tag nor a stream tells that others send.
    let first = get(running.address(), path, &[("authorization", &of_zone)]).await;
    let mut events = Events::open(running.address(), path, &of_zone, None).await;
    let snapshot = events.next().await.unwrap();
    assert_eq!((snapshot.name.as_str(), snapshot.rows.len(), &snapshot.id), ("snapshot", 1, &None));
    running.append(1, &[Row::new(5, other, 600)]);
    let known = [("authorization", of_zone.as_str()), ("if-none-match", first.headers["etag"].as_str())];
    assert_eq!(get(running.address(), path, &known).await.status, 304);
    let waited = get(running.address(), &format!("{path}?wait=1"), &known).await;
    assert_eq!(waited.status, 304, "a change of others ends no wait");
    running.append(1, &[Row::new(6, own[1], 20)]);
    let event = events.next().await.unwrap();
    assert_eq!((event.name.as_str(), event.rows.len(), &event.id), ("rows", 1, &None));
    assert_eq!(event.rows[0]["zone"], "hoa-phu");
    // A position of somebody who sees all is none for this client.
    let mut again = Events::open(running.address(), path, &of_zone, Some("0:1000000,1:1000000")).await;
    let again = again.next().await.unwrap();
    assert_eq!((again.name.as_str(), again.rows.len()), ("snapshot", 2));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_where_its_role_sees_another_part() {
    let folder = Folder::new();
    let mut running = folder.serve().await;
    let of_zone = add_role(&running, "zone", Place::Zone("hoa-phu".into()));
    let own = running.devices("hoa-phu", &["d0"])[0];
    running.append(0, &[Row::new(0, own, 10)]);
    let mut events = Events::open(running.address(), "/api/v1/live/air", &of_zone, None).await;
    assert_eq!(events.next().await.unwrap().name, "snapshot");
    let registry = running.store.registry();
    registry.grant("zone", &Grant::all_tables(Place::Zone("vung-ang".into()), Visibility::Shown)).unwrap();
    running.append(0, &[Row::new(1, own, 11)]);
    assert_eq!(events.next().await.unwrap().name, "end");
    assert_eq!(events.next().await, None);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn personal_data_are_hidden_or_hashed_as_in_sql_and_rows_by_value_are_left_to_it() {
    let folder = Folder::new();
    let mut running = folder.serve().await;
    let key = running.devices("hoa-phu", &["d0"])[0];
    running.append(0, &[Row::note(0, key, "plate 51A-123.45")]);
    let everything = GrantKey { table: None, place: Place::Everywhere, only: None };
    let role = |name: &str, grant: Grant| {
        let registry = running.store.registry();
        let password = registry.add_role_with(name, RoleKind::Own, Default::default(), &[grant]).unwrap();
        basic(name, password.as_str())
    };
    let hashed = role("hashed", Grant::new(everything.clone(), Visibility::Hashed));
    let everywhere = everything.clone();
    let hidden = role("hidden", Grant::new(everything, Visibility::Hidden));
    let only = OnlyRows { column: "note".into(), value: "x".into() };
    let by_value = GrantKey { table: Some("air".into()), place: Place::Everywhere, only: Some(only) };
    let by_value = role("by-value", Grant::new(by_value, Visibility::Shown));
    let pull =
        async |path: &str, authorization: &str| get(running.address(), path, &[("authorization", authorization)]).await;
    let shown = pull("/api/v1/live/air?field=plate", &hashed).await;
    assert_eq!(shown.status, 200, "{}", shown.text());
    let caller = Caller { name: "hashed".into() };
    let mut rows = running.engine.execute("select plate from air", &caller).await.unwrap();
    let in_sql = rows.stream.next().await.unwrap().unwrap();
    let in_sql = array_value_to_string(in_sql.column(0), 0).unwrap();
    assert_eq!(shown.json()["rows"][0][6], in_sql.as_str());
    assert!(!shown.text().contains("51A"), "{}", shown.text());
    // A tag over the values would let whoever sees hashes try values until it fits.
    let reader = role("reader", Grant::new(everywhere, Visibility::Shown));
    let plain = pull("/api/v1/live/air?field=plate", &reader).await;
    assert!(plain.text().contains("51A-123.45"), "{}", plain.text());
    assert_ne!(shown.headers["etag"], plain.headers["etag"]);
    assert_eq!(pull("/api/v1/live/air?field=plate", &hidden).await.status, 400, "there is no such field");
    let all = pull("/api/v1/live/air", &hidden).await;
    assert!(!all.text().contains("plate\""), "{}", all.text());
    let refused = pull("/api/v1/live/air", &by_value).await;
    assert_eq!(refused.status, 403, "which of its rows is the last, the last row does not tell: {}", refused.text());
    running.stop().await;
}
