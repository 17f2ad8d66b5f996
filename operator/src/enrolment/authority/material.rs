//! Keys and certificates, and when they are renewed. No clock, no cluster: a function of both.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::AuthorityError;
use super::pem;

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// How long the authority lives, and how long before its end another takes over.
const CA_DAYS: i32 = 3650;
const CA_OVERLAP_DAYS: i32 = 365;

/// The same of the server's certificate.
const SERVER_DAYS: i32 = 90;
const SERVER_OVERLAP_DAYS: i32 = 30;

/// Authorities that are trusted: the present one and the one before.
const BUNDLE: usize = 2;

const COMMON_NAME: &str = "Byzantine operator enrolment authority";

/// An authority's certificates and key, and the server's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Material {
    authorities: Vec<CertificateDer<'static>>,
    authority_key: Vec<u8>,
    authority_expires: Timestamp,
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
    expires: Timestamp,
    names: Vec<String>,
}

impl Material {
    /// A new authority, and a server certificate for these names.
    pub(super) fn generate(names: &[String], now: Timestamp) -> Result<Self, AuthorityError> {
        let key = KeyPair::generate().map_err(certificate)?;
        let expires = now + DAY * CA_DAYS;
        let parameters = authority(now, expires)?;
        let own = parameters.self_signed(&key).map_err(certificate)?;
        let authority_key = key.serialize_der();
        let issued = issue(key, names, now)?;
        Ok(Self {
            authorities: vec![own.der().clone()],
            authority_key,
            authority_expires: expires,
            certificate: issued.certificate,
            key: issued.key,
            expires: issued.expires,
            names: names.to_vec(),
        })
    }

    /// What takes its place now; `None` while it is good.
    pub(super) fn renewed(
        &self,
        names: &[String],
        now: Timestamp,
    ) -> Result<Option<Self>, AuthorityError> {
        if now + DAY * CA_OVERLAP_DAYS >= self.authority_expires {
            let mut new = Self::generate(names, now)?;
            new.authorities.extend(self.authorities.iter().cloned());
            new.authorities.truncate(BUNDLE);
            return Ok(Some(new));
        }
        if self.names == names && now + DAY * SERVER_OVERLAP_DAYS < self.expires {
            return Ok(None);
        }
        let issued = issue(key_pair(&self.authority_key)?, names, now)?;
        Ok(Some(Self {
            certificate: issued.certificate,
            key: issued.key,
            expires: issued.expires,
            names: names.to_vec(),
            ..self.clone()
        }))
    }

    /// What to trust, PEM, the newest first.
    pub(super) fn bundle(&self) -> String {
        let each = self.authorities.iter();
        each.map(|one| pem::encode("CERTIFICATE", one)).collect()
    }

    /// TLS 1.3 with the server's certificate.
    pub(super) fn server_config(&self) -> Result<ServerConfig, rustls::Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.clone()));
        let builder = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?;
        builder
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.clone()], key)
    }

    /// As the Secret holds it.
    pub(super) fn data(&self) -> BTreeMap<String, ByteString> {
        [
            ("ca.crt", self.bundle()),
            ("ca.key", pem::encode("PRIVATE KEY", &self.authority_key)),
            ("ca.expires", self.authority_expires.to_string()),
            ("tls.crt", pem::encode("CERTIFICATE", &self.certificate)),
            ("tls.key", pem::encode("PRIVATE KEY", &self.key)),
            ("tls.expires", self.expires.to_string()),
            ("names", self.names.join(",")),
        ]
        .map(|(key, text)| (key.to_owned(), ByteString(text.into_bytes())))
        .into()
    }

    /// What a Secret holds.
    pub(super) fn read(
        data: Option<&BTreeMap<String, ByteString>>,
    ) -> Result<Self, AuthorityError> {
        let fields = Fields(data);
        let material = Self {
            authorities: fields.certificates("ca.crt")?,
            authority_key: fields.key("ca.key")?,
            authority_expires: fields.time("ca.expires")?,
            certificate: fields.certificates("tls.crt")?.swap_remove(0),
            key: fields.key("tls.key")?,
            expires: fields.time("tls.expires")?,
            names: fields
                .text("names")?
                .split(',')
                .map(str::to_owned)
                .collect(),
        };
        key_pair(&material.authority_key)?;
        Ok(material)
    }
}

