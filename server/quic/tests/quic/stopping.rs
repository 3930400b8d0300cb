//! A server, a shard and a stream that stop: what was taken is acknowledged and kept, and gateways and operators are
//! told.

use std::sync::Arc;
use std::time::Duration;

use zonelake_schemas::wire::control::RefusedCode;
use zonelake_wal::MemoryDisk;

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

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_whose_disk_fails_stops_and_health_says_so() {
    let disk = MemoryDisk::new(1);
    let mut setting = Setting::new();
    setting.disk = Arc::new(disk.clone());
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    let (mut dialogue, _) = server.opened(open(&token, "p")).await;
    dialogue.send_batch(1, &batch_of("pm2_5", doubles(&[1.0]))).await;
    dialogue.acknowledged(1).await;
    assert!(server.pipeline.health().degraded_components().is_empty());

    disk.fail_sync_after(0);
    dialogue.send_batch(2, &batch_of("pm2_5", doubles(&[2.0]))).await;
    let refused = dialogue.answer().await.refused();
    assert_eq!((refused.code(), refused.number, refused.last_number), (RefusedCode::Unavailable, 2, 1));
    assert!(refused.message.contains("has stopped"), "{}", refused.message);
    let degraded = server.pipeline.health().degraded_components();
    assert!(degraded.len() == 1 && degraded[0].contains("has stopped"), "{degraded:?}");
    assert_eq!(server.rows("environment"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_has_ended_is_forgotten() {
    let setting = Setting::new();
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    let mut dialogues = Vec::new();
    for producer in 0..5 {
        let (mut dialogue, _) = server.opened(open(&token, &format!("p{producer}"))).await;
        dialogue.send_batch(1, &batch_of("pm2_5", doubles(&[1.0]))).await;
        dialogue.acknowledged(1).await;
        dialogues.push(dialogue);
    }
    // A later session of one of them: still one stream.
    let (again, _) = server.opened(open(&token, "p0")).await;
    assert_eq!(server.metric("zonelake_streams"), 5.0);
    dialogues[1].up.finish().unwrap();
    assert!(matches!(dialogues[1].answer().await, Answer::End));
    dialogues[2].connection.close(0u32.into(), b"gone");
    for _ in 0..200 {
        if server.metric("zonelake_streams") == 3.0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(server.metric("zonelake_streams"), 3.0);
    again.connection.close(0u32.into(), b"gone");
    dialogues.iter().for_each(|dialogue| dialogue.connection.close(0u32.into(), b"gone"));
    for _ in 0..200 {
        if server.metric("zonelake_streams") == 0.0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} streams are not forgotten", server.metric("zonelake_streams"));
}
