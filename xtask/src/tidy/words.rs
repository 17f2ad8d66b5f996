//! Finding whole words in text, and the words inside identifiers.

/// Every word of `text` with its line (from 1). A word is a run of letters, digits and `_`.
pub(crate) fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().flat_map(|(index, line)| {
        line.split(|character: char| !character.is_alphanumeric() && character != '_')
            .filter(|word| !word.is_empty())
            .map(move |word| (index + 1, word))
    })
}

/// The parts of an identifier in lower case: `ViewChange`, `view_change` → `view`, `change`.
pub(crate) fn parts(identifier: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut after_lower = false;
    for character in identifier.chars() {
        if character == '_' || (character.is_uppercase() && after_lower) {
            parts.push(String::new());
        }
        if character != '_' {
            let last = parts.len() - 1;
            parts[last].extend(character.to_lowercase());
        }
        after_lower = character.is_lowercase() || character.is_numeric();
    }
    parts.retain(|part| !part.is_empty());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_with_their_line() {
        let found: Vec<_> = words("one::two_2()\n// three").collect();
        assert_eq!(found, [(1, "one"), (1, "two_2"), (2, "three")]);
    }

    #[test]
    fn identifiers_fall_into_parts() {
        assert_eq!(parts("ViewChange"), ["view", "change"]);
        assert_eq!(parts("view_change"), ["view", "change"]);
        assert_eq!(parts("HTTP_LIMIT"), ["http", "limit"]);
        assert_eq!(parts("__"), [""; 0]);
    }
}
