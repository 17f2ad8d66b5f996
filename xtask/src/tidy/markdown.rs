//! The parts of a Markdown file that rules look at: links, code spans, headings.
//!
//! Fenced code blocks are skipped by all of them.

/// A piece of a Markdown file and its line, from 1.
pub(crate) type Piece = (usize, String);

/// The targets of inline links: `[text](target)`.
pub(crate) fn links(text: &str) -> Vec<Piece> {
    prose_lines(text)
        .flat_map(|(line, text)| {
            let outside = without_spans(text);
            let targets = outside
                .split("](")
                .skip(1)
                .filter_map(|rest| rest.split(')').next());
            targets
                .map(|target| (line, target.to_owned()))
                .collect::<Vec<_>>()
        })
        .collect()
}

/// The insides of inline code spans: `` `like this` ``.
pub(crate) fn code_spans(text: &str) -> Vec<Piece> {
    prose_lines(text)
        .flat_map(|(line, text)| {
            let spans = text.split('`').skip(1).step_by(2);
            spans
                .map(|span| (line, span.to_owned()))
                .collect::<Vec<_>>()
        })
        .collect()
}

/// The anchors that headings make, after GitHub's rule.
pub(crate) fn anchors(text: &str) -> Vec<String> {
    let headings = prose_lines(text).filter(|(_, line)| line.starts_with('#'));
    headings
        .map(|(_, line)| anchor(line.trim_start_matches('#').trim()))
        .collect()
}

fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase().replace(' ', "-");
    kept.chars()
        .filter(|one| one.is_alphanumeric() || matches!(one, '-' | '_'))
        .collect()
}

fn without_spans(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("code")
}

fn prose_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        (!fence && !fenced).then_some((index + 1, line))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_outside_code_are_found() {
        let text = "a [b](c.md) and [d](e.md#f)\n```\n[g](h)\n```\n`[i](j)` [`k`](l)";
        let expected = [(1, "c.md".into()), (1, "e.md#f".into()), (5, "l".into())];
        assert_eq!(links(text), expected);
    }

    #[test]
    fn code_spans_are_found() {
        assert_eq!(
            code_spans("a `b` c\n`d`"),
            [(1, "b".into()), (2, "d".into())]
        );
    }

    #[test]
    fn headings_become_anchors() {
        assert_eq!(
            anchors("# One Two\n## `three`: four, five\n"),
            ["one-two", "three-four-five"]
        );
    }
}
