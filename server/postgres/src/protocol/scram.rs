//! SCRAM-SHA-256 (RFC 5802, RFC 7677), the side of the server: two messages of a client in, two responses out, without
//! I/O. Client and server each prove that they know the password, and neither sends it. Channel binding is not offered.
//! For an unknown user the exchange goes on to its end with decoy keys, so that nobody learns which names exist. A token of the
//! role is as good as its password: all of them have one salt, so that one exchange tries them all.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zonelake_registry::{RoleKeys, TokenId};

/// Name of the mechanism.
pub(crate) const MECHANISM: &str = "SCRAM-SHA-256";
/// Random bytes of the server's part of the nonce.
pub(crate) const NONCE_BYTES: usize = 18;

/// Failure of an exchange.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ScramError {
    /// Message that is not of SCRAM.
    Malformed,
    /// Proof that does not fit the password.
    WrongPassword,
}

/// Parameters that an unknown user is shown.
#[derive(Debug, Clone)]
pub(crate) struct DecoyParameters {
    /// Salt made of the name and a secret, so that a name has the same one each time.
    pub salt: [u8; zonelake_registry::SCRAM_SALT_BYTES],
    /// Iterations of real users.
    pub iterations: u32,
}

/// Exchange after the client's first message.
#[derive(Debug)]
pub(crate) struct ScramExchange {
    keys: Vec<RoleKeys>,
    gs2_header: String,
    client_first_bare: String,
    server_first: String,
    nonce: String,
}

impl ScramExchange {
    /// Handles the client's first message; the second value is the response.
    pub(crate) fn begin(
        client_first: &str,
        keys: Vec<RoleKeys>,
        decoy: &DecoyParameters,
        server_nonce: [u8; NONCE_BYTES],
    ) -> Result<(Self, String), ScramError> {
        let (binding, rest) = client_first.split_once(',').ok_or(ScramError::Malformed)?;
        let (authorization, bare) = rest.split_once(',').ok_or(ScramError::Malformed)?;
        // "y": the client supports channel binding and believes, rightly, that the server does not.
        if !matches!(binding, "n" | "y") || !authorization.is_empty() && !authorization.starts_with("a=") {
            return Err(ScramError::Malformed);
        }
        let (user, client_nonce) = bare.split_once(',').ok_or(ScramError::Malformed)?;
        let client_nonce = client_nonce.split(',').next().and_then(|part| part.strip_prefix("r="));
        let client_nonce = client_nonce.filter(|nonce| !nonce.is_empty()).ok_or(ScramError::Malformed)?;
        if !user.starts_with("n=") || !client_nonce.bytes().all(|byte| matches!(byte, 0x21..=0x7e)) {
            return Err(ScramError::Malformed);
        }
        // The server's part makes each exchange new, so a recorded proof is worth nothing.
        let nonce = format!("{client_nonce}{}", STANDARD.encode(server_nonce));
        let (salt, iterations) = match keys.first() {
            Some(first) => (first.verifier.salt, first.verifier.iterations),
            None => (decoy.salt, decoy.iterations),
        };
        let server_first = format!("r={nonce},s={},i={iterations}", STANDARD.encode(salt));
        let gs2_header = format!("{binding},{authorization},");
        let exchange =
            Self { keys, gs2_header, client_first_bare: bare.to_owned(), server_first: server_first.clone(), nonce };
        Ok((exchange, server_first))
    }

    /// True where a token would be taken as well.
    pub(crate) fn has_tokens(&self) -> bool {
        self.keys.iter().any(|keys| keys.token.is_some())
    }

    /// Handles the client's last message; the value is the response, by which the server proves itself, and the token that the
    /// client has proven to know, where it was none with the password. `are_passwords_looked_at` is false where too many were wrong: a proof
    /// of the password is as good as none then, and one of a token counts.
    pub(crate) fn finish(
        self,
        client_final: &str,
        are_passwords_looked_at: bool,
    ) -> Result<(String, Option<TokenId>), ScramError> {
        let (without_proof, proof) = client_final.rsplit_once(",p=").ok_or(ScramError::Malformed)?;
        let mut parts = without_proof.split(',');
        let binding = parts.next().and_then(|part| part.strip_prefix("c=")).ok_or(ScramError::Malformed)?;
        let nonce = parts.next().and_then(|part| part.strip_prefix("r=")).ok_or(ScramError::Malformed)?;
        // The client repeats header and nonce under its proof, so nobody between has changed them.
        if binding != STANDARD.encode(&self.gs2_header) || nonce != self.nonce {
            return Err(ScramError::Malformed);
        }
        let proof: [u8; 32] =
            STANDARD.decode(proof).ok().and_then(|proof| proof.try_into().ok()).ok_or(ScramError::Malformed)?;
        let messages = format!("{},{},{without_proof}", self.client_first_bare, self.server_first);
        // The verifier compares the proof in constant time.
        let mut looked_at = self.keys.iter().filter(|keys| are_passwords_looked_at || keys.token.is_some());
        let proven = looked_at.find_map(|keys| {
            let signature = keys.verifier.server_signature(messages.as_bytes(), &proof)?;
            Some((format!("v={}", STANDARD.encode(signature)), keys.token))
        });
        proven.ok_or(ScramError::WrongPassword)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DECOY: DecoyParameters = DecoyParameters { salt: [7; 16], iterations: 4_096 };

    #[test]
    fn an_unknown_user_is_asked_like_a_known_one_and_then_refused() {
        let (exchange, first) = ScramExchange::begin("n,,n=,r=abc", Vec::new(), &DECOY, [1; NONCE_BYTES]).unwrap();
        assert!(first.starts_with("r=abcAQEB"), "{first}");
        assert!(first.ends_with(",i=4096"), "{first}");
        let last = format!("c=biws,r={},p={}", exchange.nonce, STANDARD.encode([0; 32]));
        assert_eq!(exchange.finish(&last, true), Err(ScramError::WrongPassword));
    }

    #[test]
    fn messages_of_another_form_are_refused() {
        for first in ["", "n", "n,,", "n,,r=abc", "p=tls-server-end-point,,n=,r=abc", "n,,n=,r=", "x,,n=,r=a"] {
            assert_eq!(
                ScramExchange::begin(first, Vec::new(), &DECOY, [1; NONCE_BYTES]).map(|_| ()),
                Err(ScramError::Malformed),
                "{first}"
            );
        }
        for last in ["", "c=biws", "c=biws,r=other,p=AAAA", "c=eSws,r=abc,p=AAAA"] {
            let (exchange, _) = ScramExchange::begin("n,,n=,r=abc", Vec::new(), &DECOY, [1; NONCE_BYTES]).unwrap();
            assert_eq!(exchange.finish(last, true), Err(ScramError::Malformed), "{last}");
        }
    }
}
