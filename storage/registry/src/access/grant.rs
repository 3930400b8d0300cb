//! Grants: what a role may read. A role has a kind, which says what may be granted to it, and grants: tables, places, and
//! how personal data are seen. What is not granted does not exist for the role.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use zonelake_schemas::Personal;

use crate::error::RegistryError;

/// Kind of a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum RoleKind {
    /// Sees everything and administers the server. Nothing is granted to it.
    Administrator,
    /// Reads provinces or zones, as a rule with personal data hashed.
    ProvinceAnalyst,
    /// Reads zones.
    ZoneOperator,
    /// Reads rows of its own operator, wherever they were measured.
    NetworkOperator,
    /// Reads what was rejected and which statements were sent; readings only where they are granted.
    Auditor,
    /// Reads what is granted to it.
    #[default]
    Own,
}

impl RoleKind {
    /// All kinds.
    pub const ALL: [Self; 6] = [
        Self::Administrator,
        Self::ProvinceAnalyst,
        Self::ZoneOperator,
        Self::NetworkOperator,
        Self::Auditor,
        Self::Own,
    ];

    /// Name in commands and in the registry's file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::ProvinceAnalyst => "province_analyst",
            Self::ZoneOperator => "zone_operator",
            Self::NetworkOperator => "network_operator",
            Self::Auditor => "auditor",
            Self::Own => "own",
        }
    }

    /// How a role of this kind sees personal data where a grant does not say.
    pub fn default_visibility(self) -> Visibility {
        match self {
            Self::Administrator => Visibility::Shown,
            Self::ProvinceAnalyst => Visibility::Hashed,
            Self::ZoneOperator | Self::NetworkOperator | Self::Auditor | Self::Own => Visibility::Hidden,
        }
    }

    /// True where the role sees the statements of all roles.
    pub fn sees_all_statements(self) -> bool {
        matches!(self, Self::Administrator | Self::Auditor)
    }

    /// Refuses a grant that no role of this kind may have.
    pub(crate) fn check(self, role: &str, grant: &Grant) -> Result<(), RegistryError> {
        let why = match self {
            Self::Administrator => Some("an administrator sees everything; nothing is granted to it"),
            Self::ZoneOperator if !matches!(grant.key.place, Place::Zone(_)) => {
                Some("a zone operator reads zones; name one in each grant")
            }
            Self::ProvinceAnalyst if grant.key.place == Place::Everywhere => {
                Some("a province analyst reads provinces and zones; name one in each grant")
            }
            Self::NetworkOperator if grant.key.only.is_none() => {
                Some("a network operator reads rows of its own; name a column and its value in each grant")
            }
            _ => None,
        };
        match why {
            Some(why) => Err(RegistryError::Invalid { what: "grant to", name: role.into(), why }),
            None => Ok(()),
        }
    }
}

impl FromStr for RoleKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = Self::ALL.map(Self::name).join(", ");
        // A hyphen is what a command line would have.
        let wanted = text.replace('-', "_");
        let found = Self::ALL.into_iter().find(|kind| kind.name() == wanted);
        found.ok_or_else(|| format!("there is no kind {text}; the kinds are {names}"))
    }
}

/// How a role sees the personal data of a kind, the narrowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Visibility {
    /// Not at all: the columns do not exist.
    #[default]
    Hidden,
    /// As a keyed hash: equal values can be found and counted, and no value read.
    Hashed,
    /// As they are.
    Shown,
}

impl Visibility {
    /// All, the narrowest first.
    pub const ALL: [Self; 3] = [Self::Hidden, Self::Hashed, Self::Shown];

    /// Name in commands and in the registry's file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hidden => "hidden",
            Self::Hashed => "hashed",
            Self::Shown => "shown",
        }
    }
}

impl FromStr for Visibility {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|one| one.name() == text);
        found.ok_or_else(|| format!("personal data are hidden, hashed or shown, and not {text}"))
    }
}

