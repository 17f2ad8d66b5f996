//! What a service is called, and the origin under which one epoch of it signs.

use std::fmt;

use crate::error::ProofError;

/// The longest origin; real ones stay far below.
const MAX_ORIGIN_BYTES: usize = 400;

/// `<name>.<namespace>.<domain>`: a service, its namespace, and the proof domain.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceName {
    name: String,
    namespace: String,
    domain: String,
}

impl ServiceName {
    /// Checks the three parts: lower-case DNS labels, of which only the domain may hold several.
    ///
    /// # Errors
    /// [`ProofError::ServiceName`].
    pub fn new(name: &str, namespace: &str, domain: &str) -> Result<Self, ProofError> {
        let refused = || ProofError::ServiceName {
            name: format!("{name}.{namespace}.{domain}"),
        };
        let labels = is_label(name) && is_label(namespace) && domain.split('.').all(is_label);
        if !labels || name.len() + namespace.len() + domain.len() > 251 {
            return Err(refused());
        }
        let (name, namespace) = (name.to_owned(), namespace.to_owned());
        Ok(Self {
            name,
            namespace,
            domain: domain.to_owned(),
        })
    }

    /// Reads `<name>.<namespace>.<domain>`.
    ///
    /// # Errors
    /// [`ProofError::ServiceName`].
    pub fn parse(text: &str) -> Result<Self, ProofError> {
        let mut parts = text.splitn(3, '.');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(name), Some(namespace), Some(domain)) => Self::new(name, namespace, domain),
            _ => Err(ProofError::ServiceName {
                name: text.to_owned(),
            }),
        }
    }

    /// The service's name in its namespace.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The proof domain, which parts installations from one another.
    pub fn domain(&self) -> &str {
        &self.domain
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}.{}.{}",
            self.name, self.namespace, self.domain
        )
    }
}

fn is_label(label: &str) -> bool {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    let hyphen_outside = label.starts_with('-') || label.ends_with('-');
    !hyphen_outside && (1..=63).contains(&label.len()) && label.bytes().all(allowed)
}

/// The first line of every checkpoint of one epoch of a service (C2SP tlog-checkpoint).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(String);

impl Origin {
    /// Checks an origin: printable ASCII without spaces and `+`, so that it can name a key.
    ///
    /// # Errors
    /// [`ProofError::Origin`].
    pub fn parse(text: &str) -> Result<Self, ProofError> {
        let allowed = |byte: u8| byte.is_ascii_graphic() && byte != b'+';
        if (1..=MAX_ORIGIN_BYTES).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ProofError::Origin {
                origin: text.chars().take(100).collect(),
            })
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_three_parts() {
        let name = ServiceName::parse("ledger.bank.byzantine.example").unwrap();
        assert_eq!((name.name(), name.namespace()), ("ledger", "bank"));
        assert_eq!(name.domain(), "byzantine.example");
        assert_eq!(name.to_string(), "ledger.bank.byzantine.example");
        for bad in [
            "", "a.b", "A.b.c", "a..c", "a.b.", "-a.b.c", "a.b.c\n", "a.b.c d",
        ] {
            assert!(ServiceName::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn origins_can_name_a_key() {
        assert!(Origin::parse("a.b.c/0-00").is_ok());
        for bad in ["", "a b", "a+b", "a\n", "é"] {
            assert!(Origin::parse(bad).is_err(), "{bad}");
        }
    }
}
