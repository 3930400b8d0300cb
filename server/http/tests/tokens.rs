//! Tokens over HTTP, against a real listener: they open what their owner may, and what runs under them ends with them.
#![expect(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "tests stop at what they do not expect")]

#[path = "../../../query/tests/sql/harness.rs"]
#[expect(dead_code, reason = "the tests of the engine need more of it")]
mod harness;

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use zonelake_http::{
    ClientTimes, HttpArgs, HttpServer, admin_routes, ending_with_credentials, for_administrator, sql_routes,
};
use zonelake_net::{Authenticator, ConnectionLimits, Listener};
use zonelake_registry::{Registry, RoleKind, RoleLimits, TokenOwner, TokenRequest};

use crate::harness::Harness;

/// A statement whose rows come for longer than any test.
const ENDLESS: &str = "select value from generate_series(1, 1000000000000)";
/// One that computes for longer before its first row.
const SILENT: &str = "select count(*) from generate_series(1, 1000000) a, generate_series(1, 1000000) b \
                      where sqrt(a.value) + sqrt(b.value) < -1";

struct Running {
    harness: Arc<Harness>,
    authenticator: Arc<Authenticator>,
    server: HttpServer,
}

impl Running {
    async fn start() -> Self {
        let (harness, _) = Harness::probe(1);
        let authenticator = Arc::new(Authenticator::new(Arc::clone(harness.registry_arc())));
        let administration = admin_routes(Arc::clone(harness.registry_arc()));
        let routes = sql_routes(harness.engine(), Arc::clone(&authenticator))
            .merge(for_administrator(administration, Arc::clone(&authenticator)));
        let local = "127.0.0.1:0".parse().unwrap();
        let server = HttpServer::start(HttpArgs {
            listener: Listener::bind("the test", local, ConnectionLimits::new(64, 64)).await.unwrap(),
            tls: None,
            routes: ending_with_credentials(routes, Arc::clone(&authenticator)),
            operations: axum::Router::new(),
            times: ClientTimes::default(),
        });
        Self { harness, authenticator, server }
    }

    fn registry(&self) -> &Registry {
        self.harness.registry_arc()
    }

    async fn send(&self, method: &str, path: &str, token: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.server.address()).await.unwrap();
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\naccept: text/csv\r\n\
             connection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
    }

    /// Status and whole response.
    async fn answer(&self, method: &str, path: &str, token: &str, body: &str) -> (u16, String) {
        let mut stream = self.send(method, path, token, body).await;
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        (text[9..12].parse().unwrap(), text)
    }

    async fn ask(&self, token: &str) -> u16 {
        self.answer("POST", "/api/v1/sql", token, "select 1").await.0
    }
}

fn owner(role: &str) -> TokenOwner {
    TokenOwner::Role(role.into())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_that_has_begun_and_a_statement_without_rows_end_within_a_second_of_a_revocation() {
    let running = Running::start().await;
    let registry = running.registry();
    registry.add_role_with("own", RoleKind::Own, RoleLimits::default(), &[]).unwrap();
    let [first, second] = [(); 2].map(|()| registry.add_token(&owner("own"), &TokenRequest::default()).unwrap());
    let mut endless = running.send("POST", "/api/v1/sql", &first.token, ENDLESS).await;
    let mut silent = running.send("POST", "/api/v1/sql", &first.token, SILENT).await;
    let mut of_second = running.send("POST", "/api/v1/sql", &second.token, ENDLESS).await;
    let mut bytes = vec![0; 64 << 10];
    for stream in [&mut endless, &mut of_second] {
        stream.read_exact(&mut bytes).await.unwrap();
        assert!(bytes.starts_with(b"HTTP/1.1 200"));
    }
    registry.revoke_token(&owner("own"), &first.info.name).unwrap();
    let within = Duration::from_secs(1);
    // Broken off, without the last chunk that would call the rows complete.
    let rest = timeout(within, async {
        let mut rest = Vec::new();
        let ended = endless.read_to_end(&mut rest).await;
        (ended.is_ok(), rest)
    });
    let (_, rest) = rest.await.expect("the response breaks off");
    assert!(!rest.ends_with(b"0\r\n\r\n"));
    let mut text = String::new();
    timeout(within, silent.read_to_string(&mut text)).await.expect("the statement ends").unwrap();
    assert!(text.starts_with("HTTP/1.1 401"), "{text}");
    of_second.read_exact(&mut bytes).await.unwrap();
    drop(of_second);
    assert_eq!((running.ask(&first.token).await, running.ask(&second.token).await), (401, 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_opens_what_its_role_may_and_each_refusal_is_counted() {
    let running = Running::start().await;
    let registry = running.registry();
    registry.add_role_with("own", RoleKind::Own, RoleLimits::default(), &[]).unwrap();
    registry.add_role_with("second", RoleKind::Administrator, RoleLimits::default(), &[]).unwrap();
    let token = |role: &str| registry.add_token(&owner(role), &TokenRequest::default()).unwrap().token;
    let (own, admin) = (token("own"), token("second"));
    let of_gateway = registry.add_gateway("g", "vung-ang").unwrap().token;
    let list = async |token: &str| running.answer("GET", "/api/v1/roles", token, "").await.0;
    assert_eq!((running.ask(&own).await, running.ask(&admin).await, list(&admin).await), (200, 200, 200));
    assert_eq!((list(&own).await, list(&of_gateway).await, running.ask(&of_gateway).await), (401, 401, 403));
    let before = running.authenticator.failures();
    for wrong in ["zr_", "zr_aaaaaaaa", &own[..54], &format!("zl_{}", &own[3..])] {
        assert_eq!(running.ask(wrong).await, 401, "{wrong}");
    }
    assert_eq!(running.authenticator.failures(), before + 4);

    // Administration over the network: who has made a token is written down, and it is shown once.
    let body = r#"{"name": "next", "expires_seconds": 86400, "others_end_seconds": 0}"#;
    let (status, text) = running.answer("POST", "/api/v1/roles/own/tokens", &admin, body).await;
    assert_eq!(status, 201, "{text}");
    let made: serde_json::Value = serde_json::from_str(text.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    let next = made["token"].as_str().unwrap();
    assert_eq!((made["created_by"].as_str(), made["state"].as_str()), (Some("second"), Some("valid")));
    assert_eq!((running.ask(&own).await, running.ask(next).await), (401, 200), "the others have ended");
    let (_, listed) = running.answer("GET", "/api/v1/roles/own/tokens", &admin, "").await;
    assert!(listed.contains("\"expired\"") && listed.contains("\"next\"") && !listed.contains(next), "{listed}");
    let (status, _) = running.answer("DELETE", "/api/v1/roles/own/tokens/next", &admin, "").await;
    assert_eq!((status, running.ask(next).await), (204, 401));
    for (method, path, body) in [
        ("GET", "/api/v1/roles/nobody/tokens", ""),
        ("POST", "/api/v1/gateways/nobody/tokens", "{}"),
        ("POST", "/api/v1/roles/own/tokens", r#"{"expires": 5}"#),
        ("DELETE", "/api/v1/roles/own/tokens/next", ""),
    ] {
        let (status, text) = running.answer(method, path, &admin, body).await;
        assert_eq!(status, 400, "{method} {path}: {text}");
    }
}
