//! Guesses at what a misspelt name was meant to be.

/// The candidate closest to `given`, if it is close enough to be a slip of the pen: equal but for
/// letter case, or at most one edit in three letters away.
pub fn closest<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (given.chars().count() / 3).clamp(1, 4);
    let scored = candidates
        .into_iter()
        .map(|candidate| (distance(given, candidate), candidate));
    let best = scored.min_by_key(|(distance, _)| *distance)?;
    (best.0 <= allowed).then_some(best.1)
}

/// Insertions, deletions, substitutions and swaps of neighbours between two words, ignoring
/// case (the optimal string alignment distance).
fn distance(left: &str, right: &str) -> usize {
    let letters = |word: &str| word.to_lowercase().chars().take(64).collect::<Vec<_>>();
    let (left, right) = (letters(left), letters(right));
    let mut rows: Vec<Vec<usize>> = vec![(0..=right.len()).collect()];
    for (i, a) in left.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in right.iter().enumerate() {
            let changed = rows[i][j] + usize::from(a != b);
            let mut best = changed.min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == right[j - 1] && left[i - 1] == *b {
                best = best.min(rows[i - 1][j - 1] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[left.len()][right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_strangers_are_not() {
        let names = ["faultTolerance", "replicas", "app", "http"];
        for (given, meant) in [
            ("faulttolerance", "faultTolerance"),
            ("faultTolerence", "faultTolerance"),
            ("repilcas", "replicas"),
            ("apps", "app"),
        ] {
            assert_eq!(closest(given, names), Some(meant), "{given}");
        }
        assert_eq!(closest("storageClass", names), None);
        assert_eq!(closest("x", []), None);
    }
}
