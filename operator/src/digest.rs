//! Short digests of JSON, the same whatever the order of its keys.

use std::fmt::Write as _;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Hexadecimal digits of a short digest: 40 bits tell a service's few revisions apart.
const DIGITS: usize = 10;

/// The first digits of the SHA-256 of a value.
pub fn short(value: &Value) -> String {
    let mut text = String::new();
    canonical(value, &mut text);
    let mut digest = hex::encode(Sha256::digest(text.as_bytes()));
    digest.truncate(DIGITS);
    digest
}

/// Appends JSON with sorted keys.
fn canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(map) => {
            let mut sorted: Vec<(&String, &Value)> = map.iter().collect();
            sorted.sort_unstable_by_key(|(key, _)| *key);
            let items = sorted.into_iter().enumerate();
            enclosed(text, ['{', '}'], items, |text, (key, value)| {
                write!(text, "{key:?}:").expect("a String takes every text");
                canonical(value, text);
            });
        }
        Value::Array(items) => {
            let items = items.iter().enumerate();
            enclosed(text, ['[', ']'], items, |text, item| canonical(item, text));
        }
        plain => text.push_str(&plain.to_string()),
    }
}

/// Appends items between brackets, with commas between them.
fn enclosed<T>(
    text: &mut String,
    [open, close]: [char; 2],
    items: impl Iterator<Item = (usize, T)>,
    append: impl Fn(&mut String, T),
) {
    text.push(open);
    for (place, item) in items {
        if place > 0 {
            text.push(',');
        }
        append(text, item);
    }
    text.push(close);
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
