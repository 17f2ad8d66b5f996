//! The chart installs the definition that the operator's types give.
//!
//! `BYZANTINE_REWRITE=1 cargo test -p byzantine-chart` copies it anew.

use byzantine_chart::files;

const WRITTEN: &str = "crds/byzantineservices.byzantine.dev.yaml";
const INSTALLED: &str = "helm/byzantine-operator/files/crds/byzantineservices.byzantine.dev.yaml";

#[test]
fn the_installed_definition_is_the_written_one() {
    let written = files::text(WRITTEN);
    if std::env::var_os("BYZANTINE_REWRITE").is_some() {
        std::fs::write(files::path(INSTALLED), &written).expect("the chart can be written");
    }
    assert!(
        files::text(INSTALLED) == written,
        "{INSTALLED} is not {WRITTEN}: BYZANTINE_REWRITE=1 cargo test -p byzantine-chart copies it"
    );
}

#[test]
fn the_template_finds_where_labels_belong() {
    let metadata = files::text(WRITTEN).matches("\nmetadata:\n").count();
    assert_eq!(
        metadata, 1,
        "the chart's template puts labels after the one `metadata:`"
    );
}

/// Above this, `kubectl apply` cannot keep the definition in its annotation.
const ANNOTATION_LIMIT: usize = 262_144;

#[test]
fn the_definition_fits_client_side_apply() {
    let length = files::text(WRITTEN).len();
    assert!(length < ANNOTATION_LIMIT, "{length} bytes");
}
