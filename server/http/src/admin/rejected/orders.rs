//! Rows that were rejected whole, to be listed, stored after all, or dropped.
//!
//! A page of rows is looked at with each request. What became of a row stands in the table `rejected` in the same step as the
//! row in its own table, so that a request that is repeated, or whose response is lost, stores nothing twice.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use tokio::sync::Mutex;
use zonelake_ingest::{RejectedRow, Replayed, WriteState, drop_rows, replay_rows};
use zonelake_query::{Caller, QueryEngine};
use zonelake_registry::{Gateway, RegisteredTable};
use zonelake_schemas::RejectReason;
use zonelake_schemas::alerts::is_written_by_server;

use super::forms::{KeptRows, RejectedList, RejectedPage, RejectedSelection};
use super::statements::{Page, list_statement, page_statement, read_groups, read_page};
use crate::admin::error::AdminError;
use crate::admin::json::{JsonBody, json};

/// What the routes work on.
#[derive(Debug)]
pub(crate) struct RejectedState {
    pub(crate) engine: Arc<QueryEngine>,
    pub(crate) write: Arc<WriteState>,
    /// Held from the look at the rows until it is durable what became of them.
    pub(crate) turn: Mutex<()>,
}

#[derive(Debug, Clone, Copy)]
enum Action {
    Replay,
    Drop,
}

pub(crate) async fn list(State(state): State<Arc<RejectedState>>) -> Result<Response, AdminError> {
    let result = state.engine.execute(&list_statement(), &administrator()).await?;
    let groups = read_groups(&result.collect().await?)?;
    Ok(json(StatusCode::OK, &RejectedList { groups }))
}

pub(crate) async fn replay(
    State(state): State<Arc<RejectedState>>,
    JsonBody(selection): JsonBody<RejectedSelection>,
) -> Result<Response, AdminError> {
    state.work(selection, Action::Replay).await
}

pub(crate) async fn drop_selected(
    State(state): State<Arc<RejectedState>>,
    JsonBody(selection): JsonBody<RejectedSelection>,
) -> Result<Response, AdminError> {
    state.work(selection, Action::Drop).await
}

impl RejectedState {
    async fn work(self: Arc<Self>, selection: RejectedSelection, action: Action) -> Result<Response, AdminError> {
        Ok(json(StatusCode::OK, &self.work_page(selection, action).await?))
    }

    /// Stores the next page of rows that are acceptable now.
    pub(crate) async fn replayed(self: Arc<Self>, selection: RejectedSelection) -> Result<RejectedPage, AdminError> {
        self.work_page(selection, Action::Replay).await
    }

    async fn work_page(
        self: Arc<Self>,
        selection: RejectedSelection,
        action: Action,
    ) -> Result<RejectedPage, AdminError> {
        self.check(&selection)?;
        // A task of its own: a client that goes away must not end the turn while rows are on their way.
        let page = tokio::spawn(async move {
            let _turn = self.turn.lock().await;
            self.page(&selection, action).await
        });
        page.await?
    }

    fn check(&self, selection: &RejectedSelection) -> Result<(), AdminError> {
        let is_reason =
            |name: &String| RejectReason::ALL.iter().any(|reason| reason.name() == name && reason.takes_row());
        if let Some(unknown) = selection.reasons.iter().find(|name| !is_reason(name)) {
            let known = RejectReason::ALL.into_iter().filter(|reason| reason.takes_row());
            let known: Vec<_> = known.map(RejectReason::name).collect();
            let message = format!("{unknown:?} is no reason for which rows are rejected whole: {}", known.join(", "));
            return Err(AdminError::input(message));
        }
        if let Some(table) = selection.table.as_ref().filter(|table| self.table(table).is_none()) {
            return Err(AdminError::input(format!("there is no table {table:?}")));
        }
        let is_cursor = |after: &String| after.len() <= 64 && after.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if selection.after.as_ref().is_some_and(|after| !is_cursor(after)) {
            return Err(AdminError::input("after is no member of a response"));
        }
        Ok(())
    }

    fn table(&self, name: &str) -> Option<&Arc<RegisteredTable>> {
        self.write.tables.get(name).filter(|table| !is_written_by_server(&table.def))
    }

    async fn page(&self, selection: &RejectedSelection, action: Action) -> Result<RejectedPage, AdminError> {
        let result = self.engine.execute(&page_statement(selection), &administrator()).await?;
        let Page { groups, after } = read_page(&result.collect().await?)?;
        let gateways = self.gateways(selection.gateway.as_deref()).await?;
        let mut page = RejectedPage { after, ..RejectedPage::default() };
        let mut all = Replayed::default();
        for ((gateway, table), rows) in groups {
            let count = rows.len() as u64;
            let Some(gateway) = gateways.get(&gateway) else {
                all.keep("no_gateway", count, || format!("gateway {gateway} is revoked: add it again first"));
                continue;
            };
            let Some(table) = self.table(&table) else {
                all.keep("no_table", count, || format!("there is no table {table} any more"));
                continue;
            };
            self.finish(gateway, table, rows, action, &mut all).await?;
        }
        page.done = all.stored;
        let kept = all.kept.into_iter();
        page.kept = kept.map(|(reason, (rows, message))| KeptRows { reason, rows, message }).collect();
        Ok(page)
    }

    async fn finish(
        &self,
        gateway: &Arc<Gateway>,
        table: &Arc<RegisteredTable>,
        rows: Vec<RejectedRow>,
        action: Action,
        all: &mut Replayed,
    ) -> Result<(), AdminError> {
        match action {
            Action::Replay => {
                let replayed = replay_rows(&self.write, gateway, table, rows).await?;
                all.stored += replayed.stored;
                for (reason, (count, message)) in replayed.kept {
                    all.keep(&reason, count, || message);
                }
            }
            Action::Drop => all.stored += drop_rows(&self.write, gateway, table, &rows).await?,
        }
        Ok(())
    }

    /// Gateways by name that are not revoked.
    async fn gateways(&self, only: Option<&str>) -> Result<BTreeMap<String, Arc<Gateway>>, AdminError> {
        let registry = Arc::clone(&self.write.registry);
        let known = tokio::task::spawn_blocking(move || {
            let known = registry.gateways()?;
            let active = known.into_iter().filter_map(|info| Some((info.name, registry.gateway(info.id)?)));
            Ok::<_, AdminError>(active.collect::<BTreeMap<_, _>>())
        });
        let known = known.await??;
        match only.filter(|name| !known.contains_key(*name)) {
            Some(unknown) => Err(AdminError::input(format!("there is no gateway {unknown:?}, or it is revoked"))),
            None => Ok(known),
        }
    }
}

/// The administrator asks.
fn administrator() -> Caller {
    Caller { name: Arc::from("admin") }
}