struct Issued {
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
    expires: Timestamp,
}

fn issue(
    authority_key: KeyPair,
    names: &[String],
    now: Timestamp,
) -> Result<Issued, AuthorityError> {
    let expires = now + DAY * SERVER_DAYS;
    // The issuer is known by its name and key; when it ends is in its own certificate.
    let issuer = Issuer::new(authority(now, expires)?, authority_key);
    let key = KeyPair::generate().map_err(certificate)?;
    let mut parameters = CertificateParams::new(names.to_vec()).map_err(certificate)?;
    parameters.distinguished_name = DistinguishedName::new();
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.use_authority_key_identifier_extension = true;
    set_validity(&mut parameters, now, expires);
    let signed = parameters.signed_by(&key, &issuer).map_err(certificate)?;
    Ok(Issued {
        certificate: signed.der().clone(),
        key: key.serialize_der(),
        expires,
    })
}

fn authority(now: Timestamp, expires: Timestamp) -> Result<CertificateParams, AuthorityError> {
    let mut parameters = CertificateParams::new(Vec::new()).map_err(certificate)?;
    parameters.distinguished_name = DistinguishedName::new();
    parameters
        .distinguished_name
        .push(DnType::CommonName, COMMON_NAME);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    set_validity(&mut parameters, now, expires);
    Ok(parameters)
}

/// From the day before, since clocks differ, to the begin of the last day.
fn set_validity(parameters: &mut CertificateParams, now: Timestamp, expires: Timestamp) {
    let (year, month, day) = date(now - DAY);
    parameters.not_before = rcgen::date_time_ymd(year, month, day);
    let (year, month, day) = date(expires);
    parameters.not_after = rcgen::date_time_ymd(year, month, day);
}

fn date(time: Timestamp) -> (i32, u8, u8) {
    let date = time.to_zoned(TimeZone::UTC).date();
    let small = |number: i8| number.unsigned_abs();
    (
        i32::from(date.year()),
        small(date.month()),
        small(date.day()),
    )
}

fn key_pair(der: &[u8]) -> Result<KeyPair, AuthorityError> {
    KeyPair::try_from(der).map_err(certificate)
}

fn certificate(source: rcgen::Error) -> AuthorityError {
    AuthorityError::Certificate { source }
}

/// The fields of a Secret.
struct Fields<'a>(Option<&'a BTreeMap<String, ByteString>>);

impl Fields<'_> {
    fn bytes(&self, name: &str) -> Result<&[u8], AuthorityError> {
        let field = self.0.and_then(|data| data.get(name));
        let field = field.map(|field| field.0.as_slice());
        field.ok_or_else(|| unusable(format!("{name} is missing")))
    }

    fn text(&self, name: &str) -> Result<&str, AuthorityError> {
        std::str::from_utf8(self.bytes(name)?).map_err(|_| unusable(format!("{name} is no text")))
    }

    fn time(&self, name: &str) -> Result<Timestamp, AuthorityError> {
        let text = self.text(name)?;
        text.parse()
            .map_err(|_| unusable(format!("{name} is no time")))
    }

    fn key(&self, name: &str) -> Result<Vec<u8>, AuthorityError> {
        let key = PrivatePkcs8KeyDer::from_pem_slice(self.bytes(name)?);
        let key = key.map_err(|_| unusable(format!("{name} is no PKCS #8 key in PEM")))?;
        Ok(key.secret_pkcs8_der().to_vec())
    }

    /// At least one.
    fn certificates(&self, name: &str) -> Result<Vec<CertificateDer<'static>>, AuthorityError> {
        let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(self.bytes(name)?)
            .take(BUNDLE)
            .collect();
        let all = all.ok().filter(|all| !all.is_empty());
        all.ok_or_else(|| unusable(format!("{name} holds no certificates in PEM")))
    }
}

