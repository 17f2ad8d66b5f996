//! Checkpoints: the size and root of a tree, as C2SP tlog-checkpoint writes them.

use std::fmt;

use crate::digest::Digest;
use crate::error::ProofError;
use crate::service::Origin;
use crate::text::{Lines, decimal, digest};

/// The head of a tree; its text is what replicas cosign. Extension lines are never used.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Checkpoint {
    /// Which log.
    pub origin: Origin,
    /// How many leaves, below 2^63.
    pub size: u64,
    /// Their RFC 6962 root.
    pub root: Digest,
}

impl Checkpoint {
    /// Reads the note text; only the exact three lines are accepted.
    ///
    /// # Errors
    /// [`ProofError::Grammar`] or [`ProofError::Origin`].
    pub fn parse(text: &str) -> Result<Self, ProofError> {
        let mut lines = Lines::new("checkpoint", text);
        let origin = Origin::parse(lines.next("an origin")?)?;
        let size = decimal(lines.next("a tree size")?);
        let size = size.ok_or_else(|| lines.error("a tree size"))?;
        let root = digest(lines.next("a root hash")?).ok_or_else(|| lines.error("a root hash"))?;
        lines.end()?;
        Ok(Self { origin, size, root })
    }

    /// The note text: origin, size and root, a line each.
    pub fn to_text(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}\n{}\n{}\n",
            self.origin,
            self.size,
            self.root.to_base64()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_the_example_of_the_specification() {
        let text = "example.com/behind-the-sofa\n20852163\n\
                    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
        let checkpoint = Checkpoint::parse(text).unwrap();
        assert_eq!(checkpoint.size, 20_852_163);
        assert_eq!(checkpoint.to_text(), text);
        let extended = format!("{text}extension\n");
        let padded = text.replace("20852163", "020852163");
        for bad in [&extended, &padded, &text[..text.len() - 1], ""] {
            assert!(Checkpoint::parse(bad).is_err(), "{bad}");
        }
    }
}
