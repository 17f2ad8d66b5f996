//! Reads the output of `cargo test` line by line and decides what a person sees of it.
//!
//! One line a test program; tests of integration programs one by one, since each may take
//! seconds; the whole output of a program that fails; the compiler's output as it is.

use std::fmt;

/// The most lines kept of one program's output, to be shown if it fails.
const KEPT_LINES_MAX: usize = 20_000;

/// How many tests there were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Tests that passed.
    pub(crate) passed: u64,
    /// Tests that failed.
    pub(crate) failed: u64,
    /// Tests left out by `#[ignore]`.
    pub(crate) ignored: u64,
    /// Test programs that ran at least one test.
    pub(crate) programs: u64,
}

impl fmt::Display for Totals {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            passed,
            failed,
            ignored,
            programs,
        } = self;
        write!(
            formatter,
            "{passed} tests passed, {failed} failed, {ignored} ignored, in {programs} programs"
        )
    }
}

/// What was read so far.
#[derive(Default)]
pub(crate) struct Transcript {
    totals: Totals,
    failed: Vec<String>,
    current: Option<Program>,
}

struct Program {
    name: String,
    is_integration: bool,
    kept: Vec<String>,
}

impl Transcript {
    /// Takes in the next line; returns what to show for it.
    pub(crate) fn line(&mut self, line: &str) -> Vec<String> {
        if let Some(program) = Program::announced(line) {
            let unfinished = self.close_unfinished();
            self.current = Some(program);
            return unfinished;
        }
        let Some(program) = &mut self.current else {
            return outside(line);
        };
        if line.starts_with("test result: ") {
            return self.close(line);
        }
        let shown = program.is_integration && is_one_test(line);
        if program.kept.len() < KEPT_LINES_MAX {
            program.kept.push(line.to_owned());
        }
        if shown {
            vec![format!("      {}", line.trim_start_matches("test "))]
        } else {
            vec![]
        }
    }

    /// The totals of what was read.
    pub(crate) fn totals(&self) -> Totals {
        self.totals
    }

    /// The test programs that failed or broke off.
    pub(crate) fn failed_programs(&self) -> Vec<String> {
        let broken = self.current.iter().map(|program| program.name.clone());
        self.failed.iter().cloned().chain(broken).collect()
    }

    fn close(&mut self, line: &str) -> Vec<String> {
        let Some(program) = self.current.take() else {
            return vec![];
        };
        let [passed, failed, ignored] =
            ["passed", "failed", "ignored"].map(|what| number_before(line, what));
        self.totals.passed += passed;
        self.totals.failed += failed;
        self.totals.ignored += ignored;
        self.totals.programs += u64::from(passed + failed > 0);
        if failed > 0 {
            self.failed.push(program.name.clone());
            return program.with_output(&format!("{passed} passed, {failed} FAILED"));
        }
        if passed + ignored == 0 {
            return vec![];
        }
        let took = line.rsplit("finished in ").next().unwrap_or("");
        vec![format!("   {passed:>4} passed {took:>9}  {}", program.name)]
    }

    /// A program that never printed a result was killed or exited.
    fn close_unfinished(&mut self) -> Vec<String> {
        let Some(program) = self.current.take() else {
            return vec![];
        };
        self.failed.push(program.name.clone());
        program.with_output("BROKE OFF")
    }
}

impl Program {
    /// The program that cargo announces on this line, if it does.
    fn announced(line: &str) -> Option<Self> {
        let line = line.trim_start();
        let (name, is_integration) = if let Some(rest) = line.strip_prefix("Doc-tests ") {
            (format!("{} (documentation)", rest.trim()), false)
        } else {
            let rest = line.strip_prefix("Running ")?;
            let (source, path) = rest.split_once(" (")?;
            let file = path.trim_end_matches(')').rsplit(['/', '\\']).next()?;
            let name = file.rsplit_once('-').map_or(file, |pair| pair.0);
            let source = source.trim_start_matches("unittests ");
            (format!("{name} ({source})"), source.starts_with("tests"))
        };
        Some(Self {
            name,
            is_integration,
            kept: Vec::new(),
        })
    }

