//! What devices measure now, over HTTP:
//!
//! - [`routes`]: requests that pull, and the order of their stages
//! - [`request`]: what a request asks for
//! - [`role_places`]: places that roles share, of which none can take all
//! - [`state`]: what all share, and the threads on which answers are made
//! - [`event_text`]: the text of events
//! - [`events`]: changes as they come, as Server-Sent Events
//! - [`windows`]: what places have measured in a window up to now, pulled or as events

mod event_text;
mod events;
mod request;
mod role_places;
mod routes;
mod state;
mod windows;

pub use routes::{LiveArgs, live_routes};
