//! Connections without a token: they take nothing from those that have one.

use std::time::Duration;

use quinn::Connection;
use zonelake_schemas::wire::ALPN;
use zonelake_schemas::wire::control::RefusedCode;
use zonelake_schemas::wire::frame::{FrameKind, control_frame};

use crate::dialogue::{Answer, Dialogue, Setting, batch_of, doubles, open};
use crate::refusals::others_go_on;

async fn reason_of_the_end(connection: &Connection) -> String {
    tokio::time::timeout(Duration::from_secs(5), connection.closed()).await.expect("it is closed").to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_closed_with_its_first_wrong_token_and_further_ones_are_not_looked_up() {
    let setting = Setting::new();
    let server = setting.start().await;
    let connection = server.connect().await;
    let mut dialogues = Vec::new();
    for _ in 0..16 {
        dialogues.push(Dialogue::on(connection.clone()).await);
    }
    let opens = dialogues.iter_mut().enumerate().map(|(number, dialogue)| async move {
        dialogue.send(&control_frame(FrameKind::Open, &open(&format!("zl_wrong{number}"), "p"))).await;
        match dialogue.answer().await {
            Answer::Refused(refused) => assert_eq!(refused.code(), RefusedCode::Token),
            other => assert!(matches!(other, Answer::End), "{other:?}"),
        }
    });
    futures::future::join_all(opens).await;
    let reason = reason_of_the_end(&connection).await;
    assert!(reason.contains("no stream was opened with a token"), "{reason}");
    assert_eq!(server.authenticator.failures(), 1, "one look-up for sixteen tokens");
    others_go_on(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn once_all_places_are_taken_the_oldest_connection_without_a_token_makes_room() {
    let setting = Setting { connections_max: 4, ..Setting::new() };
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    let (mut good, _) = server.opened(open(&token, "p")).await;
    let mut strangers = Vec::new();
    for _ in 0..3 {
        strangers.push(server.connect().await);
    }
    let mut authenticated = Vec::new();
    for (round, stranger) in strangers.iter().enumerate() {
        let (mut late, _) = server.opened(open(&token, &format!("late-{round}"))).await;
        let reason = reason_of_the_end(stranger).await;
        assert!(reason.contains("the place was needed"), "{reason}");
        late.send_batch(1, &batch_of("pm2_5", doubles(&[1.0]))).await;
        late.acknowledged(1).await;
        // It stays open, and is not asked to make room for the next one.
        authenticated.push(late);
    }
    let error = server.try_connect(ALPN).await.expect_err("all four have shown a token").to_string();
    assert!(error.contains("refused"), "{error}");
    assert_eq!(server.pipeline.metrics().connections_evicted.get(), 3);
    good.send_batch(1, &batch_of("pm2_5", doubles(&[1.0]))).await;
    good.acknowledged(1).await;
}
