//! The field block: the certified header fields of a response, and which fields of the request
//! its digest covers.
//!
//! The block's digest is the leaf's `fields`, so nothing in it can be changed unnoticed.

use std::fmt::Write as _;

use crate::digest::Digest;
use crate::error::ProofError;
use crate::request_fields::RequestFields;
use crate::text::{Lines, base64_decode, base64_encode, is_lower_token};

/// The longest block in bytes.
const MAX_BLOCK_BYTES: usize = 4096;

const FORMAT: &str = "field block";

/// One certified header field line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The name in lower case.
    pub name: String,
    /// The value without outer white space; any bytes but control characters.
    pub value: Vec<u8>,
}

/// The certified fields, sorted by name; fields of one name stay in order, uncombined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldBlock {
    request_fields: RequestFields,
    fields: Vec<Field>,
}

impl FieldBlock {
    /// The longest block's length in bytes.
    pub const MAX_BYTES: usize = MAX_BLOCK_BYTES;

    /// Joins response fields, given in the order received; outer spaces and tabs of values are
    /// cut off, letter case of names does not matter. `request_fields` are those that the
    /// request's digest covers.
    ///
    /// # Errors
    /// [`ProofError::FieldName`], [`ProofError::FieldValue`] or [`ProofError::TooLong`].
    pub fn build<'a>(
        request_fields: RequestFields,
        fields: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<Self, ProofError> {
        let checked = fields.into_iter().map(|(name, value)| field(name, value));
        let mut fields: Vec<Field> = checked.collect::<Result<_, _>>()?;
        fields.sort_by(|left, right| left.name.cmp(&right.name));
        let block = Self {
            request_fields,
            fields,
        };
        check_length(block.to_text().len()).map(|()| block)
    }

    /// Reads a block; only the exact form that [`FieldBlock::to_text`] writes is accepted.
    ///
    /// # Errors
    /// [`ProofError::Grammar`], or as [`FieldBlock::build`].
    pub fn parse(text: &str) -> Result<Self, ProofError> {
        check_length(text.len())?;
        let mut lines = Lines::new(FORMAT, text);
        let request_fields = RequestFields::parse(lines.field("request-fields")?)?;
        lines.exactly("byzantine-fields/v1")?;
        let mut fields = Vec::new();
        while !lines.rest().is_empty() {
            let expected = "<name>: <value>";
            let parsed = parse_field(lines.next(expected)?);
            fields.push(parsed.ok_or_else(|| lines.error(expected))?);
        }
        let block = Self {
            request_fields,
            fields,
        };
        let exact = block.fields.is_sorted_by(|a, b| a.name <= b.name) && block.to_text() == text;
        if exact {
            Ok(block)
        } else {
            Err(lines.error("sorted fields in canonical form"))
        }
    }

    /// `request-fields <names>`, `byzantine-fields/v1`, then a line per field.
    pub fn to_text(&self) -> String {
        let mut text = format!(
            "request-fields {}\nbyzantine-fields/v1\n",
            self.request_fields
        );
        for Field { name, value } in &self.fields {
            // Writing to a String cannot fail.
            let _ = match printable(value) {
                Some(value) => writeln!(text, "{name}: {value}"),
                None => writeln!(text, "{name};bs: {}", base64_encode(value)),
            };
        }
        text
    }

    /// SHA-256 of the text: the leaf's `fields`.
    pub fn digest(&self) -> Digest {
        Digest::of(self.to_text().as_bytes())
    }

    /// The certified fields, sorted by name.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The values of a field, in order; `name` in lower case.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let named = self.fields.iter().filter(move |field| field.name == name);
        named.map(|field| field.value.as_slice())
    }

    /// The request's fields that its digest covers.
    pub fn request_fields(&self) -> &RequestFields {
        &self.request_fields
    }
}

fn check_length(length: usize) -> Result<(), ProofError> {
    let limit = MAX_BLOCK_BYTES;
    if length <= limit {
        Ok(())
    } else {
        Err(ProofError::TooLong {
            format: FORMAT,
            length,
            limit,
        })
    }
}

