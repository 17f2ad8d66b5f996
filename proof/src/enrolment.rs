//! What a replica signs to become a member: that it holds the secret halves of its three keys,
//! and for which pod of which service they are. Signed with each of them, so that nobody can
//! enrol another's key as his own, nor replay one pod's enrolment as another's.

use crate::error::ProofError;
use crate::keys::{SecretKey, Signature};
use crate::membership::Member;
use crate::service::ServiceName;

/// One replica's wish to be a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolment {
    /// The service.
    pub service: ServiceName,
    /// The epoch; 0 at genesis.
    pub epoch: u64,
    /// The UID of the pod in which the keys lie.
    pub pod: String,
    /// The replica's number and its public keys.
    pub member: Member,
}

/// The proof that whoever enrols holds all three secret keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Possession {
    /// By the vote key.
    pub vote: Signature,
    /// By the cosigner key.
    pub cosigner: Signature,
    /// By the link key.
    pub link: Signature,
}

impl Enrolment {
    /// The text that is signed; its first line parts it from all else these keys sign.
    pub fn statement(&self) -> String {
        let Member {
            id,
            vote,
            cosigner,
            link,
        } = &self.member;
        format!(
            "byzantine-enrolment/v1\nservice {}\nepoch {}\npod {}\n\
             replica {id} {vote} {cosigner} {link}\n",
            self.service, self.epoch, self.pod
        )
    }

    /// Signs with the three secret keys of the member.
    pub fn sign(&self, vote: &SecretKey, cosigner: &SecretKey, link: &SecretKey) -> Possession {
        let statement = self.statement();
        let statement = statement.as_bytes();
        Possession {
            vote: vote.sign(statement),
            cosigner: cosigner.sign(statement),
            link: link.sign(statement),
        }
    }

    /// Checks the three signatures.
    ///
    /// # Errors
    /// [`ProofError::Signature`] names the first key that did not sign this.
    pub fn verify(&self, possession: &Possession) -> Result<(), ProofError> {
        let statement = self.statement();
        let statement = statement.as_bytes();
        let Member {
            vote,
            cosigner,
            link,
            ..
        } = &self.member;
        vote.verify_strict(statement, &possession.vote)?;
        cosigner.verify_strict(statement, &possession.cosigner)?;
        link.verify_strict(statement, &possession.link)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::membership::tests::{member, secret};

    fn enrolment() -> Enrolment {
        Enrolment {
            service: ServiceName::parse("wallet.bank.example.org").unwrap(),
            epoch: 0,
            pod: "0e8f1a".to_owned(),
            member: member(2),
        }
    }

    fn signed(enrolment: &Enrolment) -> Possession {
        enrolment.sign(&secret(0, 2), &secret(1, 2), &secret(2, 2))
    }

    #[test]
    fn the_holder_of_all_three_keys_is_believed() {
        let enrolment = enrolment();
        assert_eq!(enrolment.verify(&signed(&enrolment)), Ok(()));
        assert!(enrolment.statement().starts_with(
            "byzantine-enrolment/v1\nservice wallet.bank.example.org\nepoch 0\npod 0e8f1a\n\
             replica 2 "
        ));
    }

    #[test]
    fn nothing_that_is_signed_can_be_changed() {
        let original = enrolment();
        let possession = signed(&original);
        let mut others = vec![original.clone(); 4];
        others[0].pod.push('b');
        others[1].epoch = 1;
        others[2].service = ServiceName::parse("purse.bank.example.org").unwrap();
        others[3].member.id.0 = 3;
        for other in others {
            assert!(other.verify(&possession).is_err(), "{other:?}");
        }
    }

    #[test]
    fn every_key_must_have_signed() {
        let enrolment = enrolment();
        let (right, wrong) = (signed(&enrolment), secret(9, 9).sign(b"x"));
        for forged in [
            Possession {
                vote: wrong,
                ..right
            },
            Possession {
                cosigner: wrong,
                ..right
            },
            Possession {
                link: wrong,
                ..right
            },
        ] {
            assert!(enrolment.verify(&forged).is_err());
        }
    }
}
