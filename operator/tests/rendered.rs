//! The objects of a new service, as they are sent to the API server; `BYZANTINE_REWRITE=1`
//! rewrites the golden files.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use byzantine_operator::action::Action;
use byzantine_operator::crd::{ByzantineService, ByzantineServiceSpec};
use byzantine_operator::observed::Observed;
use byzantine_operator::plan::plan;
use byzantine_operator::settings::Settings;

/// A service that the API server has just been given.
fn observed(manifest: &str) -> Observed {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = fs::read_to_string(root.join(manifest)).unwrap();
    let resource = byzantine_resource::read(&text).unwrap();
    let mut service =
        ByzantineService::new(&resource.metadata.name, ByzantineServiceSpec(resource.spec));
    service.metadata.namespace = Some("bank".to_owned());
    service.metadata.uid = Some("11111111-2222-3333-4444-555555555555".to_owned());
    service.metadata.resource_version = Some("1".to_owned());
    Observed {
        service,
        now: 0,
        objects: BTreeMap::new(),
        reports: BTreeMap::new(),
        zones: BTreeMap::new(),
        settings: Settings {
            sidecar_image: "byzantine/sidecar:dev".to_owned(),
            operator: "byzantine-operator".to_owned(),
            namespace: "byzantine-system".to_owned(),
            authority: "-----BEGIN CERTIFICATE-----\n".to_owned(),
        },
    }
}

/// What is common and what replicas 0 and 3 have; the others differ in their number only.
fn rendered(manifest: &str) -> String {
    let mut text = String::new();
    for action in plan(&observed(manifest)).actions {
        let Action::Apply { object, uid } = action else {
            continue;
        };
        assert_eq!(uid, None, "nothing is there to be changed");
        let replica = &object.body["metadata"]["labels"]["byzantine.dev/replica"];
        if replica
            .as_str()
            .is_none_or(|replica| ["0", "3"].contains(&replica))
        {
            let body = serde_yaml::to_string(&object.body).unwrap();
            write!(text, "---\n{body}").unwrap();
        }
    }
    text
}

fn check(manifest: &str, golden: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(golden);
    let text = rendered(manifest);
    if std::env::var_os("BYZANTINE_REWRITE").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        text == expected,
        "{golden} differs; see git diff after BYZANTINE_REWRITE=1"
    );
}

#[test]
fn the_wallets_objects_are_those_of_the_golden_file() {
    check("examples/wallet/byzantineservice.yaml", "wallet.yaml");
}

#[test]
fn the_objects_of_a_manifest_that_says_everything_are_those_of_the_golden_file() {
    check("resource/tests/full.yaml", "full.yaml");
}

#[test]
fn a_plan_follows_from_what_is_observed_alone() {
    let manifest = "examples/wallet/byzantineservice.yaml";
    assert_eq!(plan(&observed(manifest)), plan(&observed(manifest)));
}
