//! `cargo xtask tidy`: the rules that neither the compiler nor clippy knows, one file each.

mod dependencies;
mod file_length;
mod function_length;
mod leftovers;
mod line_width;
mod links;
mod machine_paths;
mod mapped;
mod markdown;
mod mask;
mod module_docs;
mod named_files;
mod names;
mod purity;
mod reachable;
mod source;
mod violation;
mod vocabulary;
mod words;

use cargo_metadata::{Metadata, MetadataCommand};

use crate::command::workspace_root;
use crate::error::XtaskError;
use crate::tidy::function_length::Figures;
use crate::tidy::reachable::Crate;
use crate::tidy::source::SourceFile;
use crate::tidy::violation::Violation;

/// Checks every rule and prints what broke.
///
/// # Errors
/// [`XtaskError::Untidy`] with the number of violations, or what kept the rules from running.
pub(crate) fn run() -> Result<(), XtaskError> {
    let root = workspace_root();
    let files = source::collect(&root)?;
    let metadata = MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        .exec()?;
    let (mut violations, figures) = violations(&files, &metadata)?;
    violations.sort_unstable();
    for violation in &violations {
        eprintln!("{violation}");
    }
    report(&files, figures, violations.len())
}

fn report(files: &[SourceFile], figures: Figures, broken: usize) -> Result<(), XtaskError> {
    let rust = files.iter().filter(|file| file.is_rust());
    let lines: usize = rust.clone().map(|file| file.text.lines().count()).sum();
    println!("{} Rust files, {lines} lines; {figures}", rust.count());
    if broken > 0 {
        return Err(XtaskError::Untidy(broken));
    }
    println!("tidy: every rule holds");
    Ok(())
}

fn violations(
    files: &[SourceFile],
    metadata: &Metadata,
) -> Result<(Vec<Violation>, Figures), XtaskError> {
    let (mut all, figures) = function_length::check(files)?;
    all.extend(purity::check(files)?);
    let crates = crates(metadata);
    all.extend(mapped::check(files, &crates));
    all.extend(reachable::check(files, &crates)?);
    all.extend(dependencies::check(
        &dependencies::graph(metadata),
        &members(metadata),
    ));
    let rules = [
        file_length::check,
        leftovers::check,
        line_width::check,
        links::check,
        machine_paths::check,
        module_docs::check,
        named_files::check,
        names::check,
        vocabulary::check,
    ];
    all.extend(rules.iter().flat_map(|rule| rule(files)));
    Ok((all, figures))
}

fn members(metadata: &Metadata) -> Vec<String> {
    metadata
        .workspace_packages()
        .iter()
        .map(|package| package.name.to_string())
        .collect()
}

/// The crates of the workspace with the roots of their targets.
fn crates(metadata: &Metadata) -> Vec<Crate> {
    let relative = |path: &cargo_metadata::camino::Utf8Path| {
        path.strip_prefix(&metadata.workspace_root)
            .unwrap_or(path)
            .to_string()
    };
    let packages = metadata.workspace_packages().into_iter();
    packages
        .map(|package| Crate {
            directory: package
                .manifest_path
                .parent()
                .map(relative)
                .unwrap_or_default(),
            target_roots: package
                .targets
                .iter()
                .map(|one| relative(&one.src_path))
                .collect(),
        })
        .collect()
}
