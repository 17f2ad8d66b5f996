//! Rule `dependencies`: crates depend in one direction, and the core links nothing impure.
//!
//! Proved from what cargo itself resolves, build dependencies included. Dev-dependencies are
//! free: they are in no binary.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, PackageId};

use crate::tidy::violation::Violation;

/// Each crate of the workspace, and the crates of the workspace that it may link.
const ALLOWED: [(&str, &[&str]); 16] = [
    ("byzantine-proof", &[]),
    ("byzantine-journal", &[]),
    ("byzantine-resource", &[]),
    ("byzantine-consensus", &["byzantine-proof"]),
    (
        "byzantine-sidecar",
        &[
            "byzantine-consensus",
            "byzantine-journal",
            "byzantine-proof",
        ],
    ),
    (
        "byzantine-adversary",
        &[
            "byzantine-consensus",
            "byzantine-proof",
            "byzantine-sidecar",
        ],
    ),
    (
        "byz",
        &[
            "byzantine-adversary",
            "byzantine-consensus",
            "byzantine-journal",
            "byzantine-proof",
            "byzantine-resource",
            "byzantine-sidecar",
        ],
    ),
    (
        "byzantine-acceptance",
        &[
            "byzantine-adversary",
            "byzantine-proof",
            "byzantine-sidecar",
        ],
    ),
    ("byzantine-chart", &[]),
    (
        "byzantine-operator",
        &["byzantine-proof", "byzantine-resource"],
    ),
    (
        "byzantine-simulator",
        &[
            "byzantine-consensus",
            "byzantine-journal",
            "byzantine-proof",
        ],
    ),
    (
        "byzantine-e2e",
        &["byzantine-acceptance", "byzantine-proof"],
    ),
    ("byzantine-e2e-tool", &[]),
    (
        "byzantine-fuzzing",
        &[
            "byzantine-consensus",
            "byzantine-journal",
            "byzantine-proof",
            "byzantine-resource",
            "byzantine-sidecar",
        ],
    ),
    ("wallet", &[]),
    ("xtask", &[]),
];

/// Crates that must not get in, not even through another.
const FORBIDDEN: [(&str, &[&str]); 4] = [
    (
        "byzantine-consensus",
        &["tokio", "hyper", "rustls", "rand", "getrandom"],
    ),
    ("byzantine-journal", &["tokio", "hyper", "rustls", "rand"]),
    (
        "byzantine-proof",
        &["tokio", "hyper", "rustls", "rand", "getrandom"],
    ),
    (
        "byzantine-sidecar",
        &["byzantine-adversary", "byzantine-resource"],
    ),
];

/// What links what: names of packages, edges of normal and build dependencies.
pub(crate) type Graph = BTreeMap<String, BTreeSet<String>>;

/// The graph of everything that cargo resolved.
pub(crate) fn graph(metadata: &Metadata) -> Graph {
    let name = |id: &PackageId| metadata[id].name.to_string();
    let nodes = metadata.resolve.iter().flat_map(|resolve| &resolve.nodes);
    let mut graph = Graph::new();
    for node in nodes {
        let linked = node.deps.iter().filter(|dependency| {
            dependency
                .dep_kinds
                .iter()
                .any(|kind| kind.kind != DependencyKind::Development)
        });
        let linked = linked.map(|dependency| name(&dependency.pkg));
        graph.entry(name(&node.id)).or_default().extend(linked);
    }
    graph
}

/// Every edge against the direction, and every forbidden crate that got in.
pub(crate) fn check(graph: &Graph, members: &[String]) -> Vec<Violation> {
    let edges = members
        .iter()
        .flat_map(|member| unwanted_edges(graph, members, member));
    let forbidden = FORBIDDEN.iter().flat_map(|(member, banned)| {
        banned
            .iter()
            .filter_map(|banned| forbidden_link(graph, member, banned))
    });
    edges.chain(forbidden).collect()
}

