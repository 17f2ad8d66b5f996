//! Places in the source, as `llvm-cov export` tells them, and whether they were entered.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::Deserialize;

use crate::error::XtaskError;

/// A stretch of code that is run as a whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Region {
    /// The file, from the root of the workspace.
    pub(super) file: String,
    line: u64,
    column: u64,
    /// The line on which it begins, without its indentation.
    pub(super) text: String,
    /// Whether any world entered it, in any form that the compiler gave it.
    pub(super) entered: bool,
}

impl fmt::Display for Region {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            column,
            text,
            ..
        } = self;
        write!(formatter, "{file}:{line}:{column}: {text}")
    }
}

#[derive(Deserialize)]
struct Export {
    data: Vec<Program>,
}

#[derive(Deserialize)]
struct Program {
    functions: Vec<Function>,
}

#[derive(Deserialize)]
struct Function {
    filenames: Vec<String>,
    /// Line, column, end line, end column, count, file, expanded file, kind.
    regions: Vec<[u64; 8]>,
}

/// Code, as against gaps, skipped lines and branches.
const CODE: u64 = 0;

/// The regions of files below `part`, in order.
///
/// # Errors
/// [`XtaskError::File`] when the export or a source file cannot be read.
pub(super) fn of(export: &[u8], part: &str, root: &Path) -> Result<Vec<Region>, XtaskError> {
    let export: Export = serde_json::from_slice(export)
        .map_err(|error| XtaskError::file("llvm-cov's export", std::io::Error::other(error)))?;
    let functions = export
        .data
        .into_iter()
        .flat_map(|program| program.functions);
    let mut counts: BTreeMap<(String, u64, u64), u64> = BTreeMap::new();
    for function in functions {
        let Some(file) = function
            .filenames
            .first()
            .and_then(|path| below(path, part))
        else {
            continue;
        };
        for [line, column, _, _, count, of, _, kind] in function.regions {
            if kind == CODE && of == 0 {
                *counts.entry((file.clone(), line, column)).or_default() += count;
            }
        }
    }
    with_text(counts, root)
}

/// The path from `part` on.
fn below(path: &str, part: &str) -> Option<String> {
    path.find(part).map(|start| path[start..].to_owned())
}

fn with_text(
    counts: BTreeMap<(String, u64, u64), u64>,
    root: &Path,
) -> Result<Vec<Region>, XtaskError> {
    let mut sources: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut regions = Vec::new();
    for ((file, line, column), count) in counts {
        if !sources.contains_key(&file) {
            let path = root.join(&file);
            let text =
                std::fs::read_to_string(&path).map_err(|error| XtaskError::file(&path, error))?;
            sources.insert(file.clone(), text.lines().map(str::to_owned).collect());
        }
        let place = usize::try_from(line).unwrap_or(0).saturating_sub(1);
        let text = sources.get(&file).and_then(|lines| lines.get(place));
        let text = text.map_or("", |text| text.trim()).to_owned();
        let entered = count > 0;
        regions.push(Region {
            file,
            line,
            column,
            text,
            entered,
        });
    }
    Ok(regions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_as_entered_in_whatever_form_it_was() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("part")).unwrap();
        std::fs::write(root.path().join("part/a.rs"), "one\n  two\n").unwrap();
        let export = r#"{"data":[{"functions":[
            {"filenames":["/x/part/a.rs"],"regions":[[1,1,1,4,0,0,0,0],[2,3,2,6,0,0,0,0]]},
            {"filenames":["/x/part/a.rs"],"regions":[[1,1,1,4,7,0,0,0],[1,1,9,9,0,0,0,3]]},
            {"filenames":["/x/other/b.rs"],"regions":[[1,1,1,4,0,0,0,0]]}]}]}"#;
        let found = of(export.as_bytes(), "part/", root.path()).unwrap();
        let entered: Vec<bool> = found.iter().map(|region| region.entered).collect();
        assert_eq!(entered, [true, false]);
        assert_eq!(found[1].to_string(), "part/a.rs:2:3: two");
    }
}
