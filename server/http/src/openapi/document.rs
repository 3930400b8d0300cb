//! The document, made from the tables of operations and bodies.

use serde_json::{Map, Value, json};

use super::bodies::{Body, WORDS, bodies};
use super::operations::{Access, OPERATIONS, Operation};

/// Media type of the bodies that are described.
const JSON: &str = "application/json";

/// The whole document.
pub(super) fn document() -> Value {
    let mut paths = Map::new();
    for operation in OPERATIONS {
        let of_path = paths.entry(operation.path).or_insert_with(|| json!({}));
        of_path[operation.method] = described(operation);
    }
    let words = WORDS.iter().map(|(name, words)| ((*name).to_owned(), json!({"type": "string", "enum": words})));
    let schemas: Map<String, Value> =
        bodies().map(|body| (body.name.to_owned(), schema_of(body))).chain(words).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Zonelake",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Times are microseconds since 1970, UTC, where a member ends with _us.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "password": {"type": "http", "scheme": "basic"},
                "token": {"type": "http", "scheme": "bearer", "description": "A token of a role, zr_…, or of a gateway, zl_…."},
                "gateway": {"type": "apiKey", "in": "header", "name": "Authorization", "description": "Token zl_…"},
            },
        },
    })
}

fn described(of: &Operation) -> Value {
    let mut responses = Map::new();
    let mut success = json!({"description": "Done."});
    if let Some(body) = of.answers {
        success["content"] = content(body);
    }
    responses.insert(of.status.to_string(), success);
    if of.path.starts_with("/api/v1/") {
        let failed = json!({"description": "Not done: code and message say why.", "content": content("Error")});
        responses.insert("default".to_owned(), failed);
    }
    let in_path = of.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let in_path =
        in_path.map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}));
    let in_url = of.parameters.iter().map(|(name, kind, description)| {
        json!({"name": name, "in": "query", "required": false, "description": description, "schema": schema(kind)})
    });
    let mut described = json!({
        "operationId": operation_id(of),
        "summary": of.summary,
        "tags": [tag(of.path)],
        "security": security(of.access),
        "parameters": in_path.chain(in_url).collect::<Vec<_>>(),
        "responses": responses,
    });
    if let Some(body) = of.sends {
        described["requestBody"] = json!({"required": true, "content": content(body)});
    }
    if of.access == Access::Machine {
        described["description"] = Value::from("On the control socket of the data folder only.");
    }
    described
}

/// Name of an operation: its method and path in letters.
fn operation_id(of: &Operation) -> String {
    let letters = of.path.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' });
    format!("{}{}", of.method, letters.collect::<String>())
}

/// Subject of a path.
fn tag(path: &str) -> &str {
    let path = path.strip_prefix("/api/").map_or(path, |rest| rest.split_once('/').map_or(rest, |(_, rest)| rest));
    path.trim_start_matches('/').split('/').next().unwrap_or_default()
}

fn security(access: Access) -> Value {
    match access {
        Access::Open | Access::Machine => json!([]),
        Access::Administrator | Access::Role => json!([{"password": []}, {"token": []}]),
        Access::Gateway => json!([{"gateway": []}, {"token": []}]),
    }
}

/// Content of a body: a name among the bodies is JSON, and else it is media types.
fn content(body: &str) -> Value {
    if !body.contains('/') {
        return json!({JSON: {"schema": schema(body)}});
    }
    let of = |kind: &str| json!({"schema": schema(if kind == JSON { "object" } else { "string" })});
    body.split(' ').map(|kind| (kind.to_owned(), of(kind))).collect()
}

fn schema_of(body: &Body) -> Value {
    let properties: Map<String, Value> = body
        .members
        .iter()
        .map(|(name, kind, _, description)| {
            let mut of = schema(kind);
            // Beside a reference, version 3.1 allows a description.
            of["description"] = Value::from(*description);
            ((*name).to_owned(), of)
        })
        .collect();
    let needed: Vec<&str> = body.members.iter().filter(|(.., absent, _)| !absent).map(|(name, ..)| *name).collect();
    json!({
        "type": "object",
        "description": body.description,
        "properties": properties,
        "required": needed,
        "additionalProperties": false,
    })
}

