//! A source of line protocol: the lines of each of its tables are a push of their own, which the ledger knows as it knows rows. A line is known by its
//! text as it is sent, so that other line ends, blank lines, comments and another unit of its time change nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use zonelake_schemas::wire::control::{Push, Pushes};

use crate::error::PushError;
use crate::ledger::digest::{line_digest, sent};
use crate::ledger::known::Known;
use crate::ledger::plan::{Plan, PlanArgs, Segment};
use crate::look::Look;
use crate::mapping::declaration::BATCH_ROWS;
use crate::sending::pieces::LinePieces;
use crate::sending::run::{FilePush, off_thread};
use crate::sending::segment::SegmentRows;
use crate::source::lines::Lines;
use crate::source::open::OpenSource;

impl FilePush<'_> {
    /// Pushes the lines of a source that the server has not.
    pub(crate) async fn push_lines(&mut self, source: &Arc<OpenSource>) -> Result<(), PushError> {
        let (precision, only) = (self.options.line_precision, self.options.line_table.clone());
        let looked_at = source.clone();
        let looking = off_thread(&self.report.file, move || Look::at_lines(&looked_at, precision, only));
        let (look, heads) = looking.await?;
        self.take_look(&look)?;
        let content = Bytes::copy_from_slice(&self.content);
        let (mut of_content, mut candidates) = (BTreeMap::new(), BTreeMap::new());
        for (table, head) in heads {
            let by_content = self.ask(&table, Pushes { content: content.clone(), ..Pushes::default() }).await?;
            let Some(by_content) = by_content else { return self.push_lines_without_ledger(source).await };
            let by_head = self.ask(&table, Pushes { head: sent(head), ..Pushes::default() }).await?;
            of_content.insert(table.clone(), by_content.pushes);
            candidates.insert(table, by_head.map(|pushed| pushed.pushes).unwrap_or_default());
        }
        let known = self.lines_beside(source, candidates).await?;
        // All tables are planned before anything is sent.
        let mut plans = Vec::new();
        for (table, known) in known {
            let same_content = of_content.remove(&table).unwrap_or_default();
            plans.push((self.plan_lines(&table, &known, &same_content, content.clone()).await?, table));
        }
        for (segments, table) in plans {
            let lines = SegmentRows::Lines { table };
            for segment in segments {
                self.send_segment(source, &lines, segment).await?;
            }
        }
        Ok(())
    }

    async fn plan_lines(
        &mut self,
        table: &str,
        known: &Known,
        same_content: &[Push],
        content: Bytes,
    ) -> Result<Vec<Segment>, PushError> {
        let same_set = self.same_set(table, known).await?;
        let read_as = format!("lines in {}", self.options.line_precision.name());
        let note = self.note(content, BATCH_ROWS as u64, &read_as);
        let again = self.options.again;
        match (PlanArgs { known, same_content, same_set: &same_set, note, again }).plan() {
            Plan::Send { segments, rows_before } => {
                self.report.rows_before += rows_before;
                Ok(segments)
            }
            Plan::Ask(what) => {
                let file = self.report.file.clone();
                Err(PushError::Known { file, what: format!("its lines of table {table}: {what}") })
            }
        }
    }

    /// The lines of each table beside pushes that begin with the same one.
    async fn lines_beside(
        &mut self,
        source: &Arc<OpenSource>,
        candidates: BTreeMap<String, Vec<Push>>,
    ) -> Result<BTreeMap<String, Known>, PushError> {
        let (precision, only) = (self.options.line_precision, self.options.line_table.clone());
        let source = source.clone();
        let looking = off_thread(&self.report.file, move || {
            let beside = |(table, pushes)| (table, Known::beside(pushes));
            let mut known: BTreeMap<String, Known> = candidates.into_iter().map(beside).collect();
            let mut lines = Lines::new(&source.name, source.reader()?, precision, only);
            while let Some(line) = lines.next_line()? {
                // A table that was not there at the first look: the file has changed, which is found before it is noted as done.
                if let Some(known) = known.get_mut(&line.table) {
                    known.add_row(line_digest(&line.text));
                }
            }
            Ok(known)
        });
        self.progress.while_waiting(&mut self.streams, &self.report, looking).await
    }

    /// Pushes lines to a server that has no ledger: the source is known by its content.
    async fn push_lines_without_ledger(&mut self, source: &Arc<OpenSource>) -> Result<(), PushError> {
        let (precision, only) = (self.options.line_precision, self.options.line_table.clone());
        let lines = Lines::new(&source.name, source.reader()?, precision, only);
        self.send_pieces(Box::new(LinePieces::new(lines, source.bytes_read.clone()))).await
    }
}
