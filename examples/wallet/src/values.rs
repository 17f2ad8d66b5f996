//! The values that a wallet deals in, checked on the way in.

use std::fmt;

use crate::refusal::Refusal;

/// All money there may ever be: the largest integer that every JSON reader keeps exactly
/// (RFC 8259, section 6). No sum of balances can pass it, so no sum overflows.
pub const MOST_MONEY: i64 = (1 << 53) - 1;

const OWNER_BYTES: usize = 64;

/// An account's owner: 1 to 64 letters, digits, `.`, `_` or `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner(String);

impl Owner {
    /// Checks a name.
    ///
    /// # Errors
    /// [`Refusal::BadOwner`].
    pub fn new(name: &str) -> Result<Self, Refusal> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if name.is_empty() || name.len() > OWNER_BYTES || !name.bytes().all(allowed) {
            return Err(Refusal::BadOwner);
        }
        Ok(Self(name.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// An amount to move: 1 to [`MOST_MONEY`], in the smallest unit of the currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amount(i64);

impl Amount {
    /// Checks an amount.
    ///
    /// # Errors
    /// [`Refusal::BadAmount`].
    pub fn new(units: i64) -> Result<Self, Refusal> {
        let allowed = (1..=MOST_MONEY).contains(&units);
        allowed
            .then_some(Self(units))
            .ok_or(Refusal::BadAmount { units })
    }

    /// In the smallest unit of the currency.
    pub fn units(self) -> i64 {
        self.0
    }
}

/// Money an account opens with: 0 to [`MOST_MONEY`], in the smallest unit of the currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening(i64);

impl Opening {
    /// Checks an opening balance.
    ///
    /// # Errors
    /// [`Refusal::BadAmount`].
    pub fn new(units: i64) -> Result<Self, Refusal> {
        let allowed = (0..=MOST_MONEY).contains(&units);
        allowed
            .then_some(Self(units))
            .ok_or(Refusal::BadAmount { units })
    }

    /// In the smallest unit of the currency.
    pub fn units(self) -> i64 {
        self.0
    }
}

/// The number of a transfer; the first is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransferId(pub i64);

impl TransferId {
    /// Reads a number in its only spelling; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let id: i64 = text.parse().ok()?;
        (id > 0 && id.to_string() == text).then_some(Self(id))
    }
}

/// Who pays whom how much; payer and receiver differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    from: Owner,
    to: Owner,
    amount: Amount,
}

impl Payment {
    /// Checks a payment.
    ///
    /// # Errors
    /// [`Refusal::SelfTransfer`], or what is wrong with a name or the amount.
    pub fn new(from: &str, to: &str, units: i64) -> Result<Self, Refusal> {
        let payment = Self {
            from: Owner::new(from)?,
            to: Owner::new(to)?,
            amount: Amount::new(units)?,
        };
        if payment.from == payment.to {
            return Err(Refusal::SelfTransfer);
        }
        Ok(payment)
    }

    /// Who pays.
    pub fn from(&self) -> &Owner {
        &self.from
    }

    /// Who is paid.
    pub fn to(&self) -> &Owner {
        &self.to
    }

    /// How much.
    pub fn amount(&self) -> Amount {
        self.amount
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_amounts_and_numbers_have_bounds() {
        assert!(Owner::new("alice.B-2_c").is_ok() && Owner::new(&"x".repeat(64)).is_ok());
        for name in ["", "a b", "a/b", "é", "a\n", "%41", &"x".repeat(65)] {
            assert_eq!(Owner::new(name), Err(Refusal::BadOwner), "{name:?}");
        }
        for units in [0, -1, i64::MIN, MOST_MONEY + 1, i64::MAX] {
            assert_eq!(Amount::new(units), Err(Refusal::BadAmount { units }));
        }
        assert!(Amount::new(MOST_MONEY).is_ok() && Opening::new(0).is_ok());
        assert_eq!(TransferId::parse("12"), Some(TransferId(12)));
        for text in ["0", "-1", "+1", "01", "1.0", "", "9223372036854775808"] {
            assert_eq!(TransferId::parse(text), None, "{text:?}");
        }
        assert_eq!(Payment::new("a", "a", 1), Err(Refusal::SelfTransfer));
    }
}
