//! Refusals of the server: the words reach the sender, nothing of it is stored, and others go on.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, StringArray};
use tokio::time::timeout;
use zonelake_registry::{Devices, RoleLimits, TokenOwner, TokenRequest, WriteGrant};
use zonelake_schemas::wire::control::{Encoding, Open, RefusedCode};
use zonelake_schemas::wire::frame::{FrameKind, control_frame};

use crate::dialogue::{Answer, Dialogue, FRAME_BYTES_MAX, Running, Setting, batch_of, doubles, open};

/// Another gateway's batch goes through.
pub(crate) async fn others_go_on(server: &Running) {
    let token = server.token("other", "phu-vinh");
    let before = server.rows("environment");
    let (mut dialogue, _) = server.opened(open(&token, "other")).await;
    dialogue.send_batch(1, &batch_of("pm2_5", doubles(&[1.0]))).await;
    dialogue.acknowledged(1).await;
    assert_eq!(server.rows("environment"), before + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_that_cannot_be_is_refused_with_its_reason() {
    let setting = Setting::new();
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    let good = || open(&token, "p");
    let cases: Vec<(Open, RefusedCode, &str)> = vec![
        (Open { token: "zl_wrong".into(), ..good() }, RefusedCode::Token, "zonelake gateway add"),
        (Open { token: String::new(), ..good() }, RefusedCode::Token, "unknown or revoked"),
        (Open { table: "enviroment".into(), ..good() }, RefusedCode::UnknownTable, "environment"),
        (Open { table: "rejected".into(), ..good() }, RefusedCode::UnknownTable, "no table"),
        (Open { lane: 3, ..good() }, RefusedCode::Protocol, "lane"),
        (Open { epoch: 0, ..good() }, RefusedCode::Protocol, "epoch"),
        (Open { encoding: 9, ..good() }, RefusedCode::Protocol, "encoding"),
        (Open { producer: String::new(), ..good() }, RefusedCode::Protocol, "producer"),
        (Open { producer: "a\nb".into(), ..good() }, RefusedCode::Protocol, "producer"),
    ];
    for (open, code, words) in cases {
        let shown = format!("{open:?}");
        let (mut dialogue, answer) = server.open(open).await;
        let refused = answer.refused();
        assert_eq!(refused.code(), code, "{shown}");
        assert!(refused.message.contains(words), "{shown}: {}", refused.message);
        assert!(!refused.message.contains(&token), "a token is never repeated");
        assert!(matches!(dialogue.answer().await, Answer::End));
    }
    others_go_on(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_opens_nothing() {
    let setting = Setting::new();
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    server.store.registry().revoke_gateway("g").unwrap();
    assert_eq!(server.open(open(&token, "p")).await.1.refused().code(), RefusedCode::Token);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_revoked_while_its_stream_is_open_ends_it() {
    let setting = Setting::new();
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    let batch = batch_of("pm2_5", doubles(&[1.0]));
    let (mut dialogue, _) = server.opened(open(&token, "p")).await;
    dialogue.send_batch(1, &batch).await;
    dialogue.acknowledged(1).await;
    server.store.registry().revoke_gateway("g").unwrap();
    dialogue.send_batch(2, &batch).await;
    let refused = dialogue.answer().await.refused();
    assert_eq!((refused.code(), refused.last_number), (RefusedCode::Token, 1));
    assert_eq!(server.rows("environment"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_protocol_is_refused_in_the_handshake() {
    let setting = Setting::new();
    let server = setting.start().await;
    let error = server.try_connect(b"zonelake/2").await.expect_err("the server speaks version 1 alone").to_string();
    assert!(error.contains("protocol"), "{error}");
    others_go_on(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_cannot_be_are_refused_by_name() {
    let setting = Setting::new();
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    let too_long = (u32::try_from(FRAME_BYTES_MAX).unwrap() + 1).to_le_bytes();
    let cases: Vec<(Vec<u8>, RefusedCode, &str)> = vec![
        (vec![0, 0, 0, 0, 6], RefusedCode::Protocol, "length 0"),
        (vec![1, 0, 0, 0, 99], RefusedCode::Protocol, "unknown type 99"),
        ([too_long.as_slice(), &[6]].concat(), RefusedCode::TooLarge, "the limit is 1048576"),
        (vec![255, 255, 255, 255, 6], RefusedCode::TooLarge, "4294967295 bytes"),
        (vec![3, 0, 0, 0, 6, 1, 2], RefusedCode::Protocol, "too short for its number"),
        (control_frame(FrameKind::Open, &open(&token, "p")), RefusedCode::Protocol, "does not belong here"),
        (vec![2, 0, 0, 0, 4, 7], RefusedCode::BadPayload, ""),
        (vec![10, 0, 0, 0, 6, 1, 0, 0, 0, 0, 0, 0, 0, 7], RefusedCode::Protocol, "before its schema"),
    ];
    for (bytes, code, words) in cases {
        let (mut dialogue, _) = server.opened(open(&token, "p")).await;
        dialogue.send(&bytes).await;
        let refused = dialogue.answer().await.refused();
        assert_eq!(refused.code(), code, "{bytes:?}: {}", refused.message);
        assert!(refused.message.contains(words), "{bytes:?}: {}", refused.message);
    }
    assert_eq!(server.rows("environment") + server.rows("rejected"), 0);
    others_go_on(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_that_is_cut_off_stores_nothing_and_says_so() {
    let setting = Setting::new();
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    let batch = batch_of("pm2_5", doubles(&[1.0]));
    let (mut cut, _) = server.opened(open(&token, "p")).await;
    cut.send_batch(1, &batch).await;
    cut.send(&[200, 0, 0, 0, 6, 2, 0]).await;
    cut.up.finish().unwrap();
    assert_eq!(cut.answer().await.ack().number, 1);
    let refused = cut.answer().await.refused();
    assert_eq!((refused.code(), refused.last_number), (RefusedCode::Protocol, 1));
    assert!(refused.message.contains("middle of a frame"), "{}", refused.message);

    let begun_bodies_and_headers: [&[u8]; 3] = [&[200, 0, 0, 0, 6, 2, 0], &[200, 0, 0, 0], &[200]];
    for begun in begun_bodies_and_headers {
        let (mut slow, _) = server.opened(open(&token, "p")).await;
        slow.send(begun).await;
        let refused = slow.answer().await.refused();
        assert!(refused.message.contains("did not arrive whole"), "{}", refused.message);
    }
    assert_eq!(server.rows("environment"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_does_not_begin_with_open_is_refused() {
    let setting = Setting::new();
    let server = setting.start().await;
    let mut silent = Dialogue::on(server.connect().await).await;
    silent.send(&[9]).await;
    let refused = silent.answer().await.refused();
    assert!(refused.message.contains("no Open frame"), "{}", refused.message);
    let mut other = Dialogue::on(server.connect().await).await;
    other.send_frame(FrameKind::Batch, &[0; 16]).await;
    let refused = other.answer().await.refused();
    assert!(refused.message.contains("first frame"), "{}", refused.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_column_and_a_wrong_type_refuse_the_batch_and_name_what_is_wrong() {
    let setting = Setting::new();
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    let words: ArrayRef = Arc::new(StringArray::from(vec!["high"]));
    for (column, values, code) in
        [("pm25", doubles(&[1.0]), RefusedCode::UnknownColumn), ("pm2_5", words, RefusedCode::WrongType)]
    {
        let (mut dialogue, _) = server.opened(open(&token, "p")).await;
        dialogue.send_batch(1, &batch_of(column, values)).await;
        let refused = dialogue.answer().await.refused();
        assert_eq!(refused.code(), code, "{}", refused.message);
        assert!(refused.message.contains(column), "{}", refused.message);
    }
    assert_eq!(server.rows("environment") + server.rows("rejected"), 0);
    others_go_on(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_go_the_same_way_and_a_faulty_line_refuses_its_batch() {
    let setting = Setting::new();
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    let lines = Open { encoding: Encoding::Line as i32, ..open(&token, "lines") };
    let (mut dialogue, _) = server.opened(lines.clone()).await;
    let good = zonelake_gateway::line_block(
        "environment,device=a pm2_5=1.5 1767225600000000000\nenvironment,device=b pm10=2 1767225600000000000",
        2,
    );
    dialogue.send_batch(1, &good).await;
    assert_eq!(dialogue.acknowledged(1).await.rows, 2);
    let bad = zonelake_gateway::line_block(
        "environment,device=a pm2_5=1.5 1767225600000000000\nenvironment,device=b pm10=two",
        2,
    );
    dialogue.send_batch(2, &bad).await;
    let refused = dialogue.answer().await.refused();
    assert_eq!((refused.number, refused.last_number), (2, 1));
    assert!(refused.message.starts_with("line 2"), "{}", refused.message);
    assert_eq!(server.rows("environment"), 2);
    assert_eq!(server.opened(lines).await.1.last_number, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_over_the_limit_of_an_address_are_refused_and_a_place_comes_free_again() {
    let mut setting = Setting::new();
    setting.connections_per_address_max = 2;
    let server = setting.start().await;
    let first = server.connect().await;
    let _second = server.connect().await;
    let error = server.try_connect(zonelake_schemas::wire::ALPN).await.expect_err("two are allowed").to_string();
    assert!(error.contains("refused") || error.contains("closed"), "{error}");
    first.close(0u32.into(), b"");
    for _ in 0..100 {
        if server.try_connect(zonelake_schemas::wire::ALPN).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no place came free");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_stream_ends_within_a_second_of_its_tokens_end_and_one_under_another_token_goes_on() {
    let setting = Setting::new();
    let server = setting.start().await;
    let registry = server.store.registry();
    let owner = TokenOwner::Gateway("g".into());
    let first = server.token("g", "vung-ang");
    let add = |lifetime| {
        let request = TokenRequest { lifetime, ..TokenRequest::default() };
        registry.add_token(&owner, &request).unwrap()
    };
    let (second, short) = (add(None), add(Some(Duration::from_secs(4))));
    let batch = batch_of("pm2_5", doubles(&[1.0]));
    let (mut of_first, _) = server.opened(open(&first, "one")).await;
    let (mut of_second, _) = server.opened(open(&second.token, "two")).await;
    let (mut of_short, _) = server.opened(open(&short.token, "three")).await;
    for dialogue in [&mut of_first, &mut of_second, &mut of_short] {
        dialogue.send_batch(1, &batch).await;
        dialogue.acknowledged(1).await;
    }
    let second_at_most = Duration::from_secs(1);
    registry.revoke_token(&owner, "token-1").unwrap();
    let refused = timeout(second_at_most, of_first.answer()).await.expect("nothing was sent, and it ends").refused();
    assert_eq!((refused.code(), refused.last_number), (RefusedCode::Token, 1));
    // Wherever the clock was when it was made, it has ended four seconds later.
    let refused = timeout(5 * second_at_most, of_short.answer()).await.expect("it has expired").refused();
    assert_eq!(refused.code(), RefusedCode::Token);
    for token in [&first, &short.token] {
        assert_eq!(server.open(open(token, "one")).await.1.refused().code(), RefusedCode::Token);
    }
    let role = registry.add_role("r", RoleLimits::default()).map(|_| TokenOwner::Role("r".into())).unwrap();
    let foreign = registry.add_token(&role, &TokenRequest::default()).unwrap();
    assert_eq!(server.open(open(&foreign.token, "one")).await.1.refused().code(), RefusedCode::Token);
    assert_eq!(server.authenticator.failures(), 3, "each was counted");
    of_second.send_batch(2, &batch).await;
    of_second.acknowledged(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_not_granted_is_not_opened_and_a_right_that_is_taken_away_is_gone_with_the_next_batch() {
    let setting = Setting::new();
    let server = setting.start().await;
    let registry = server.store.registry();
    let token = server.token("g", "vung-ang");
    let grant = |table: Option<&str>| WriteGrant {
        table: table.map(Into::into),
        zone: "vung-ang".into(),
        devices: Devices::All,
    };
    let batch = batch_of("pm2_5", doubles(&[1.0]));
    let (mut dialogue, _) = server.opened(open(&token, "p")).await;
    dialogue.send_batch(1, &batch).await;
    assert_eq!(dialogue.acknowledged(1).await.rows, 1);
    registry.grant_gateway("g", &grant(Some("energy"))).unwrap();
    registry.revoke_gateway_grant("g", &grant(None)).unwrap();
    // The rows are kept, and may be stored once somebody grants them.
    dialogue.send_batch(2, &batch).await;
    let ack = dialogue.acknowledged(2).await;
    assert_eq!((ack.rows, ack.rejected_rows, &*ack.rejections[0].reason), (0, 1, "no_right"));
    let refused = server.open(open(&token, "q")).await.1.refused();
    assert_eq!(refused.code(), RefusedCode::Right, "{}", refused.message);
    server.opened(Open { table: "energy".into(), ..open(&token, "q") }).await;
    registry.grant_gateway("g", &grant(Some("environment"))).unwrap();
    dialogue.send_batch(3, &batch).await;
    assert_eq!(dialogue.acknowledged(3).await.rows, 1);
    for unknown in
        [grant(Some("rejected")), grant(Some("nothing")), WriteGrant { zone: "atlantis".into(), ..grant(None) }]
    {
        registry.grant_gateway("g", &unknown).unwrap_err();
    }
    registry.grant_gateway("nobody", &grant(None)).unwrap_err();
}
