//! `xtask/uncovered.txt`: places that simulations do not enter, below the reason why.
//!
//! A line that begins with `#` is the reason for those after it. The others are a file, a colon and
//! the source line without its indentation, so that they outlive other changes of the file; `*`
//! is every line of it.

use std::path::Path;

use crate::error::XtaskError;

use super::regions::Region;

const LIST: &str = "xtask/uncovered.txt";

/// What every built-in bug's switch says: in builds without switches it is never on.
const SWITCH: &str = "is_on(Bug::";

/// The list.
#[derive(Debug, Default)]
pub(super) struct List {
    entries: Vec<(String, String)>,
}

impl List {
    /// # Errors
    /// [`XtaskError::File`].
    pub(super) fn read(root: &Path) -> Result<Self, XtaskError> {
        let path = root.join(LIST);
        let text =
            std::fs::read_to_string(&path).map_err(|error| XtaskError::file(&path, error))?;
        Ok(Self::parse(&text))
    }

    fn parse(text: &str) -> Self {
        let lines = text.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let entries = lines.filter_map(|line| line.split_once(": "));
        let entries = entries.map(|(file, text)| (file.to_owned(), text.to_owned()));
        Self {
            entries: entries.collect(),
        }
    }

    /// Whether there is a reason for which this is not entered.
    pub(super) fn excuses(&self, region: &Region) -> bool {
        let switch = region.text.contains(SWITCH);
        switch || self.entries.iter().any(|entry| is_about(entry, region))
    }

    /// Entries that are about nothing that was missed.
    pub(super) fn idle(&self, missed: &[&Region]) -> Vec<String> {
        let entries = self.entries.iter();
        let idle = entries.filter(|entry| !missed.iter().any(|region| is_about(entry, region)));
        idle.map(|(file, text)| format!("{file}: {text}")).collect()
    }
}

fn is_about((file, text): &(String, String), region: &Region) -> bool {
    *file == region.file && (text == "*" || *text == region.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(file: &str, text: &str) -> Region {
        let source = tempfile::tempdir().unwrap();
        std::fs::write(source.path().join(file), format!("  {text}\n")).unwrap();
        let regions = format!(r#"{{"filenames":["{file}"],"regions":[[1,3,1,9,0,0,0,0]]}}"#);
        let export = format!(r#"{{"data":[{{"functions":[{regions}]}}]}}"#);
        super::super::regions::of(export.as_bytes(), file, source.path()).unwrap()[0].clone()
    }

    #[test]
    fn a_line_is_excused_in_its_file_alone() {
        let list = List::parse("# why\na.rs: return None;\nb.rs: *\n");
        assert!(list.excuses(&region("a.rs", "return None;")));
        assert!(!list.excuses(&region("a.rs", "return Some(1);")));
        assert!(!list.excuses(&region("c.rs", "return None;")));
        assert!(list.excuses(&region("b.rs", "anything")));
        assert!(list.excuses(&region("c.rs", "if is_on(Bug::X) {")));
    }

    #[test]
    fn what_is_listed_and_entered_is_told() {
        let list = List::parse("a.rs: one\na.rs: two\n");
        assert_eq!(list.idle(&[&region("a.rs", "one")]), ["a.rs: two"]);
    }
}
