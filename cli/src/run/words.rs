//! Splitting a command into words as a shell does, without running one.

use crate::error::CliError;

/// Splits at spaces; single quotes keep everything, double quotes and backslashes as in sh.
///
/// # Errors
/// [`CliError::OpenQuote`].
pub(crate) fn split(command: &str) -> Result<Vec<String>, CliError> {
    let open = || CliError::OpenQuote {
        command: command.to_owned(),
    };
    let (mut words, mut word, mut letters) = (Vec::new(), None::<String>, command.chars());
    while let Some(letter) = letters.next() {
        match letter {
            ' ' | '\t' | '\n' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match letters.next().ok_or_else(open)? {
                        '\'' => break,
                        letter => word.push(letter),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match letters.next().ok_or_else(open)? {
                        '"' => break,
                        '\\' => word.push(letters.next().ok_or_else(open)?),
                        letter => word.push(letter),
                    }
                }
            }
            '\\' => word
                .get_or_insert_default()
                .push(letters.next().ok_or_else(open)?),
            letter => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_a_shell_does() {
        let cases: [(&str, &[&str]); 5] = [
            ("a  b\tc\n", &["a", "b", "c"]),
            ("a 'b c' \"d e\"", &["a", "b c", "d e"]),
            ("a\\ b 'c\\' \"d\\\"e\"", &["a b", "c\\", "d\"e"]),
            ("'' a''b", &["", "ab"]),
            ("", &[]),
        ];
        for (command, words) in cases {
            assert_eq!(split(command).unwrap(), words, "{command}");
        }
        for bad in ["a 'b", "a \"b", "a\\"] {
            assert!(split(bad).is_err(), "{bad}");
        }
    }
}
