//! Whom to believe: a certificate counts if its key is pinned, whatever else it says. That the
//! peer holds the key is proved by its signature over the handshake (RFC 8446 §4.4.3).

use std::sync::Arc;

use byzantine_proof::{Membership, PublicKey, ReplicaId};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, PeerIncompatible,
    SignatureScheme,
};

/// `SubjectPublicKeyInfo` of an Ed25519 key before its 32 bytes (RFC 8410 §4).
const SPKI_PREFIX: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// A verifier that knows keys and nothing else.
#[derive(Debug)]
pub(super) struct Pinned {
    keys: Vec<PublicKey>,
    provider: Arc<CryptoProvider>,
}

impl Pinned {
    /// Believes the link key of one member.
    pub(super) fn one(
        membership: &Membership,
        peer: ReplicaId,
        provider: &Arc<CryptoProvider>,
    ) -> Self {
        let keys = membership.member(peer).map(|member| member.link);
        Self {
            keys: keys.into_iter().collect(),
            provider: Arc::clone(provider),
        }
    }

    /// Believes the link keys of all members.
    pub(super) fn all(membership: &Membership, provider: &Arc<CryptoProvider>) -> Self {
        let members = membership.members().iter();
        Self {
            keys: members.map(|member| member.link).collect(),
            provider: Arc::clone(provider),
        }
    }

    fn check(&self, certificate: &CertificateDer<'_>) -> Result<(), Error> {
        let unknown = Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure);
        let found = key_of(certificate)?;
        let pinned = self.keys.iter().any(|key| *key.as_bytes() == found);
        if pinned { Ok(()) } else { Err(unknown) }
    }

    fn check_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }
}

/// The member whose link key a certificate carries.
pub(super) fn member_of(
    membership: &Membership,
    certificate: &CertificateDer<'_>,
) -> Option<ReplicaId> {
    let found = key_of(certificate).ok()?;
    let mut members = membership.members().iter();
    let member = members.find(|member| *member.link.as_bytes() == found)?;
    Some(member.id)
}

fn key_of(certificate: &CertificateDer<'_>) -> Result<[u8; 32], Error> {
    let parsed = ParsedCertificate::try_from(certificate)?;
    let key = parsed.subject_public_key_info();
    let bytes = key.as_ref().strip_prefix(&SPKI_PREFIX[..]);
    let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))
}

fn refuse_tls12() -> Error {
    Error::PeerIncompatible(PeerIncompatible::Tls12NotOffered)
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(end_entity)
            .map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(refuse_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

impl ClientCertVerifier for Pinned {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(end_entity)
            .map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(refuse_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}