/// Schema of a type.
fn schema(kind: &str) -> Value {
    if let Some(kind) = kind.strip_suffix('?') {
        let of = schema(kind);
        return match of["type"].as_str() {
            Some(name) => {
                let mut nullable = of.clone();
                nullable["type"] = json!([name, "null"]);
                nullable
            }
            None => json!({"oneOf": [of, {"type": "null"}]}),
        };
    }
    if let Some(of) = kind.strip_prefix('[').and_then(|kind| kind.strip_suffix(']')) {
        return json!({"type": "array", "items": schema(of)});
    }
    match kind {
        "string" | "integer" | "number" | "boolean" | "object" => json!({"type": kind}),
        "scalar" => json!({"type": ["number", "string", "boolean", "null"]}),
        name => json!({"$ref": format!("#/components/schemas/{name}")}),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde::Serialize;
    use serde::de::DeserializeOwned;
    use zonelake_registry::{DeviceChanges, DeviceLine, Position};
    use zonelake_reports::schedule::ScheduleDef;

    use super::*;
    use crate::*;

    /// A value of a type, with all members of objects.
    fn sample(kind: &str) -> Value {
        let kind = kind.trim_end_matches('?');
        if let Some(of) = kind.strip_prefix('[').and_then(|kind| kind.strip_suffix(']')) {
            return json!([sample(of)]);
        }
        if let Some((_, words)) = WORDS.iter().find(|(name, _)| *name == kind) {
            return json!(words[0]);
        }
        match kind {
            "string" => json!("a"),
            "integer" => json!(1),
            "number" | "scalar" => json!(1.5),
            "boolean" => json!(true),
            "object" => json!({}),
            name => {
                let body = bodies().find(|body| body.name == name).unwrap_or_else(|| panic!("there is no {name}"));
                body.members.iter().map(|(name, kind, ..)| ((*name).to_owned(), sample(kind))).collect()
            }
        }
    }

    /// True where a value of the type is read and written with the members of its entry, and is not read without one that is needed.
    fn agree<T: Serialize + DeserializeOwned>(name: &str) {
        let all = sample(name);
        let read: T = serde_json::from_value(all.clone()).unwrap_or_else(|error| panic!("{name}: {error}: {all}"));
        let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
        let written = serde_json::to_value(&read).unwrap();
        assert_eq!(names(&written), names(&all), "{name}");
        let body = bodies().find(|body| body.name == name).unwrap();
        for (member, kind, may_be_absent, _) in body.members {
            let mut without = all.clone();
            without.as_object_mut().unwrap().remove(*member);
            let read = serde_json::from_value::<T>(without);
            assert!(read.is_ok() || !may_be_absent, "{name}.{member} may not be absent");
            // serde reads an absent member that may be null; responses always have it.
            assert!(read.is_err() || *may_be_absent || kind.ends_with('?'), "{name}.{member} may be absent");
        }
    }

    macro_rules! agree {
        ($($name:ident),* $(,)?) => {{
            let checked = [$(stringify!($name)),*];
            $(agree::<$name>(stringify!($name));)*
            checked
        }};
    }

    #[test]
    fn each_body_has_the_members_of_the_type_of_its_name() {
        let checked = agree!(
            AddAlertHook,
            AddGateway,
            AddReportSchedule,
            AddRole,
            AddSite,
            AddToken,
            AddedAlertHook,
            AddedGateway,
            AddedToken,
            AlertHookItem,
            AlertHookList,
            AlertRuleItem,
            AlertRuleList,
            ConcernedRows,
            CorrectValues,
            CorrectedValues,
            DeadLetterItem,
            DeviceChangeItem,
            DeviceChanges,
            DeviceItem,
            DeviceLine,
            DeviceList,
            DevicePage,
            DevicePolicy,
            GatewayItem,
            GatewayList,
            GrantItem,
            GrantKeyItem,
            HeldUntilNow,
            ImportDevices,
            ImportReference,
            ImportedDeviceList,
            ImportedReference,
            KeptDeviceRows,
            KeptRows,
            LimitChanges,
            OnlyItem,
            Position,
            PruneReports,
            PrunedReports,
            ReferenceItem,
            ReferenceList,
            ReferenceText,
            RejectedGroup,
            RejectedList,
            RejectedPage,
            RejectedSelection,
            ReportFileItem,
            ReportRunItem,
            ReportRunList,
            ReportScheduleItem,
            ReportScheduleList,
            RoleItem,
            RoleList,
            RolePassword,
            ScheduleDef,
            SetAlertRule,
            SetDevice,
            SetRetention,
            SiteItem,
            SiteList,
            TestAlertRule,
            TestedAlertRule,
            TestedTransition,
            TokenItem,
            TokenList,
            ValueItem,
            VerifiedReportFile,
            VerifiedReports,
            VerifyReports,
            WriteGrantItem,
        );
        // Their selections are told as objects, and are not read from an empty one; errors are made by hand.
        let apart = ["AddLegalHold", "DeleteRows", "Error"];
        let known: BTreeSet<&str> = checked.into_iter().chain(apart).collect();
        let all: BTreeSet<&str> = bodies().map(|body| body.name).collect();
        assert_eq!(known, all);
    }

    /// All references of a value.
    fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|member| references(member, found));
            }
            Value::Array(values) => values.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn what_the_document_refers_to_is_in_it_and_each_operation_has_a_name_of_its_own() {
        let document = document();
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        assert!(found.len() > 30);
        for reference in &found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
        let used: BTreeSet<_> = found.iter().filter_map(|reference| reference.rsplit('/').next()).collect();
        let unused: Vec<_> = bodies().map(|body| body.name).filter(|name| !used.contains(name)).collect();
        assert_eq!(unused, Vec::<&str>::new());
        let ids: BTreeSet<String> = OPERATIONS.iter().map(operation_id).collect();
        assert_eq!(ids.len(), OPERATIONS.len());
        for operation in OPERATIONS {
            let described = &document["paths"][operation.path][operation.method];
            let named = operation.path.matches('{').count();
            let parameters = described["parameters"].as_array().unwrap();
            assert_eq!(parameters.iter().filter(|of| of["in"] == "path").count(), named, "{}", operation.path);
            assert!(!described["responses"].as_object().unwrap().is_empty());
        }
    }

    #[test]
    fn a_type_that_may_be_null_says_so_in_the_way_of_version_3_1() {
        assert_eq!(schema("string?"), json!({"type": ["string", "null"]}));
        assert_eq!(schema("[string]?"), json!({"type": ["array", "null"], "items": {"type": "string"}}));
        assert_eq!(schema("Position?")["oneOf"][1], json!({"type": "null"}));
        assert_eq!((tag("/api/v1/roles/{name}"), tag("/health"), tag("/api/v2/write")), ("roles", "health", "write"));
    }
}
