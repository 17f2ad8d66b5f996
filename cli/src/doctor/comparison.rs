//! All differences between two instances' answers, after what a sidecar leaves out.

use bytes::Bytes;
use byzantine_consensus::{KeySource, Request, Sequence, UnixMillis};
use byzantine_proof::{FieldBlock, Origin, RequestFields};
use byzantine_sidecar::canonical::RequestRules;
use byzantine_sidecar::respond::{AppBody, AppResponse, Place, Responder};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::Value;

use super::exchange::{Answer, Answered, Exchange};
use super::finding::{Finding, Where};

/// Findings of one request; more would only repeat themselves.
const LIMIT: usize = 20;

/// The deepest JSON that is walked.
const MAX_DEPTH: usize = 64;

/// What a sidecar makes of an answer.
pub(super) struct Comparison(Responder);

/// An answer as it would be certified.
struct Canonical {
    status: u16,
    /// Sorted by name.
    fields: Vec<(String, Vec<u8>)>,
    content: Bytes,
}

impl Comparison {
    pub(super) fn new(dropped: &[String]) -> Self {
        let origin = Origin::parse("app.default.local/0").expect("it is printable ASCII");
        let rules = RequestRules::new([], RequestFields::default(), 8 << 20);
        Self(Responder::new(
            origin,
            rules,
            dropped.iter().map(String::as_str),
        ))
    }

    /// What differs, each place once a request.
    pub(super) fn findings(
        &self,
        exchanges: &[Exchange],
        first: &[Answered],
        second: &[Answered],
    ) -> Vec<Finding> {
        let mut findings: Vec<Finding> = Vec::new();
        let pairs = exchanges.iter().cycle().zip(first.iter().zip(second));
        for (exchange, (ours, theirs)) in pairs {
            for (place, ours, theirs) in self.differences(exchange, ours, theirs) {
                let finding = Finding {
                    request: exchange.to_string(),
                    place,
                    ours,
                    theirs,
                };
                let known = findings
                    .iter()
                    .any(|other| other.request == finding.request && other.place == finding.place);
                if !known {
                    findings.push(finding);
                }
            }
        }
        findings
    }

    fn differences(&self, exchange: &Exchange, ours: &Answered, theirs: &Answered) -> Vec<Differs> {
        let (ours, theirs) = match (ours, theirs) {
            (Ok(ours), Ok(theirs)) => (ours, theirs),
            (Err(ours), Err(theirs)) => {
                return vec![(Where::NoAnswer, ours.clone(), theirs.clone())];
            }
            (Err(why), Ok(answer)) => {
                return vec![(Where::NoAnswer, why.clone(), answer.status.to_string())];
            }
            (Ok(answer), Err(why)) => {
                return vec![(Where::NoAnswer, answer.status.to_string(), why.clone())];
            }
        };
        let mut found = Vec::new();
        let canonical = (
            self.canonical(exchange, ours),
            self.canonical(exchange, theirs),
        );
        if let (Some(a), Some(b)) = &canonical {
            if a.status != b.status {
                found.push((Where::Status, a.status.to_string(), b.status.to_string()));
            }
            fields(&a.fields, &b.fields, &mut found);
            content(&a.content, &b.content, &mut found);
        }
        order(ours, theirs, &mut found);
        found.truncate(LIMIT);
        found
    }

    /// `None` for an answer that has no canonical form, which both instances give alike.
    fn canonical(&self, exchange: &Exchange, answer: &Answer) -> Option<Canonical> {
        let mut headers = HeaderMap::new();
        for (name, value) in &answer.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            headers.append(name, HeaderValue::from_bytes(value).ok()?);
        }
        let response = AppResponse {
            status: StatusCode::from_u16(answer.status).ok()?,
            headers,
            body: AppBody::Whole(Bytes::from(answer.body.clone())),
        };
        let place = Place {
            sequence: Sequence(1),
            index: 0,
            time: UnixMillis(0),
        };
        let request = Request {
            method: exchange.method.clone(),
            target: exchange.target.clone(),
            headers: Vec::new(),
            body: Bytes::from(exchange.body.clone()),
            key: "doctor".to_owned(),
            key_source: KeySource::Client,
        };
        let sealed = self.0.answer(place, &request, response);
        let leaf = std::str::from_utf8(&sealed.leaf).ok()?;
        let status = byzantine_proof::ResponseLeaf::parse(leaf).ok()?.status;
        let block = FieldBlock::parse(std::str::from_utf8(&sealed.fields).ok()?).ok()?;
        let fields = block
            .fields()
            .iter()
            .map(|field| (field.name.clone(), field.value.clone()));
        Some(Canonical {
            status,
            fields: fields.collect(),
            content: sealed.content,
        })
    }
}

type Differs = (Where, String, String);

type NamedValues = [(String, Vec<u8>)];

fn fields(ours: &NamedValues, theirs: &NamedValues, found: &mut Vec<Differs>) {
    let mut names: Vec<&String> = ours.iter().chain(theirs).map(|(name, _)| name).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let (a, b) = (values(ours, name), values(theirs, name));
        if a != b {
            found.push((Where::Header(name.clone()), shown(&a), shown(&b)));
        }
    }
}

fn values(fields: &NamedValues, name: &str) -> Vec<String> {
    let named = fields.iter().filter(|(other, _)| other == name);
    named
        .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
        .collect()
}

fn shown(values: &[String]) -> String {
    if values.is_empty() {
        "absent".to_owned()
    } else {
        excerpt(&values.join(", "))
    }
}

