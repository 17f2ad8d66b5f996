//! Short digests of JSON, the same whatever the order of its keys.

use std::collections::BTreeMap;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Hexadecimal digits of a short digest: 40 bits tell a service's few revisions apart.
const DIGITS: usize = 10;

/// The first digits of the SHA-256 of a value.
pub fn short(value: &Value) -> String {
    let mut digest = hex::encode(Sha256::digest(canonical(value).as_bytes()));
    digest.truncate(DIGITS);
    digest
}

/// JSON with sorted keys.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let sorted: BTreeMap<&String, String> = map
                .iter()
                .map(|(key, value)| (key, canonical(value)))
                .collect();
            let fields = sorted.iter().map(|(key, value)| format!("{key:?}:{value}"));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(canonical).collect();
            format!("[{}]", items.join(","))
        }
        plain => plain.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_keys_does_not_matter_and_values_do() {
        let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        let one = short(&parse(r#"{"a":[1,{"x":null,"y":"z"}],"b":2}"#));
        assert_eq!(one, short(&parse(r#"{"b":2,"a":[1,{"y":"z","x":null}]}"#)));
        assert_ne!(one, short(&parse(r#"{"b":2,"a":[1,{"y":"z","x":0}]}"#)));
        assert_eq!(one.len(), DIGITS);
    }
}
