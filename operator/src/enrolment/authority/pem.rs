//! PEM (RFC 7468): what is in a Secret and in `ca.crt`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Characters of base64 in a line (RFC 7468 §2).
const LINE: usize = 64;

/// One object under a label.
pub(super) fn encode(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = format!("-----BEGIN {label}-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(LINE.min(rest.len()));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem + &format!("-----END {label}-----\n")
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;

    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for length in [0, 1, 47, 48, 49, 500] {
            let der = vec![7; length];
            let text = encode("CERTIFICATE", &der);
            let read = CertificateDer::from_pem_slice(text.as_bytes()).unwrap();
            assert_eq!(read.as_ref(), der);
            assert!(text.lines().all(|line| line.len() <= LINE));
        }
    }
}
