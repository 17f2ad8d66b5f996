//! What good manifests mean.

use std::time::Duration;

use byzantine_resource::{
    Application, ByzantineService, ResourceError, StateType, Transport, read, read_named,
};

const SMALLEST: &str = "apiVersion: byzantine.dev/v1alpha1
kind: ByzantineService
metadata: {name: wallet}
spec: {app: {image: wallet}}
";

#[test]
fn the_smallest_manifest_has_every_default() {
    let service = read(SMALLEST).unwrap();
    assert_eq!(
        service,
        ByzantineService::new("wallet", Application::new("wallet"))
    );
    let spec = &service.spec;
    assert_eq!(
        (
            spec.replica_count(),
            spec.order_quorum(),
            spec.reply_quorum()
        ),
        (4, 3, 3)
    );
    assert_eq!(spec.app.state.kind, StateType::Memory);
    assert_eq!(
        spec.http.key_retention.duration(),
        Some(Duration::from_hours(24))
    );
    assert_eq!(service.namespace(), "default");
}

#[test]
fn all_that_the_page_shows_is_read() {
    let service = read(include_str!("full.yaml")).unwrap();
    let spec = &service.spec;
    assert_eq!((spec.replica_count(), spec.reply_quorum()), (9, 5));
    assert_eq!(spec.proofs.transport, Transport::Link);
    assert_eq!(service.local_command(), Some("wallet --port {port}"));
    assert_eq!(spec.overrides[0].incarnation, 1);
    let written = serde_yaml::to_string(&service).unwrap();
    let again = read(&written).unwrap();
    assert_eq!(again.spec, service.spec);
    assert_eq!(
        again.status, None,
        "what the operator reports is no part of a manifest"
    );
}

#[test]
fn other_documents_are_passed_over() {
    let config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n";
    let text = format!("---\n{config}---\n# nothing\n---\n{SMALLEST}---\n");
    assert_eq!(read(&text).unwrap().metadata.name, "wallet");
}

#[test]
fn one_of_several_is_chosen_by_name() {
    let text = format!("{SMALLEST}---\n{}", SMALLEST.replace("wallet", "votes"));
    assert!(matches!(
        read(&text),
        Err(ResourceError::Several { count: 2, .. })
    ));
    assert_eq!(read_named(&text, "votes").unwrap().metadata.name, "votes");
    assert!(matches!(
        read_named(&text, "x"),
        Err(ResourceError::Unnamed { .. })
    ));
}

#[test]
fn hostile_text_is_refused_in_time() {
    let laughs: String = (1..40).fold("a0: &a0 [x]\n".to_owned(), |text, i| {
        format!(
            "{text}a{i}: &a{i} [*a{}, *a{}, *a{}]\n",
            i - 1,
            i - 1,
            i - 1
        )
    });
    let deep = "[".repeat(100_000);
    let long = "#".repeat(2 << 20);
    for text in [
        laughs.as_str(),
        &deep,
        &long,
        "",
        "\u{0}",
        "a: b: c",
        "- 1",
        "!!binary x",
        "&a *a",
    ] {
        assert!(read(text).is_err());
    }
}
