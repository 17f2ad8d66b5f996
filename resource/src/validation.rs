//! Every rule that a manifest must obey besides having known fields of the right type.

mod application;
mod http;
mod sizes;
mod surroundings;
mod words;

use std::time::Duration;

use crate::problem::Problem;
use crate::service::{API_VERSION, ByzantineService, KIND};
use crate::text::DurationText;
use words::{is_dns_label, is_service_name, is_subdomain};

const YEAR: Duration = Duration::from_hours(366 * 24);

/// Collects broken rules.
#[derive(Default)]
struct Findings(Vec<Problem>);

impl Findings {
    fn add(
        &mut self,
        path: impl Into<String>,
        given: impl std::fmt::Display,
        why: impl Into<String>,
        next_step: impl Into<String>,
    ) {
        self.0.push(Problem::new(path, given, why, next_step));
    }

    fn range(&mut self, path: &str, given: u64, lowest: u64, highest: u64, why: &str) {
        if !(lowest..=highest).contains(&given) {
            self.add(
                path,
                given,
                why,
                format!("choose from {lowest} to {highest}"),
            );
        }
    }

    /// A duration from `lowest` up to a year.
    fn duration(&mut self, path: &str, text: &DurationText, lowest: Duration) {
        let next = format!(
            "write a number and a unit, from {} to 1year, such as 500ms, 30s or 24h",
            humantime::format_duration(lowest)
        );
        match text.duration() {
            None => self.add(path, format!("\"{text}\""), "it is not a duration", next),
            Some(given) if given < lowest => self.add(path, text, "it is too short", next),
            Some(given) if given > YEAR => self.add(path, text, "it is too long", next),
            Some(_) => {}
        }
    }
}

/// Every broken rule, in the order of the fields.
pub(crate) fn problems(service: &ByzantineService) -> Vec<Problem> {
    let mut findings = Findings::default();
    identity(&mut findings, service);
    sizes::check(&mut findings, &service.spec);
    application::check(&mut findings, &service.spec);
    http::check(&mut findings, &service.spec.http);
    surroundings::check(&mut findings, &service.spec);
    proof_domain(&mut findings, service);
    findings.0
}

fn identity(findings: &mut Findings, service: &ByzantineService) {
    if service.api_version != API_VERSION {
        let why = "this version reads one API version only";
        let next = format!("write `apiVersion: {API_VERSION}`");
        findings.add("apiVersion", &service.api_version, why, next);
    }
    if service.kind != KIND {
        findings.add(
            "kind",
            &service.kind,
            "another kind",
            format!("write `kind: {KIND}`"),
        );
    }
    let name = &service.metadata.name;
    if !is_service_name(name) {
        let why = "a name has 1 to 40 of a-z, 0-9 and -, starts with a letter, ends with a letter \
                   or digit, and does not end in - and digits, for its replicas are called so";
        findings.add(
            "metadata.name",
            format!("\"{name}\""),
            why,
            "choose one such as `wallet`",
        );
    }
    let namespace = service.namespace();
    if !is_dns_label(namespace) {
        let why = "a namespace has 1 to 63 of a-z, 0-9 and -, and no - at its ends";
        findings.add(
            "metadata.namespace",
            format!("\"{namespace}\""),
            why,
            "choose another",
        );
    }
}

fn proof_domain(findings: &mut Findings, service: &ByzantineService) {
    let (path, domain) = ("spec.proofs.domain", &service.spec.proofs.domain);
    let next = "write a DNS name such as `cluster.local` or `bank.example`";
    if !is_subdomain(domain) {
        findings.add(
            path,
            format!("\"{domain}\""),
            "it is not a lower-case DNS name",
            next,
        );
    } else if service.metadata.name.len() + service.namespace().len() + domain.len() > 251 {
        findings.add(
            path,
            domain,
            "with name and namespace it is longer than 253",
            next,
        );
    }
}
