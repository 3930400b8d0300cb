//! Roles by OID, and whether one has the rights of another, within what the role of a connection sees.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, ListBuilder, StringArray, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::ScalarUDF;
use zonelake_registry::Role;

use crate::catalog::computed::{computed, numbers};
use crate::catalog::objects::role_oid;
use crate::catalog::relations::columns::text_array;

/// `pg_get_userbyid(oid)`, `acldefault(kind, owner)` and `pg_has_role([user,] role, privilege)` for the role of that name.
pub(crate) fn role_functions(roles: &Arc<[Arc<Role>]>, own: &Arc<str>) -> [Arc<ScalarUDF>; 3] {
    let (listed, owners, all, own) = (Arc::clone(roles), Arc::clone(roles), Arc::clone(roles), Arc::clone(own));
    [
        computed("acldefault", text_array(), move |arguments| {
            let [kinds, oids] = arguments else { return exec_err!("acldefault takes two arguments") };
            let (kinds, oids) = (cast(kinds, &DataType::Utf8)?, numbers(oids)?);
            let mut lists = ListBuilder::new(StringBuilder::new());
            for (kind, oid) in kinds.as_string::<i32>().iter().zip(oids.iter()) {
                let owner = oid.and_then(|oid| by_oid(&owners, oid));
                lists.append_option(kind.zip(owner).map(|(kind, owner)| default_rights(kind, &owner.name)));
            }
            Ok(Arc::new(lists.finish()))
        }),
        computed("pg_get_userbyid", DataType::Utf8, move |arguments| {
            let name = |oid: i64| match by_oid(&listed, oid) {
                Some(role) => role.name.to_string(),
                // As PostgreSQL names a role that is gone.
                None => format!("unknown (OID={oid})"),
            };
            Ok(Arc::new(numbers(&arguments[0])?.iter().map(|oid| oid.map(name)).collect::<StringArray>()))
        }),
        computed("pg_has_role", DataType::Boolean, move |arguments| {
            let user: ArrayRef = Arc::new(StringArray::from(vec![&*own; arguments[0].len()]));
            let (users, wanted) = match arguments {
                [role, _] => (&user, role),
                [user, role, _] => (user, role),
                _ => return exec_err!("pg_has_role takes two or three arguments"),
            };
            let (users, wanted) = (named(&all, users)?, named(&all, wanted)?);
            let has = |(user, wanted): (Option<&Arc<Role>>, Option<&Arc<Role>>)| {
                let (user, wanted) = (user?, wanted?);
                Some(user.is_admin() || user.name == wanted.name)
            };
            Ok(Arc::new(users.into_iter().zip(wanted).map(has).collect::<BooleanArray>()))
        }),
    ]
}

/// Rights of everybody and of the owner to a new object of a kind, as PostgreSQL has and writes them.
fn default_rights(kind: &str, owner: &str) -> Vec<Option<String>> {
    let (everybody, of_owner) = match kind {
        "r" => ("", "arwdDxt"),
        "s" => ("", "rwU"),
        "d" => ("Tc", "CTc"),
        "f" => ("X", "X"),
        "l" | "T" => ("U", "U"),
        "n" => ("", "UC"),
        "t" => ("", "C"),
        "F" | "S" => ("", "U"),
        "L" => ("", "rw"),
        "p" => ("", "sA"),
        _ => ("", ""),
    };
    let right = |grantee: &str, rights: &str| (!rights.is_empty()).then(|| Some(format!("{grantee}={rights}/{owner}")));
    [right("", everybody), right(owner, of_owner)].into_iter().flatten().collect()
}

fn by_oid(roles: &[Arc<Role>], oid: i64) -> Option<&Arc<Role>> {
    roles.iter().find(|role| i64::from(role_oid(role)) == oid)
}

/// Roles of a column of OIDs or names; null where the role of the connection sees none.
fn named<'a>(roles: &'a [Arc<Role>], argument: &ArrayRef) -> Result<Vec<Option<&'a Arc<Role>>>> {
    if !argument.data_type().is_string() {
        return Ok(numbers(argument)?.iter().map(|oid| by_oid(roles, oid?)).collect());
    }
    let names = cast(argument, &DataType::Utf8)?;
    let by_name = |name: &str| roles.iter().find(|role| *role.name == *name);
    Ok(names.as_string::<i32>().iter().map(|name| by_name(name?)).collect())
}
