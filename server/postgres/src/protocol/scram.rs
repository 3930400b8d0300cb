//! SCRAM-SHA-256 (RFC 5802, RFC 7677) as the side of the server: two messages of a client in, two answers out. The client
//! proves that it knows the password, and the server that it knows it too, and neither sends it. Channel binding is not
//! offered. For a user that there is not the exchange goes on to its end with made-up keys, so that names cannot be tried.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zonelake_registry::ScramVerifier;

/// Name of the mechanism.
pub(crate) const MECHANISM: &str = "SCRAM-SHA-256";
/// Random bytes of the server's part of the nonce.
pub(crate) const NONCE_BYTES: usize = 18;

/// An exchange that does not end well.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ScramError {
    /// The messages are not those of SCRAM.
    Malformed,
    /// The password is not the right one.
    WrongPassword,
}

/// What a server without the user's keys shows of them.
#[derive(Debug, Clone)]
pub(crate) struct MadeUp {
    /// Made of the name and a secret, so that the same name has the same one again.
    pub salt: [u8; zonelake_registry::scram::SCRAM_SALT_BYTES],
    /// That of real users.
    pub iterations: u32,
}

/// The exchange behind the client's first message.
#[derive(Debug)]
pub(crate) struct ScramExchange {
    verifier: Option<ScramVerifier>,
    gs2_header: String,
    client_first_bare: String,
    server_first: String,
    nonce: String,
}

impl ScramExchange {
    /// Takes the client's first message; the second value is the answer.
    pub(crate) fn begin(
        client_first: &str,
        verifier: Option<ScramVerifier>,
        made_up: &MadeUp,
        server_nonce: [u8; NONCE_BYTES],
    ) -> Result<(Self, String), ScramError> {
        let (binding, rest) = client_first.split_once(',').ok_or(ScramError::Malformed)?;
        let (authorization, bare) = rest.split_once(',').ok_or(ScramError::Malformed)?;
        // "y": the client could bind and believes that the server cannot, which is so.
        if !matches!(binding, "n" | "y") || !authorization.is_empty() && !authorization.starts_with("a=") {
            return Err(ScramError::Malformed);
        }
        let (user, client_nonce) = bare.split_once(',').ok_or(ScramError::Malformed)?;
        let client_nonce = client_nonce.split(',').next().and_then(|part| part.strip_prefix("r="));
        let client_nonce = client_nonce.filter(|nonce| !nonce.is_empty()).ok_or(ScramError::Malformed)?;
        if !user.starts_with("n=") || !client_nonce.bytes().all(|byte| matches!(byte, 0x21..=0x7e)) {
            return Err(ScramError::Malformed);
        }
        let nonce = format!("{client_nonce}{}", STANDARD.encode(server_nonce));
        let (salt, iterations) = match &verifier {
            Some(verifier) => (verifier.salt, verifier.iterations),
            None => (made_up.salt, made_up.iterations),
        };
        let server_first = format!("r={nonce},s={},i={iterations}", STANDARD.encode(salt));
        let gs2_header = format!("{binding},{authorization},");
        let exchange = Self {
            verifier,
            gs2_header,
            client_first_bare: bare.to_owned(),
            server_first: server_first.clone(),
            nonce,
        };
        Ok((exchange, server_first))
    }

    /// Takes the client's last message; the value is the answer, by which the server proves itself.
    pub(crate) fn finish(self, client_final: &str) -> Result<String, ScramError> {
        let (without_proof, proof) = client_final.rsplit_once(",p=").ok_or(ScramError::Malformed)?;
        let mut parts = without_proof.split(',');
        let binding = parts.next().and_then(|part| part.strip_prefix("c=")).ok_or(ScramError::Malformed)?;
        let nonce = parts.next().and_then(|part| part.strip_prefix("r=")).ok_or(ScramError::Malformed)?;
        if binding != STANDARD.encode(&self.gs2_header) || nonce != self.nonce {
            return Err(ScramError::Malformed);
        }
        let proof: [u8; 32] =
            STANDARD.decode(proof).ok().and_then(|proof| proof.try_into().ok()).ok_or(ScramError::Malformed)?;
        let messages = format!("{},{},{without_proof}", self.client_first_bare, self.server_first);
        let signature = self.verifier.and_then(|verifier| verifier.server_signature(messages.as_bytes(), &proof));
        signature.map(|signature| format!("v={}", STANDARD.encode(signature))).ok_or(ScramError::WrongPassword)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MADE_UP: MadeUp = MadeUp { salt: [7; 16], iterations: 4_096 };

    #[test]
    fn an_unknown_user_is_asked_like_a_known_one_and_then_refused() {
        let (exchange, first) = ScramExchange::begin("n,,n=,r=abc", None, &MADE_UP, [1; NONCE_BYTES]).unwrap();
        assert!(first.starts_with("r=abcAQEB"), "{first}");
        assert!(first.ends_with(",i=4096"), "{first}");
        let last = format!("c=biws,r={},p={}", exchange.nonce, STANDARD.encode([0; 32]));
        assert_eq!(exchange.finish(&last), Err(ScramError::WrongPassword));
    }

    #[test]
    fn messages_of_another_form_are_refused() {
        for first in ["", "n", "n,,", "n,,r=abc", "p=tls-server-end-point,,n=,r=abc", "n,,n=,r=", "x,,n=,r=a"] {
            assert_eq!(
                ScramExchange::begin(first, None, &MADE_UP, [1; NONCE_BYTES]).map(|_| ()),
                Err(ScramError::Malformed),
                "{first}"
            );
        }
        for last in ["", "c=biws", "c=biws,r=other,p=AAAA", "c=eSws,r=abc,p=AAAA"] {
            let (exchange, _) = ScramExchange::begin("n,,n=,r=abc", None, &MADE_UP, [1; NONCE_BYTES]).unwrap();
            assert_eq!(exchange.finish(last), Err(ScramError::Malformed), "{last}");
        }
    }
}
