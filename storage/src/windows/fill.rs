//! The windows of a table that has files: read once, from those files that have rows of the last hour. Statements read the table's rows
//! meanwhile.

use std::collections::HashMap;
use std::sync::Arc;

use zonelake_parquet::{DataFile, FileRows};
use zonelake_schemas::{DeviceKey, Location};

use crate::last::fill::{FillError, KeyedRows};
use crate::rules::file_times::times_us;
use crate::store::Store;
use crate::table::table::Table;
use crate::windows::fold::SPAN_US;
use crate::windows::live_windows::{LiveWindows, SECOND_US, WindowsState};

impl Store {
    /// Reads the windows of a table from its files, where they are not known. Returns the number of files that were read, or `None` where
    /// nothing was to be done, or the files have changed meanwhile in a way that asks for another try.
    ///
    /// # Errors
    /// [`FillError`]; statements go on reading the table's rows.
    pub async fn fill_windows(&self, table: &Table) -> Result<Option<usize>, FillError> {
        if !table.keeps_last_rows() {
            return Ok(None);
        }
        let now_us = self.clock().wall_us();
        table.check_windows(now_us);
        let view = table.view();
        let since = &view.windows;
        if since.state() != WindowsState::Filling {
            return Ok(None);
        }
        let from_us = now_us.saturating_sub(SPAN_US);
        let mut found = LiveWindows::of_span(&since.layout, from_us, i64::MAX);
        let locations = self.registry().locations();
        let keys: HashMap<&Location, DeviceKey> = locations.iter().map(|(key, at)| (at.as_ref(), key)).collect();
        // Bounds of times are in milliseconds.
        let is_recent = |file: &&Arc<DataFile>| times_us(file).is_none_or(|(_, last)| last >= from_us - SECOND_US);
        let mut files = 0;
        for file in since.files.iter().filter(is_recent) {
            let failed = |source| FillError::File { table: table.name().into(), path: file.path.clone(), source };
            let schema = Arc::clone(&table.registered.schemas.file);
            let rows = FileRows::open(Arc::clone(self.object_store()), table.root(), file, schema).await;
            let mut rows = rows.map_err(failed)?;
            while let Some(batch) = rows.next().await.map_err(failed)? {
                let live = KeyedRows { table, path: &file.path, keys: &keys }.live(&batch)?;
                found.take_live(&live, &locations, now_us).map_err(|error| failed(error.into()))?;
            }
            files += 1;
            found = found.bounded();
        }
        Ok(table.complete_windows(since, &found).then_some(files))
    }
}
