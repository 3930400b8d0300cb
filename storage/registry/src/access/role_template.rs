//! Grants that a new role of a built-in kind begins with.

use std::sync::Arc;

use zonelake_schemas::reject::REJECTED;

use crate::access::grant::{Grant, GrantKey, OnlyRows, Place, RoleKind};
use crate::error::RegistryError;

/// Places and operators that a new role is for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoleScope {
    /// Codes of zones.
    pub zones: Vec<String>,
    /// Codes of provinces.
    pub provinces: Vec<String>,
    /// Names of operators of networks, as the column `operator` of `network` has them.
    pub operators: Vec<String>,
}

/// Tables that an auditor reads from the beginning: what was rejected, and who sends.
const OF_AUDITORS: [&str; 5] = [REJECTED, "devices", "gateways", "sites", "zones"];

impl RoleKind {
    /// Grants of a new role of this kind.
    ///
    /// # Errors
    /// [`RegistryError::Invalid`] where the kind needs a zone, province or operator and none is named, or has no use for one.
    pub fn first_grants(self, role: &str, scope: &RoleScope) -> Result<Vec<Grant>, RegistryError> {
        let refused = |why| Err(RegistryError::Invalid { what: "role", name: role.into(), why });
        let seen = self.default_visibility();
        let places = || {
            let zones = scope.zones.iter().map(|code| Place::Zone(code.as_str().into()));
            zones.chain(scope.provinces.iter().map(|code| Place::Province(code.as_str().into())))
        };
        let has_places = !scope.zones.is_empty() || !scope.provinces.is_empty();
        match self {
            Self::Administrator | Self::Auditor | Self::Own if has_places || !scope.operators.is_empty() => {
                refused("a role of this kind begins without zones, provinces and operators; grant them afterwards")
            }
            Self::Administrator | Self::Own => Ok(Vec::new()),
            Self::Auditor => Ok(OF_AUDITORS.iter().map(|table| Grant::table(table, Place::Everywhere, seen)).collect()),
            Self::ZoneOperator if scope.zones.is_empty() || !scope.provinces.is_empty() => {
                refused("a zone operator is for zones: name each with --zone")
            }
            Self::ProvinceAnalyst if !has_places => {
                refused("a province analyst is for provinces or zones: name each with --province or --zone")
            }
            Self::ZoneOperator | Self::ProvinceAnalyst if !scope.operators.is_empty() => {
                refused("only a network operator is for an operator")
            }
            Self::ZoneOperator | Self::ProvinceAnalyst => {
                Ok(places().map(|place| Grant::all_tables(place, seen)).collect())
            }
            Self::NetworkOperator if scope.operators.is_empty() => {
                refused("a network operator is for an operator: name it with --operator")
            }
            Self::NetworkOperator => {
                Ok(scope.operators.iter().flat_map(|operator| own_rows(operator, places())).collect())
            }
        }
    }
}

/// Rows of an operator at places, or everywhere.
fn own_rows(operator: &str, places: impl Iterator<Item = Place>) -> Vec<Grant> {
    let mut places: Vec<Place> = places.collect();
    if places.is_empty() {
        places.push(Place::Everywhere);
    }
    let only = OnlyRows { column: "operator".into(), value: operator.into() };
    let grant = |place| {
        let key = GrantKey { table: Some(Arc::from("network")), place, only: Some(only.clone()) };
        Grant::new(key, RoleKind::NetworkOperator.default_visibility())
    };
    places.into_iter().map(grant).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::grant::Visibility;

    #[test]
    fn every_kind_begins_with_what_it_may_have_and_nothing_else() {
        let scope = |zones: &[&str], provinces: &[&str], operators: &[&str]| {
            let [zones, provinces, operators] =
                [zones, provinces, operators].map(|names| names.iter().map(|name| (*name).to_owned()).collect());
            RoleScope { zones, provinces, operators }
        };
        let nothing = RoleScope::default();
        let zone = scope(&["vung-ang"], &[], &[]);
        let province = scope(&[], &["ha-tinh"], &[]);
        let operator = scope(&[], &[], &["Viettel"]);
        for (kind, wanted) in [
            (RoleKind::Administrator, [Some(0), None, None, None]),
            (RoleKind::Own, [Some(0), None, None, None]),
            (RoleKind::Auditor, [Some(5), None, None, None]),
            (RoleKind::ZoneOperator, [None, Some(1), None, None]),
            (RoleKind::ProvinceAnalyst, [None, Some(1), Some(1), None]),
            (RoleKind::NetworkOperator, [None, None, None, Some(1)]),
        ] {
            let got = [&nothing, &zone, &province, &operator].map(|scope| kind.first_grants("r", scope).ok());
            assert_eq!(got.clone().map(|grants| grants.map(|grants| grants.len())), wanted, "{kind:?}");
            for grant in got.iter().flatten().flatten() {
                kind.check("r", grant).unwrap();
                assert_eq!(grant.plate, kind.default_visibility());
            }
        }
        assert_eq!(RoleKind::ZoneOperator.default_visibility(), Visibility::Hidden);
    }
}