/// Place that a grant is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// All places, those without a zone too.
    Everywhere,
    /// A province, by its code.
    Province(Arc<str>),
    /// A zone, by its code.
    Zone(Arc<str>),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everywhere => f.write_str("everywhere"),
            Self::Province(code) => write!(f, "province:{code}"),
            Self::Zone(code) => write!(f, "zone:{code}"),
        }
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "everywhere" => Ok(Self::Everywhere),
            Some(("province", code)) => Ok(Self::Province(code.into())),
            Some(("zone", code)) => Ok(Self::Zone(code.into())),
            _ => Err(format!("a place is everywhere, province:CODE or zone:CODE, and not {text:?}")),
        }
    }
}

/// Value that a column of the granted rows has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OnlyRows {
    /// Column that the table declares in `rights_by`.
    pub column: Arc<str>,
    /// Value of the column.
    pub value: Arc<str>,
}

/// What a grant is about: a role has one grant for each.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GrantKey {
    /// Table by name; `None` for all tables that no grant of the role names.
    pub table: Option<Arc<str>>,
    /// Place of the rows.
    pub place: Place,
    /// Rows of one value alone.
    pub only: Option<OnlyRows>,
}

/// Grant of a role.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Grant {
    /// What it is about.
    pub key: GrantKey,
    /// Number plates.
    pub plate: Visibility,
    /// Persons.
    pub person: Visibility,
    /// Positions.
    pub position: Visibility,
}

impl Grant {
    /// Grant in which all personal data are seen alike.
    pub fn new(key: GrantKey, personal: Visibility) -> Self {
        Self { key, plate: personal, person: personal, position: personal }
    }

    /// Grant of all tables at a place.
    pub fn all_tables(place: Place, personal: Visibility) -> Self {
        Self::new(GrantKey { table: None, place, only: None }, personal)
    }

    /// Grant of one table at a place.
    pub fn table(name: &str, place: Place, personal: Visibility) -> Self {
        Self::new(GrantKey { table: Some(name.into()), place, only: None }, personal)
    }

    /// How personal data of a kind are seen.
    pub fn visibility(&self, of: Personal) -> Visibility {
        match of {
            Personal::Plate => self.plate,
            Personal::Person => self.person,
            Personal::Position => self.position,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_as_what_they_name() {
        for kind in RoleKind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
            assert_eq!(kind.name().replace('_', "-").parse(), Ok(kind));
        }
        for visibility in Visibility::ALL {
            assert_eq!(visibility.name().parse(), Ok(visibility));
        }
        for place in [Place::Everywhere, Place::Province("ha-tinh".into()), Place::Zone("vung-ang".into())] {
            assert_eq!(place.to_string().parse(), Ok(place));
        }
        assert!("all".parse::<Place>().is_err() && "site:x".parse::<Place>().is_err());
        assert!("king".parse::<RoleKind>().is_err() && "seen".parse::<Visibility>().is_err());
    }

    #[test]
    fn a_kind_refuses_grants_that_it_may_not_have() {
        let zone = || Grant::all_tables(Place::Zone("vung-ang".into()), Visibility::Hidden);
        let province = || Grant::all_tables(Place::Province("ha-tinh".into()), Visibility::Hidden);
        let everywhere = || Grant::all_tables(Place::Everywhere, Visibility::Hidden);
        let only = Some(OnlyRows { column: "operator".into(), value: "Viettel".into() });
        let own_rows =
            Grant::new(GrantKey { table: Some("network".into()), place: Place::Everywhere, only }, Visibility::Hidden);
        for (kind, allowed) in [
            (RoleKind::Administrator, [false, false, false, false]),
            (RoleKind::ProvinceAnalyst, [true, true, false, false]),
            (RoleKind::ZoneOperator, [true, false, false, false]),
            (RoleKind::NetworkOperator, [false, false, false, true]),
            (RoleKind::Auditor, [true, true, true, true]),
            (RoleKind::Own, [true, true, true, true]),
        ] {
            let grants = [zone(), province(), everywhere(), own_rows.clone()];
            assert_eq!(grants.map(|grant| kind.check("r", &grant).is_ok()), allowed, "{kind:?}");
        }
    }
}
