//! Credentials of gateways, changed beside a running server.

use std::thread::sleep;
use std::time::Duration;

use crate::installation::{Installation, lines, text};

#[test]
fn a_gateway_is_added_listed_and_revoked_while_the_server_runs() {
    let place = Installation::new();
    let server = place.first_start();

    let added = place.run(&["gateway", "add", "formosa-1", "--zone", "vung-ang"]);
    assert!(added.status.success(), "{}", text(&added.stderr));
    let printed = text(&added.stdout);
    let token = printed.trim();
    assert!(token.starts_with("zl_") && !token.contains(char::is_whitespace), "the token stands alone: {printed:?}");
    assert!(!text(&added.stderr).contains(token), "the token is shown once");

    let mut answer = server.write(token, &lines("d1", 1_700_000_000, 1));
    for _ in 0..100 {
        if answer.0 != 401 {
            break;
        }
        sleep(Duration::from_millis(100));
        answer = server.write(token, &lines("d1", 1_700_000_000, 1));
    }
    assert_eq!(answer.0, 204, "{}", answer.1);

    let listed = text(&place.run(&["gateway", "list"]).stdout);
    assert!(listed.contains("formosa-1") && listed.contains("vung-ang"), "{listed}");
    assert!(!listed.contains(token));

    assert!(place.run(&["gateway", "revoke", "formosa-1"]).status.success());
    let refused = (0..100).any(|_| {
        sleep(Duration::from_millis(100));
        server.write(token, &lines("d1", 1_700_000_001, 1)).0 == 401
    });
    assert!(refused, "a revoked token is let in no more");
}

#[test]
fn what_cannot_be_done_with_a_gateway_is_said_by_name() {
    let place = Installation::new();
    let nowhere = place.run(&["gateway", "list"]);
    assert_eq!(nowhere.status.code(), Some(2));
    assert!(text(&nowhere.stderr).contains("registry.sqlite"), "{}", text(&nowhere.stderr));
    assert!(!place.data().exists(), "a mistyped folder is not made");

    drop(place.first_start());
    let unknown_zone = place.run(&["gateway", "add", "g", "--zone", "atlantis"]);
    assert_eq!(unknown_zone.status.code(), Some(2));
    assert!(text(&unknown_zone.stderr).contains("atlantis"), "{}", text(&unknown_zone.stderr));

    place.add_gateway("g");
    let twice = place.run(&["gateway", "add", "g", "--zone", "vung-ang"]);
    assert_eq!(twice.status.code(), Some(2));
    assert!(twice.stdout.is_empty() && text(&twice.stderr).contains('g'), "{}", text(&twice.stderr));

    let unknown = place.run(&["gateway", "revoke", "nobody"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(text(&unknown.stderr).contains("nobody"), "{}", text(&unknown.stderr));
}