fn unusable(what: String) -> AuthorityError {
    AuthorityError::Unusable { what }
}

#[cfg(test)]
mod tests {
    use rustls::RootCertStore;
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier as _;
    use rustls::pki_types::{ServerName, UnixTime};

    use super::*;

    const NAME: &str = "byzantine-operator.byzantine-system.svc";

    fn names() -> Vec<String> {
        vec![NAME.to_owned()]
    }

    fn start() -> Timestamp {
        "2026-03-01T12:00:00Z".parse().unwrap()
    }

    /// Whether a sidecar that trusts `bundle` accepts the server then.
    fn accepted(material: &Material, bundle: &str, name: &str, now: Timestamp) -> bool {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
            roots.add(certificate.unwrap()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(roots.into(), provider);
        let seconds = u64::try_from(now.as_second()).unwrap();
        let time = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let verifier = verifier.build().unwrap();
        verifier
            .verify_server_cert(&material.certificate, &[], &name, &[], time)
            .is_ok()
    }

    #[test]
    fn the_server_is_believed_under_its_name_while_its_certificate_lives() {
        let material = Material::generate(&names(), start()).unwrap();
        let bundle = material.bundle();
        assert!(accepted(&material, &bundle, NAME, start()));
        assert!(accepted(&material, &bundle, NAME, start() + DAY * 89));
        assert!(!accepted(&material, &bundle, NAME, start() + DAY * 91));
        assert!(!accepted(&material, &bundle, "elsewhere.svc", start()));
        let other = Material::generate(&names(), start()).unwrap();
        assert!(!accepted(&material, &other.bundle(), NAME, start()));
        assert!(material.server_config().is_ok());
    }

    #[test]
    fn a_server_certificate_is_renewed_by_the_same_authority() {
        let old = Material::generate(&names(), start()).unwrap();
        let day = |days: i32| start() + DAY * days;
        assert_eq!(old.renewed(&names(), day(59)).unwrap(), None);
        let new = old.renewed(&names(), day(61)).unwrap().unwrap();
        assert_ne!(new.certificate, old.certificate);
        assert_eq!(new.bundle(), old.bundle());
        assert!(accepted(&new, &old.bundle(), NAME, day(120)));
        let moved = vec!["elsewhere.svc".to_owned()];
        let new = old.renewed(&moved, day(1)).unwrap().unwrap();
        assert!(accepted(&new, &old.bundle(), "elsewhere.svc", day(1)));
    }

    #[test]
    fn a_new_authority_comes_beside_the_old_one() {
        let old = Material::generate(&names(), start()).unwrap();
        let late = start() + DAY * (CA_DAYS - CA_OVERLAP_DAYS);
        let new = old.renewed(&names(), late).unwrap().unwrap();
        assert!(accepted(&new, &new.bundle(), NAME, late));
        assert!(!accepted(&new, &old.bundle(), NAME, late));
        assert_eq!(new.bundle().matches("BEGIN CERTIFICATE").count(), 2);
    }

    #[test]
    fn the_secret_holds_it_all() {
        let material = Material::generate(&names(), start()).unwrap();
        assert_eq!(Material::read(Some(&material.data())).unwrap(), material);
        assert!(Material::read(None).is_err());
        for field in material.data().keys() {
            for bytes in [&b""[..], b"\xff", b"-----BEGIN X-----"] {
                let mut data = material.data();
                data.insert(field.clone(), ByteString(bytes.to_vec()));
                let read = Material::read(Some(&data));
                assert!(read.is_err() || field == "names", "{field}");
            }
        }
    }
}
