//! Where two answers to one request differ, in words that lead to the cause.
//!
//! Only the first difference is named: status, then header fields by name, then content. JSON
//! content is compared by value, so the pointer (RFC 6901) names the member that differs.

use std::fmt;

use byzantine_consensus::Answer;
use byzantine_proof::{Digest, FieldBlock, ResponseLeaf};
use serde_json::Value;

/// The longest excerpt of either side, in bytes.
const EXCERPT: usize = 80;

/// The deepest JSON that is walked; deeper values are compared as wholes.
const MAX_DEPTH: usize = 64;

/// The first difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Where it is.
    pub part: Part,
    /// What the first answer has there.
    pub ours: String,
    /// What the second answer has there.
    pub theirs: String,
}

/// A part of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// The status code.
    Status,
    /// A header field.
    Header {
        /// Its name in lower case.
        name: String,
    },
    /// A value in JSON content.
    Json {
        /// Where it is (RFC 6901); empty for the whole document.
        pointer: String,
    },
    /// Bytes of the content.
    Bytes {
        /// The first byte that differs.
        from: usize,
        /// The end of what differs in the longer content; equal ends are left out.
        to: usize,
    },
    /// The state that the app reported.
    State,
    /// Some other line of the leaf.
    Leaf,
}

impl Part {
    /// `status`, `header` or `content`; `state` or `leaf` where the response itself is equal.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Header { .. } => "header",
            Self::Json { .. } | Self::Bytes { .. } => "content",
            Self::State => "state",
            Self::Leaf => "leaf",
        }
    }

    /// The header field's name.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Header { name } => Some(name),
            _ => None,
        }
    }

    /// The JSON pointer.
    pub fn pointer(&self) -> Option<&str> {
        match self {
            Self::Json { pointer } => Some(pointer),
            _ => None,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status => formatter.write_str("the status"),
            Self::Header { name } => write!(formatter, "the header field `{name}`"),
            Self::Json { pointer } if pointer.is_empty() => {
                formatter.write_str("the whole JSON document")
            }
            Self::Json { pointer } => write!(formatter, "the JSON value at `{pointer}`"),
            Self::Bytes { from, to } => write!(formatter, "bytes {from} to {to} of the content"),
            Self::State => formatter.write_str("the state reported in Byzantine-State"),
            Self::Leaf => formatter.write_str("the leaf"),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} is {} here and {} there",
            self.part, self.ours, self.theirs
        )
    }
}

/// The first difference of two answers, or `None` when they are equal.
pub fn difference(ours: &Answer, theirs: &Answer) -> Option<Difference> {
    let leaves = (leaf(ours), leaf(theirs));
    let (Some(our_leaf), Some(their_leaf)) = leaves else {
        return unreadable(ours, theirs);
    };
    if our_leaf.status != their_leaf.status {
        return Some(differs(Part::Status, our_leaf.status, their_leaf.status));
    }
    header_difference(ours, theirs)
        .or_else(|| content_difference(&ours.content, &theirs.content))
        .or_else(|| state_difference(&our_leaf, &their_leaf))
        .or_else(|| unreadable(ours, theirs))
}

fn differs(part: Part, ours: impl fmt::Display, theirs: impl fmt::Display) -> Difference {
    Difference {
        part,
        ours: ours.to_string(),
        theirs: theirs.to_string(),
    }
}

fn leaf(answer: &Answer) -> Option<ResponseLeaf> {
    ResponseLeaf::parse(std::str::from_utf8(&answer.leaf).ok()?).ok()
}

/// Leaves that only compare as bytes.
fn unreadable(ours: &Answer, theirs: &Answer) -> Option<Difference> {
    let differ = ours.leaf != theirs.leaf;
    differ.then(|| {
        differs(
            Part::Leaf,
            line_beside(ours, theirs),
            line_beside(theirs, ours),
        )
    })
}

/// The first line of a leaf that the other lacks.
fn line_beside(answer: &Answer, other: &Answer) -> String {
    let mut lines = answer.leaf.split(|byte| *byte == b'\n');
    let mut others = other.leaf.split(|byte| *byte == b'\n');
    let found = lines.find(|line| Some(*line) != others.next());
    found.map_or_else(|| "nothing".to_owned(), excerpt)
}

