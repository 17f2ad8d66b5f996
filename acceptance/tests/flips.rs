//! Responses of a real run, saved as curl saves them: any one byte of status, certified headers,
//! body or proof flipped, and the verification refuses, by the right name.
//!
//! Exempt are the reason phrase, the letter case of field names, and uncertified fields: nothing
//! is certified about them, and a verifier does not hand them on.

use std::ops::Range;

use byzantine_acceptance::programs::byz;
use byzantine_acceptance::transcript::{NoResponse, Saved, exchange_raw, take_apart};
use byzantine_acceptance::{Launch, Service};
use byzantine_proof::{
    Conditions, MAX_INLINE_BYTES, PROOF_HEADER, Policy, ReceivedResponse, Verified, VerifyError,
    verify,
};

/// One byte in so many is also flipped in a file and given to `byz verify`.
const SAMPLED: usize = 97;

/// What a damaged proof may be refused for: it depends on which part the byte is in.
const IN_THE_PROOF: [&str; 7] = [
    "E_PROOF_FORMAT",
    "E_ORIGIN",
    "E_SIGNATURE",
    "E_QUORUM",
    "E_LEAF",
    "E_INCLUSION",
    "E_FIELDS",
];

#[tokio::test(flavor = "multi_thread")]
async fn every_flipped_byte_of_real_responses_is_noticed() {
    let mut service = Launch::wallet().start().await;
    let requests = [
        post("/accounts", "{\"owner\":\"ada\",\"opening\":7}"),
        "GET /balances HTTP/1.1\r\nHost: wallet\r\nConnection: close\r\n\r\n".to_owned(),
        "GET /no/such/page HTTP/1.1\r\nHost: wallet\r\nConnection: close\r\n\r\n".to_owned(),
    ];
    for (number, (request, mask)) in requests.iter().zip([0x01, 0x80, 0x02]).enumerate() {
        let replica = u8::try_from(number).expect("there are few requests");
        let response = exchange_raw(service.gateway_address(replica), request.as_bytes());
        let flips = Flips::new(&service, response);
        flips.unharmed();
        flips.each_is_noticed(mask);
        flips.exempt_parts_do_not_count();
    }
    service.stop().await;
}

