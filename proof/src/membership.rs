//! Who the replicas of one epoch are, how many may fail, and how many must sign a reply.
//!
//! The text is the identity: its digest is part of the origin under which the epoch signs, so a
//! membership that differs in one byte is another log.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

use crate::cosignature::CosignerKey;
use crate::digest::Digest;
use crate::error::ProofError;
use crate::keys::PublicKey;
use crate::service::{Origin, ServiceName};
use crate::text::{Lines, decimal, public_key, small_decimal};

/// The most members: C2SP tlog-policy asks implementations to support 32 witnesses.
pub const MAX_MEMBERS: usize = 32;

/// The most cosignatures in a proof: signed-note guarantees 16 lines, and one is the log's.
const MAX_REPLY_QUORUM: usize = 15;

/// Headers, and a line of at most 200 bytes per member.
const MAX_TEXT_BYTES: usize = 8 * 1024;

const FORMAT: &str = "membership";

/// The number of a replica in its epoch, from 0.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    borsh::BorshSerialize,
    borsh::BorshDeserialize,
)]
pub struct ReplicaId(pub u8);

impl fmt::Display for ReplicaId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// A replica and its three public keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its number.
    pub id: ReplicaId,
    /// Signs the messages of the agreement.
    pub vote: PublicKey,
    /// Signs checkpoints; one per service and epoch.
    pub cosigner: PublicKey,
    /// Identifies it in TLS.
    pub link: PublicKey,
}

/// The replicas of one epoch of a service; always satisfies n ≥ 3f+1 and 2f+1 ≤ k ≤ min(15, n−f).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    service: ServiceName,
    epoch: u64,
    faults: usize,
    quorum: usize,
    members: Vec<Member>,
    digest: Digest,
    origin: Origin,
}

impl Membership {
    /// Checks and joins the parts; `quorum` is k, the cosignatures in a reply's proof.
    ///
    /// # Errors
    /// Too few or too many members, members out of order, a key used twice, or k out of range.
    pub fn new(
        service: ServiceName,
        epoch: u64,
        faults: u8,
        quorum: u8,
        members: Vec<Member>,
    ) -> Result<Self, ProofError> {
        let (faults, quorum) = (usize::from(faults), usize::from(quorum));
        check_sizes(members.len(), faults, quorum)?;
        check_members(&members)?;
        let text = text(&service, epoch, faults, quorum, &members);
        let digest = Digest::of(text.as_bytes());
        let origin = Origin::parse(&format!("{service}/{epoch}-{}", &digest.to_string()[..16]))?;
        Ok(Self {
            service,
            epoch,
            faults,
            quorum,
            members,
            digest,
            origin,
        })
    }

    /// Reads the text; only the exact form that [`Membership::to_text`] writes is accepted.
    ///
    /// # Errors
    /// [`ProofError::Grammar`], or as [`Membership::new`].
    pub fn parse(text: &str) -> Result<Self, ProofError> {
        if text.len() > MAX_TEXT_BYTES {
            let (length, limit) = (text.len(), MAX_TEXT_BYTES);
            return Err(ProofError::TooLong {
                format: FORMAT,
                length,
                limit,
            });
        }
        let mut lines = Lines::new(FORMAT, text);
        lines.exactly("byzantine-membership/v1")?;
        let service = ServiceName::parse(lines.field("service")?)?;
        let epoch = lines.parsed("epoch", decimal)?;
        let faults = lines.parsed("faults", small_decimal)?;
        let quorum = lines.parsed("quorum", small_decimal)?;
        let mut members = Vec::new();
        while !lines.rest().is_empty() {
            members.push(parse_member(&mut lines)?);
        }
        Self::new(service, epoch, faults, quorum, members)
    }

    /// The text whose digest identifies the epoch.
    pub fn to_text(&self) -> String {
        text(
            &self.service,
            self.epoch,
            self.faults,
            self.quorum,
            &self.members,
        )
    }

    /// SHA-256 of the text.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// `<service>/<epoch>-<first 16 hexadecimal digits of the digest>`.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The service.
    pub fn service(&self) -> &ServiceName {
        &self.service
    }

    /// The epoch, from 0; the next one is ordered by this one.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The members, member i at place i.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The member of that number.
    pub fn member(&self, id: ReplicaId) -> Option<&Member> {
        self.members.get(usize::from(id.0))
    }

    /// Every member's number, ascending.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = ReplicaId> + '_ {
        self.members.iter().map(|member| member.id)
    }

    /// The key under which a member cosigns checkpoints.
    pub fn cosigner(&self, id: ReplicaId) -> Option<CosignerKey> {
        let member = self.member(id)?;
        Some(CosignerKey::new(&self.origin, id, member.cosigner))
    }

    /// The number of replicas.
    pub fn n(&self) -> usize {
        self.members.len()
    }

    /// The number of replicas that may fail in any way.
    pub fn f(&self) -> usize {
        self.faults
    }

    /// q = ⌈(n+f+1)/2⌉: two such quorums share a correct replica.
    pub fn order_quorum(&self) -> usize {
        (self.n() + self.f() + 1).div_ceil(2)
    }

    /// f+1: at least one of them is correct.
    pub fn weak_quorum(&self) -> usize {
        self.f() + 1
    }

    /// k: the cosignatures in a reply's proof.
    pub fn reply_quorum(&self) -> usize {
        self.quorum
    }
}