fn state_difference(ours: &ResponseLeaf, theirs: &ResponseLeaf) -> Option<Difference> {
    let side = |leaf: &ResponseLeaf| leaf.state.map_or("absent".to_owned(), Digest::to_base64);
    let differ = ours.state != theirs.state;
    differ.then(|| differs(Part::State, side(ours), side(theirs)))
}

fn header_difference(ours: &Answer, theirs: &Answer) -> Option<Difference> {
    let (ours, theirs) = (block(ours)?, block(theirs)?);
    let fields = ours.fields().iter().chain(theirs.fields());
    let mut names: Vec<&str> = fields.map(|field| field.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names.into_iter().find_map(|name| {
        let (our, their) = (values(&ours, name), values(&theirs, name));
        (our != their).then(|| {
            differs(
                Part::Header {
                    name: name.to_owned(),
                },
                our,
                their,
            )
        })
    })
}

fn block(answer: &Answer) -> Option<FieldBlock> {
    FieldBlock::parse(std::str::from_utf8(&answer.fields).ok()?).ok()
}

fn values(block: &FieldBlock, name: &str) -> String {
    let values: Vec<String> = block.values(name).map(excerpt).collect();
    if values.is_empty() {
        "absent".to_owned()
    } else {
        values.join(", ")
    }
}

fn content_difference(ours: &[u8], theirs: &[u8]) -> Option<Difference> {
    if ours == theirs {
        return None;
    }
    json_difference(ours, theirs).or_else(|| Some(byte_difference(ours, theirs)))
}

fn json_difference(ours: &[u8], theirs: &[u8]) -> Option<Difference> {
    let (ours, theirs) = (parse_json(ours)?, parse_json(theirs)?);
    let mut pointer = String::new();
    let (our, their) = descend(Some(&ours), Some(&theirs), &mut pointer, MAX_DEPTH)?;
    Some(differs(
        Part::Json { pointer },
        json_excerpt(our),
        json_excerpt(their),
    ))
}

/// Objects and arrays only: of a bare number or string the byte range says as much.
fn parse_json(content: &[u8]) -> Option<Value> {
    let value: Value = serde_json::from_slice(content).ok()?;
    (value.is_object() || value.is_array()).then_some(value)
}

type Sides<'a> = (Option<&'a Value>, Option<&'a Value>);

/// The innermost differing pair; `pointer` is extended to it.
fn descend<'a>(
    ours: Option<&'a Value>,
    theirs: Option<&'a Value>,
    pointer: &mut String,
    depth: usize,
) -> Option<Sides<'a>> {
    if ours == theirs {
        return None;
    }
    let start = pointer.len();
    for step in steps(ours, theirs).into_iter().filter(|_| depth > 0) {
        pointer.push('/');
        pointer.push_str(&step.replace('~', "~0").replace('/', "~1"));
        let (our, their) = (member(ours, &step), member(theirs, &step));
        if let Some(found) = descend(our, their, pointer, depth - 1) {
            return Some(found);
        }
        pointer.truncate(start);
    }
    Some((ours, theirs))
}

/// The members of two values of one container type, those of the first in front.
fn steps(ours: Option<&Value>, theirs: Option<&Value>) -> Vec<String> {
    match (ours, theirs) {
        (Some(Value::Object(ours)), Some(Value::Object(theirs))) => {
            let added = theirs.keys().filter(|name| !ours.contains_key(*name));
            ours.keys().chain(added).cloned().collect()
        }
        (Some(Value::Array(ours)), Some(Value::Array(theirs))) => (0..ours.len().max(theirs.len()))
            .map(|index| index.to_string())
            .collect(),
        _ => Vec::new(),
    }
}

fn member<'a>(value: Option<&'a Value>, step: &str) -> Option<&'a Value> {
    match value? {
        Value::Object(members) => members.get(step),
        Value::Array(items) => items.get(step.parse::<usize>().ok()?),
        _ => None,
    }
}

fn json_excerpt(value: Option<&Value>) -> String {
    value.map_or_else(
        || "absent".to_owned(),
        |value| excerpt(value.to_string().as_bytes()),
    )
}

fn byte_difference(ours: &[u8], theirs: &[u8]) -> Difference {
    let pairs = ours.iter().zip(theirs);
    let from = pairs.take_while(|(our, their)| our == their).count();
    let room = ours.len().min(theirs.len()) - from;
    let backwards = ours.iter().rev().zip(theirs.iter().rev()).take(room);
    let tail = backwards.take_while(|(our, their)| our == their).count();
    let to = ours.len().max(theirs.len()) - tail;
    let side = |content: &[u8]| excerpt(&content[from..content.len() - tail]);
    differs(Part::Bytes { from, to }, side(ours), side(theirs))
}

