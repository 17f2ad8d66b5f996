//! Which header fields of the app's response are certified (PROOFS §2).

use std::collections::BTreeSet;

use byzantine_proof::{Digest, FieldBlock, ProofError, RequestFields};
use http::{HeaderMap, header};
use sfv::{BareItem, Dictionary, ListEntry, Parser};

use super::{Coding, unusable};
use crate::canonical::is_hop_by_hop;
use crate::problem::Problem;

/// Differ between replicas or describe one connection.
const DROPPED: [&str; 11] = [
    "age",
    "alt-svc",
    "content-length",
    "date",
    "server",
    "server-timing",
    "traceparent",
    "tracestate",
    "via",
    "x-request-id",
    "x-runtime",
];

const DROPPED_PREFIXES: [&str; 2] = ["access-control-", "byzantine-"];

/// Digests of the coded bytes, wrong once these are decoded.
const OF_CODED_BYTES: [&str; 5] = [
    "content-digest",
    "content-encoding",
    "content-md5",
    "digest",
    "repr-digest",
];

/// The fields on their way into the field block.
pub(super) struct ResponseFields {
    fields: Vec<(String, Vec<u8>)>,
    state: Option<Digest>,
}

impl ResponseFields {
    /// All but what is dropped; `dropped` is the service's own list.
    pub(super) fn select(headers: &HeaderMap, dropped: &BTreeSet<String>) -> Self {
        let nominated = nominated(headers);
        let fields = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .filter(|(name, _)| !is_dropped(name) && !dropped.contains(*name))
            .filter(|(name, _)| !nominated.contains(*name))
            .map(|(name, value)| (name.to_owned(), value.to_vec()))
            .collect();
        Self {
            fields,
            state: state(headers),
        }
    }

    /// The coding to undo.
    pub(super) fn coding(&self) -> Result<Coding, Problem> {
        let named = self
            .fields
            .iter()
            .filter(|(name, _)| name == "content-encoding");
        let lists: Vec<&str> = named
            .map(|(_, value)| std::str::from_utf8(value).unwrap_or("?"))
            .collect();
        let joined = lists.join(", ");
        Coding::of(&joined).ok_or_else(|| {
            let quoted = joined.escape_default();
            unusable(&format!(
                "It came with the content coding `{quoted}` although `identity` \
                was asked for; only gzip and deflate are decoded."
            ))
        })
    }

    /// Takes out what was true of the coded bytes only.
    pub(super) fn forget_coding(&mut self) {
        self.fields
            .retain(|(name, _)| !OF_CODED_BYTES.contains(&name.as_str()));
        for (name, value) in &mut self.fields {
            if name == "etag" && value.starts_with(b"\"") {
                value.splice(..0, *b"W/");
            }
        }
    }

    /// What the app said its state is.
    pub(super) fn take_state(&mut self) -> Option<Digest> {
        self.state.take()
    }

    /// A certified answer must not be mistaken for a later one's.
    pub(super) fn forbid_caching_by_default(&mut self) {
        let name = header::CACHE_CONTROL.as_str();
        if !self.fields.iter().any(|(other, _)| other == name) {
            self.fields.push((name.to_owned(), b"no-store".to_vec()));
        }
    }

    /// The block.
    pub(super) fn block(&self, request_fields: RequestFields) -> Result<FieldBlock, Problem> {
        let fields = self
            .fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()));
        FieldBlock::build(request_fields, fields).map_err(|error| match error {
            ProofError::TooLong { length, limit, .. } => unusable(&format!(
                "Its header fields take {length} bytes; at most {limit} can be certified."
            )),
            error => unusable(&format!("A header field cannot be certified: {error}.")),
        })
    }
}

fn is_dropped(name: &str) -> bool {
    let prefixed = DROPPED_PREFIXES
        .iter()
        .any(|prefix| name.starts_with(prefix));
    is_hop_by_hop(name) || DROPPED.contains(&name) || prefixed
}

fn nominated(headers: &HeaderMap) -> BTreeSet<String> {
    let values = headers.get_all(header::CONNECTION).iter();
    let options = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','));
    options
        .map(|option| option.trim().to_ascii_lowercase())
        .collect()
}

/// `Byzantine-State: sha-256=:…:`; anything else says nothing.
pub(crate) fn state(headers: &HeaderMap) -> Option<Digest> {
    let value = headers.get("byzantine-state")?;
    let states = Parser::new(value.as_bytes()).parse::<Dictionary>().ok()?;
    let (_, entry) = states
        .into_iter()
        .find(|(name, _)| name.as_str() == "sha-256")?;
    let ListEntry::Item(item) = entry else {
        return None;
    };
    let BareItem::ByteSequence(bytes) = item.bare_item else {
        return None;
    };
    bytes.try_into().ok().map(Digest::from_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_sorted_and_lower_case() {
        assert!(DROPPED.is_sorted() && OF_CODED_BYTES.is_sorted());
        assert!(
            DROPPED
                .iter()
                .all(|name| *name == name.to_ascii_lowercase())
        );
        assert!(is_dropped("transfer-encoding") && is_dropped("byzantine-proof"));
        assert!(!is_dropped("etag") && !is_dropped("link"));
    }
}
