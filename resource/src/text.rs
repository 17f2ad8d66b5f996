//! Durations and quantities as manifests write them.

use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// The schema of what Kubernetes defines and this crate passes on.
pub(crate) fn kubernetes_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

/// The schema of a list of such.
pub(crate) fn kubernetes_objects(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "array", "items": kubernetes_object(generator)})
}

/// A duration such as `30s`, `1m 30s` or `24h`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct DurationText(String);

impl DurationText {
    /// Takes any text; validation says whether it is a duration.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The duration, if the text is one.
    pub fn duration(&self) -> Option<Duration> {
        humantime::parse_duration(&self.0).ok()
    }

    /// The text as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DurationText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// An amount of bytes as Kubernetes writes it, such as `1Gi`, `500M` or `1073741824`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Quantity(String);

impl Quantity {
    /// Takes any text; validation says whether it is a quantity.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The number of bytes, if the text is a whole number with a known unit and fits.
    pub fn bytes(&self) -> Option<u64> {
        let digits = self
            .0
            .trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
        let unit: u64 = match &self.0[digits.len()..] {
            "" => 1,
            "k" => 1000,
            "M" => 1000_u64.pow(2),
            "G" => 1000_u64.pow(3),
            "T" => 1000_u64.pow(4),
            "Ki" => 1 << 10,
            "Mi" => 1 << 20,
            "Gi" => 1 << 30,
            "Ti" => 1 << 40,
            _ => return None,
        };
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        let number: u64 = digits.parse().ok().filter(|_| plain)?;
        number.checked_mul(unit)
    }

    /// The text as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_quantities_are_read() {
        assert_eq!(
            DurationText::new("1m 30s").duration(),
            Some(Duration::from_secs(90))
        );
        assert_eq!(DurationText::new("30").duration(), None);
        let sizes = [("1Gi", 1 << 30), ("500M", 500_000_000), ("7", 7)];
        for (text, bytes) in sizes {
            assert_eq!(Quantity::new(text).bytes(), Some(bytes), "{text}");
        }
        for bad in ["", "Gi", "1.5Gi", "+1Gi", "1gb", "99999999999Ti", "-1Mi"] {
            assert_eq!(Quantity::new(bad).bytes(), None, "{bad}");
        }
    }
}
