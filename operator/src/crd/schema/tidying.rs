//! From what schemars writes to what Kubernetes wants.

use serde_json::Value;

/// Formats that Kubernetes does not know; the bounds say the same.
const UNKNOWN_FORMATS: [&str; 4] = ["uint", "uint8", "uint32", "uint64"];

/// Removes unknown formats, nulls, and defaults that say nothing.
pub(super) fn tidy(schema: &mut Value) {
    let Some(map) = schema.as_object_mut() else {
        return;
    };
    let format = map.get("format").and_then(Value::as_str);
    if format.is_some_and(|format| UNKNOWN_FORMATS.contains(&format)) {
        map.remove("format");
    }
    map.remove("nullable");
    if let Some(default) = map.get_mut("default") {
        prune(default);
        let says_nothing = is_empty(default) && !map.contains_key("properties");
        if says_nothing {
            map.remove("default");
        }
    }
    for key in ["properties"] {
        for property in map
            .get_mut(key)
            .and_then(Value::as_object_mut)
            .into_iter()
            .flatten()
        {
            tidy(property.1);
        }
    }
    for key in ["items", "additionalProperties"] {
        map.get_mut(key).map(tidy);
    }
}

/// A default without its nulls and empty lists.
fn prune(default: &mut Value) {
    if let Some(map) = default.as_object_mut() {
        map.values_mut().for_each(prune);
        map.retain(|_, value| !is_empty(value));
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}