fn post(target: &str, body: &str) -> String {
    let kind = "Content-Type: application/json";
    let head = format!("POST {target} HTTP/1.1\r\nHost: wallet\r\nConnection: close\r\n{kind}");
    format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// A saved response that is to be damaged.
struct Flips {
    policy: Policy,
    policy_file: String,
    file: String,
    original: Vec<u8>,
    saved: Saved,
    verified: Verified,
}

impl Flips {
    fn new(service: &Service, original: Vec<u8>) -> Self {
        let text = String::from_utf8_lossy(&original).into_owned();
        let saved = take_apart(&original).unwrap_or_else(|why| panic!("no {why:?} in {text}"));
        let policy = service.policy();
        let verified = check(&policy, &saved).unwrap_or_else(|error| panic!("{error}: {text}"));
        let file = service.data().with_file_name("response");
        Self {
            policy,
            policy_file: service.policy_file().display().to_string(),
            file: file.display().to_string(),
            original,
            saved,
            verified,
        }
    }

    fn unharmed(&self) {
        let proof = self
            .saved
            .received
            .header(PROOF_HEADER)
            .expect("there is a proof");
        assert!(proof.len() <= MAX_INLINE_BYTES);
        let told = self.byz_verify(&self.original);
        assert_eq!(told, (Some(0), None));
    }

    fn each_is_noticed(&self, mask: u8) {
        let mut count = 0;
        for (range, names) in self.certified_parts() {
            for place in range {
                count += 1;
                let damaged = self.flipped(place, mask);
                let name = refusal(&self.policy, &damaged);
                let expected = name.is_some_and(|name| names.contains(&name));
                assert!(expected, "byte {place} gave {name:?}, not one of {names:?}");
                if count % SAMPLED == 0 {
                    let told = self.byz_verify(&damaged);
                    assert_eq!(told, (Some(1), name.map(str::to_owned)), "byte {place}");
                }
            }
        }
        assert!(count > 1_000, "a proof alone is longer than {count} bytes");
    }

    /// Every part that is certified, with the names of the errors that damage to it may have.
    fn certified_parts(&self) -> Vec<(Range<usize>, &'static [&'static str])> {
        let mut parts: Vec<(Range<usize>, &'static [&'static str])> = vec![
            (self.saved.status.clone(), &["E_STATUS"]),
            (self.saved.body.clone(), &["E_BODY"]),
        ];
        for (name, value) in &self.saved.fields {
            let text = self.name(name);
            if text == PROOF_HEADER {
                parts.push((name.clone(), &["E_NO_PROOF", "E_FIELDS"]));
                parts.push((value.clone(), &IN_THE_PROOF));
            } else if self.verified.fields.iter().any(|field| field.name == text) {
                parts.push((name.clone(), &["E_FIELDS"]));
                parts.push((value.clone(), &["E_FIELDS"]));
            }
        }
        parts
    }

    fn exempt_parts_do_not_count(&self) {
        let certified = |name: &Range<usize>| {
            let text = self.name(name);
            text == PROOF_HEADER || self.verified.fields.iter().any(|field| field.name == text)
        };
        let letters = |range: &Range<usize>| {
            range
                .clone()
                .filter(|place| self.original[*place].is_ascii_alphabetic())
        };
        let fields = self.saved.fields.iter();
        let names = fields.clone().flat_map(|(name, _)| letters(name));
        let uncertified = fields.filter(|(name, _)| !certified(name));
        let values = uncertified.flat_map(|(_, value)| letters(value));
        let reason = letters(&self.saved.reason);
        for place in names.chain(values).chain(reason) {
            let damaged = self.flipped(place, 0x20);
            assert_eq!(
                refusal(&self.policy, &damaged),
                None,
                "byte {place} in another case"
            );
        }
    }

    fn name(&self, range: &Range<usize>) -> String {
        String::from_utf8_lossy(&self.original[range.clone()]).to_ascii_lowercase()
    }

    fn flipped(&self, place: usize, mask: u8) -> Vec<u8> {
        let mut damaged = self.original.clone();
        damaged[place] ^= mask;
        damaged
    }

    /// The exit code of `byz verify` and the error's name it prints.
    fn byz_verify(&self, response: &[u8]) -> (Option<i32>, Option<String>) {
        std::fs::write(&self.file, response).expect("the response can be saved");
        let told = byz([
            "verify",
            "--policy",
            &self.policy_file,
            "--output",
            "json",
            &self.file,
        ]);
        let document: serde_json::Value = serde_json::from_str(&told.output)
            .unwrap_or_else(|error| panic!("{error} in {told:?}"));
        (told.code, document["error"].as_str().map(str::to_owned))
    }
}

/// The name of the error, if there is one.
fn refusal(policy: &Policy, bytes: &[u8]) -> Option<&'static str> {
    // A status that is no number, and a field that is no field, come before all proofs.
    match take_apart(bytes) {
        Ok(saved) => check(policy, &saved).err().map(|error| error.name()),
        Err(NoResponse::Status) => Some("E_STATUS"),
        Err(NoResponse::Field) => Some("E_FIELDS"),
    }
}

fn check(policy: &Policy, saved: &Saved) -> Result<Verified, VerifyError> {
    let fields = saved.received.headers.iter();
    let headers: Vec<(&str, &[u8])> = fields
        .map(|(name, value)| (name.as_str(), &value[..]))
        .collect();
    let response = ReceivedResponse {
        status: saved.received.status,
        headers: &headers,
        body: &saved.received.body,
    };
    verify(policy, &response, &Conditions::default())
}
