//! Changes as they come, as Server-Sent Events.
//!
//! | event | when | data |
//! |---|---|---|
//! | `snapshot` | first, and where the client's position is of another time line | all chosen devices |
//! | `rows` | with each change, ten times a second at most | the devices that have changed |
//! | `skipped` | before `rows`, where the client has not read in time | `{"states": N}`: states that it does not get; the newest follows |
//! | `end` | last | `{"code": …, "message": …}` |
//!
//! Devices are lines of JSON, an object each, with the columns of a pull; a field that none of the devices of an event ever had is left out.
//! The id of an event is a position: a client that comes back with it in `Last-Event-ID` gets what has changed since, and nothing twice. A role
//! that sees a part of the table gets neither ids nor `skipped`, which would count what others send, and a `snapshot` when it comes back. A
//! comment every 15 seconds shows that the stream lives.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::response::Response;
use futures::stream;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Sleep, sleep};
use zonelake_query::{LiveDevices, LivePosition, LiveRights, LiveTable, QueryError, Zone};
use zonelake_registry::Role;

use super::event_text::{end_event, event, stream_of};
use super::role_places::RolePlace;
use super::state::{Asked, LiveState, check_count, live_error};
use crate::sql::error::HttpError;
use crate::sql::formats::Format;

/// Begins a stream.
pub(super) async fn respond(
    state: &Arc<LiveState>,
    asked: Arc<Asked>,
    permit: RolePlace,
) -> Result<Response, HttpError> {
    // A table that the client does not see does not exist for it, whatever there is to say about it.
    state.tables.table(&asked.table, &asked.caller).map_err(live_error)?;
    // Followed first and looked at afterwards, so that no change falls between.
    let changes = state.tables.follow(&asked.table).map_err(live_error)?;
    let follower = Follower::begin(Arc::clone(state), asked, changes, permit).await?;
    Ok(stream_of(stream::unfold(follower, async |mut follower| Some((follower.next().await?, follower)))))
}

/// A client that follows a table.
struct Follower {
    state: Arc<LiveState>,
    asked: Arc<Asked>,
    /// The client's role as it was when its rights were looked at.
    role: Option<Arc<Role>>,
    /// The part of the table that the client sees; none where it sees all.
    rights: Option<Arc<LiveRights>>,
    changes: Receiver<Arc<LiveTable>>,
    /// Position up to which the client has everything.
    sent: LivePosition,
    /// When the stream shows that it lives, where nothing is sent before.
    alive: Pin<Box<Sleep>>,
    /// Events that are made; few, since no more are made before they are taken.
    ready: VecDeque<Bytes>,
    is_over: bool,
    _permit: RolePlace,
}

/// An event, and the position that the client has with it.
struct Made {
    event: Bytes,
    position: LivePosition,
}

impl Made {
    fn new(
        name: &str,
        table: &LiveTable,
        devices: &LiveDevices,
        state: &LiveState,
        asked: &Asked,
    ) -> Result<Self, HttpError> {
        let rows = table.rows(devices, &asked.request.selection, state.tables.now_us())?;
        let mut writer = Format::NdJson.writer(&rows.schema(), Zone::UTC).map_err(QueryError::from)?;
        let lines = writer.batch(&rows).map_err(QueryError::from)?;
        let id = table.shown_position().map(|position| position.to_string());
        Ok(Self { event: event(name, id.as_deref(), &lines), position: table.position() })
    }

    /// All chosen devices, or what has changed in them since the client was here last.
    fn first(state: &LiveState, asked: &Asked) -> Result<(Option<Arc<LiveRights>>, Self), HttpError> {
        let looked = state.look(asked)?;
        let rights = looked.table.rights().cloned();
        // A client that gets no position has none that it could come back with.
        let since = asked.request.since.as_ref().filter(|_| rights.is_none());
        let (name, devices) = match since {
            None => ("snapshot", looked.devices),
            Some(since) => {
                let selection = &asked.request.selection;
                let (devices, are_all) = looked.table.chosen_since(selection, looked.now_us, since);
                (if are_all { "snapshot" } else { "rows" }, devices)
            }
        };
        Ok((rights, Self::new(name, &looked.table, &devices, state, asked)?))
    }
}