fn check_sizes(members: usize, faults: usize, quorum: usize) -> Result<(), ProofError> {
    let needed = 3 * faults + 1;
    let (lowest, highest) = (
        2 * faults + 1,
        MAX_REPLY_QUORUM.min(members.saturating_sub(faults)),
    );
    if members < needed {
        Err(ProofError::TooFewMembers {
            members,
            faults,
            needed,
        })
    } else if members > MAX_MEMBERS {
        Err(ProofError::TooManyMembers {
            members,
            limit: MAX_MEMBERS,
        })
    } else if !(lowest..=highest).contains(&quorum) {
        Err(ProofError::QuorumOutOfRange {
            quorum,
            lowest,
            highest,
        })
    } else {
        Ok(())
    }
}

fn check_members(members: &[Member]) -> Result<(), ProofError> {
    let mut seen = BTreeSet::new();
    for (expected, member) in members.iter().enumerate() {
        if usize::from(member.id.0) != expected {
            return Err(ProofError::MemberOrder {
                expected,
                found: member.id,
            });
        }
        for key in [member.vote, member.cosigner, member.link] {
            if !seen.insert(key) {
                let (replica, key) = (member.id, key.to_base64());
                return Err(ProofError::DuplicateKey { replica, key });
            }
        }
    }
    Ok(())
}

fn parse_member(lines: &mut Lines<'_>) -> Result<Member, ProofError> {
    let values: Vec<&str> = lines.field("replica")?.splitn(4, ' ').collect();
    let [id, vote, cosigner, link] = values[..] else {
        return Err(lines.error("replica <i> <vote key> <cosigner key> <link key>"));
    };
    let id = small_decimal(id)
        .map(ReplicaId)
        .ok_or_else(|| lines.error("a replica number"))?;
    let (vote, cosigner) = (public_key(vote)?, public_key(cosigner)?);
    Ok(Member {
        id,
        vote,
        cosigner,
        link: public_key(link)?,
    })
}

fn text(
    service: &ServiceName,
    epoch: u64,
    faults: usize,
    quorum: usize,
    members: &[Member],
) -> String {
    let mut text = format!(
        "byzantine-membership/v1\nservice {service}\nepoch {epoch}\nfaults {faults}\n\
         quorum {quorum}\n"
    );
    for Member {
        id,
        vote,
        cosigner,
        link,
    } in members
    {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "replica {id} {vote} {cosigner} {link}");
    }
    text
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::keys::SecretKey;

    /// A secret key that only tests know.
    pub(crate) fn secret(kind: u8, replica: u8) -> SecretKey {
        SecretKey::from_seed(Digest::of(&[kind, replica]).as_bytes())
    }

    pub(crate) fn member(id: u8) -> Member {
        let key = |kind| secret(kind, id).public_key();
        Member {
            id: ReplicaId(id),
            vote: key(0),
            cosigner: key(1),
            link: key(2),
        }
    }

    pub(crate) fn membership(n: u8, f: u8, k: u8) -> Result<Membership, ProofError> {
        let service = ServiceName::parse("wallet.bank.example.org").unwrap();
        Membership::new(service, 0, f, k, (0..n).map(member).collect())
    }

    #[test]
    fn quorums_are_those_of_the_protocol() {
        for (n, f, q) in [
            (4, 1, 3),
            (5, 1, 4),
            (6, 1, 4),
            (7, 2, 5),
            (9, 2, 6),
            (10, 3, 7),
        ] {
            let members = membership(n, f, 2 * f + 1).unwrap();
            assert_eq!(members.order_quorum(), q, "n={n} f={f}");
            assert_eq!(members.weak_quorum(), usize::from(f) + 1);
        }
    }

    #[test]
    fn impossible_sizes_are_refused() {
        assert!(matches!(
            membership(3, 1, 3),
            Err(ProofError::TooFewMembers { needed: 4, .. })
        ));
        for (n, f, k) in [(4, 1, 2), (4, 1, 4), (9, 2, 4), (9, 2, 8), (22, 2, 16)] {
            let refused = membership(n, f, k);
            assert!(
                matches!(refused, Err(ProofError::QuorumOutOfRange { .. })),
                "{n} {f} {k}"
            );
        }
        assert!(membership(9, 2, 5).is_ok());
        assert!(matches!(
            membership(33, 1, 3),
            Err(ProofError::TooManyMembers { .. })
        ));
    }

    #[test]
    fn keys_and_numbers_must_be_distinct() {
        let service = ServiceName::parse("a.b.c").unwrap();
        let mut members: Vec<Member> = (0..4).map(member).collect();
        members[3].link = members[0].vote;
        let refused = Membership::new(service.clone(), 0, 1, 3, members.clone());
        assert!(matches!(refused, Err(ProofError::DuplicateKey { .. })));
        members.swap(0, 1);
        let refused = Membership::new(service, 0, 1, 3, members);
        assert!(matches!(refused, Err(ProofError::MemberOrder { .. })));
    }

    #[test]
    fn the_text_returns_and_no_byte_of_it_is_free() {
        let members = membership(4, 1, 3).unwrap();
        let text = members.to_text();
        assert_eq!(Membership::parse(&text).as_ref(), Ok(&members));
        assert!(
            members
                .origin()
                .as_str()
                .starts_with("wallet.bank.example.org/0-")
        );
        for place in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[place] ^= 1;
            let changed = String::from_utf8(bytes).unwrap();
            if let Ok(other) = Membership::parse(&changed) {
                assert_ne!(other.digest(), members.digest());
                assert_eq!(other.to_text(), changed, "accepted in a second form");
            }
        }
        for suffix in ["\n", "x", "replica 4\n"] {
            assert!(Membership::parse(&format!("{text}{suffix}")).is_err());
        }
    }
}
