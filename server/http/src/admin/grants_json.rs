//! Grants as JSON: what a client sends and is told.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use zonelake_registry::{Grant, GrantKey, OnlyRows, RoleKind, Visibility};

use super::error::AdminError;

/// What a grant is about, the body of `POST /api/v1/roles/{name}/revoke`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantKeyItem {
    /// Table; absent for all tables that no grant of the role names.
    #[serde(default)]
    pub table: Option<String>,
    /// `everywhere`, `province:CODE` or `zone:CODE`.
    pub place: String,
    /// Rows of one value alone.
    #[serde(default)]
    pub only: Option<OnlyItem>,
}

/// A column that the table declares in `rights_by`, and its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnlyItem {
    /// Column.
    pub column: String,
    /// Value.
    pub value: String,
}

/// A grant, the body of `POST /api/v1/roles/{name}/grants`. Personal data are `hidden`, `hashed` or `shown`; what is absent is as
/// the kind of the role has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantItem {
    /// Table; absent for all tables that no grant of the role names.
    #[serde(default)]
    pub table: Option<String>,
    /// `everywhere`, `province:CODE` or `zone:CODE`.
    pub place: String,
    /// Rows of one value alone.
    #[serde(default)]
    pub only: Option<OnlyItem>,
    /// Number plates.
    #[serde(default)]
    pub plate: Option<String>,
    /// Persons.
    #[serde(default)]
    pub person: Option<String>,
    /// Positions.
    #[serde(default)]
    pub position: Option<String>,
}

impl GrantKeyItem {
    /// The key.
    pub(super) fn read(&self) -> Result<GrantKey, AdminError> {
        let only = self.only.as_ref();
        Ok(GrantKey {
            table: self.table.as_deref().map(Arc::from),
            place: self.place.parse().map_err(AdminError::input)?,
            only: only.map(|only| OnlyRows { column: only.column.as_str().into(), value: only.value.as_str().into() }),
        })
    }
}

impl GrantItem {
    /// The grant to a role of a kind.
    pub(super) fn read(&self, kind: RoleKind) -> Result<Grant, AdminError> {
        let key = GrantKeyItem { table: self.table.clone(), place: self.place.clone(), only: self.only.clone() };
        let seen = |text: &Option<String>| match text {
            Some(text) => text.parse().map_err(AdminError::input),
            None => Ok(kind.default_visibility()),
        };
        Ok(Grant {
            key: key.read()?,
            plate: seen(&self.plate)?,
            person: seen(&self.person)?,
            position: seen(&self.position)?,
        })
    }
}

impl From<&Grant> for GrantItem {
    fn from(grant: &Grant) -> Self {
        let only = grant.key.only.as_ref();
        let seen = |visibility: Visibility| Some(visibility.name().to_owned());
        Self {
            table: grant.key.table.as_deref().map(str::to_owned),
            place: grant.key.place.to_string(),
            only: only.map(|only| OnlyItem { column: only.column.to_string(), value: only.value.to_string() }),
            plate: seen(grant.plate),
            person: seen(grant.person),
            position: seen(grant.position),
        }
    }
}

#[cfg(test)]
mod tests {
    use zonelake_registry::Place;

    use super::*;

    #[test]
    fn a_grant_reads_back_and_what_it_does_not_say_is_as_the_kind_has_it() {
        let body = r#"{"table": "network", "place": "zone:vung-ang", "only": {"column": "operator", "value": "Viettel"}, "plate": "shown"}"#;
        let item: GrantItem = serde_json::from_str(body).unwrap();
        let grant = item.read(RoleKind::ProvinceAnalyst).unwrap();
        assert_eq!(grant.key.place, Place::Zone("vung-ang".into()));
        assert_eq!((grant.plate, grant.person), (Visibility::Shown, Visibility::Hashed));
        assert_eq!(GrantItem::from(&grant).read(RoleKind::Own).unwrap(), grant);
        for bad in [r#"{"place": "all"}"#, r#"{"place": "everywhere", "plate": "seen"}"#] {
            let item: GrantItem = serde_json::from_str(bad).unwrap();
            assert!(item.read(RoleKind::Own).is_err(), "{bad}");
        }
        serde_json::from_str::<GrantItem>(r#"{"tables": "network", "place": "everywhere"}"#)
            .expect_err("a member that does not exist would grant more than was meant");
    }
}
