//! Trust in a server: its certificate is in a file, or is signed by one in it, or has a fingerprint.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme};
use sha2::{Digest, Sha256};

use crate::error::ConnectError;

/// Certificate that a server must present.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// A PEM file. A server that shows one of its certificates itself is believed under any name and date; else its
    /// certificate must be signed by one of them, in date, for the name that is dialled.
    CertificateFile(PathBuf),
    /// SHA-256 of the server's certificate (its DER form).
    Fingerprint([u8; 32]),
}

impl Trust {
    /// Reads a fingerprint: 64 hexadecimal digits, with or without colons between.
    ///
    /// # Errors
    /// [`ConnectError::Trust`] with what was given.
    pub fn from_fingerprint(text: &str) -> Result<Self, ConnectError> {
        let digits: Vec<u8> = text.bytes().filter(|byte| !matches!(byte, b':' | b' ')).collect();
        let mut bytes = [0; 32];
        let pairs = digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
        let complete = digits.len() == 64
            && bytes.iter_mut().zip(pairs).all(|(byte, pair)| pair.map(|pair| *byte = pair).is_some());
        if !complete {
            return Err(ConnectError::Trust {
                what: text.into(),
                reason: "a SHA-256 has 64 hexadecimal digits".into(),
            });
        }
        Ok(Self::Fingerprint(bytes))
    }

    /// The TLS check of it.
    pub(crate) fn verifier(&self, provider: &Arc<CryptoProvider>) -> Result<Verifier, ConnectError> {
        match self {
            Self::Fingerprint(fingerprint) => {
                Ok(Verifier { provider: provider.clone(), pinned: Pinned::Fingerprint(*fingerprint), chain: None })
            }
            Self::CertificateFile(path) => {
                let wrong = |reason: String| ConnectError::Trust { what: path.display().to_string(), reason };
                let certificates = CertificateDer::pem_file_iter(path)
                    .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                    .map_err(|error| wrong(error.to_string()))?;
                if certificates.is_empty() {
                    return Err(wrong("it has no certificate in PEM form".into()));
                }
                let mut roots = RootCertStore::empty();
                for certificate in &certificates {
                    roots.add(certificate.clone()).map_err(|error| wrong(error.to_string()))?;
                }
                let chain = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                    .build()
                    .map_err(|error| wrong(error.to_string()))?;
                Ok(Verifier {
                    provider: provider.clone(),
                    pinned: Pinned::Certificates(certificates),
                    chain: Some(chain),
                })
            }
        }
    }
}

/// Checks the server's certificate against a [`Trust`], and always that the server holds its key.
#[derive(Debug)]
pub(crate) struct Verifier {
    provider: Arc<CryptoProvider>,
    pinned: Pinned,
    chain: Option<Arc<WebPkiServerVerifier>>,
}

#[derive(Debug)]
enum Pinned {
    Certificates(Vec<CertificateDer<'static>>),
    Fingerprint([u8; 32]),
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let is_pinned = match &self.pinned {
            Pinned::Certificates(certificates) => certificates.iter().any(|own| own == end_entity),
            Pinned::Fingerprint(fingerprint) => Sha256::digest(end_entity).as_slice() == fingerprint,
        };
        match &self.chain {
            _ if is_pinned => Ok(ServerCertVerified::assertion()),
            Some(chain) => chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now),
            None => Err(CertificateError::ApplicationVerificationFailure.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_reads_with_and_without_colons() {
        let plain = "0a".repeat(32);
        let colons = ["0A"; 32].join(":");
        assert_eq!(Trust::from_fingerprint(&plain), Ok(Trust::Fingerprint([10; 32])));
        assert_eq!(Trust::from_fingerprint(&colons), Ok(Trust::Fingerprint([10; 32])));
        for wrong in ["", "0a", "zz", &"g".repeat(64), &"0a".repeat(33)] {
            assert!(Trust::from_fingerprint(wrong).is_err(), "{wrong}");
        }
    }
}
