//! Links that change under a gateway, and links that die.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Endpoint};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use zonelake_gateway::{BatchStream, Connection, ConnectionOptions, LinkEvent, StreamObserver, StreamOptions, Trust};
use zonelake_schemas::clock::{Clock, SystemClock};
use zonelake_schemas::wire::ALPN;

use crate::dialogue::{Running, Setting, batch_of, doubles, open};
use crate::relay::Relay;

fn connection(server: &Running, relay: &Relay, idle_timeout: Duration) -> Arc<Connection> {
    let trust = Trust::Fingerprint(server.fingerprint());
    let options = ConnectionOptions::new(relay.address.to_string(), trust);
    Connection::new(ConnectionOptions { idle_timeout, keep_alive: idle_timeout / 5, ..options }).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_whose_port_and_address_change_in_mid_stream_carries_on_in_the_same_connection() {
    let setting = Setting::new();
    let server = setting.start().await;
    let relay = Relay::to(server.address).await;
    let connection = connection(&server, &relay, Duration::from_secs(5));
    let stream = BatchStream::open(&connection, StreamOptions::new(server.token("g", "vung-ang"), "p", "environment"));
    let stream = stream.await.unwrap();
    for n in 0..60 {
        match n {
            15 | 30 => relay.rebind("127.0.0.1").await,
            45 => relay.rebind("127.0.0.2").await,
            _ => {}
        }
        stream.send(batch_of("pm2_5", doubles(&[1.0, 2.0]))).await.unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::timeout(Duration::from_secs(5), stream.drained()).await.expect("it carries on").unwrap();
    let totals = stream.totals();
    assert_eq!((totals.links, totals.batches, totals.rows), (1, 60, 120), "one link for all of it");
    assert_eq!(server.rows("environment"), 120);
    assert_eq!(server.pipeline.metrics().connections.get(), 1);
}

#[derive(Default)]
struct Breaks(tokio::sync::Notify);

impl StreamObserver for Breaks {
    fn handle_link(&self, event: &LinkEvent) {
        if matches!(event, LinkEvent::Broken { .. }) {
            self.0.notify_one();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_loses_everything_or_one_direction_is_noticed_on_both_sides_and_ridden_out() {
    // A gateway that asks for a limit of one second gets it, whatever the server would allow.
    let setting = Setting::new();
    let server = setting.start().await;
    let clock = SystemClock::default();
    for (producer, up, down) in [("both", true, true), ("up", true, false), ("down", false, true)] {
        let relay = Relay::to(server.address).await;
        let connection = connection(&server, &relay, Duration::from_secs(1));
        let breaks = Arc::new(Breaks::default());
        let options = StreamOptions {
            observer: Some(Arc::clone(&breaks) as _),
            ..StreamOptions::new(server.token(producer, "vung-ang"), producer, "environment")
        };
        let stream = BatchStream::open(&connection, options).await.unwrap();
        stream.send(batch_of("pm2_5", doubles(&[1.0]))).await.unwrap();
        stream.drained().await.unwrap();
        let lost_before = server.pipeline.metrics().connections_lost.get();

        relay.lose(up, down);
        let died = clock.monotonic();
        stream.send(batch_of("pm2_5", doubles(&[2.0]))).await.unwrap();
        let noticed = tokio::time::timeout(Duration::from_secs(10), async {
            breaks.0.notified().await;
            let here = clock.monotonic() - died;
            while server.pipeline.metrics().connections_lost.get() == lost_before {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            (here, clock.monotonic() - died)
        });
        let (here, there) = noticed.await.expect("a dead link is noticed");
        eprintln!("{producer}: noticed by the gateway after {here:?}, by the server after {there:?}");
        assert!(here.max(there) < Duration::from_secs(4), "{producer}: {here:?} here, {there:?} there");

        relay.lose(false, false);
        tokio::time::timeout(Duration::from_secs(10), stream.drained()).await.expect("it comes back").unwrap();
        assert_eq!(stream.totals().batches, 2);
    }
    assert_eq!(server.rows("environment"), 6);
}

/// Believes every server and counts how often it was asked: never where a session is resumed.
#[derive(Debug, Default)]
struct Asked(AtomicUsize);

impl ServerCertVerifier for Asked {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256, SignatureScheme::ED25519]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_comes_back_resumes_its_session_and_gets_no_early_data() {
    let setting = Setting::new();
    let server = setting.start().await;
    let token = server.token("g", "vung-ang");
    let asked = Arc::new(Asked::default());
    let mut tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&asked) as _)
        .with_no_client_auth();
    tls.alpn_protocols = vec![ALPN.to_vec()];
    tls.enable_early_data = true;
    let mut endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    endpoint.set_default_client_config(ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap())));
    for _ in 0..3 {
        let Err(connecting) = endpoint.connect(server.address, "localhost").unwrap().into_0rtt() else {
            panic!("a ticket allows no early data");
        };
        let connection = connecting.await.unwrap();
        let mut dialogue = crate::dialogue::Dialogue::on(connection.clone()).await;
        dialogue
            .send(&zonelake_schemas::wire::frame::control_frame(
                zonelake_schemas::wire::frame::FrameKind::Open,
                &open(&token, "p"),
            ))
            .await;
        dialogue.answer().await;
        connection.close(0u32.into(), b"");
    }
    assert_eq!(asked.0.load(Ordering::SeqCst), 1, "the certificate was needed once");
}
