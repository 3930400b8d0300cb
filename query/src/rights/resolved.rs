//! The rights of one statement: what the grants of its role say about each table. A table that no grant allows does not exist
//! for the role, and neither does a column of personal data that they hide.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{FieldRef, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::prelude::ident;
use zonelake_registry::{Grant, PersonalKey, Place, Registry, Role, RoleKind, Visibility};
use zonelake_schemas::alerts::is_written_by_server;
use zonelake_schemas::audit::AUDIT;
use zonelake_schemas::{FieldDef, FieldKind, Personal, TableDef};

use crate::catalog::names::DEVICES;
use crate::rights::granted_table::{GrantedColumn, GrantedTable, GrantedTableArgs};
use crate::rights::row_filter::{PLACE, PlaceColumns, Rows, granted_rows, one_of, text};

/// Rights of a statement.
pub(crate) struct Rights {
    role: Arc<Role>,
    key: PersonalKey,
}

/// Table as a role sees it.
pub(crate) struct Granted {
    /// Rows and columns that the role sees.
    pub table: Arc<dyn TableProvider>,
    /// True where these are all.
    pub is_whole: bool,
}

/// How rights go by the rows of a table without a declaration.
enum ReferenceRights {
    /// Reference data that every role sees.
    Public,
    /// Rows at a place, each with these columns.
    Placed(PlaceColumns),
    /// Rows of whole provinces: what is summed over one is not seen in part.
    Provinces,
    /// For administrators alone: what is forgotten here is hidden.
    Administrators,
}

/// Rights on a table of the registry or of reference data.
fn reference_rights(table: &str) -> ReferenceRights {
    match table {
        // Codes and names of provinces, and limits and targets of published regulations and plans. Of fields, those of visible
        // columns are listed.
        "provinces"
        | "fields"
        | "air_limits"
        | "aqi_bands"
        | "carbon_factors"
        | "electricity_prices"
        | "electricity_time_of_use"
        | "emission_limits"
        | "line_states"
        | "missing_limits"
        | "network_criteria"
        | "network_targets"
        | "noise_limits"
        | "power_factor_surcharges"
        | "quality_map"
        | "rsrp_classes"
        | "vn_aqi_breakpoints"
        | "waste_water_limits" => ReferenceRights::Public,
        "zones" => ReferenceRights::Placed(PlaceColumns { province: "province", zone: "code" }),
        "sites"
        | "devices"
        | "gateways"
        | "stations"
        | "meters"
        | "geofences"
        | "ideal_cycle_times"
        | "line_meters"
        | "network_stations"
        | "production_lines"
        | "reporting_intervals"
        | "shift_calendars" => ReferenceRights::Placed(PLACE),
        // The figures of the roll-out are sums over all stations of a province: who sees some of them would read a wrong sum.
        "rollout_deadlines" => ReferenceRights::Provinces,
        _ => ReferenceRights::Administrators,
    }
}

/// Rows of a table of the registry, about, for choosing among plans: the same for everybody, whatever the tables hold.
const REFERENCE_ROWS: usize = 1_000;

impl Rights {
    /// Rights of a role as it is now.
    pub(crate) fn new(role: Arc<Role>, registry: &Registry) -> Self {
        Self { role, key: registry.personal_key().clone() }
    }

    /// True for an administrator, who sees what the server keeps of itself.
    pub(crate) fn is_administrator(&self) -> bool {
        self.role.is_admin()
    }

    /// True where the statements of all roles are visible.
    pub(crate) fn sees_all_statements(&self) -> bool {
        self.role.kind.sees_all_statements()
    }

    /// A declared table, or one that the server writes; `None` where it does not exist for the role.
    pub(crate) fn declared(&self, def: &TableDef, inner: Arc<dyn TableProvider>) -> Option<Granted> {
        if self.role.is_admin() {
            return Some(Granted { table: inner, is_whole: true });
        }
        let grants = self.grants_of(&def.name);
        let rows = match def.name.as_str() {
            AUDIT => self.audit_rows(),
            name if is_written_by_server(def) => self.rows_about_tables(name, &grants),
            _ => granted_rows(&grants, PLACE, &def.rights_by),
        };
        let columns = columns(def, &inner.schema(), &grants);
        self.granted(&def.name, inner, rows, columns, None)
    }

    /// A table of the registry or of reference data; `None` where it does not exist for the role.
    pub(crate) fn reference(&self, name: &str, inner: Arc<dyn TableProvider>) -> Option<Granted> {
        let rows = match reference_rights(name) {
            _ if self.role.is_admin() => Rows::All,
            ReferenceRights::Public => Rows::All,
            ReferenceRights::Placed(place) => granted_rows(&self.grants_of(name), place, &[]),
            ReferenceRights::Provinces => {
                let grants: Vec<&Grant> = self
                    .grants_of(name)
                    .into_iter()
                    .filter(|grant| !matches!(grant.key.place, Place::Zone(_)))
                    .collect();
                granted_rows(&grants, PLACE, &[])
            }
            ReferenceRights::Administrators => Rows::None,
        };
        let all = 0..inner.schema().fields().len();
        let columns = all.map(|position| GrantedColumn { position, hashed: None }).collect();
        self.granted(name, inner, rows, columns, Some(REFERENCE_ROWS))
    }

