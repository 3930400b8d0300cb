//! A raw client of the gateways' protocol.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Endpoint, RecvStream, SendStream, TransportConfig, VarInt};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use zonelake_schemas::BatchNumber;
use zonelake_schemas::wire::control::{Encoding, Open};
use zonelake_schemas::wire::frame::{FrameKind, HEADER_BYTES, batch_prefix, control_frame};

/// An offender's address; that of the good clients is 127.0.0.1.
pub(crate) fn offender(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 0, 2 + number)
}

/// An endpoint at an offender's address.
pub(crate) fn endpoint(number: u8) -> Endpoint {
    Endpoint::client(SocketAddr::from((offender(number), 0))).expect("an offender's socket")
}

/// Settings of a client that trusts the server and speaks this protocol.
pub(crate) fn config(certificate: &Path, alpn: &[u8]) -> ClientConfig {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate).expect("a certificate")).expect("a root");
    let mut tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![alpn.to_vec()];
    // Each handshake is a whole one.
    tls.resumption = rustls::client::Resumption::disabled();
    ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).expect("a configuration")))
}

/// The same, and it stays connected and gives the server no room to answer beyond so many bytes a stream.
pub(crate) fn with_receive_window(mut config: ClientConfig, bytes: u32) -> ClientConfig {
    let mut transport = TransportConfig::default();
    transport.stream_receive_window(VarInt::from_u32(bytes)).keep_alive_interval(Some(Duration::from_secs(1)));
    config.transport_config(Arc::new(transport));
    config
}

/// What an offender sends: batches of one table, in one encoding.
#[derive(Debug, Clone)]
pub(crate) struct Sender {
    pub(crate) token: String,
    pub(crate) producer: String,
    pub(crate) table: &'static str,
    pub(crate) encoding: Encoding,
}

impl Sender {
    /// Opens a stream and waits for the first bytes of the answer, whatever they say.
    pub(crate) async fn open(&self, connection: &quinn::Connection) -> Option<(SendStream, RecvStream)> {
        let (mut up, mut down) = connection.open_bi().await.ok()?;
        let open = Open {
            token: self.token.clone(),
            producer: self.producer.clone(),
            epoch: 1,
            lane: 1,
            table: self.table.into(),
            encoding: self.encoding.into(),
            ..Open::default()
        };
        up.write_all(&control_frame(FrameKind::Open, &open)).await.ok()?;
        let mut head = [0; HEADER_BYTES];
        down.read_exact(&mut head).await.ok()?;
        Some((up, down))
    }
}

/// A whole frame of a batch.
pub(crate) fn batch_frame(number: u64, payload: &[u8]) -> Vec<u8> {
    let mut frame = batch_prefix(BatchNumber(number), payload.len()).to_vec();
    frame.extend_from_slice(payload);
    frame
}

/// A whole frame of another kind, with this body.
pub(crate) fn frame(kind: FrameKind, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 1).expect("below 4 GiB");
    let mut frame = length.to_le_bytes().to_vec();
    frame.push(kind as u8);
    frame.extend_from_slice(body);
    frame
}
