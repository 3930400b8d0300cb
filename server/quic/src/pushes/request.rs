//! The frame `Pushes`: a gateway asks which files it has pushed, or notes one, in the ledger of the registry. One question is a stream.

use std::sync::Arc;

use bytes::Bytes;
use prost::Message;
use quinn::SendStream;
use zonelake_ingest::Refusal;
use zonelake_registry::{
    Gateway, LentProducer, NotedPush, PushDigests, PushEntry, Registry, RegistryError, device_name_is_valid, entry_name,
};
use zonelake_schemas::wire::control::{Push, Pushed, Pushes, RefusedCode};
use zonelake_schemas::wire::frame::{FrameKind, control_frame};
use zonelake_schemas::{Epoch, GatewayId, Lane};
use zonelake_storage::Table;

use crate::frames::write_frame;
use crate::pushes::stored_times::{AskedTimes, StoredTimes};
use crate::schema_message::schema_message;
use crate::shared::SharedState;

/// A frame `Pushes` whose token and table are valid.
pub(crate) struct PushesRequest {
    pub(crate) pushes: Pushes,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) table: Arc<Table>,
}

impl PushesRequest {
    /// Does what it says, durably, and answers it.
    pub(crate) async fn serve(self, shared: &SharedState, send: &mut SendStream) -> Result<(), Refusal> {
        let schema = schema_message(&self.table.registered.schemas.wire);
        let asked = AskedTimes::of(&self.pushes.times, &self.pushes.fields, &self.gateway, &self.table)?;
        let registry = Arc::clone(shared.pipeline.store().registry());
        // The registry reads and writes its file.
        let answer = tokio::task::spawn_blocking(move || self.run(&registry)).await;
        let (pushes, noted) = answer.map_err(|error| Refusal::internal(&error))??;
        let times_stored = count(shared.stored.as_deref(), asked).await;
        let frame = control_frame(FrameKind::Pushed, &Pushed { pushes, schema, noted, times_stored });
        // A gateway that has gone asks again.
        write_frame(send, &frame, shared.options.frame_timeout).await.ok();
        send.finish().ok();
        Ok(())
    }

    /// The pushes that are asked for, and the one that was lent a producer.
    fn run(self, registry: &Registry) -> Result<(Vec<Push>, Option<Push>), Refusal> {
        let Self { pushes, gateway, table } = self;
        let lane = Lane::from_number(pushes.lane)
            .ok_or_else(|| protocol(format!("lane: 1 (live) or 2 (back-fill), not {}", pushes.lane)))?;
        let place = Place { registry, gateway: gateway.id, table: table.name(), lane };
        let lent = match &pushes.note {
            Some(note) if note.producer.is_empty() => Some(place.lend(note)?),
            Some(note) => {
                check(note)?;
                registry.note_push(gateway.id, &place.entry(note), note.is_done).map_err(|error| failed(&error))?;
                None
            }
            None => None,
        };
        let noted = if pushes.latest > 0 {
            registry.latest_pushes(gateway.id, pushes.latest)
        } else {
            let Pushes { head, rows_set, content, .. } = &pushes;
            registry.pushes_like(gateway.id, table.name(), lane, PushDigests { head, rows_set, content })
        };
        let noted: Result<_, _> = noted.map_err(|error| failed(&error))?.iter().map(push).collect();
        Ok((noted?, lent))
    }
}

/// Counts times that are stored; `None` where that is not possible now, since a push does not depend on it.
async fn count(stored: Option<&dyn StoredTimes>, asked: Option<AskedTimes>) -> Option<u64> {
    let (stored, asked) = (stored?, asked?);
    let counted = stored.count(asked).await;
    counted.inspect_err(|error| tracing::warn!("the stored times of a push cannot be counted: {error}")).ok()
}

/// Where a push is noted.
struct Place<'a> {
    registry: &'a Registry,
    gateway: GatewayId,
    table: &'a str,
    lane: Lane,
}

impl Place<'_> {
    /// Lends a producer to a new push. One whose note was answered and whose answer was lost has one already.
    fn lend(&self, note: &Push) -> Result<Push, Refusal> {
        check(&Push { producer: ANY_PRODUCER.into(), ..note.clone() })?;
        let digests = PushDigests { head: &note.head, ..PushDigests::default() };
        let known = self.registry.pushes_like(self.gateway, self.table, self.lane, digests);
        for known in known.map_err(|error| failed(&error))?.iter().map(push) {
            let known = known?;
            let plain = Push { producer: String::new(), epoch: 0, begun_us: 0, table: String::new(), ..known.clone() };
            if !known.is_done && known.epoch > 0 && plain == *note {
                return Ok(known);
            }
        }
        let lent = |lent: LentProducer| Push { producer: lent.name(), epoch: lent.epoch.0, ..note.clone() };
        let noted = self.registry.note_new_push(self.gateway, |producer| self.entry(&lent(producer)));
        noted.map(lent).map_err(|error| failed(&error))
    }

    fn entry(&self, note: &Push) -> PushEntry {
        // Digests that are looked up stand beside it.
        let none = Bytes::new;
        let bare = Push { head: none(), rows_set: none(), content: none(), ..note.clone() };
        let record = Push { begun_us: 0, table: String::new(), ..bare };
        let producer = match note.epoch {
            0 => note.producer.clone(),
            epoch => entry_name(&note.producer, Epoch(epoch)),
        };
        PushEntry {
            table: self.table.to_owned(),
            lane: self.lane,
            producer,
            head: note.head.to_vec(),
            rows_set: note.rows_set.to_vec(),
            content: note.content.to_vec(),
            record: record.encode_to_vec(),
        }
    }
}

fn failed(error: &RegistryError) -> Refusal {
    Refusal::not_registered("the push", error, RefusedCode::Token)
}

fn check(note: &Push) -> Result<(), Refusal> {
    if !device_name_is_valid(&note.producer) {
        return Err(protocol("producer: 1 to 128 bytes of UTF-8 without control characters".into()));
    }
    let digests = [&note.head, &note.chain, &note.rows_set, &note.content, &note.mapping];
    if digests.iter().any(|digest| digest.len() > DIGEST_BYTES_MAX) || note.file.len() > FILE_BYTES_MAX {
        return Err(protocol(format!(
            "a digest is at most {DIGEST_BYTES_MAX} bytes, and a file's name {FILE_BYTES_MAX}"
        )));
    }
    if note.left_out.len() > LEFT_OUT_MAX || note.base_left_out.len() > LEFT_OUT_MAX {
        return Err(protocol(format!("a push has at most {LEFT_OUT_MAX} rows that were left out")));
    }
    Ok(())
}

fn push(noted: &NotedPush) -> Result<Push, Refusal> {
    let push = Push::decode(Bytes::copy_from_slice(&noted.record));
    let push = push.map_err(|error| Refusal::internal(&format!("a noted push cannot be read: {error}")))?;
    let [head, rows_set, content] =
        [&noted.head, &noted.rows_set, &noted.content].map(|digest| Bytes::copy_from_slice(digest));
    Ok(Push { begun_us: noted.begun_us, table: noted.table.clone(), head, rows_set, content, ..push })
}

fn protocol(what: String) -> Refusal {
    Refusal::new(RefusedCode::Protocol, what)
}

/// A name that any producer may have, where the server is to lend one.
const ANY_PRODUCER: &str = "push";
const DIGEST_BYTES_MAX: usize = 32;
const FILE_BYTES_MAX: usize = 1_024;
/// Rows that a push may have left out and be known by its rows later.
const LEFT_OUT_MAX: usize = 1_024;