/// Which names come in which order; a sidecar sorts them, so this alone does no harm.
fn order(ours: &Answer, theirs: &Answer, found: &mut Vec<Differs>) {
    let names = |answer: &Answer| -> Vec<String> {
        answer
            .headers
            .iter()
            .map(|(name, _)| name.clone())
            .collect()
    };
    let (ours, theirs) = (names(ours), names(theirs));
    let sorted = |names: &[String]| {
        let mut names = names.to_vec();
        names.sort_unstable();
        names
    };
    if ours != theirs && sorted(&ours) == sorted(&theirs) {
        found.push((
            Where::HeaderOrder,
            excerpt(&ours.join(", ")),
            excerpt(&theirs.join(", ")),
        ));
    }
}

fn content(ours: &[u8], theirs: &[u8], found: &mut Vec<Differs>) {
    if ours == theirs {
        return;
    }
    let parsed = (serde_json::from_slice(ours), serde_json::from_slice(theirs));
    let before = found.len();
    if let (Ok(a), Ok(b)) = &parsed {
        json(a, b, "", 0, found);
        if found.len() == before {
            // Equal values in other bytes: order of members, or white space.
            let (a, b) = (excerpt_bytes(ours), excerpt_bytes(theirs));
            found.push((Where::JsonForm, a, b));
        }
        return;
    }
    let from = ours.iter().zip(theirs).take_while(|(a, b)| a == b).count();
    let start = from.saturating_sub(20);
    let part = |bytes: &[u8]| excerpt_bytes(bytes.get(start..).unwrap_or_default());
    found.push((Where::Bytes(from), part(ours), part(theirs)));
}

/// Every leaf of two documents that differs.
fn json(ours: &Value, theirs: &Value, pointer: &str, depth: usize, found: &mut Vec<Differs>) {
    if ours == theirs || found.len() >= LIMIT {
        return;
    }
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) if depth < MAX_DEPTH => {
            let mut names: Vec<&String> = a.keys().chain(b.keys()).collect();
            names.sort_unstable();
            names.dedup();
            for name in names {
                let below = format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
                member(a.get(name), b.get(name), &below, depth, found);
            }
        }
        (Value::Array(a), Value::Array(b)) if depth < MAX_DEPTH => {
            for place in 0..a.len().max(b.len()) {
                let below = format!("{pointer}/{place}");
                member(a.get(place), b.get(place), &below, depth, found);
            }
        }
        _ => found.push((
            Where::Json(pointer.to_owned()),
            excerpt(&ours.to_string()),
            excerpt(&theirs.to_string()),
        )),
    }
}

fn member(
    ours: Option<&Value>,
    theirs: Option<&Value>,
    pointer: &str,
    depth: usize,
    found: &mut Vec<Differs>,
) {
    let shown = |value: Option<&Value>| {
        value.map_or_else(|| "absent".to_owned(), |value| excerpt(&value.to_string()))
    };
    match (ours, theirs) {
        (Some(ours), Some(theirs)) => json(ours, theirs, pointer, depth + 1, found),
        _ => found.push((Where::Json(pointer.to_owned()), shown(ours), shown(theirs))),
    }
}

fn excerpt(text: &str) -> String {
    let mut short: String = text.chars().take(80).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

fn excerpt_bytes(bytes: &[u8]) -> String {
    excerpt(&String::from_utf8_lossy(&bytes[..bytes.len().min(400)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(headers: &[(&str, &str)], body: &str) -> Answer {
        let headers = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()));
        Answer {
            status: 200,
            headers: headers.collect(),
            body: body.as_bytes().to_vec(),
        }
    }

    fn places(ours: &Answer, theirs: &Answer) -> Vec<Where> {
        let exchange = Exchange::parse("GET /").unwrap();
        let comparison = Comparison::new(&["x-dropped".to_owned()]);
        let found = comparison.differences(&exchange, &Ok(ours.clone()), &Ok(theirs.clone()));
        found.into_iter().map(|(place, ..)| place).collect()
    }

    #[test]
    fn every_difference_is_named() {
        let ours = answer(
            &[("x-a", "1"), ("etag", "\"1\"")],
            "{\"a\":1,\"b\":[1,2],\"c\":3}",
        );
        let theirs = answer(
            &[("x-a", "2"), ("etag", "\"1\"")],
            "{\"a\":2,\"b\":[1,3],\"d\":3}",
        );
        let json = |pointer: &str| Where::Json(pointer.to_owned());
        assert_eq!(
            places(&ours, &theirs),
            [
                Where::Header("x-a".to_owned()),
                json("/a"),
                json("/b/1"),
                json("/c"),
                json("/d")
            ]
        );
    }

    #[test]
    fn what_a_sidecar_drops_is_no_difference() {
        let ours = answer(&[("date", "now"), ("x-dropped", "1"), ("server", "a")], "x");
        let theirs = answer(
            &[("date", "later"), ("x-dropped", "2"), ("server", "b")],
            "x",
        );
        assert_eq!(places(&ours, &theirs), []);
    }

    #[test]
    fn order_and_form_are_told_from_values() {
        let ours = answer(&[("a", "1"), ("b", "2")], "{\"a\":1,\"b\":2}");
        let theirs = answer(&[("b", "2"), ("a", "1")], "{\"b\":2,\"a\":1}");
        assert_eq!(
            places(&ours, &theirs),
            [Where::JsonForm, Where::HeaderOrder]
        );
        let text = places(&answer(&[], "abc"), &answer(&[], "abd"));
        assert_eq!(text, [Where::Bytes(2)]);
    }
}