    /// True where the role sees all rows of a table at each place whose devices it sees, so that when these were last heard of tells it
    /// nothing that it could not ask.
    pub(crate) fn sees_where_devices_are(&self, def: &TableDef) -> bool {
        if self.role.is_admin() {
            return true;
        }
        let rows = granted_rows(&self.grants_of(&def.name), PLACE, &[]);
        rows == Rows::All || rows == granted_rows(&self.grants_of(DEVICES), PLACE, &[])
    }

    /// Declarations as the role sees them: tables that exist for it, with the columns that do.
    pub(crate) fn visible(&self, defs: &[Arc<TableDef>]) -> Vec<Arc<TableDef>> {
        if self.role.is_admin() {
            return defs.to_vec();
        }
        defs.iter().filter_map(|def| self.visible_def(def).map(Arc::new)).collect()
    }

    fn visible_def(&self, def: &TableDef) -> Option<TableDef> {
        let grants = self.grants_of(&def.name);
        let rows = match def.name.as_str() {
            AUDIT => self.audit_rows(),
            _ => granted_rows(&grants, PLACE, &def.rights_by),
        };
        if rows == Rows::None {
            return None;
        }
        let seen = |field: &FieldDef| match field.personal.map(|kind| visibility(&grants, kind)) {
            None | Some(Visibility::Shown) => Some(field.clone()),
            Some(Visibility::Hidden) => None,
            // A hash has neither unit nor range.
            Some(Visibility::Hashed) => Some(FieldDef {
                kind: FieldKind::Text,
                unit: String::new(),
                min: None,
                max: None,
                decimals: None,
                digits: None,
                ..field.clone()
            }),
        };
        Some(TableDef { fields: def.fields.iter().filter_map(seen).collect(), ..def.clone() })
    }

    /// Grants that hold for a table: those that name it, and only where none does those of all tables.
    fn grants_of(&self, table: &str) -> Vec<&Grant> {
        let names = |grant: &&Grant| grant.key.table.as_deref() == Some(table);
        let named: Vec<&Grant> = self.role.grants.iter().filter(names).collect();
        if !named.is_empty() {
            return named;
        }
        self.role.grants.iter().filter(|grant| grant.key.table.is_none()).collect()
    }

    /// Rows of `audit`: all for an auditor, whatever is granted, and none for others. A grant of all tables is one of what devices measure.
    fn audit_rows(&self) -> Rows {
        if self.role.kind == RoleKind::Auditor { Rows::All } else { Rows::None }
    }

    /// Rows of `rejected` and of `alerts`: at the granted places, and about tables whose rows the role sees there. A grant that names the table itself
    /// is for those about all tables.
    fn rows_about_tables(&self, table: &str, grants: &[&Grant]) -> Rows {
        let at_places = granted_rows(grants, PLACE, &[]);
        let named: BTreeSet<&str> = self.role.grants.iter().filter_map(|grant| grant.key.table.as_deref()).collect();
        if named.is_empty() || named.contains(table) {
            return at_places;
        }
        let of_others = ident(TABLE_NAME).in_list(named.iter().map(|name| text(name)).collect(), true);
        let of_tables = named.iter().fold(Rows::Passing(of_others), |rows, name| {
            let seen = granted_rows(&self.grants_of(name), PLACE, &[]);
            rows.or(one_of(TABLE_NAME, &BTreeSet::from([*name])).and(seen))
        });
        at_places.and(of_tables)
    }

    fn granted(
        &self,
        name: &str,
        inner: Arc<dyn TableProvider>,
        rows: Rows,
        columns: Vec<GrantedColumn>,
        estimate: Option<usize>,
    ) -> Option<Granted> {
        let has_all_columns =
            columns.len() == inner.schema().fields().len() && columns.iter().all(|column| column.hashed.is_none());
        let rows = match rows {
            Rows::None => return None,
            // Nothing is hidden, so nothing stands in the way of statistics and of rules over files.
            Rows::All if has_all_columns => return Some(Granted { table: inner, is_whole: true }),
            Rows::All => None,
            Rows::Passing(filter) => Some(filter),
        };
        let args = GrantedTableArgs { name: name.into(), inner, rows, columns, key: self.key.clone(), estimate };
        Some(Granted { table: Arc::new(GrantedTable::new(args)), is_whole: false })
    }
}

impl fmt::Debug for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rights").field("role", &self.role.name).finish_non_exhaustive()
    }
}

/// Column of `rejected` and `alerts` with the table that a row is about.
const TABLE_NAME: &str = "table_name";

/// How personal data of a table are seen: as its narrowest grant says.
fn visibility(grants: &[&Grant], kind: Personal) -> Visibility {
    grants.iter().map(|grant| grant.visibility(kind)).min().unwrap_or_default()
}

fn columns(def: &TableDef, schema: &SchemaRef, grants: &[&Grant]) -> Vec<GrantedColumn> {
    let seen = |(position, field): (usize, &FieldRef)| {
        let kind = def.field(field.name()).and_then(|(_, declared)| declared.personal);
        match kind.map(|kind| (kind, visibility(grants, kind))) {
            None | Some((_, Visibility::Shown)) => Some(GrantedColumn { position, hashed: None }),
            Some((kind, Visibility::Hashed)) => Some(GrantedColumn { position, hashed: Some(kind) }),
            Some((_, Visibility::Hidden)) => None,
        }
    };
    schema.fields().iter().enumerate().filter_map(seen).collect()
}
