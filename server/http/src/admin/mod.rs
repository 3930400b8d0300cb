//! Administration: gateways, roles and rejected rows, as JSON under `/api/v1`.
//!
//! The same routes serve the control socket of the data folder, a remote administrator, and a command that works on the
//! folder of a stopped server.
//!
//! - [`routes`]: the routes, and who may use them
//! - `actor`: who makes a change
//! - [`mod@audited`]: each order in the table of audit
//! - [`gateways`]: gateways, and what they may write
//! - [`tokens`]: tokens of gateways and roles
//! - [`roles`], [`grants`], `grants_json`: users of SQL and their limits, and what they may read
//! - `sites`: places within zones
//! - [`devices`]: devices, what is said of them, and their states
//! - [`mod@reference`]: reference data as dated rows
//! - [`rejected`]: rows that were rejected whole
//! - [`corrections`]: other values in the place of those that rows have
//! - [`rules`]: retention, legal holds and deletions
//! - [`backups`]: the moment that a back-up copies
//! - `json`, `error`: bodies, and what a client is told

pub(crate) mod actor;
mod audited;
mod backups;
mod corrections;
mod devices;
pub(crate) mod error;
mod gateways;
mod grants;
mod grants_json;
pub(crate) mod json;
mod reference;
mod rejected;
mod roles;
mod routes;
mod rules;
mod sites;
mod tokens;

pub use audited::audited;
pub use backups::HeldUntilNow;
pub use corrections::{CorrectValues, CorrectedValues, ValueItem};
pub use devices::{
    DeviceChangeItem, DeviceItem, DeviceList, DevicePage, DevicePolicy, ImportDevices, ImportedDeviceList,
    KeptDeviceRows, NewDevices, SetDevice,
};
pub use gateways::{AddGateway, AddedGateway, GatewayItem, GatewayList, WriteGrantItem};
pub use grants_json::{GrantItem, GrantKeyItem, OnlyItem};
pub use reference::{ImportReference, ImportedReference, ReferenceItem, ReferenceList, ReferenceText};
pub use rejected::forms::{KeptRows, RejectedGroup, RejectedList, RejectedPage, RejectedSelection};
pub use roles::{AddRole, LimitChanges, RoleItem, RoleList, RolePassword};
pub use routes::{admin_routes, admin_routes_with_rows, backup_routes, for_administrator, rules_routes};
pub use rules::{AddLegalHold, ConcernedRows, DeleteRows, SetRetention};
pub use sites::{AddSite, SiteItem, SiteList};
pub use tokens::{AddToken, AddedToken, TokenItem, TokenList};