fn unwanted_edges(graph: &Graph, members: &[String], member: &str) -> Vec<Violation> {
    let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == member) else {
        let why = format!("`{member}` is not in the table of directions");
        return vec![violation(
            member,
            why,
            "add it to xtask/src/tidy/dependencies.rs",
        )];
    };
    let linked = graph.get(member).into_iter().flatten();
    linked
        .filter(|name| members.contains(name) && !allowed.contains(&name.as_str()))
        .map(|name| {
            let why = format!("`{member}` must not depend on `{name}`");
            violation(member, why, "move what both need into a crate below both")
        })
        .collect()
}

fn forbidden_link(graph: &Graph, member: &str, banned: &str) -> Option<Violation> {
    let path = path_between(graph, member, banned)?;
    let why = format!("links `{banned}`: {}", path.join(" → "));
    Some(violation(
        member,
        why,
        "do without it, or turn off the feature that brings it",
    ))
}

/// A shortest chain of links from one package to another.
fn path_between(graph: &Graph, from: &str, to: &str) -> Option<Vec<String>> {
    let mut seen = BTreeSet::from([from.to_owned()]);
    let mut paths = vec![vec![from.to_owned()]];
    while !paths.is_empty() {
        let mut longer = Vec::new();
        for path in paths {
            let linked = path
                .last()
                .and_then(|last| graph.get(last))
                .into_iter()
                .flatten();
            for name in linked {
                let extended: Vec<_> = path.iter().cloned().chain([name.clone()]).collect();
                if name == to {
                    return Some(extended);
                }
                if seen.insert(name.clone()) {
                    longer.push(extended);
                }
            }
        }
        paths = longer;
    }
    None
}

fn violation(member: &str, why: String, advice: &'static str) -> Violation {
    let directory = member.trim_start_matches("byzantine-");
    let directory = if directory == "byz" { "cli" } else { directory };
    let path = format!("{directory}/Cargo.toml");
    Violation {
        path,
        line: 0,
        rule: "dependencies",
        why,
        advice,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(edges: &[(&str, &[&str])]) -> Vec<String> {
        let graph: Graph = edges
            .iter()
            .map(|(from, to)| ((*from).into(), to.iter().map(|one| (*one).into()).collect()))
            .collect();
        let members: Vec<_> = graph
            .keys()
            .filter(|name| name.starts_with("byz") || name.as_str() == "simulator")
            .cloned()
            .collect();
        check(&graph, &members)
            .into_iter()
            .map(|one| one.why)
            .collect()
    }

    #[test]
    fn edges_downwards_pass() {
        let edges: [(&str, &[&str]); 3] = [
            ("byzantine-consensus", &["byzantine-proof", "borsh"]),
            ("byzantine-proof", &["sha2"]),
            ("byz", &["byzantine-proof", "tokio"]),
        ];
        assert_eq!(found(&edges), [""; 0]);
    }

    #[test]
    fn an_edge_upwards_fails() {
        let edges: [(&str, &[&str]); 2] = [
            ("byzantine-proof", &["byzantine-consensus"]),
            ("byzantine-consensus", &[]),
        ];
        assert_eq!(
            found(&edges),
            ["`byzantine-proof` must not depend on `byzantine-consensus`"]
        );
    }

    #[test]
    fn a_forbidden_crate_fails_with_the_way_it_came() {
        let edges: [(&str, &[&str]); 3] = [
            ("byzantine-journal", &["a"]),
            ("a", &["b"]),
            ("b", &["tokio", "a"]),
        ];
        assert_eq!(
            found(&edges),
            ["links `tokio`: byzantine-journal → a → b → tokio"]
        );
    }

    #[test]
    fn the_sidecar_without_the_liars() {
        let edges: [(&str, &[&str]); 2] = [
            ("byzantine-sidecar", &["byzantine-adversary"]),
            ("byzantine-adversary", &[]),
        ];
        assert_eq!(found(&edges).len(), 2);
    }

    #[test]
    fn an_unknown_member_fails() {
        assert_eq!(
            found(&[("simulator", &[])]),
            ["`simulator` is not in the table of directions"]
        );
    }
}