fn field(name: &str, value: &[u8]) -> Result<Field, ProofError> {
    let name = name.to_ascii_lowercase();
    if !is_lower_token(&name) {
        return Err(ProofError::FieldName { name });
    }
    let value = trim(value).to_vec();
    if value
        .iter()
        .any(|byte| byte.is_ascii_control() && *byte != b'\t')
    {
        return Err(ProofError::FieldValue { name });
    }
    Ok(Field { name, value })
}

/// Cuts off the optional white space around a field value (RFC 9110 §5.5).
pub(crate) fn trim(value: &[u8]) -> &[u8] {
    let solid = |byte: &u8| !matches!(byte, b' ' | b'\t');
    let start = value.iter().position(solid).unwrap_or(value.len());
    let end = value.iter().rposition(solid).map_or(start, |last| last + 1);
    &value[start..end]
}

fn printable(value: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(value).ok()?;
    text.bytes()
        .all(|byte| matches!(byte, b' '..=b'~'))
        .then_some(text)
}

fn parse_field(line: &str) -> Option<Field> {
    let (name, value) = line.split_once(": ")?;
    let (name, value) = match name.strip_suffix(";bs") {
        Some(name) => (name, base64_decode(value)?),
        None => (name, value.as_bytes().to_vec()),
    };
    let parsed = field(name, &value).ok()?;
    (parsed.name == name && parsed.value == value).then_some(parsed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn block(fields: &[(&str, &[u8])]) -> Result<FieldBlock, ProofError> {
        let request_fields = RequestFields::new(["content-type"]).unwrap();
        FieldBlock::build(request_fields, fields.iter().copied())
    }

    #[test]
    fn fields_are_sorted_and_never_combined() {
        let fields: [(&str, &[u8]); 5] = [
            ("Set-Cookie", b"b=1"),
            ("content-type", b" text/plain\t"),
            ("set-cookie", b"a=2"),
            ("x-city", "Zürich".as_bytes()),
            ("x-empty", b""),
        ];
        let text = "request-fields content-type\nbyzantine-fields/v1\ncontent-type: text/plain\n\
                    set-cookie: b=1\nset-cookie: a=2\nx-city;bs: WsO8cmljaA==\nx-empty: \n";
        let block = block(&fields).unwrap();
        assert_eq!(block.to_text(), text);
        assert_eq!(FieldBlock::parse(text).as_ref(), Ok(&block));
        assert_eq!(block.values("set-cookie").count(), 2);
    }

    #[test]
    fn other_forms_are_refused() {
        let head = "request-fields -\nbyzantine-fields/v1\n";
        let bad = [
            "b: 1\na: 2\n",
            "A: 1\n",
            "a:1\n",
            "a:  1\n",
            "a: 1 \n",
            "a;bs: YQ==\n",
            "a;bs: w7w\n",
            "a: \u{fc}\n",
            "a: 1",
            "a: 1\r\n",
            "\n",
            "a b: 1\n",
        ];
        for fields in bad {
            assert!(
                FieldBlock::parse(&format!("{head}{fields}")).is_err(),
                "{fields:?}"
            );
        }
        assert!(FieldBlock::parse("byzantine-fields/v1\n").is_err());
    }

    #[test]
    fn what_cannot_be_a_field_is_refused() {
        assert!(matches!(
            block(&[("a b", b"")]),
            Err(ProofError::FieldName { .. })
        ));
        assert!(matches!(
            block(&[("a", b"x\ny")]),
            Err(ProofError::FieldValue { .. })
        ));
        let long = vec![b'x'; 5000];
        assert!(matches!(
            block(&[("a", &long)]),
            Err(ProofError::TooLong { .. })
        ));
    }

    proptest! {
        #[test]
        fn any_values_return(
            values in prop::collection::vec(("[a-z]{1,8}", any::<Vec<u8>>()), 0..8),
        ) {
            let fields: Vec<(&str, &[u8])> =
                values.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
            if let Ok(block) = block(&fields) {
                prop_assert_eq!(FieldBlock::parse(&block.to_text()), Ok(block));
            }
        }
    }
}