    fn with_output(self, result: &str) -> Vec<String> {
        let heading = format!("   {result}  {}", self.name);
        let output = self.kept.into_iter().map(|line| format!("      | {line}"));
        std::iter::once(heading).chain(output).collect()
    }
}

/// What the compiler says, without the blank lines between programs.
fn outside(line: &str) -> Vec<String> {
    if line.trim().is_empty() {
        vec![]
    } else {
        vec![line.to_owned()]
    }
}

fn is_one_test(line: &str) -> bool {
    line.starts_with("test ")
        && [" ... ok", " ... FAILED"]
            .iter()
            .any(|end| line.ends_with(end))
}

fn number_before(line: &str, what: &str) -> u64 {
    let words: Vec<&str> = line.split_whitespace().collect();
    let at = words
        .iter()
        .position(|word| word.trim_end_matches(';') == what);
    at.and_then(|at| words.get(at.checked_sub(1)?)?.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSED: &str = "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; \
                          0 filtered out; finished in 0.02s";
    const FAILED: &str = "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; \
                          0 filtered out; finished in 1.50s";

    fn shown(transcript: &mut Transcript, lines: &[&str]) -> Vec<String> {
        lines
            .iter()
            .flat_map(|line| transcript.line(line))
            .collect()
    }

    #[test]
    fn a_passing_program_is_one_line() {
        let mut transcript = Transcript::default();
        let lines = [
            "     Running unittests src/lib.rs (target/debug/deps/byzantine_proof-0a1b)",
            "",
            "running 4 tests",
            "test leaf::tests::one ... ok",
            PASSED,
            "",
        ];
        assert_eq!(
            shown(&mut transcript, &lines),
            ["      3 passed     0.02s  byzantine_proof (src/lib.rs)"]
        );
        let expected = Totals {
            passed: 3,
            failed: 0,
            ignored: 1,
            programs: 1,
        };
        assert_eq!(transcript.totals(), expected);
    }

    #[test]
    fn a_failing_program_is_shown_whole() {
        let mut transcript = Transcript::default();
        let lines = [
            "   Doc-tests byz",
            "test a ... FAILED",
            "panicked at",
            FAILED,
        ];
        assert_eq!(
            shown(&mut transcript, &lines),
            [
                "   1 passed, 2 FAILED  byz (documentation)",
                "      | test a ... FAILED",
                "      | panicked at"
            ]
        );
        assert_eq!(transcript.failed_programs(), ["byz (documentation)"]);
        assert_eq!(transcript.totals().failed, 2);
    }

    #[test]
    fn integration_tests_are_shown_one_by_one() {
        let mut transcript = Transcript::default();
        let lines = [
            "     Running tests/liars.rs (target/debug/deps/liars-0a)",
            "test mute ... ok",
        ];
        assert_eq!(shown(&mut transcript, &lines), ["      mute ... ok"]);
    }

    #[test]
    fn a_program_that_breaks_off_is_a_failure() {
        let mut transcript = Transcript::default();
        let lines = [
            "     Running tests/a.rs (x/a-1)",
            "boom",
            "     Running tests/b.rs (x/b-2)",
        ];
        assert_eq!(
            shown(&mut transcript, &lines),
            ["   BROKE OFF  a (tests/a.rs)", "      | boom"]
        );
        assert_eq!(
            transcript.failed_programs(),
            ["a (tests/a.rs)", "b (tests/b.rs)"]
        );
    }

    #[test]
    fn errors_of_the_compiler_are_shown() {
        let mut transcript = Transcript::default();
        assert_eq!(
            shown(&mut transcript, &["error[E0425]: x", ""]),
            ["error[E0425]: x"]
        );
        assert_eq!(transcript.failed_programs(), [""; 0]);
    }
}
