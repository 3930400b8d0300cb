//! Requests under a key through the pipeline, as the HTTP interface hands them on.

use axum::body::Body;
use axum::http::Request;
use tower::ServiceExt;

use crate::fixture::Setting;

async fn write(router: &axum::Router, token: &str, key: &str, lines: &str) -> (u16, bool) {
    let request = Request::post("/api/v2/write")
        .header("Authorization", format!("Token {token}"))
        .header("Idempotency-Key", key)
        .body(Body::from(lines.to_owned()))
        .unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    (response.status().as_u16(), response.headers().contains_key("idempotency-replayed"))
}

const LINES: &str =
    "environment,device=a pm2_5=1 1767225600000000000\nenergy,device=m active_energy=1 1767225600000000000\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_repeated_while_the_first_is_under_way_is_stored_once_and_both_are_answered() {
    let setting = Setting::new();
    let server = setting.start().await;
    let (token, other) = (server.token("g", "vung-ang"), server.token("h", "phu-vinh"));
    let router = server.router();
    let writes: Vec<_> = (0..8)
        .map(|_| {
            let (router, token) = (router.clone(), token.clone());
            tokio::spawn(async move { write(&router, &token, "k", LINES).await })
        })
        .collect();
    let mut now = 0;
    for write in writes {
        let (status, is_repeated) = write.await.unwrap();
        assert_eq!(status, 204);
        now += u32::from(!is_repeated);
    }
    assert_eq!(now, 1, "one of them was the one that was stored");
    assert_eq!((server.rows("environment"), server.rows("energy")), (1, 1));
    let changed = LINES.replace("=1 ", "=2 ");
    assert_eq!(write(&router, &token, "k", &changed).await, (204, false), "other lines are another request");
    assert_eq!(write(&router, &token, "k", &changed).await, (204, true));
    assert_eq!((server.rows("environment"), server.rows("energy")), (2, 2));
    assert_eq!(write(&router, &other, "k", LINES).await, (204, false), "the key of another gateway is another key");
    assert_eq!((server.rows("environment"), server.rows("energy")), (3, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_found_no_room_is_stored_by_its_repetition_and_a_restart_knows_it() {
    let mut setting = Setting::new();
    setting.free_bytes_min = u64::MAX;
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    assert_eq!(write(&server.router(), &token, "k", LINES).await.0, 503);
    assert_eq!(server.rows("environment") + server.rows("energy"), 0);
    server.shut_down().await;

    setting.free_bytes_min = 0;
    let server = setting.start().await;
    assert_eq!(write(&server.router(), &token, "k", LINES).await, (204, false));
    server.shut_down().await;

    let server = setting.start().await;
    assert_eq!(write(&server.router(), &token, "k", LINES).await, (204, true));
    assert_eq!((server.rows("environment"), server.rows("energy")), (1, 1));
}
