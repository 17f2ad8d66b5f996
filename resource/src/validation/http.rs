//! Rules for what the gateways take in and pass on.

use std::time::Duration;

use super::Findings;
use super::words::{is_header_name, is_path, is_web_origin};
use crate::http::Http;

/// The longest body that fits into one message between replicas.
const MAX_BODY_BYTES: u64 = 8 << 20;

/// The most entries of a list.
const MAX_ITEMS: usize = 64;

/// Request headers that every proof names or that name the service.
const NEVER_DROPPED: [&str; 4] = ["idempotency-key", "content-digest", "content-type", "host"];

pub(super) fn check(findings: &mut Findings, http: &Http) {
    let why = "a body must fit into one message between replicas";
    findings.range(
        "spec.http.maxBodyBytes",
        http.max_body_bytes,
        1,
        MAX_BODY_BYTES,
        why,
    );
    let minute = Duration::from_mins(1);
    findings.duration("spec.http.keyRetention", &http.key_retention, minute);
    unordered(findings, &http.unordered_paths);
    headers(
        findings,
        "spec.http.dropRequestHeaders",
        &http.drop_request_headers,
    );
    headers(
        findings,
        "spec.http.dropResponseHeaders",
        &http.drop_response_headers,
    );
    headers(
        findings,
        "spec.http.coveredRequestHeaders",
        &http.covered_request_headers,
    );
    contradictions(findings, http);
    for (i, origin) in http.cors.allow_origins.iter().enumerate() {
        if !is_web_origin(origin) {
            let next = "write scheme and host without a slash at the end, such as \
                        `https://example.org`, or `*`";
            let path = format!("spec.http.cors.allowOrigins[{i}]");
            findings.add(path, format!("\"{origin}\""), "it is no web origin", next);
        }
    }
}

fn unordered(findings: &mut Findings, paths: &[String]) {
    limit(findings, "spec.http.unorderedPaths", paths.len());
    for (i, path) in paths.iter().enumerate().filter(|(_, path)| !is_path(path)) {
        let why = "it is not an absolute path without query, dot segments and spaces";
        let next = "start it with /, such as `/events`";
        findings.add(
            format!("spec.http.unorderedPaths[{i}]"),
            format!("\"{path}\""),
            why,
            next,
        );
    }
}

fn headers(findings: &mut Findings, path: &str, names: &[String]) {
    limit(findings, path, names.len());
    for (i, name) in names.iter().enumerate() {
        let place = format!("{path}[{i}]");
        if !is_header_name(name) {
            let why = "it is not a header name in lower case";
            let lower = name.to_ascii_lowercase();
            let next = if is_header_name(&lower) {
                format!("write `{lower}`")
            } else {
                "write one such as `x-tenant`".to_owned()
            };
            findings.add(place, format!("\"{name}\""), why, next);
        } else if names[..i].contains(name) {
            findings.add(place, name, "it is listed twice", "remove one of them");
        }
    }
}

fn limit(findings: &mut Findings, path: &str, count: usize) {
    if count > MAX_ITEMS {
        let why = format!("at most {MAX_ITEMS} are allowed");
        findings.add(path, format!("{count} items"), why, "list fewer");
    }
}

fn contradictions(findings: &mut Findings, http: &Http) {
    for (i, name) in http.drop_request_headers.iter().enumerate() {
        let place = format!("spec.http.dropRequestHeaders[{i}]");
        if NEVER_DROPPED.contains(&name.as_str()) {
            let why = "every request's proof names it";
            findings.add(place, name, why, "remove it from this list");
        } else if http.covered_request_headers.contains(name) {
            let why = "it is in coveredRequestHeaders too: what is dropped cannot be proved";
            findings.add(place, name, why, "keep it in one of the two lists");
        }
    }
}
