//! Pages of other origins.

use crate::fixture::{Folder, basic, get, read_head, send};

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_the_origins_that_are_set_may_read_and_no_others() {
    let folder = Folder { cors_origins: vec!["https://hmi.example.vn".into()], ..Folder::new() };
    let running = folder.serve().await;
    let authorization = basic("admin", &running.password);
    let answer = async |origin: &str, path: &str| {
        get(running.address(), path, &[("authorization", &authorization), ("origin", origin)]).await
    };
    for path in ["/api/v1/live/air", "/api/v1/sql?q=select%201"] {
        let allowed = answer("https://hmi.example.vn", path).await;
        assert_eq!(allowed.status, 200);
        assert_eq!(allowed.headers["access-control-allow-origin"], "https://hmi.example.vn");
        let other = answer("https://hmi.example.vn.evil.example", path).await;
        assert!(!other.headers.contains_key("access-control-allow-origin"));
    }
    let ask = [("origin", "https://hmi.example.vn"), ("access-control-request-method", "GET")];
    let mut stream = send(running.address(), "OPTIONS", "/api/v1/live/air", &ask).await;
    let (status, headers) = read_head(&mut stream).await;
    assert_eq!((status, headers["access-control-allow-origin"].as_str()), (204, "https://hmi.example.vn"));
    assert!(headers["access-control-allow-headers"].contains("authorization"));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_setting_no_page_of_another_origin_may_read() {
    let folder = Folder::new();
    let running = folder.serve().await;
    let headers = [("origin", "https://hmi.example.vn"), ("access-control-request-method", "GET")];
    let mut stream = send(running.address(), "OPTIONS", "/api/v1/live/air", &headers).await;
    let (status, headers) = read_head(&mut stream).await;
    assert_eq!(status, 405);
    assert!(!headers.contains_key("access-control-allow-origin"));
    running.stop().await;
}
