//! Rule `links`: every link of a document inside the repository leads somewhere.

use crate::tidy::markdown;
use crate::tidy::reachable::normalised;
use crate::tidy::source::SourceFile;
use crate::tidy::violation::Violation;

/// Every link to a file or heading that does not exist.
pub(crate) fn check(files: &[SourceFile]) -> Vec<Violation> {
    let documents = files.iter().filter(|file| file.is_markdown());
    documents
        .flat_map(|file| {
            let links = markdown::links(&file.text).into_iter();
            links.filter_map(|(line, target)| violation(files, file, line, &target))
        })
        .collect()
}

fn violation(
    files: &[SourceFile],
    file: &SourceFile,
    line: usize,
    target: &str,
) -> Option<Violation> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let why = if resolves(files, file, path, anchor) {
        return None;
    } else {
        format!("the link to `{target}` leads nowhere")
    };
    let advice = "correct the path or the heading (GitHub's form: lower case, `-` for spaces)";
    Some(Violation {
        path: file.path.clone(),
        line,
        rule: "links",
        why,
        advice,
    })
}

fn resolves(files: &[SourceFile], from: &SourceFile, path: &str, anchor: &str) -> bool {
    let full = match path {
        "" => from.path.clone(),
        path => normalised(&format!("{}/{path}", from.directory())),
    };
    let directory = format!("{full}/");
    match files.iter().find(|file| file.path == full) {
        Some(_) if anchor.is_empty() => true,
        Some(file) => markdown::anchors(&file.text)
            .iter()
            .any(|found| found == anchor),
        None => anchor.is_empty() && files.iter().any(|file| file.path.starts_with(&directory)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(text: &str) -> Vec<String> {
        let files = [
            SourceFile::new("docs/a.md", text),
            SourceFile::new("docs/adr/b.md", "# A Heading\n"),
            SourceFile::new("README.md", ""),
        ];
        check(&files).into_iter().map(|one| one.why).collect()
    }

    #[test]
    fn links_to_files_directories_headings_and_the_web_pass() {
        let text = "# Top\n[a](adr/b.md) [b](adr/b.md#a-heading) [c](../README.md) [d](adr)\
                    [e](https://example.org) [f](#top) [g](adr/)";
        assert_eq!(broken(text), [""; 0]);
    }

    #[test]
    fn a_missing_file_or_heading_fails() {
        assert_eq!(
            broken("[a](adr/c.md)"),
            ["the link to `adr/c.md` leads nowhere"]
        );
        assert_eq!(
            broken("[a](adr/b.md#other)"),
            ["the link to `adr/b.md#other` leads nowhere"]
        );
        assert_eq!(broken("[a](#none)"), ["the link to `#none` leads nowhere"]);
    }
}
