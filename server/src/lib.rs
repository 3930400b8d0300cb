//! All parts of a server, made from the settings and connected.
