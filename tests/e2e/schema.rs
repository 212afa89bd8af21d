//! Every JSON document that a test reads has the shape that docs/schema says.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use serde_json::Value;

/// The schemas by what documents call theirs: `kubectl-milvus/scale/v1`.
static SCHEMAS: LazyLock<BTreeMap<String, Value>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .map(|file| {
            let name = format!("kubectl-milvus/{}/v1", file.file_stem().unwrap().to_str().unwrap());
            (name, serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap())
        })
        .collect()
});

#[track_caller]
pub fn check(document: &Value) {
    if let Err(wrong) = fits_its_own(document) {
        panic!("{wrong}, in {document:#}");
    }
}

fn fits_its_own(document: &Value) -> Result<(), String> {
    let name = document["schema"].as_str().unwrap_or_default();
    let schema = SCHEMAS.get(name).ok_or_else(|| format!("docs/schema has no `{name}`"))?;
    fits(document, schema, schema).map_err(|wrong| format!("{name}: {wrong}"))
}

/// The keywords that the derived schema uses; another one is a reason to look
/// again.
fn fits(value: &Value, schema: &Value, root: &Value) -> Result<(), String> {
    for (keyword, says) in schema.as_object().unwrap() {
        match keyword.as_str() {
            "$ref" => {
                let pointer = says.as_str().unwrap().trim_start_matches('#');
                fits(value, root.pointer(pointer).unwrap(), root)?;
            }
            "anyOf" | "oneOf" => {
                let ways: Vec<_> = says.as_array().unwrap().iter().map(|way| fits(value, way, root)).collect();
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
                    fits(below, schema, root).map_err(|wrong| format!("{key}: {wrong}"))?;
                }
            }
            "items" => value.as_array().into_iter().flatten().try_for_each(|item| fits(item, says, root))?,
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
            other => panic!("docs/schema has a keyword `{other}` that this check does not know"),
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
        other => panic!("docs/schema has a type `{other}` that this check does not know"),
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
        assert!(fits_its_own(&other).is_err(), "{pointer}");
    }
    let mut more = document.clone();
    more["more"] = Value::Null;
    assert!(fits_its_own(&more).is_err());
    more["schema"] = "kubectl-milvus/nothing/v1".into();
    assert!(fits_its_own(&more).is_err());
    let other = kubectl_milvus::report::AutoscaleReport::new("vectors");
    check(&serde_json::from_str(&other.json()).unwrap());
}