impl Follower {
    async fn begin(
        state: Arc<LiveState>,
        asked: Arc<Asked>,
        changes: Receiver<Arc<LiveTable>>,
        permit: RolePlace,
    ) -> Result<Self, HttpError> {
        let role = state.tables.role(&asked.caller);
        let (rights, first) = state.make(&asked, Made::first).await?;
        let mut follower = Self {
            state,
            asked,
            role,
            rights,
            changes,
            sent: LivePosition::default(),
            alive: Box::pin(sleep(ALIVE_EVERY)),
            ready: VecDeque::new(),
            is_over: false,
            _permit: permit,
        };
        follower.push(first);
        Ok(follower)
    }

    /// The next bytes; `None` behind the last.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.is_over {
                return None;
            }
            // Changes of devices that the client has not chosen must not keep the stream from showing that it lives.
            let change = tokio::select! {
                biased;
                change = self.changes.recv() => Some(change),
                () = self.alive.as_mut() => None,
            };
            let (tables, rights) = (&self.state.tables, self.rights.as_ref());
            if !tables.may_go_on(&self.asked.table, &self.asked.caller, &mut self.role, rights) {
                self.end("forbidden", "the role is gone, or does not see this table any more");
                continue;
            }
            let handled = match change {
                None => {
                    self.alive = Box::pin(sleep(ALIVE_EVERY));
                    return Some(Bytes::from_static(b": alive\n\n"));
                }
                Some(Ok(table)) => self.handle_change(&table).await,
                Some(Err(RecvError::Lagged(states))) => self.handle_gap(states).await,
                Some(Err(RecvError::Closed)) => {
                    self.end("stopping", "the server stops, or the table is not followed any more; come back");
                    continue;
                }
            };
            if let Err(error) = handled {
                let (code, message) = error.into_words();
                self.end(code, &message);
            }
        }
    }

    async fn handle_change(&mut self, table: &LiveTable) -> Result<(), HttpError> {
        // The first states may be older than what the stream began with.
        if table.position().is_within(&self.sent) {
            return Ok(());
        }
        let table = table.seen_with(self.rights.as_ref())?;
        let devices = table.changed(&self.asked.request.selection);
        if devices.is_empty() {
            return Ok(());
        }
        check_count(&devices)?;
        let made = match devices.len() <= DEVICES_AT_ONCE {
            true => Made::new("rows", &table, &devices, &self.state, &self.asked)?,
            false => {
                let make = move |state: &LiveState, asked: &Asked| Made::new("rows", &table, &devices, state, asked);
                self.state.make(&self.asked, make).await?
            }
        };
        self.push(made);
        Ok(())
    }

    /// The client has not read in time: what it has missed is made up for by what is newest.
    async fn handle_gap(&mut self, states: u64) -> Result<(), HttpError> {
        let (sent, sees_all) = (self.sent.clone(), self.rights.is_none());
        let made = self.state.make(&self.asked, move |state, asked| {
            let table = state.tables.table(&asked.table, &asked.caller).map_err(live_error)?;
            let (devices, _) = table.chosen_since(&asked.request.selection, state.tables.now_us(), &sent);
            check_count(&devices)?;
            // How much others have sent is not for a client to know that sees a part.
            let is_told = sees_all || !devices.is_empty();
            is_told.then(|| Made::new("rows", &table, &devices, state, asked)).transpose()
        });
        let Some(made) = made.await? else { return Ok(()) };
        if sees_all {
            self.ready.push_back(event("skipped", None, format!("{{\"states\":{states}}}").as_bytes()));
        }
        self.push(made);
        Ok(())
    }

    fn push(&mut self, made: Made) {
        self.ready.push_back(made.event);
        self.sent = made.position;
        self.alive = Box::pin(sleep(ALIVE_EVERY));
    }

    fn end(&mut self, code: &str, message: &str) {
        self.ready.push_back(end_event(code, message));
        self.is_over = true;
    }
}

/// Time without changes after which a stream shows that it lives, and looks whether its client still has a role.
const ALIVE_EVERY: Duration = Duration::from_secs(15);
/// Devices whose change is made into an event at once: less than a change of threads is worth.
const DEVICES_AT_ONCE: usize = 64;
