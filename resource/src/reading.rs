//! From the text of a manifest to a resource that obeys every rule.

mod shape;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_yaml::{Deserializer, Value};

use crate::error::ResourceError;
use crate::service::{ByzantineService, KIND};

/// The longest manifest that is read, in bytes: what Kubernetes would store.
pub const MAX_MANIFEST_BYTES: usize = 1 << 20;

/// The most documents in one file.
const MAX_DOCUMENTS: usize = 256;

/// The kinds or names that a message lists.
const MAX_LISTED: usize = 8;

/// Reads the only `ByzantineService` in YAML text; documents of other kinds are passed over.
///
/// # Errors
/// [`ResourceError`] with cause and next step.
pub fn read(text: &str) -> Result<ByzantineService, ResourceError> {
    let services = services(text)?;
    match &services[..] {
        [only] => read_document(text, only),
        several => Err(ResourceError::Several {
            count: several.len(),
            names: names(several),
        }),
    }
}

/// Reads the `ByzantineService` of that name among others.
///
/// # Errors
/// [`ResourceError`] with cause and next step.
pub fn read_named(text: &str, name: &str) -> Result<ByzantineService, ResourceError> {
    let services = services(text)?;
    let named = services.iter().find(|summary| summary.name == name);
    let named = named.ok_or_else(|| ResourceError::Unnamed {
        name: name.to_owned(),
        names: names(&services),
    })?;
    read_document(text, named)
}

/// What a document says it is.
struct Summary {
    /// Its place in the file, from 0.
    place: usize,
    kind: String,
    name: String,
}

/// The parts of any document that say what it is.
#[derive(Deserialize)]
struct Header {
    kind: Option<Value>,
    metadata: Option<Value>,
}

fn services(text: &str) -> Result<Vec<Summary>, ResourceError> {
    if text.len() > MAX_MANIFEST_BYTES {
        let (length, limit) = (text.len(), MAX_MANIFEST_BYTES);
        return Err(ResourceError::TooLong { length, limit });
    }
    let all = summaries(text)?;
    let kinds: Vec<&str> = all.iter().map(|summary| summary.kind.as_str()).collect();
    let found = listed(&kinds);
    let services: Vec<Summary> = all
        .into_iter()
        .filter(|summary| summary.kind == KIND)
        .collect();
    if services.is_empty() {
        Err(ResourceError::Absent { found })
    } else {
        Ok(services)
    }
}

/// Every document that is not empty.
fn summaries(text: &str) -> Result<Vec<Summary>, ResourceError> {
    for (place, document) in Deserializer::from_str(text).enumerate().take(MAX_DOCUMENTS) {
        IgnoredAny::deserialize(document).map_err(|cause| ResourceError::Syntax {
            document: place + 1,
            cause: cause.to_string(),
        })?;
    }
    let documents = Deserializer::from_str(text).enumerate().take(MAX_DOCUMENTS);
    let read = documents.map(|(place, document)| (place, Option::<Header>::deserialize(document)));
    Ok(read
        .filter_map(|(place, header)| match header {
            Ok(header) => header.map(|header| summary(place, &header)),
            Err(_) => Some(Summary {
                place,
                kind: "no mapping".to_owned(),
                name: String::new(),
            }),
        })
        .collect())
}

fn summary(place: usize, header: &Header) -> Summary {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let kind = header.kind.as_ref().and_then(text);
    let name = header
        .metadata
        .as_ref()
        .and_then(|metadata| metadata.get("name"))
        .and_then(text);
    let kind = kind.unwrap_or_else(|| "a document without a kind".to_owned());
    Summary {
        place,
        kind,
        name: name.unwrap_or_else(|| "(no name)".to_owned()),
    }
}

fn names(services: &[Summary]) -> String {
    listed(
        &services
            .iter()
            .map(|summary| summary.name.as_str())
            .collect::<Vec<_>>(),
    )
}

fn listed(words: &[&str]) -> String {
    if words.is_empty() {
        return "nothing".to_owned();
    }
    let short = |word: &&str| word.chars().take(60).collect::<String>();
    let mut shown: Vec<String> = words.iter().take(MAX_LISTED).map(short).collect();
    if words.len() > MAX_LISTED {
        shown.push(format!("and {} more", words.len() - MAX_LISTED));
    }
    shown.join(", ")
}

fn read_document(text: &str, summary: &Summary) -> Result<ByzantineService, ResourceError> {
    let document = Deserializer::from_str(text).nth(summary.place);
    let document = document.expect("the document was there a moment ago");
    let service = ByzantineService::deserialize(document).map_err(|cause| shape::error(&cause))?;
    let problems = service.problems();
    if problems.is_empty() {
        Ok(service)
    } else {
        Err(ResourceError::Invalid { problems })
    }
}
