//! Recorded files into a server.
