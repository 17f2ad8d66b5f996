//! Splits Rust text into code and comments, line by line, blanking the insides of literals.
//!
//! Both results keep every line break and every column, so a place found in them is a place in
//! the file. This is a scanner of tokens, not a parser: it knows comments, strings (raw and
//! byte strings too) and character literals, and nothing else.

/// Splits `text` into (code, comments), each of the length of `text` in characters.
pub(crate) fn split(text: &str) -> (String, String) {
    let mut scanner = Scanner {
        text: text.chars().collect(),
        at: 0,
        code: vec![],
        prose: vec![],
    };
    while scanner.at < scanner.text.len() {
        scanner.token();
    }
    (
        scanner.code.into_iter().collect(),
        scanner.prose.into_iter().collect(),
    )
}

struct Scanner {
    text: Vec<char>,
    at: usize,
    code: Vec<char>,
    prose: Vec<char>,
}

/// Where a character belongs.
#[derive(Clone, Copy, PartialEq)]
enum Side {
    Code,
    Prose,
    Neither,
}

impl Scanner {
    fn peek(&self, ahead: usize) -> char {
        self.text.get(self.at + ahead).copied().unwrap_or('\0')
    }

    /// Takes one character to its side; nothing after the end.
    fn take(&mut self, side: Side) {
        let Some(&character) = self.text.get(self.at) else {
            return;
        };
        let blank = if character == '\n' { '\n' } else { ' ' };
        self.code
            .push(if side == Side::Code { character } else { blank });
        self.prose.push(if side == Side::Prose {
            character
        } else {
            blank
        });
        self.at += 1;
    }

    fn token(&mut self) {
        match (self.peek(0), self.peek(1)) {
            ('/', '/') => self.line_comment(),
            ('/', '*') => self.block_comment(),
            ('"', _) => self.string(),
            ('\'', _) if self.is_character_literal() => self.character(),
            (first, _) if first.is_alphabetic() || first == '_' => self.word(),
            _ => self.take(Side::Code),
        }
    }

    fn line_comment(&mut self) {
        while self.at < self.text.len() && self.peek(0) != '\n' {
            self.take(Side::Prose);
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0_usize;
        while self.at < self.text.len() {
            match (self.peek(0), self.peek(1)) {
                ('/', '*') => depth += 1,
                ('*', '/') => depth -= 1,
                _ => {
                    self.take(Side::Prose);
                    continue;
                }
            }
            self.take(Side::Prose);
            self.take(Side::Prose);
            if depth == 0 {
                return;
            }
        }
    }

    fn string(&mut self) {
        self.take(Side::Code);
        while self.at < self.text.len() && self.peek(0) != '"' {
            if self.peek(0) == '\\' {
                self.take(Side::Neither);
            }
            self.take(Side::Neither);
        }
        self.take(Side::Code);
    }

    /// A quote opens a character and not a lifetime when its end follows, or an escape does.
    fn is_character_literal(&self) -> bool {
        self.peek(1) == '\\' || self.peek(2) == '\''
    }

    fn character(&mut self) {
        self.take(Side::Code);
        if self.peek(0) == '\\' {
            self.take(Side::Neither);
        }
        self.take(Side::Neither);
        while self.at < self.text.len() && self.peek(0) != '\'' && self.peek(0) != '\n' {
            self.take(Side::Neither);
        }
        self.take(Side::Code);
    }

    fn word(&mut self) {
        let start = self.at;
        while self.peek(0).is_alphanumeric() || self.peek(0) == '_' {
            self.take(Side::Code);
        }
        let raw = matches!(&self.text[start..self.at], ['r'] | ['b' | 'c', 'r']);
        if raw && matches!(self.peek(0), '"' | '#') {
            self.raw_string();
        }
    }

    fn raw_string(&mut self) {
        let hashes = (0..self.text.len())
            .take_while(|&ahead| self.peek(ahead) == '#')
            .count();
        if self.peek(hashes) != '"' {
            return; // r#identifier
        }
        for _ in 0..=hashes {
            self.take(Side::Code);
        }
        while self.at < self.text.len() && !self.closes_raw(hashes) {
            self.take(Side::Neither);
        }
        for _ in 0..=hashes {
            self.take(Side::Code);
        }
    }

    fn closes_raw(&self, hashes: usize) -> bool {
        self.peek(0) == '"' && (1..=hashes).all(|ahead| self.peek(ahead) == '#')
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    fn code(text: &str) -> String {
        let (code, prose) = split(text);
        assert_eq!(code.chars().count(), text.chars().count());
        assert_eq!(prose.chars().count(), text.chars().count());
        code
    }

    #[test]
    fn comments_go_to_the_other_side() {
        let (code, prose) = split("a(); // b\n/* c /* d */ e */ f");
        assert_eq!(code.split_whitespace().collect::<Vec<_>>(), ["a();", "f"]);
        assert_eq!(prose.trim(), "// b\n/* c /* d */ e */");
    }

    #[test]
    fn insides_of_strings_are_blanked() {
        assert_eq!(code(r#"x("a // b \" c", d)"#), r#"x("           ", d)"#);
        assert_eq!(code("r##\"a\"# b\"## c"), "r##\"     \"## c");
        assert_eq!(code("br\"a\" c"), "br\" \" c");
    }

    #[test]
    fn characters_are_not_lifetimes() {
        assert_eq!(
            code("f::<'a>('\"', '\\'', '\\u{7f}') // x").trim_end(),
            "f::<'a>(' ', '  ', '      ')"
        );
    }

    #[test]
    fn raw_identifiers_stay() {
        assert_eq!(code("r#type = 1"), "r#type = 1");
    }

    #[test]
    fn unclosed_literals_end_with_the_file() {
        for text in ["\"a", "r#\"a", "'\\", "/* a", "'", "r#\"a\"", "\"\\"] {
            code(text);
        }
    }
}
