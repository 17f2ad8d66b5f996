//! C2SP tlog-policy: the log, the replicas as witnesses, and how many of them must cosign.
//!
//! A policy is trusted: it was pinned, or came from where the service is operated. The copy that
//! a gateway serves is for comparison only.

use std::fmt;

use crate::cosignature::CosignerKey;
use crate::error::ProofError;
use crate::membership::{MAX_MEMBERS, Membership, ReplicaId};
use crate::note::{LogKey, NoteSignature};
use crate::service::Origin;
use crate::text::small_decimal;

/// Some comments besides 35 lines of keys.
const MAX_POLICY_BYTES: usize = 64 * 1024;

const FORMAT: &str = "policy";

/// Whose cosignatures a verifier demands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    origin: Origin,
    cosigners: Vec<CosignerKey>,
    quorum: usize,
}

impl Policy {
    /// The policy of a membership: any k of its replicas.
    pub fn of(membership: &Membership) -> Self {
        let cosigners = membership
            .ids()
            .filter_map(|id| membership.cosigner(id))
            .collect();
        let quorum = membership.reply_quorum();
        Self {
            origin: membership.origin().clone(),
            cosigners,
            quorum,
        }
    }

    /// Reads a policy: one `log`, `witness r0 …` to `witness r(n-1) …`, `group q <k> r0 … r(n-1)`
    /// and `quorum q`. White space, comments and URLs may be there as tlog-policy allows;
    /// another log key than the derived one, other names or other groups may not.
    ///
    /// # Errors
    /// [`ProofError::Grammar`], [`ProofError::TooLong`], or a key's own error.
    pub fn parse(text: &str) -> Result<Self, ProofError> {
        if text.len() > MAX_POLICY_BYTES {
            let (length, limit) = (text.len(), MAX_POLICY_BYTES);
            return Err(ProofError::TooLong {
                format: FORMAT,
                length,
                limit,
            });
        }
        let mut reader = Reader::new(text);
        let origin = reader.log()?;
        let mut cosigners: Vec<CosignerKey> = Vec::new();
        while let Some(next) = reader.witness(&origin, cosigners.len())? {
            // One key under two names would count twice.
            if cosigners
                .iter()
                .any(|known| known.public_key() == next.public_key())
            {
                let (replica, key) = (next.replica(), next.public_key().to_base64());
                return Err(ProofError::DuplicateKey { replica, key });
            }
            cosigners.push(next);
        }
        let quorum = reader.group(cosigners.len())?;
        reader.end()?;
        Ok(Self {
            origin,
            cosigners,
            quorum,
        })
    }

    /// Which log.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The replicas' keys, replica i at place i.
    pub fn cosigners(&self) -> &[CosignerKey] {
        &self.cosigners
    }

    /// k: how many of them must have cosigned.
    pub fn quorum(&self) -> usize {
        self.quorum
    }

    /// The key that a signature line claims to be of.
    pub fn claimed(&self, line: &NoteSignature) -> Option<&CosignerKey> {
        self.cosigners.iter().find(|key| key.claims(line))
    }
}

/// The text in the form that every tlog-policy reader takes.
impl fmt::Display for Policy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            formatter,
            "log {}",
            LogKey::derive(&self.origin).verifier_key()
        )?;
        for key in &self.cosigners {
            writeln!(
                formatter,
                "witness r{} {}",
                key.replica(),
                key.verifier_key()
            )?;
        }
        write!(formatter, "group q {}", self.quorum)?;
        for key in &self.cosigners {
            write!(formatter, " r{}", key.replica())?;
        }
        writeln!(formatter, "\nquorum q")
    }
}

