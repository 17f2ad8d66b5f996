//! An intruder at a peer port: TLS 1.3 with a certificate that was made a moment ago.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};

/// Longer than a peer keeps silent: it says its status four times a second.
const PATIENCE: Duration = Duration::from_secs(3);

/// Tries to be let in, and says how that went; an error if the peer sent anything at all.
pub(crate) fn knock(address: &str) -> Result<String, String> {
    let found = address.to_socket_addrs().map(|mut all| all.next());
    let found = found.map_err(|error| format!("{address}: {error}"))?;
    let found = found.ok_or_else(|| format!("{address} has no address"))?;
    let socket = match TcpStream::connect_timeout(&found, PATIENCE) {
        Ok(socket) => socket,
        // Where network policies are enforced, this is as far as an intruder comes.
        Err(error) => return Ok(format!("refused: no connection: {error}")),
    };
    socket
        .set_read_timeout(Some(PATIENCE))
        .map_err(|error| error.to_string())?;
    let name = ServerName::try_from("byzantine").map_err(|error| error.to_string())?;
    let connection = ClientConnection::new(Arc::new(config()?), name);
    let connection = connection.map_err(|error| error.to_string())?;
    let mut stream = StreamOwned::new(connection, socket);
    let greeting = stream.write_all(&[0; 64]).and_then(|()| stream.flush());
    let mut answer = [0; 1024];
    match greeting.and_then(|()| stream.read(&mut answer)) {
        Ok(0) => Ok("refused: the peer closed".to_owned()),
        Ok(count) => Err(format!("LET IN: the peer sent {count} bytes")),
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            Ok("nothing: the peer says nothing".to_owned())
        }
        Err(error) => Ok(format!("refused: {error}")),
    }
}

fn config() -> Result<ClientConfig, String> {
    let made = rcgen::generate_simple_self_signed(vec!["byzantine".to_owned()]);
    let made = made.map_err(|error| error.to_string())?;
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())?;
    let provider = Arc::new(ring::default_provider());
    ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone(provider)))
        .with_client_auth_cert(vec![made.cert.der().clone()], key)
        .map_err(|error| error.to_string())
}

/// An intruder does not mind whom it talks to.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
