//! The moment that a back-up copies, taken and released.

use zonelake_schemas::wire::control::RefusedCode;
use zonelake_storage::BackupPoint;

use super::pipeline::Pipeline;
use crate::refusal::Refusal;

impl Pipeline {
    /// Begins a hold and tells what is to be copied while it lasts: some seconds, ten minutes at most. Every batch that was acknowledged
    /// before this call is in it. A back-up that has begun before loses its hold.
    ///
    /// # Errors
    /// Where the server stops.
    pub async fn begin_backup(&self) -> Result<BackupPoint, Refusal> {
        let store = self.store();
        let hold = store.hold_for_backup().await;
        let point = self.backup_point(hold).await;
        if point.is_err() {
            store.backup_hold().end(hold, store.clock().monotonic());
        }
        point
    }

    /// Ends a hold. True where it has lasted until now; else what was copied is not of one moment.
    pub async fn end_backup(&self, hold: u64) -> bool {
        let store = self.store();
        let lasted = store.backup_hold().end(hold, store.clock().monotonic());
        // What would have been released meanwhile.
        self.committed().await;
        lasted
    }

    async fn backup_point(&self, hold: u64) -> Result<BackupPoint, Refusal> {
        // What fails from now on gives up the hold.
        let settled = self.store().settle_rules();
        settled.map_err(|error| Refusal::new(RefusedCode::Unavailable, error.to_string()))?;
        // A release that was under way when the hold began has ended after this.
        self.wal_points().await?;
        let tables = self.store().tables().iter().map(|(name, table)| (name.clone(), table.view().log_version));
        let tables = tables.collect();
        // Behind the tables: none of them has rows that these lack.
        Ok(BackupPoint { hold, tables, wals: self.wal_points().await? })
    }
}
