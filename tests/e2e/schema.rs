//! Every JSON document that a test reads has the shape that docs/schema says.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use serde_json::Value;

static SCHEMAS: LazyLock<BTreeMap<&str, Value>> = LazyLock::new(|| {
    let of = |name: &str| {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/schema/{name}.json"));
        serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
    };
    [("kubectl-milvus/scale/v1", of("scale")), ("kubectl-milvus/status/v1", of("status"))].into()
});

/// The schema that a document names itself.
fn schema(document: &Value) -> &'static Value {
    let name = document["schema"].as_str().unwrap_or_default();
    SCHEMAS.get(name).unwrap_or_else(|| panic!("no schema is called `{name}`, as this document says: {document:#}"))
}

#[track_caller]
pub fn check(document: &Value) {
    let schema = schema(document);
    if let Err(wrong) = fits(document, schema, schema) {
        panic!("{}: {wrong}, in {document:#}", document["schema"]);
    }
}

/// The keywords that the derived schema uses; another one is a reason to look
/// again.
fn fits(value: &Value, schema: &Value, whole: &Value) -> Result<(), String> {
    for (keyword, says) in schema.as_object().unwrap() {
        match keyword.as_str() {
            "$ref" => {
                let pointer = says.as_str().unwrap().trim_start_matches('#');
                fits(value, whole.pointer(pointer).unwrap(), whole)?;
            }
            "anyOf" | "oneOf" => {
                let ways: Vec<_> = says.as_array().unwrap().iter().map(|way| fits(value, way, whole)).collect();
                let fitting = ways.iter().filter(|way| way.is_ok()).count();
                if fitting == 0 || (keyword == "oneOf" && fitting > 1) {
                    return Err(format!("{value} fits {fitting} of {says}"));
                }
            }
            "type" => {
                let allowed = says.as_array().cloned().unwrap_or_else(|| vec![says.clone()]);
                if !allowed.iter().any(|name| is(value, name.as_str().unwrap())) {
                    return Err(format!("{value} is no {says}"));
                }
            }
            "required" => {
                let missing = says.as_array().unwrap().iter().find(|key| value.get(key.as_str().unwrap()).is_none());
                missing.map_or(Ok(()), |key| Err(format!("{key} is missing")))?;
            }
            "properties" => {
                for (key, below) in value.as_object().into_iter().flatten() {
                    let schema = says.get(key).ok_or_else(|| format!("`{key}` is not in the schema"))?;
                    fits(below, schema, whole).map_err(|wrong| format!("{key}: {wrong}"))?;
                }
            }
            "items" => value.as_array().into_iter().flatten().try_for_each(|item| fits(item, says, whole))?,
            "const" if value != says => return Err(format!("{value} is not {says}")),
            "minimum" if value.is_number() && value.as_f64() < says.as_f64() => {
                return Err(format!("{value} is below {says}"));
            }
            "maximum" if value.is_number() && value.as_f64() > says.as_f64() => {
                return Err(format!("{value} is above {says}"));
            }
            "enum" if !says.as_array().unwrap().contains(value) => return Err(format!("{value} is none of {says}")),
            // These were looked at above, and hold; the rest says nothing to check.
            "const" | "minimum" | "maximum" | "enum" | "$schema" | "$defs" | "title" | "description" | "format" => {}
            other => panic!("the schema has a keyword `{other}` that this check does not know"),
        }
    }
    Ok(())
}

fn is(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("the schema has a type `{other}` that this check does not know"),
    }
}

#[test]
fn a_document_of_another_shape_is_noticed() {
    let report = kubectl_milvus::report::ScaleReport::new("vectors");
    let document: Value = serde_json::from_str(&report.json()).unwrap();
    check(&document);
    for (pointer, wrong) in [("/exitCode", "-1"), ("/outcome", "\"well\""), ("/steps", "{}"), ("/release", "{}")] {
        let mut other = document.clone();
        *other.pointer_mut(pointer).unwrap() = serde_json::from_str(wrong).unwrap();
        assert!(fits(&other, schema(&document), schema(&document)).is_err(), "{pointer}");
    }
    let mut more = document.clone();
    more["more"] = Value::Null;
    assert!(fits(&more, schema(&document), schema(&document)).is_err());
}
