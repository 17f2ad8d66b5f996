//! The projected token: a JSON Web Token (RFC 7519) that the kubelet renews, bound to this pod.
//!
//! What is read here of it is no check, only this pod's own UID; the operator has the token
//! reviewed by the API server.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::obstacle::Obstacle;

/// The longest token in bytes.
const MAX_TOKEN_BYTES: u64 = 16 * 1024;

/// Who asks.
pub(super) struct Token {
    text: Zeroizing<String>,
    pod: String,
}

#[derive(Deserialize)]
struct Claims {
    #[serde(rename = "kubernetes.io")]
    kubernetes: Bound,
}

#[derive(Deserialize)]
struct Bound {
    pod: Pod,
}

#[derive(Deserialize)]
struct Pod {
    uid: String,
}

impl Token {
    /// Reads the file as it is now.
    pub(super) fn read(path: &Path) -> Result<Self, Obstacle> {
        let text = contents(path).map_err(|source| Obstacle::TokenUnreadable {
            path: path.to_owned(),
            source,
        })?;
        let unbound = || Obstacle::TokenUnbound {
            path: path.to_owned(),
        };
        let pod = pod_of(&text).ok_or_else(unbound)?;
        Ok(Self { text, pod })
    }

    /// As it stands behind `Authorization: Bearer`.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The pod's UID.
    pub(super) fn pod(&self) -> &str {
        &self.pod
    }
}

fn contents(path: &Path) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    let mut file = File::open(path)?.take(MAX_TOKEN_BYTES);
    file.read_to_string(&mut text)?;
    Ok(Zeroizing::new(text.trim().to_owned()))
}

fn pod_of(token: &str) -> Option<String> {
    let claims = token.split('.').nth(1)?;
    let claims = URL_SAFE_NO_PAD.decode(claims).ok()?;
    let claims: Claims = serde_json::from_slice(&claims).ok()?;
    Some(claims.kubernetes.pod.uid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &str) -> String {
        format!("e30.{}.c2ln\n", URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn the_token_of_a_pod_names_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let claims = r#"{"aud":["byzantine-operator"],"kubernetes.io":{"namespace":"bank",
            "pod":{"name":"wallet-2-0","uid":"0e8f1a"}}}"#;
        std::fs::write(file.path(), token(claims)).unwrap();
        let read = Token::read(file.path()).unwrap();
        assert_eq!(read.pod(), "0e8f1a");
        assert_eq!(read.text(), token(claims).trim());
    }

    #[test]
    fn other_tokens_are_no_pods() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for text in ["", "a.b.c", &token("{}"), &token(r#"{"kubernetes.io":{}}"#)] {
            std::fs::write(file.path(), text).unwrap();
            let refused = Token::read(file.path());
            assert!(
                matches!(refused, Err(Obstacle::TokenUnbound { .. })),
                "{text}"
            );
        }
        let missing = Token::read(Path::new("no/such/token"));
        assert!(matches!(missing, Err(Obstacle::TokenUnreadable { .. })));
    }
}
