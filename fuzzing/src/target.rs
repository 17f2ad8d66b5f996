//! The decoders by name.

mod http;
mod journal;
mod leaf;
mod manifest;
mod policy;
mod proof;
mod request;
mod response;
mod wire;

use std::fmt;
use std::str::FromStr;

/// A decoder of bytes that somebody else wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The head of a client's HTTP/1.1 request.
    Http,
    /// A segment of the journal.
    Journal,
    /// A leaf of the tree.
    Leaf,
    /// A `ByzantineService` in YAML.
    Manifest,
    /// A policy.
    Policy,
    /// A proof, and a response verified with it.
    Proof,
    /// A request as peers send it.
    Request,
    /// A field block.
    Response,
    /// A frame of a peer.
    Wire,
}

/// No decoder has this name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownTarget(String);

impl Target {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Http,
        Self::Journal,
        Self::Leaf,
        Self::Manifest,
        Self::Policy,
        Self::Proof,
        Self::Request,
        Self::Response,
        Self::Wire,
    ];

    /// The name, which is also that of its corpus.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Journal => "journal",
            Self::Leaf => "leaf",
            Self::Manifest => "manifest",
            Self::Policy => "policy",
            Self::Proof => "proof",
            Self::Request => "request",
            Self::Response => "response",
            Self::Wire => "wire",
        }
    }

    /// Decodes, and checks what must hold.
    ///
    /// # Panics
    /// When it does not hold.
    pub fn check(self, bytes: &[u8]) {
        match self {
            Self::Http => http::check(bytes),
            Self::Journal => journal::check(bytes),
            Self::Leaf => leaf::check(bytes),
            Self::Manifest => manifest::check(bytes),
            Self::Policy => policy::check(bytes),
            Self::Proof => proof::check(bytes),
            Self::Request => request::check(bytes),
            Self::Response => response::check(bytes),
            Self::Wire => wire::check(bytes),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Target {
    type Err = UnknownTarget;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let named = Self::ALL.into_iter().find(|target| target.name() == name);
        named.ok_or_else(|| UnknownTarget(name.to_owned()))
    }
}

impl fmt::Display for UnknownTarget {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Target::ALL.map(Target::name).join(", ");
        write!(
            formatter,
            "no decoder is named `{}`; there are {names}",
            self.0
        )
    }
}

impl std::error::Error for UnknownTarget {}
