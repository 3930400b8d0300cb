//! A source of rows: what the server has of it is found in its ledger, and only the rest is sent.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use arrow::ipc::convert::try_schema_from_ipc_buffer;
use bytes::Bytes;
use zonelake_gateway::StreamError;
use zonelake_schemas::Epoch;
use zonelake_schemas::wire::control::{Encoding, Push, Pushes};

use crate::error::PushError;
use crate::ledger::digest::sent;
use crate::ledger::known::Known;
use crate::ledger::plan::{Plan, PlanArgs};
use crate::look::{Look, head_of};
use crate::mapping::parts::SameTimes;
use crate::sending::pace;
use crate::sending::pieces::PieceRows;
use crate::sending::run::{FilePush, off_thread};
use crate::sending::segment::SegmentRows;
use crate::source::open::OpenSource;

impl FilePush<'_> {
    /// Pushes the rows of a source that the server has not.
    pub(crate) async fn push_rows(&mut self, source: &Arc<OpenSource>) -> Result<(), PushError> {
        let (table, content) = (self.mapping.table.clone(), Bytes::copy_from_slice(&self.content));
        let Some(by_content) = self.ask(&table, Pushes { content: content.clone(), ..Pushes::default() }).await? else {
            return self.push_without_ledger(source).await;
        };
        let wire = self.wire(&by_content.schema)?;
        let head = {
            let (source, mapping, wire) = (source.clone(), self.mapping.clone(), wire.clone());
            off_thread(&self.report.file, move || head_of(&source, &mapping, &wire)).await?
        };
        let head = head.map(sent).unwrap_or_default();
        let candidates = match head.is_empty() {
            true => Vec::new(),
            false => self
                .ask(&table, Pushes { head, ..Pushes::default() })
                .await?
                .map(|pushed| pushed.pushes)
                .unwrap_or_default(),
        };
        let (look, known) = self.look(source, &wire, candidates).await?;
        self.take_look(&look)?;
        let (same_set, stored) = self.other_ways(&table, &known).await?;
        let args = PlanArgs {
            known: &known,
            same_content: &by_content.pushes,
            same_set: &same_set,
            note: self.note(content, self.batch_rows(source, look.rows).await, &self.mapping.canonical()),
            again: self.options.again,
        };
        let (segments, rows_before) = match args.plan() {
            Plan::Send { segments, rows_before } => (segments, rows_before),
            Plan::Ask(what) => {
                let what =
                    stored.map_or(what.clone(), |(stored, asked)| format!("{what}. {}", in_words(stored, asked)));
                return Err(PushError::Known { file: self.report.file.clone(), what });
            }
        };
        if let Some((stored, asked)) = stored.filter(|(stored, _)| *stored > 0) {
            let what = format!(
                "{}, though the server does not know this file. --again stores all of its {} rows; same_times = \"store\" in the mapping does so for all files",
                in_words(stored, asked),
                known.totals.rows
            );
            return Err(PushError::Known { file: self.report.file.clone(), what });
        }
        self.report.rows_before += rows_before;
        let rows = SegmentRows::Rows { wire, look: Arc::new(look) };
        for segment in segments {
            self.send_segment(source, &rows, segment).await?;
        }
        Ok(())
    }

    /// Pushes rows to a server that has no ledger: the source is known by its content.
    async fn push_without_ledger(&mut self, source: &Arc<OpenSource>) -> Result<(), PushError> {
        self.open_stream(&self.mapping.table.clone(), Encoding::Arrow, Epoch(1)).await?;
        let served = self.streams.values().next().expect("the stream of rows is open by now");
        let wire = self.wire(&served.stream.serving().schema.clone())?;
        let (look, _) = self.look(source, &wire, Vec::new()).await?;
        self.take_look(&look)?;
        let rows = SegmentRows::Rows { wire, look: Arc::new(look) };
        let pieces = self.pieces(source, &rows, PieceRows::default()).await?;
        self.send_pieces(pieces).await
    }

    async fn look(
        &mut self,
        source: &Arc<OpenSource>,
        wire: &SchemaRef,
        candidates: Vec<Push>,
    ) -> Result<(Look, Known), PushError> {
        let (source, mapping, wire) = (source.clone(), self.mapping.clone(), wire.clone());
        let looking = off_thread(&self.report.file, move || {
            let mut known = Known::beside(candidates);
            let look = Look::at_rows(&source, &mapping, &wire, |read, rows| known.add(read, rows))?;
            Ok((look, known))
        });
        self.progress.while_waiting(&mut self.streams, &self.report, looking).await
    }

    /// Of rows that no known push begins with: pushes that have the same ones in another order, and how many of their times the table has, and of
    /// how many that is, where the server can say.
    async fn other_ways(&mut self, table: &str, known: &Known) -> Result<(Vec<Push>, Option<(u64, u64)>), PushError> {
        if self.options.again || known.totals.rows == 0 || !known.matched().is_empty() {
            return Ok((Vec::new(), None));
        }
        let (fields, (mut questions, asked)) = (known.times.fields(), known.times.questions());
        if self.mapping.same_times == SameTimes::Store {
            questions.clear();
        }
        let mut questions = questions.into_iter();
        let times = questions.next().unwrap_or_default();
        let question = Pushes { rows_set: sent(known.totals.set), times, fields: fields.clone(), ..Pushes::default() };
        let Some(answer) = self.ask(table, question).await? else { return Ok((Vec::new(), None)) };
        let mut stored = answer.times_stored;
        for times in questions {
            let Some(before) = stored else { break };
            let answer = self.ask(table, Pushes { times, fields: fields.clone(), ..Pushes::default() }).await?;
            stored = answer.and_then(|answer| answer.times_stored).map(|more| before + more);
        }
        Ok((answer.pushes, stored.map(|stored| (stored, asked))))
    }

    /// Rows of a batch of a new push: what the mapping says, or what suits the link. The ledger keeps it with the push.
    async fn batch_rows(&self, source: &OpenSource, rows: u64) -> u64 {
        let rows_max = self.mapping.rows_per_batch() as u64;
        if self.mapping.batch_rows.is_some() || self.options.compression.is_some() {
            return rows_max;
        }
        pace::batch_rows(self.options.connection.bytes_per_second().await, source.bytes_total, rows, rows_max)
    }

    fn wire(&self, message: &[u8]) -> Result<SchemaRef, PushError> {
        let schema: Schema = try_schema_from_ipc_buffer(message).map_err(|error| {
            let error = StreamError::Protocol(format!("its schema cannot be read: {error}"));
            PushError::from_stream(&self.report.file, error)
        })?;
        Ok(Arc::new(schema))
    }
}

/// How many times are there.
fn in_words(stored: u64, asked: u64) -> String {
    format!("Of {asked} of its times of devices the table has rows of {stored}")
}
