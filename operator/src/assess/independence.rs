//! Condition `FaultsIndependent`: whether one fault can take more than one replica.

use std::collections::{BTreeMap, BTreeSet};

use super::{Picture, Reason, Verdict};

/// Whether replicas share a node, a zone or an image that may change under them.
pub(super) fn independent(picture: &Picture<'_>) -> Verdict {
    let f = picture.situation.observed.service.spec.fault_tolerance;
    if let Some((node, count)) = most_shared(&nodes(picture)).filter(|(_, count)| *count > f) {
        let message = format!(
            "{count} replicas run on node {node}, and only {f} may fail at a time. Next: add nodes"
        );
        return Verdict::no(Reason::SharedNode, message);
    }
    if let Some((zone, count)) = most_shared(&zones(picture)).filter(|(_, count)| *count > f) {
        let message = format!(
            "{count} replicas run in zone {zone}, and only {f} may fail at a time. Next: add nodes \
             in other zones"
        );
        return Verdict::no(Reason::SharedZone, message);
    }
    images(picture)
}

fn nodes(picture: &Picture<'_>) -> Vec<String> {
    let pods = picture.situation.pods.values();
    pods.filter_map(|pod| pod.node.clone()).collect()
}

/// The zones of the pods, if there is more than one zone at all.
fn zones(picture: &Picture<'_>) -> Vec<String> {
    let known = &picture.situation.observed.zones;
    if known.values().collect::<BTreeSet<_>>().len() < 2 {
        return Vec::new();
    }
    let nodes = nodes(picture);
    nodes
        .iter()
        .filter_map(|node| known.get(node).cloned())
        .collect()
}

fn most_shared(places: &[String]) -> Option<(String, u32)> {
    let mut counts: BTreeMap<&String, u32> = BTreeMap::new();
    for place in places {
        *counts.entry(place).or_default() += 1;
    }
    let most = counts.into_iter().max_by_key(|(_, count)| *count)?;
    Some((most.0.clone(), most.1))
}

fn images(picture: &Picture<'_>) -> Verdict {
    let situation = picture.situation;
    let mut running: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (ordinal, pod) in &situation.pods {
        let assigned = situation.revisions.assigned(*ordinal);
        if let Some((kept, image)) = assigned.zip(pod.app_image_id.clone()) {
            running
                .entry(kept.revision.app.image.clone())
                .or_default()
                .insert(image);
        }
    }
    if let Some((image, _)) = running.iter().find(|(_, ids)| ids.len() > 1) {
        let message = format!(
            "replicas run different images under the name {image}. Next: name it by its digest, \
             image@sha256:…"
        );
        return Verdict::no(Reason::ImageMismatch, message);
    }
    let image = &situation.observed.service.spec.app.image;
    if !image.contains("@sha256:") {
        let message = format!(
            "the image {image} is named by a tag, which may mean another image tomorrow. Next: \
             name it by its digest, image@sha256:…"
        );
        return Verdict::no(Reason::ImageNotPinned, message);
    }
    Verdict::yes(
        Reason::Spread,
        "no node or zone has more replicas than may fail",
    )
}
