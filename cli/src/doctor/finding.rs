//! A place where answers differ, and what to do about it.

use std::fmt;

use serde_json::{Value, json};

/// Where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Where {
    NoAnswer,
    Status,
    Header(String),
    HeaderOrder,
    /// A JSON pointer (RFC 6901); empty for the whole document.
    Json(String),
    /// Equal values in other bytes.
    JsonForm,
    /// From this byte on.
    Bytes(usize),
}

impl fmt::Display for Where {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAnswer => formatter.write_str("whether there is an answer"),
            Self::Status => formatter.write_str("the status"),
            Self::Header(name) => write!(formatter, "the header `{name}`"),
            Self::HeaderOrder => formatter.write_str("the order of the headers"),
            Self::Json(pointer) if pointer.is_empty() => {
                formatter.write_str("the whole JSON document")
            }
            Self::Json(pointer) => write!(formatter, "the JSON value at `{pointer}`"),
            Self::JsonForm => formatter.write_str("the order or spacing of the JSON members"),
            Self::Bytes(from) => write!(formatter, "the content from byte {from} on"),
        }
    }
}

/// A difference between two instances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) request: String,
    pub(super) place: Where,
    pub(super) ours: String,
    pub(super) theirs: String,
}

impl Finding {
    /// Whether replicas would disagree over it.
    pub(super) fn is_serious(&self) -> bool {
        self.place != Where::HeaderOrder
    }

    pub(super) fn to_json(&self) -> Value {
        let pointer = match &self.place {
            Where::Json(pointer) => Some(pointer),
            _ => None,
        };
        let header = match &self.place {
            Where::Header(name) => Some(name),
            _ => None,
        };
        json!({
            "request": self.request, "where": self.place.to_string(), "pointer": pointer,
            "header": header, "first": self.ours, "second": self.theirs,
            "serious": self.is_serious(), "advice": self.advice(),
        })
    }

    fn advice(&self) -> &'static str {
        match &self.place {
            Where::NoAnswer => "see why the app does not answer: start it by hand",
            Where::HeaderOrder => "harmless: header fields are sorted before they are signed",
            Where::JsonForm => {
                "write the members in a fixed order (sorted keys, an ordered map), with fixed \
                 spacing"
            }
            _ if is_time(&self.ours, &self.theirs) => {
                "this looks like a clock: use the request header Byzantine-Time (milliseconds \
                 since 1970), on which the replicas agree"
            }
            _ if is_random(&self.ours, &self.theirs) => {
                "this looks random: derive it from the request header Byzantine-Seed, which is \
                 equal on all replicas and fresh (and public: never a secret)"
            }
            Where::Header(_) => {
                "if it may be left out, list it in spec.http.dropResponseHeaders; else make it \
                 depend on the requests only"
            }
            _ => {
                "make it depend on the requests only: not on process id, port, directory, address, \
                 or the order of a hash table"
            }
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            request,
            place,
            ours,
            theirs,
        } = self;
        write!(
            formatter,
            "{request}: {place} is {ours} in one instance and {theirs} in the other\n    next: {}",
            self.advice()
        )
    }
}

/// `1 difference`, `2 differences`.
pub(super) fn counted(count: usize) -> String {
    if count == 1 {
        "1 difference".to_owned()
    } else {
        format!("{count} differences")
    }
}

/// Two numbers that are points in time near now, in seconds down to nanoseconds, or two dates.
fn is_time(ours: &str, theirs: &str) -> bool {
    let date = |text: &str| {
        let text = text.trim_matches('"');
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        let clock = text.matches(':').count() >= 2;
        clock && (4..=20).contains(&digits) && text.len() < 50
    };
    let number = |text: &str| {
        let whole = text
            .trim_matches('"')
            .split('.')
            .next()
            .unwrap_or_default()
            .to_owned();
        let seconds = whole.get(..10).and_then(|start| start.parse::<u64>().ok());
        let length = matches!(whole.len(), 10 | 13 | 16 | 19);
        length && seconds.is_some_and(|seconds| (1_500_000_000..4_000_000_000).contains(&seconds))
    };
    date(ours) && date(theirs) || number(ours) && number(theirs)
}

/// Two words of the same kind: UUIDs, long hexadecimal or base64 strings, or fractions.
fn is_random(ours: &str, theirs: &str) -> bool {
    let fraction = |text: &str| text.starts_with("0.") && text.len() > 10;
    let word = |text: &str| {
        let text = text.trim_matches('"');
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_+/=".contains(&byte);
        let digits = text.bytes().any(|byte| byte.is_ascii_digit());
        text.len() >= 8 && digits && text.bytes().all(allowed)
    };
    fraction(ours) && fraction(theirs) || word(ours) && word(theirs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_and_chance_are_recognised() {
        for time in [
            "1795000000",
            "1795000000.123",
            "1795000000123",
            "\"2026-11-18T11:06:40Z\"",
        ] {
            assert!(is_time(time, time), "{time}");
        }
        for other in ["12", "\"hello\"", "4000", "\"a:b:c\""] {
            assert!(!is_time(other, other), "{other}");
        }
        for word in [
            "0.123456789012",
            "\"8e03978e-40d5-43dd-bc93-6894a57f9324\"",
            "deadbeef01",
        ] {
            assert!(is_random(word, word), "{word}");
        }
        assert!(!is_random("\"hello\"", "\"world\""));
    }
}
