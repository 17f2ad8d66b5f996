//! `Byzantine-Ordinal`: the place of a request in the order all replicas agreed on.

use std::cmp::Ordering;

use http::HeaderMap;

use crate::refusal::Refusal;

/// The header that carries the ordinal.
pub const ORDINAL_HEADER: &str = "byzantine-ordinal";

/// A request's place in the agreed order; the first is 1, and 0 means none yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ordinal(pub i64);

/// What to do with a request, given the last ordinal applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It is a later one.
    Run,
    /// It is the last one again.
    Repeat,
    /// It is neither.
    Refuse(Refusal),
}

impl Ordinal {
    /// The ordinal a request came with; `None` if it came without.
    ///
    /// # Errors
    /// [`Refusal::BadOrdinal`] for anything but one whole number from 1.
    pub fn of(headers: &HeaderMap) -> Result<Option<Self>, Refusal> {
        let mut values = headers.get_all(ORDINAL_HEADER).iter();
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => {
                let parsed = value.to_str().ok().and_then(Self::parse);
                parsed.ok_or(Refusal::BadOrdinal).map(Some)
            }
            _ => Err(Refusal::BadOrdinal),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let number: i64 = text.parse().ok()?;
        (number > 0 && number.to_string() == text).then_some(Self(number))
    }

    /// Whether a request with this ordinal runs when `last` was applied last. Numbers may be
    /// left out: a request that no correct gateway would admit uses one up without a call.
    pub fn turn(self, last: Self) -> Turn {
        match self.cmp(&last) {
            Ordering::Greater => Turn::Run,
            Ordering::Equal => Turn::Repeat,
            Ordering::Less => Turn::Refuse(Refusal::OrdinalPast { sent: self, last }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(ORDINAL_HEADER, http::HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn an_ordinal_has_one_spelling_and_comes_once() {
        assert_eq!(Ordinal::of(&headers(&[])), Ok(None));
        assert_eq!(Ordinal::of(&headers(&["17"])), Ok(Some(Ordinal(17))));
        for bad in ["0", "-1", "+1", "01", "", "1.0", "x", "9223372036854775808"] {
            assert_eq!(
                Ordinal::of(&headers(&[bad])),
                Err(Refusal::BadOrdinal),
                "{bad:?}"
            );
        }
        assert_eq!(Ordinal::of(&headers(&["1", "1"])), Err(Refusal::BadOrdinal));
    }

    #[test]
    fn a_later_ordinal_runs_and_only_the_last_repeats() {
        let last = Ordinal(5);
        assert_eq!(Ordinal(6).turn(last), Turn::Run);
        assert_eq!(Ordinal(5).turn(last), Turn::Repeat);
        assert!(matches!(
            Ordinal(4).turn(last),
            Turn::Refuse(Refusal::OrdinalPast { .. })
        ));
        assert_eq!(Ordinal(8).turn(last), Turn::Run);
    }
}
