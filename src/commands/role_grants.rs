//! Options of `zonelake role grant`, `revoke` and `add` that say what a role may read, and how grants are shown.

use std::io::Write;

use clap::Args;
use zonelake_http::{GrantItem, GrantKeyItem, OnlyItem, RoleItem};
use zonelake_registry::{RoleKind, RoleScope, Visibility};

use crate::error::CliError;

/// What a grant is about.
#[derive(Debug, Args)]
pub(crate) struct GrantKeyOptions {
    /// Table to read
    #[arg(long, value_name = "NAME", required_unless_present = "all_tables")]
    pub table: Option<String>,

    /// All tables that no grant of the role names
    #[arg(long, conflicts_with = "table")]
    pub all_tables: bool,

    /// Zone whose rows are read
    #[arg(long, value_name = "CODE", required_unless_present_any = ["province", "everywhere"])]
    pub zone: Option<String>,

    /// Province whose rows are read
    #[arg(long, value_name = "CODE", conflicts_with = "zone")]
    pub province: Option<String>,

    /// Rows of all places are read
    #[arg(long, conflicts_with_all = ["zone", "province"])]
    pub everywhere: bool,

    /// Only rows whose column has this value; the table's declaration names the column in rights_by
    #[arg(long, value_name = "COLUMN=VALUE", value_parser = only)]
    pub only: Option<OnlyOption>,
}

/// Column and value of `--only`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OnlyOption {
    column: String,
    value: String,
}

fn only(text: &str) -> Result<OnlyOption, String> {
    match text.split_once('=') {
        Some((column, value)) if !column.is_empty() => Ok(OnlyOption { column: column.into(), value: value.into() }),
        _ => Err("a column and its value, as operator=Viettel".to_owned()),
    }
}

/// How personal data are seen under a grant.
#[derive(Debug, Args)]
pub(crate) struct PersonalOptions {
    /// Number plates: hidden, hashed or shown [default: as the role's kind has it]
    #[arg(long, value_name = "HOW", value_parser = visibility)]
    pub plate: Option<Visibility>,

    /// Persons: hidden, hashed or shown [default: as the role's kind has it]
    #[arg(long, value_name = "HOW", value_parser = visibility)]
    pub person: Option<Visibility>,

    /// Positions: hidden, hashed or shown [default: as the role's kind has it]
    #[arg(long, value_name = "HOW", value_parser = visibility)]
    pub position: Option<Visibility>,
}

fn visibility(text: &str) -> Result<Visibility, String> {
    text.parse()
}

/// Kind of a new role, and what it is for.
#[derive(Debug, Args)]
pub(crate) struct KindOptions {
    /// Kind of the role: administrator, province-analyst, zone-operator, network-operator, auditor or own, to which nothing is
    /// granted yet
    #[arg(long, value_name = "KIND", default_value = "own", value_parser = kind)]
    pub kind: RoleKind,

    /// Zone that a zone operator or an analyst reads; may be given several times
    #[arg(long = "zone", value_name = "CODE")]
    pub zones: Vec<String>,

    /// Province that an analyst reads; may be given several times
    #[arg(long = "province", value_name = "CODE")]
    pub provinces: Vec<String>,

    /// Operator whose rows of network a network operator reads; may be given several times
    #[arg(long = "operator", value_name = "NAME")]
    pub operators: Vec<String>,
}

fn kind(text: &str) -> Result<RoleKind, String> {
    text.parse()
}

impl GrantKeyOptions {
    /// The key in the form of a request.
    pub(crate) fn item(&self) -> GrantKeyItem {
        let place = match (&self.zone, &self.province) {
            (Some(code), _) => format!("zone:{code}"),
            (None, Some(code)) => format!("province:{code}"),
            (None, None) => "everywhere".to_owned(),
        };
        let only = self.only.clone().map(|OnlyOption { column, value }| OnlyItem { column, value });
        GrantKeyItem { table: self.table.clone(), place, only }
    }

    /// A grant with this key.
    pub(crate) fn grant(&self, personal: &PersonalOptions) -> GrantItem {
        let GrantKeyItem { table, place, only } = self.item();
        let seen = |visibility: Option<Visibility>| visibility.map(|visibility| visibility.name().to_owned());
        GrantItem {
            table,
            place,
            only,
            plate: seen(personal.plate),
            person: seen(personal.person),
            position: seen(personal.position),
        }
    }
}

impl KindOptions {
    /// Grants that the role begins with.
    ///
    /// # Errors
    /// Where the kind needs a zone, province or operator, or has no use for one.
    pub(crate) fn grants(&self, role: &str) -> Result<Vec<GrantItem>, CliError> {
        let scope = RoleScope {
            zones: self.zones.clone(),
            provinces: self.provinces.clone(),
            operators: self.operators.clone(),
        };
        let grants = self.kind.first_grants(role, &scope);
        let grants = grants.map_err(|error| CliError::from_kind(error.kind(), error))?;
        Ok(grants.iter().map(GrantItem::from).collect())
    }
}

/// Prints what a role may read.
pub(crate) fn print_role(role: &RoleItem) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "role {}, {}", role.name, role.kind).map_err(CliError::failed)?;
    if role.grants.is_empty() {
        let words = match role.kind == RoleKind::Administrator.name() {
            true => "It sees everything.",
            false => "Nothing is granted to it: it reads public reference data alone.",
        };
        return writeln!(out, "{words}").map_err(CliError::failed);
    }
    let rows: Vec<[String; 6]> = role.grants.iter().map(cells).collect();
    let heads = ["table", "place", "only", "plate", "person", "position"].map(str::to_owned);
    let widths: Vec<usize> = (0..heads.len())
        .map(|column| rows.iter().chain([&heads]).map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    for row in [&heads].into_iter().chain(&rows) {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
        writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end()).map_err(CliError::failed)?;
    }
    Ok(())
}

fn cells(grant: &GrantItem) -> [String; 6] {
    let only = grant.only.as_ref().map(|only| format!("{}={}", only.column, only.value));
    let seen = |text: &Option<String>| text.clone().unwrap_or_default();
    [
        grant.table.clone().unwrap_or_else(|| "all tables".to_owned()),
        grant.place.clone(),
        only.unwrap_or_else(|| "all rows".to_owned()),
        seen(&grant.plate),
        seen(&grant.person),
        seen(&grant.position),
    ]
}