/// The lines that say something, in words.
struct Reader<'a> {
    lines: std::vec::IntoIter<(usize, Vec<&'a str>)>,
    line: usize,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        let words = |line: &'a str| line.split([' ', '\t']).filter(|word| !word.is_empty());
        let lines = text
            .split('\n')
            .map(|line| words(line).collect::<Vec<_>>())
            .enumerate();
        let says = |words: &[&str]| words.first().is_some_and(|word| !word.starts_with('#'));
        let lines: Vec<_> = lines.filter(|(_, words)| says(words)).collect();
        Self {
            lines: lines.into_iter(),
            line: 0,
        }
    }

    fn next(&mut self, expected: &'static str) -> Result<Vec<&'a str>, ProofError> {
        let next = self.lines.next();
        let (number, words) = next.ok_or_else(|| self.error(expected))?;
        self.line = number + 1;
        Ok(words)
    }

    fn error(&self, expected: &'static str) -> ProofError {
        ProofError::Grammar {
            format: FORMAT,
            line: self.line,
            expected,
        }
    }

    fn log(&mut self) -> Result<Origin, ProofError> {
        let expected = "log <verifier key derived from the origin>";
        let words = self.next(expected)?;
        let (["log", key] | ["log", key, _]) = words[..] else {
            return Err(self.error(expected));
        };
        let origin = Origin::parse(key.split('+').next().unwrap_or_default())?;
        let derived = LogKey::derive(&origin).verifier_key() == key;
        if derived {
            Ok(origin)
        } else {
            Err(self.error(expected))
        }
    }

    /// The next witness, or `None` at any other line, which is left to be read.
    fn witness(&mut self, origin: &Origin, i: usize) -> Result<Option<CosignerKey>, ProofError> {
        if self
            .lines
            .as_slice()
            .first()
            .is_none_or(|(_, words)| words[0] != "witness")
        {
            return Ok(None);
        }
        let expected = "witness r<i> <verifier key of <origin>/r<i>>, numbered from 0, at most 32";
        let words = self.next(expected)?;
        let (["witness", name, key] | ["witness", name, key, _]) = words[..] else {
            return Err(self.error(expected));
        };
        let id = u8::try_from(i)
            .ok()
            .filter(|_| i < MAX_MEMBERS && name == format!("r{i}"));
        let id = id.ok_or_else(|| self.error(expected))?;
        CosignerKey::parse(origin, ReplicaId(id), key).map(Some)
    }

    /// The group's threshold.
    fn group(&mut self, members: usize) -> Result<usize, ProofError> {
        let expected = "group q <k> r0 r1 … with every witness, 1 <= k <= min(15, n)";
        let words = self.next(expected)?;
        let ["group", "q", threshold, names @ ..] = &words[..] else {
            return Err(self.error(expected));
        };
        let all = names
            .iter()
            .enumerate()
            .all(|(i, name)| *name == format!("r{i}"));
        let threshold = match *threshold {
            "any" => Some(1),
            "all" => Some(members),
            number => small_decimal(number),
        };
        let fits = |k: &usize| all && names.len() == members && (1..=members.min(15)).contains(k);
        threshold.filter(fits).ok_or_else(|| self.error(expected))
    }

    fn end(mut self) -> Result<(), ProofError> {
        let words = self.next("quorum q")?;
        let last = self.lines.next().is_none();
        if words == ["quorum", "q"] && last {
            Ok(())
        } else {
            Err(self.error("quorum q, the end"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::membership::tests::membership;

    #[test]
    fn the_text_returns() {
        let policy = Policy::of(&membership(9, 2, 5).unwrap());
        let text = policy.to_string();
        assert_eq!(Policy::parse(&text).as_ref(), Ok(&policy));
        assert!(text.contains("\ngroup q 5 r0 r1 r2 r3 r4 r5 r6 r7 r8\nquorum q\n"));
        let spaced = text
            .replace(' ', " \t ")
            .replace("quorum", "\n # a comment\n  quorum");
        assert_eq!(Policy::parse(&spaced).as_ref(), Ok(&policy));
    }

    #[test]
    fn another_shape_is_refused() {
        let text = Policy::of(&membership(4, 1, 3).unwrap()).to_string();
        let swaps = [
            ("log ", "log x"),
            ("witness r1", "witness r2"),
            ("/r1+", "/r2+"),
            ("group q 3", "group q 0"),
            ("group q 3", "group q 5"),
            ("group q 3", "group q 03"),
            (" r2 r3\n", " r2\n"),
            (" r2 r3\n", " r3 r2\n"),
            ("quorum q", "quorum none"),
            ("quorum q", "quorum q\nquorum q"),
            ("quorum q", ""),
        ];
        for (from, to) in swaps {
            assert!(
                Policy::parse(&text.replace(from, to)).is_err(),
                "{from} -> {to}"
            );
        }
        assert!(Policy::parse("").is_err());
    }

    #[test]
    fn one_key_under_two_names_is_refused() {
        let members = membership(4, 1, 3).unwrap();
        let text = Policy::of(&members).to_string();
        let key = |id, owner| {
            let key = members.cosigner(ReplicaId(owner)).unwrap();
            CosignerKey::new(members.origin(), ReplicaId(id), *key.public_key()).verifier_key()
        };
        let twice = text.replace(&key(1, 1), &key(1, 0));
        assert!(matches!(
            Policy::parse(&twice),
            Err(ProofError::DuplicateKey { .. })
        ));
    }
}
