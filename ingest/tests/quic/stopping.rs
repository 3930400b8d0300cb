//! A server that stops: what it had taken is acknowledged and kept, and its gateways are told.

use std::time::Duration;

use zonelake_schemas::wire::control::RefusedCode;

use crate::dialogue::{Answer, Setting, batch_of, doubles, open};

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_acknowledges_what_was_submitted_and_a_restart_has_it() {
    let setting = Setting::new();
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    let (mut dialogue, _) = server.opened(open(&token, "p")).await;
    for number in 1..=20 {
        dialogue.send_batch(number, &batch_of("pm2_5", doubles(&[1.0]))).await;
    }
    let acknowledged = dialogue.acknowledged(20).await;
    assert_eq!(acknowledged.rows, 20);
    let (store, pipeline) = (server.store.clone(), server.pipeline.clone());
    let stopping = tokio::spawn(server.server.stop(Duration::from_secs(5)));
    let refused = dialogue.answer().await.refused();
    assert_eq!((refused.code(), refused.last_number), (RefusedCode::ShuttingDown, 20));
    assert!(refused.retry_after_ms > 0);
    assert!(matches!(dialogue.answer().await, Answer::End));
    stopping.await.unwrap();
    pipeline.stop().await;
    drop((store, pipeline, server.store, server.pipeline));

    let server = setting.start().await;
    assert_eq!(server.rows("environment"), 20);
    assert_eq!(server.opened(open(&token, "p")).await.1.last_number, 20);
}
