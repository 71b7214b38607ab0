//! The OpenAPI 3.1 document, made from the one table of routes that also registers and authorises them.

use std::collections::BTreeMap;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::Problem;

/// What a route takes or gives, as the document says it.
#[derive(Clone, Debug)]
pub struct Operation {
    /// HTTP method in lower case.
    pub method: &'static str,
    /// Path with `{parameters}`.
    pub path: &'static str,
    /// Unique name, used by generated clients.
    pub id: &'static str,
    /// One line.
    pub summary: &'static str,
    /// The group it is shown in.
    pub tag: &'static str,
    /// The action asked of the decision point, or why none is.
    pub action: String,
    /// Status of success.
    pub status: u16,
    /// Schema of the query, request and answer.
    pub shapes: Shapes,
}

/// How the shapes of an operation are made.
#[derive(Clone, Debug, Default)]
pub struct Shapes {
    /// Query parameters: the members of this type.
    pub query: Option<fn(&mut SchemaGenerator) -> Value>,
    /// Request body.
    pub body: Option<Content>,
    /// Answer.
    pub answer: Option<Content>,
    /// Takes the version that the caller saw as `If-Match`.
    pub versioned: bool,
}

/// A body: its media type and its schema.
#[derive(Clone, Copy, Debug)]
pub struct Content {
    /// Media type.
    pub media: &'static str,
    /// Schema.
    pub schema: fn(&mut SchemaGenerator) -> Value,
}

/// The schema of `T` as a value, with its definitions left in the generator.
pub fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    generator.subschema_for::<T>().to_value()
}

/// Any text or bytes.
pub fn opaque(_: &mut SchemaGenerator) -> Value {
    json!({ "type": "string", "format": "binary" })
}

/// The members of `T` in place, for query parameters.
pub fn members_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    T::json_schema(generator).to_value()
}

/// Builds the document.
pub fn document(version: &str, operations: &[Operation]) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|s| s.definitions_path = "/components/schemas".into());
    let mut generator = settings.into_generator();
    let problem = schema_of::<Problem>(&mut generator);
    let mut paths: Map<String, Value> = Map::new();
    for operation in operations {
        let item = paths.entry(operation.path.to_owned()).or_insert_with(|| json!({}));
        if let Some(item) = item.as_object_mut() {
            item.insert(operation.method.to_owned(), describe(operation, &problem, &mut generator));
        }
    }
    let schemas: Value = generator.take_definitions(true).into_iter().collect::<Map<_, _>>().into();
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Echobase",
            "version": version,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
            "description": "Supervisory control of AI agents, model engines and the services around them. Every \
                write takes an `Idempotency-Key`; lists are paged by `cursor`; errors are problem documents \
                (RFC 9457)."
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "key": { "type": "http", "scheme": "bearer", "description": "An API key" },
                "session": { "type": "apiKey", "in": "cookie", "name": "__Host-echobase" }
            }
        },
        "security": [{ "key": [] }, { "session": [] }]
    });
    // The committed document must not depend on how the JSON library was built.
    document.sort_all_objects();
    document
}

fn describe(operation: &Operation, problem: &Value, generator: &mut SchemaGenerator) -> Value {
    let mut parameters: Vec<Value> = path_parameters(operation.path)
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect();
    if let Some(query) = operation.shapes.query {
        let schema = query(generator);
        let required = schema.get("required").cloned().unwrap_or(Value::Null);
        let members = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
        let members: BTreeMap<_, _> = members.collect();
        for (name, member) in members {
            let needed = required.as_array().is_some_and(|r| r.iter().any(|x| x == name));
            parameters.push(json!({ "name": name, "in": "query", "required": needed, "schema": member }));
        }
    }
    if operation.method != "get" {
        parameters.push(json!({
            "name": "Idempotency-Key", "in": "header", "required": false,
            "description": "Same key and same body: same answer, for 24 hours.",
            "schema": { "type": "string", "maxLength": 128 }
        }));
    }
    if operation.shapes.versioned {
        parameters.push(json!({
            "name": "If-Match", "in": "header", "required": false,
            "description": "The `ETag` that was read: if it changed meanwhile, nothing is done and the answer is 412.",
            "schema": { "type": "string" }
        }));
    }
    let mut success = json!({ "description": "Success" });
    if let Some(answer) = operation.shapes.answer {
        success["content"] = json!({ answer.media: { "schema": (answer.schema)(generator) } });
    }
    let mut described = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "tags": [operation.tag],
        "x-action": operation.action,
        "responses": {
            operation.status.to_string(): success,
            "default": {
                "description": "A problem document",
                "content": { "application/problem+json": { "schema": problem } }
            }
        }
    });
    if !parameters.is_empty() {
        described["parameters"] = parameters.into();
    }
    if let Some(body) = operation.shapes.body {
        described["requestBody"] =
            json!({ "required": true, "content": { body.media: { "schema": (body.schema)(generator) } } });
    }
    described
}

fn path_parameters(path: &str) -> impl Iterator<Item = &str> {
    path.split('{').skip(1).filter_map(|rest| rest.split('}').next())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Page;
    use crate::resource::{Resource, ResourceQuery};

    #[test]
    fn a_list_route_has_its_parameters_and_its_answer() {
        let json_of = |schema| Some(Content { media: "application/json", schema });
        let document = document(
            "0",
            &[Operation {
                method: "get",
                path: "/api/v1/resources/{id}",
                id: "list_resources",
                summary: "Lists",
                tag: "resources",
                action: "ReadResources".to_owned(),
                status: 200,
                shapes: Shapes {
                    query: Some(members_of::<ResourceQuery>),
                    body: None,
                    answer: json_of(schema_of::<Page<Resource>>),
                    versioned: false,
                },
            }],
        );
        let get = &document["paths"]["/api/v1/resources/{id}"]["get"];
        let names: Vec<&str> =
            get["parameters"].as_array().into_iter().flatten().filter_map(|p| p["name"].as_str()).collect();
        assert_eq!(names, ["id", "cursor", "kind", "limit", "q"]);
        assert_eq!(
            get["responses"]["200"]["content"]["application/json"]["schema"]["$ref"],
            "#/components/schemas/ResourcePage"
        );
        assert!(document["components"]["schemas"]["Assessment"].is_object());
    }
}
