//! Tokens of roles in the place of a password: they open a session, and end it when they are revoked.

use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::NoTls;
use zonelake_registry::{RoleKind, RoleLimits, TokenOwner, TokenRequest};

use crate::limits::LONG;
use crate::server::{TestServer, connect, sqlstate, texts};

#[tokio::test]
async fn a_token_opens_a_session_until_it_is_revoked_and_a_session_under_another_secret_goes_on() {
    let server = TestServer::start().await;
    let registry = server.engine.source().registry();
    let password = registry.add_role_with("own", RoleKind::Own, RoleLimits::default(), &[]).unwrap();
    let owner = TokenOwner::Role("own".into());
    let [first, second] = [(); 2].map(|()| registry.add_token(&owner, &TokenRequest::default()).unwrap());
    let config = |password: &str| server.config().user("own").password(password).clone();
    let (by_first, by_second, by_password) = (
        connect(&config(&first.token)).await.unwrap(),
        connect(&config(&second.token)).await.unwrap(),
        connect(&config(&password)).await.unwrap(),
    );
    for client in [&by_first, &by_second, &by_password] {
        assert_eq!(texts(client, "select current_user").await, ["own"]);
    }
    let (idle, connection) = config(&first.token).connect(NoTls).await.unwrap();
    let idle_ended = tokio::spawn(connection);
    let running = tokio::spawn(async move { by_first.simple_query(LONG).await.map(|_| ()) });
    while server.engine.admission().running() == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    registry.revoke_token(&owner, &first.info.name).unwrap();
    let within = Duration::from_secs(1);
    let error = timeout(within, running).await.expect("the statement ends").unwrap().unwrap_err();
    assert_eq!(sqlstate(&error), "28000");
    let ended = timeout(within, idle_ended).await.expect("the idle session ends").unwrap();
    assert!(ended.is_err() || idle.is_closed(), "{ended:?}");
    for client in [&by_second, &by_password] {
        assert_eq!(texts(client, "select 1").await, ["1"]);
    }
    // The statement ends with its present step, and is nobody's then.
    for _ in 0..500 {
        if server.engine.admission().running() == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(server.engine.admission().running(), 0);

    // Revoked, of another role, and of nobody.
    let other = TokenOwner::Role("admin".into());
    let of_admin = registry.add_token(&other, &TokenRequest::default()).unwrap().token;
    for wrong in [&first.token, &of_admin, &format!("{}a", second.token)] {
        let error = connect(&config(wrong)).await.expect_err("it opens nothing");
        assert_eq!(sqlstate(&error), "28P01");
    }
    let named = registry.tokens(&owner).unwrap();
    assert!(named.iter().all(|token| token.last_used_us.is_some()), "{named:?}");
    assert_eq!(texts(&connect(&config(&second.token)).await.unwrap(), "select 1").await, ["1"]);
}

#[tokio::test]
async fn who_guesses_at_a_password_is_refused_for_a_time_and_a_token_opens_all_the_same() {
    let server = TestServer::start().await;
    let registry = server.engine.source().registry();
    let plain = registry.add_role("plain", RoleLimits::default()).unwrap();
    let owner = TokenOwner::Role("admin".into());
    let token = registry.add_token(&owner, &TokenRequest::default()).unwrap().token;
    let open = server.client().await;
    let config = |user: &str, password: &str| server.config().user(user).password(password).clone();
    let try_with = async |user: &str, password: &str| {
        let error = connect(&config(user, password)).await.map(|_| ()).expect_err("it is refused");
        sqlstate(&error)
    };
    let mut guesses = 0;
    while try_with("plain", "wrong").await != "54000" {
        guesses += 1;
        assert!(guesses < 200, "nobody stops it");
    }
    assert!(guesses >= 20, "{guesses} are within the limit");
    assert_eq!(try_with("plain", &plain).await, "54000", "the right one is not looked at either");
    // The role with a token is asked for it, so that nobody is told that the password is not looked at.
    for _ in 0..30 {
        assert_eq!(try_with("admin", "wrong").await, "28P01");
    }
    assert_eq!(try_with("admin", &server.bed.password).await, "28P01");
    assert_eq!(texts(&open, "select 1").await, ["1"], "who is in stays in");
    assert_eq!(texts(&connect(&config("admin", &token)).await.unwrap(), "select 1").await, ["1"]);
}
