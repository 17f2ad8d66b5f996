//! This replica's TLS identity: a self-signed certificate whose only meaning is its key.

use std::sync::Arc;

use byzantine_proof::{Membership, PublicKey, ReplicaId, SecretKey};
use rcgen::{CertificateParams, PublicKeyData, SignatureAlgorithm, SigningKey};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use zeroize::Zeroizing;

use super::pinning::Pinned;
use crate::error::SidecarError;

/// PKCS #8 of an Ed25519 key before its 32 seed bytes (RFC 8410 §7).
const PKCS8_PREFIX: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// The key pair, its certificate, and whom it may talk to.
pub(super) struct Identity {
    membership: Arc<Membership>,
    provider: Arc<CryptoProvider>,
    certificate: CertificateDer<'static>,
    seed: Zeroizing<[u8; 32]>,
}

impl Identity {
    pub(super) fn new(key: &SecretKey, membership: Arc<Membership>) -> Result<Self, SidecarError> {
        // Names mean nothing to either side, so there are none.
        let parameters = CertificateParams::new(Vec::new()).map_err(tls)?;
        let certificate = parameters.self_signed(&LinkKey::new(key)).map_err(tls)?;
        let identity = Self {
            membership,
            provider: Arc::new(rustls::crypto::ring::default_provider()),
            certificate: certificate.der().clone(),
            seed: key.seed(),
        };
        // Both are made again for each connection; what can fail must fail now.
        identity.server().map_err(tls)?;
        Ok(identity)
    }

    pub(super) fn membership(&self) -> &Membership {
        &self.membership
    }

    /// Accepts any member.
    pub(super) fn acceptor(&self) -> Result<TlsAcceptor, rustls::Error> {
        Ok(TlsAcceptor::from(Arc::new(self.server()?)))
    }

    /// Dials one member and nobody else.
    pub(super) fn connector(&self, peer: ReplicaId) -> Result<TlsConnector, rustls::Error> {
        let pinned = Pinned::one(&self.membership, peer, &self.provider);
        let builder = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(pinned));
        let mut config =
            builder.with_client_auth_cert(vec![self.certificate.clone()], self.private_key())?;
        config.resumption = rustls::client::Resumption::disabled();
        config.enable_sni = false;
        Ok(TlsConnector::from(Arc::new(config)))
    }

    fn server(&self) -> Result<ServerConfig, rustls::Error> {
        let pinned = Pinned::all(&self.membership, &self.provider);
        let builder = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(Arc::new(pinned));
        let mut config =
            builder.with_single_cert(vec![self.certificate.clone()], self.private_key())?;
        // Every connection proves its key afresh.
        config.send_tls13_tickets = 0;
        Ok(config)
    }

    fn private_key(&self) -> PrivateKeyDer<'static> {
        let der = [&PKCS8_PREFIX[..], &self.seed[..]].concat();
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(der))
    }
}

fn tls(error: impl std::error::Error + Send + Sync + 'static) -> SidecarError {
    let source = Box::new(error);
    SidecarError::Tls { source }
}

/// The link key as the certificate's maker wants it.
struct LinkKey<'a> {
    secret: &'a SecretKey,
    public: PublicKey,
}

impl<'a> LinkKey<'a> {
    fn new(secret: &'a SecretKey) -> Self {
        let public = secret.public_key();
        Self { secret, public }
    }
}

impl PublicKeyData for LinkKey<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.public.as_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &rcgen::PKCS_ED25519
    }
}

impl SigningKey for LinkKey<'_> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(self.secret.sign(message).as_bytes().to_vec())
    }
}