/// Printable, quoted where it is not plain, and short.
fn excerpt(bytes: &[u8]) -> String {
    let cut = &bytes[..bytes.len().min(EXCERPT)];
    let dots = if cut.len() < bytes.len() { "…" } else { "" };
    format!("`{}{dots}`", String::from_utf8_lossy(cut).escape_debug())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use byzantine_proof::{LeafKind, Origin, RequestFields};

    use super::*;

    fn answer(status: u16, fields: &[(&str, &str)], content: &str) -> Answer {
        let fields = fields.iter().map(|(name, value)| (*name, value.as_bytes()));
        let block = FieldBlock::build(RequestFields::default(), fields).unwrap();
        let leaf = ResponseLeaf {
            origin: Origin::parse("a.b.c/0-00").unwrap(),
            sequence: 1,
            index: 0,
            time_ms: 0,
            kind: LeafKind::App,
            key: Digest::of(b"k"),
            request: Digest::of(b"r"),
            status,
            fields: block.digest(),
            content_length: content.len() as u64,
            content: Digest::of(content.as_bytes()),
            state: None,
        };
        Answer {
            leaf: Bytes::from(leaf.to_text()),
            request_fields: Vec::new(),
            fields: Bytes::from(block.to_text()),
            content: Bytes::from(content.to_owned()),
        }
    }

    fn of_content(ours: &str, theirs: &str) -> Difference {
        difference(&answer(200, &[], ours), &answer(200, &[], theirs)).unwrap()
    }

    #[test]
    fn equal_answers_do_not_differ() {
        assert_eq!(
            difference(&answer(200, &[], "a"), &answer(200, &[], "a")),
            None
        );
    }

    #[test]
    fn status_comes_before_headers_before_content() {
        let ours = answer(200, &[("x-a", "1"), ("x-b", "2")], "a");
        let found = difference(&ours, &answer(500, &[], "b")).unwrap();
        assert_eq!(
            (found.part.as_str(), found.ours.as_str()),
            ("status", "200")
        );
        let found = difference(&ours, &answer(200, &[("x-a", "1")], "b")).unwrap();
        assert_eq!(
            (found.part.name(), found.theirs.as_str()),
            (Some("x-b"), "absent")
        );
    }

    #[test]
    fn json_is_compared_by_value() {
        let found = of_content(
            r#"{"a":[1,{"b/c":2}],"d":0}"#,
            r#"{"a":[1,{"b/c":3}],"d":9}"#,
        );
        assert_eq!(found.part.pointer(), Some("/a/1/b~1c"));
        assert_eq!((found.ours.as_str(), found.theirs.as_str()), ("`2`", "`3`"));
        let found = of_content("[1]", "[1,2]");
        assert_eq!(
            (found.part.pointer(), found.ours.as_str()),
            (Some("/1"), "absent")
        );
        let found = of_content(r#"{"a":null}"#, "{}");
        assert_eq!(
            (found.part.pointer(), found.ours.as_str()),
            (Some("/a"), "`null`")
        );
        assert_eq!(of_content("{}", "[]").part.pointer(), Some(""));
    }

    #[test]
    fn equal_json_in_other_bytes_is_a_byte_range() {
        let found = of_content(r#"{"a":1,"b":2}"#, r#"{"b":2,"a":1}"#);
        assert_eq!(found.part, Part::Bytes { from: 2, to: 12 });
    }

    #[test]
    fn other_content_is_a_byte_range() {
        let found = of_content("aaXbb", "aaYYbb");
        assert_eq!(found.part, Part::Bytes { from: 2, to: 4 });
        assert_eq!(
            (found.ours.as_str(), found.theirs.as_str()),
            ("`X`", "`YY`")
        );
        assert_eq!(of_content("aa", "aaa").part, Part::Bytes { from: 2, to: 3 });
        assert_eq!(of_content("", "a").part, Part::Bytes { from: 0, to: 1 });
    }

    #[test]
    fn unreadable_leaves_still_differ() {
        let odd = Answer {
            leaf: Bytes::from_static(b"odd"),
            ..answer(200, &[], "a")
        };
        assert_eq!(
            difference(&odd, &answer(200, &[], "a")).unwrap().part,
            Part::Leaf
        );
    }
}
