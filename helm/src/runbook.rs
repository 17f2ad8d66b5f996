//! The entries of the runbook.

use crate::files;

/// Where the runbook is.
pub const RUNBOOK: &str = "docs/runbook.md";

/// One entry: a heading and what stands under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The alert or reason.
    pub name: String,
    /// The section it is in, such as a Condition's type.
    pub section: String,
    /// Its text.
    pub text: String,
}

/// Every entry, in order.
pub fn entries() -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut section = String::new();
    for line in files::text(RUNBOOK).lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            heading.clone_into(&mut section);
        } else if let Some(heading) = line.strip_prefix("### ") {
            entries.push(Entry {
                name: heading.to_owned(),
                section: section.clone(),
                text: String::new(),
            });
        } else if let Some(entry) = entries.last_mut() {
            entry.text.push_str(line);
            entry.text.push('\n');
        }
    }
    entries
}
