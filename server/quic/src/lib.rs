//! The gateway protocol over QUIC: endpoint, admission, connections, sessions, acknowledgements.
