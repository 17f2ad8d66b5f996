//! Places in a schema: `spec.app.env[].name`, where `[]` steps into a list's items.

use serde_json::Value;

/// The schema at a place. The tables that name places are constant, so a place that does not exist
/// is a mistake in them.
pub(super) fn at<'a>(root: &'a mut Value, path: &str) -> &'a mut Value {
    let mut schema = root;
    for step in path.split('.').filter(|step| !step.is_empty()) {
        let name = step.trim_end_matches("[]");
        schema = child(child(schema, "properties", path), name, path);
        if step.ends_with("[]") {
            schema = child(schema, "items", path);
        }
    }
    schema
}

fn child<'a>(schema: &'a mut Value, key: &str, path: &str) -> &'a mut Value {
    let found = schema.get_mut(key);
    found.unwrap_or_else(|| panic!("the schema has no place {path}: `{key}` is missing"))
}
