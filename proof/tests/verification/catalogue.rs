//! The vectors: responses of a service with fixed keys, as they are and altered.

use std::collections::BTreeMap;
use std::io::Write as _;

use crate::service::{Exchange, KEY, Log, TIME_MS, membership, secret, transfer};
use crate::vector::{Request, Vector};
use byzantine_proof::tree::consistency_path;
use byzantine_proof::{
    Client, Digest, IdempotencyKey, LeafKind, Policy, TlogProof, encode_header, key_hash,
    proof_link,
};
use flate2::Compression;
use flate2::write::GzEncoder;

fn owned(fields: &[(&'static str, Vec<u8>)]) -> crate::vector::Fields {
    fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect()
}

fn request(exchange: &Exchange) -> Request {
    let query = exchange
        .query
        .map(|query| format!("?{query}"))
        .unwrap_or_default();
    Request {
        method: exchange.method.to_owned(),
        url: format!("http://127.0.0.1:15080{}{query}", exchange.path),
        headers: owned(&exchange.request_headers),
        body: exchange.request_body.clone(),
        key: Some(KEY.to_owned()),
        client: exchange.client,
    }
}

fn received(about: &str, log: &Log, exchange: &Exchange, proof: &TlogProof) -> Vector {
    let mut headers = owned(&exchange.fields);
    let mut add = |name: &str, value: String| headers.push((name.to_owned(), value.into_bytes()));
    add("date", "Mon, 16 Nov 2026 09:46:40 GMT".to_owned());
    add("content-length", exchange.body.len().to_string());
    add(
        "idempotency-key",
        IdempotencyKey::parse(KEY).unwrap().to_string(),
    );
    add("byzantine-proof", encode_header(&proof.to_text()));
    Vector {
        about: about.to_owned(),
        policy: Policy::of(&log.membership).to_string(),
        request: Some(request(exchange)),
        status: exchange.status,
        headers,
        body: exchange.body.clone(),
        ..Vector::default()
    }
}

pub(crate) fn four() -> Log {
    Log::new(membership(4, 1, 3), 1000)
}

fn answered(about: &str, exchange: &Exchange) -> Vector {
    let mut log = four();
    let proof = log.answer(exchange, &[0, 2, 3]);
    received(about, &log, exchange, &proof)
}

/// The plain transfer, changed by `change`.
fn altered(about: &str, change: impl FnOnce(&mut Vector)) -> Vector {
    let mut vector = answered(about, &transfer());
    change(&mut vector);
    vector
}

/// The plain transfer with another proof text.
fn reproved(about: &str, change: impl FnOnce(&mut TlogProof, &Log)) -> Vector {
    let (mut log, exchange) = (four(), transfer());
    let mut proof = log.answer(&exchange, &[0, 2, 3]);
    change(&mut proof, &log);
    received(about, &log, &exchange, &proof)
}

fn header<'a>(vector: &'a mut Vector, name: &str) -> &'a mut Vec<u8> {
    &mut vector
        .headers
        .iter_mut()
        .find(|(other, _)| other == name)
        .unwrap()
        .1
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn get() -> Exchange {
    Exchange {
        method: "GET",
        path: "/accounts/bob",
        query: Some("currency=EUR&at=%C3%BC"),
        request_headers: vec![("accept", b"application/json".to_vec())],
        request_body: Vec::new(),
        status: 200,
        fields: vec![
            ("set-cookie", b"b=2; Path=/".to_vec()),
            ("content-type", b"application/json".to_vec()),
            ("x-branch", "Zürich".as_bytes().to_vec()),
            ("set-cookie", b"a=1".to_vec()),
            ("etag", b"\"5\"".to_vec()),
            ("link", b"</accounts>; rel=\"up\"".to_vec()),
            ("vary", b"accept".to_vec()),
            ("x-empty", Vec::new()),
        ],
        body: br#"{"balance":125}"#.to_vec(),
        state: Some(Digest::of(b"the app's state")),
        ..transfer()
    }
}

fn good(vectors: &mut BTreeMap<&'static str, Vector>) {
    vectors.insert(
        "transfer",
        answered("A POST with the client's own key.", &transfer()),
    );
    vectors.insert(
        "get",
        answered("A GET with a query, cookies and non-ASCII bytes.", &get()),
    );
    let head = Exchange {
        method: "HEAD",
        body: Vec::new(),
        ..get()
    };
    vectors.insert("head", answered("A HEAD: the content is empty.", &head));
    let problem = |kind, status, title: &str| Exchange {
        kind,
        status,
        fields: vec![("content-type", b"application/problem+json".to_vec())],
        body: format!(r#"{{"title":"{title}"}}"#).into_bytes(),
        ..transfer()
    };
    let verdict = problem(LeafKind::Verdict, 502, "the replicas' bodies differ");
    vectors.insert(
        "verdict",
        answered("The replicas differed: a certified 502.", &verdict),
    );
    let reused = problem(LeafKind::Reused, 422, "the key was used before");
    vectors.insert(
        "reused",
        answered("A key used twice: a certified 422.", &reused),
    );
    let limit = problem(LeafKind::Limit, 429, "too many requests");
    vectors.insert(
        "limit",
        answered("A quota is exhausted: a certified 429.", &limit),
    );
    let client = Client::Signer(secret("client", 0).public_key());
    let signed = Exchange {
        client,
        ..transfer()
    };
    vectors.insert(
        "signed-client",
        answered("The client signed its request.", &signed),
    );
    let mut nine = Log::new(membership(9, 2, 5), 70_000);
    let proof = nine.answer(&transfer(), &[8, 6, 4, 2, 0, 1]);
    let vector = received(
        "Five of nine replicas; the log is long.",
        &nine,
        &transfer(),
        &proof,
    );
    vectors.insert("five-of-nine", vector);
}

fn good_on_the_way(vectors: &mut BTreeMap<&'static str, Vector>) {
    let exempt = altered(
        "Uncertified fields, letter case and joined lines are free.",
        |vector| {
            vector
                .headers
                .push(("X-Cache".to_owned(), b"MISS".to_vec()));
            vector.headers[0].0 = "CONTENT-Type".to_owned();
            *header(vector, "date") = b"never".to_vec();
        },
    );
    vectors.insert("exempt", exempt);
    let mut proxied = answered("A proxy compressed the body and weakened the ETag.", &get());
    proxied.body = gzip(&proxied.body);
    proxied
        .headers
        .push(("content-encoding".to_owned(), b"gzip".to_vec()));
    *header(&mut proxied, "etag") = b"W/\"5\"".to_vec();
    *header(&mut proxied, "vary") = b"accept, accept-encoding".to_vec();
    vectors.insert("compressed-by-proxy", proxied);
    let mut linked = answered("The proof was fetched from its link.", &get());
    let value = header(&mut linked, "byzantine-proof").clone();
    linked.proof = byzantine_proof::decode_header(&value).ok();
    linked.headers.retain(|(name, _)| name != "byzantine-proof");
    let key = key_hash(&Client::Anonymous, &IdempotencyKey::parse(KEY).unwrap());
    linked
        .headers
        .push(("link".to_owned(), proof_link(&key).into_bytes()));
    vectors.insert("linked", linked.clone());
    linked.proof = None;
    linked.about = "The proof is linked and was not fetched.".to_owned();
    vectors.insert("no-proof-but-a-link", linked);
    let gateway_key = |vector: &mut Vector| vector.request.as_mut().unwrap().key = None;
    vectors.insert(
        "gateway-key",
        altered("The gateway made the key.", gateway_key),
    );
    vectors.insert(
        "unbound",
        altered("The request is unknown.", |vector| vector.request = None),
    );
    let fresh = |vector: &mut Vector| vector.max_age = Some((TIME_MS + 500, 1000));
    vectors.insert(
        "fresh",
        altered("Half a second old; one is allowed.", fresh),
    );
    vectors.insert(
        "continued",
        seen("The log continues the one seen before.", false),
    );
}

fn seen(about: &str, rewritten: bool) -> Vector {
    let (mut log, exchange) = (four(), transfer());
    let before = if rewritten {
        Log::new(membership(4, 1, 3), 999)
    } else {
        four()
    };
    let mut checkpoint = before.checkpoint();
    let proof = log.answer(&exchange, &[0, 1, 2]);
    let path = consistency_path(1000, 1002, |level, index| log.node(level, index)).unwrap();
    checkpoint.size = 1000;
    let seen = Some((checkpoint.to_text(), path));
    Vector {
        seen,
        ..received(about, &log, &exchange, &proof)
    }
}

fn bad_proof(vectors: &mut BTreeMap<&'static str, Vector>) {
    let removed =
        |vector: &mut Vector| vector.headers.retain(|(name, _)| name != "byzantine-proof");
    vectors.insert("no-proof", altered("The proof was cut out.", removed));
    let twice = |vector: &mut Vector| {
        let value = header(vector, "byzantine-proof").clone();
        vector.headers.push(("byzantine-proof".to_owned(), value));
    };
    vectors.insert("two-proofs", altered("Two proofs.", twice));
    let upper = |vector: &mut Vector| {
        let value = String::from_utf8(header(vector, "byzantine-proof").clone()).unwrap();
        *header(vector, "byzantine-proof") = value.replacen("%0a", "%0A", 1).into_bytes();
    };
    vectors.insert(
        "header-not-canonical",
        altered("A second form of the header.", upper),
    );
    let zero = |vector: &mut Vector| {
        let value = String::from_utf8(header(vector, "byzantine-proof").clone()).unwrap();
        *header(vector, "byzantine-proof") = value.replacen("index ", "index 0", 1).into_bytes();
    };
    vectors.insert(
        "number-not-canonical",
        altered("A number with a leading zero.", zero),
    );
    let mut foreign = answered("The policy is of another epoch.", &transfer());
    foreign.policy = Policy::of(&membership(5, 1, 3)).to_string();
    vectors.insert("other-origin", foreign);
    let signature = |proof: &mut TlogProof, _: &Log| proof.note.signatures[2].bytes[40] ^= 1;
    vectors.insert(
        "bad-cosignature",
        reproved("A cosignature is damaged.", signature),
    );
    let time = |proof: &mut TlogProof, _: &Log| proof.note.signatures[2].bytes[7] ^= 1;
    vectors.insert(
        "bad-timestamp",
        reproved("A cosignature's time was changed.", time),
    );
    let log_line = |proof: &mut TlogProof, _: &Log| proof.note.signatures[0].bytes[40] ^= 1;
    vectors.insert(
        "bad-log-signature",
        reproved("The log's signature is damaged.", log_line),
    );
    let no_log = |proof: &mut TlogProof, _: &Log| drop(proof.note.signatures.remove(0));
    vectors.insert(
        "no-log-signature",
        reproved("The log's signature is missing.", no_log),
    );
    bad_quorum(vectors);
}

fn bad_quorum(vectors: &mut BTreeMap<&'static str, Vector>) {
    let few = |proof: &mut TlogProof, _: &Log| drop(proof.note.signatures.pop());
    vectors.insert("too-few", reproved("Two of the three cosignatures.", few));
    let twice = |proof: &mut TlogProof, _: &Log| {
        proof.note.signatures[2] = proof.note.signatures[1].clone();
    };
    vectors.insert(
        "one-replica-twice",
        reproved("One replica counts once.", twice),
    );
    let order = |proof: &mut TlogProof, _: &Log| proof.note.signatures.swap(1, 2);
    vectors.insert(
        "out-of-order",
        reproved("The cosignatures are out of order.", order),
    );
    let more = |proof: &mut TlogProof, log: &Log| {
        let fourth = log.cosigned(&[0, 1, 2]).note().signatures[2].clone();
        proof.note.signatures.insert(2, fourth);
    };
    vectors.insert(
        "too-many",
        reproved("A fourth cosignature, though valid.", more),
    );
    let stranger = |proof: &mut TlogProof, _: &Log| {
        proof.note.signatures[3].name.push('9');
    };
    vectors.insert(
        "stranger",
        reproved("A cosignature under an unknown name.", stranger),
    );
}

fn bad_leaf(vectors: &mut BTreeMap<&'static str, Vector>) {
    let malformed = |proof: &mut TlogProof, _: &Log| proof.leaf = proof.leaf.replace("kind ", "");
    vectors.insert(
        "leaf-malformed",
        reproved("A leaf without its kind.", malformed),
    );
    let batch = |proof: &mut TlogProof, _: &Log| {
        proof.leaf = proof
            .leaf
            .replace("byzantine-response/v1", "byzantine-batch/v1");
    };
    vectors.insert(
        "leaf-of-a-batch",
        reproved("A batch leaf is no response.", batch),
    );
    let sequence = |proof: &mut TlogProof, _: &Log| {
        proof.leaf = proof.leaf.replace("seq 1042 ", "seq 1043 ");
    };
    vectors.insert(
        "leaf-altered",
        reproved("A leaf that nobody certified.", sequence),
    );
    let moved = |proof: &mut TlogProof, _: &Log| proof.index -= 1;
    vectors.insert(
        "index-altered",
        reproved("Another place in the tree.", moved),
    );
    let block = |proof: &mut TlogProof, _: &Log| {
        proof.fields = proof.fields.replace("transfers/17", "transfers/18");
    };
    vectors.insert(
        "field-block-altered",
        reproved("The field block was altered.", block),
    );
    let names = |proof: &mut TlogProof, _: &Log| {
        proof.fields = proof
            .fields
            .replace("request-fields content-type", "request-fields -");
    };
    vectors.insert(
        "request-fields-altered",
        reproved("So were the request fields.", names),
    );
}

fn bad_request(vectors: &mut BTreeMap<&'static str, Vector>) {
    fn own(about: &str, change: impl FnOnce(&mut Request)) -> Vector {
        altered(about, |vector| change(vector.request.as_mut().unwrap()))
    }
    let redirected = |vector: &mut Vector| vector.redirected = true;
    vectors.insert(
        "redirected",
        altered("The final URL is another.", redirected),
    );
    let key = |own: &mut Request| own.key = Some("another".to_owned());
    vectors.insert("other-key", own("An answer to another key.", key));
    let client = |own: &mut Request| {
        own.client = Client::Signer(secret("client", 0).public_key());
    };
    vectors.insert("other-client", own("An answer to another client.", client));
    let method = |own: &mut Request| own.method = "PUT".to_owned();
    vectors.insert("other-method", own("The method differs.", method));
    let path = |own: &mut Request| own.url.push('/');
    vectors.insert("other-path", own("The path differs.", path));
    let query = |own: &mut Request| own.url.push_str("?dry-run=1");
    vectors.insert("other-query", own("The query differs.", query));
    let body = |own: &mut Request| own.body[0] = b' ';
    vectors.insert(
        "other-request-body",
        own("The request's body differs.", body),
    );
    let field = |own: &mut Request| own.headers[1].1 = b"text/plain".to_vec();
    vectors.insert(
        "other-request-field",
        own("A covered field differs.", field),
    );
    let absent = |own: &mut Request| drop(own.headers.pop());
    vectors.insert(
        "request-field-added",
        own("A covered field was added.", absent),
    );
    let stripped = |own: &mut Request| {
        own.headers
            .push(("Authorization".to_owned(), b"Bearer x".to_vec()));
    };
    vectors.insert(
        "authorization-stripped",
        own("The gateway dropped a field.", stripped),
    );
    vectors.insert("rewritten-log", seen("The log was rewritten.", true));
}

fn bad_response(vectors: &mut BTreeMap<&'static str, Vector>) {
    let status = |vector: &mut Vector| vector.status = 200;
    vectors.insert("other-status", altered("The status was changed.", status));
    let value = |vector: &mut Vector| *header(vector, "location") = b"/transfers/18".to_vec();
    vectors.insert(
        "other-field",
        altered("A certified field was changed.", value),
    );
    let removed = |vector: &mut Vector| vector.headers.retain(|(name, _)| name != "cache-control");
    vectors.insert(
        "field-removed",
        altered("A certified field was removed.", removed),
    );
    let again = |vector: &mut Vector| {
        vector
            .headers
            .push(("location".to_owned(), b"/elsewhere".to_vec()));
    };
    vectors.insert(
        "field-repeated",
        altered("A certified field was added again.", again),
    );
    let mut cookies = answered("The cookies were reordered.", &get());
    let mut places = (0..cookies.headers.len()).filter(|i| cookies.headers[*i].0 == "set-cookie");
    let (first, second) = (places.next().unwrap(), places.next().unwrap());
    drop(places);
    cookies.headers.swap(first, second);
    vectors.insert("cookies-reordered", cookies);
    let body = |vector: &mut Vector| vector.body[7] ^= 1;
    vectors.insert("other-body", altered("The body was changed.", body));
    let cut = |vector: &mut Vector| vector.body.truncate(40);
    vectors.insert("body-cut", altered("The body was cut.", cut));
    let bomb = |vector: &mut Vector| {
        vector.body = gzip(&vec![b'x'; 1 << 16]);
        vector
            .headers
            .push(("content-encoding".to_owned(), b"gzip".to_vec()));
    };
    vectors.insert(
        "compressed-other-body",
        altered("Another body, compressed.", bomb),
    );
    let stale = |vector: &mut Vector| vector.max_age = Some((TIME_MS + 1001, 1000));
    vectors.insert("stale", altered("Older than allowed.", stale));
}

pub(crate) fn made() -> BTreeMap<&'static str, Vector> {
    let mut vectors = BTreeMap::new();
    good(&mut vectors);
    good_on_the_way(&mut vectors);
    bad_proof(&mut vectors);
    bad_leaf(&mut vectors);
    bad_request(&mut vectors);
    bad_response(&mut vectors);
    vectors
}
