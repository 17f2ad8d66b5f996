//! Which header fields of a request its digest covers, besides those that it always covers.

use std::collections::BTreeSet;
use std::fmt;

use crate::error::ProofError;
use crate::text::is_lower_token;

/// Covered wherever present, whatever the service's configuration.
const ALWAYS: [&str; 2] = ["authorization", "content-type"];

/// Covered in every request on lines of their own.
const FIXED: [&str; 2] = ["content-digest", "idempotency-key"];

/// The most covered fields.
const MAX_FIELDS: usize = 32;

/// Lower-case field names in order, without `content-digest` and `idempotency-key`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RequestFields(BTreeSet<String>);

impl RequestFields {
    /// Checks names; letter case does not matter.
    ///
    /// # Errors
    /// [`ProofError::FieldName`] for what is no field name, for `content-digest` and
    /// `idempotency-key`, and for the 33rd name.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, ProofError> {
        let mut fields = BTreeSet::new();
        for name in names {
            let name = name.to_ascii_lowercase();
            let full = fields.len() == MAX_FIELDS;
            if full || !is_lower_token(&name) || FIXED.contains(&name.as_str()) {
                return Err(ProofError::FieldName { name });
            }
            fields.insert(name);
        }
        Ok(Self(fields))
    }

    /// Those of `content-type`, `authorization` and `covered` (the service's
    /// `coveredRequestHeaders`) that a request with the headers `present` has.
    pub fn of_request<'a>(covered: &Self, present: impl IntoIterator<Item = &'a str>) -> Self {
        let present = present.into_iter().map(str::to_ascii_lowercase);
        let counts = |name: &String| ALWAYS.contains(&name.as_str()) || covered.0.contains(name);
        Self(present.filter(counts).collect())
    }

    /// The names that every service covers and this list lacks.
    pub(crate) fn missing_from(&self, present: &Self) -> Option<&str> {
        let always = |name: &&String| ALWAYS.contains(&name.as_str());
        self.0
            .iter()
            .filter(always)
            .find(|name| !present.0.contains(*name))
            .map(String::as_str)
    }

    /// The names, ascending.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Reads the names, parted by single spaces and ascending, or `-` for none.
    ///
    /// # Errors
    /// [`ProofError::FieldName`].
    pub fn parse(text: &str) -> Result<Self, ProofError> {
        let names = text.split(' ').filter(|_| text != "-");
        let fields = Self::new(names)?;
        let refused = || ProofError::FieldName {
            name: text.chars().take(100).collect(),
        };
        if fields.to_string() == text {
            Ok(fields)
        } else {
            Err(refused())
        }
    }
}

impl fmt::Display for RequestFields {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return formatter.write_str("-");
        }
        let names: Vec<&str> = self.names().collect();
        formatter.write_str(&names.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_one_form() {
        for text in ["-", "accept", "accept content-type"] {
            assert_eq!(RequestFields::parse(text).unwrap().to_string(), text);
        }
        let bad = [
            "",
            " ",
            "b a",
            "a a",
            "A",
            "a  b",
            "a ",
            "content-digest",
            "a:b",
            "- a -",
        ];
        for text in bad {
            assert!(RequestFields::parse(text).is_err(), "{text}");
        }
        assert!(RequestFields::parse("idempotency-key").is_err());
    }

    #[test]
    fn only_what_is_present_is_covered() {
        let covered = RequestFields::new(["Accept-Language", "x-tenant"]).unwrap();
        let present = ["X-Tenant", "Content-Type", "accept"];
        let fields = RequestFields::of_request(&covered, present);
        assert_eq!(fields.to_string(), "content-type x-tenant");
    }
}
