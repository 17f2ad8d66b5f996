//! Why a chore failed. Every message ends with what to do next.

use std::path::PathBuf;

use thiserror::Error;

/// Why a chore failed.
#[derive(Debug, Error)]
pub(crate) enum XtaskError {
    /// A program could not be started at all.
    #[error("cannot start `{command}`: {source}\nIs it installed and in PATH?")]
    CannotStart {
        /// The command line.
        command: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A program ran and failed.
    #[error("`{command}` failed ({status})\nIts own output is above.")]
    CommandFailed {
        /// The command line.
        command: String,
        /// Its exit status.
        status: std::process::ExitStatus,
    },
    /// A file could not be read or written.
    #[error("cannot use {}: {source}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// `cargo metadata` gave no answer.
    #[error("cargo metadata: {0}\nDoes `cargo check` work?")]
    Metadata(#[from] cargo_metadata::Error),
    /// A source file does not parse.
    #[error("{path}:{line}: {message}\nMake it compile first: cargo check")]
    Unparsable {
        /// Which file.
        path: String,
        /// Where in it.
        line: usize,
        /// What the parser said.
        message: String,
    },
    /// `tidy` found violations, already printed.
    #[error("tidy: {0} violation(s), listed above with what to do about each")]
    Untidy(usize),
    /// Tests failed, already printed.
    #[error("{failed} of {total} tests failed: {programs}\nTheir output is above.")]
    TestsFailed {
        /// How many tests failed.
        failed: u64,
        /// How many ran.
        total: u64,
        /// The test programs with failures.
        programs: String,
    },
    /// Too many changes of the code went unnoticed, already printed.
    #[error(
        "mutants: {0}\nWrite a test that notices what is listed above, or list it in \
         xtask/unnoticed.txt below the reason."
    )]
    ChangesUnnoticed(String),
    /// The changes could not be tried all at once.
    #[error(
        "the changes do not compile together, or their tests fail without one: {0}\nDo the tests \
         pass? Else try fewer changes: --most, --since."
    )]
    Unwoven(String),
    /// Places that no simulated world entered, already printed.
    #[error(
        "coverage: {0} place(s) were never entered, listed above\nLet a world or a liar go there, \
         or list the line in xtask/uncovered.txt below the reason."
    )]
    NeverEntered(usize),
    /// What reads the counters of instrumented programs is missing.
    #[error(
        "llvm-profdata and llvm-cov of LLVM {0} are missing\nInstall them: `rustup component add \
         llvm-tools`, or llvm-{0} of your distribution."
    )]
    NoCoverageTools(String),
    /// Steps of `ci` failed, already printed.
    #[error("ci: failed: {0}\nRepeat a step alone with the command printed above it.")]
    StepsFailed(String),
    /// Neither docker nor buildah can build an image here.
    #[error(
        "nothing here can build container images: {docker}; {buildah}\n\
        Start docker, or install buildah (Debian, Ubuntu: `apt-get install buildah`; Fedora: \
        `dnf install buildah`), which needs no daemon."
    )]
    NoImageBuilder {
        /// What docker said.
        docker: String,
        /// What buildah said.
        buildah: String,
    },
    /// No image has that name.
    #[error("there is no image `{name}`; choose among {known}")]
    UnknownImage {
        /// The name that was asked for.
        name: String,
        /// Those there are.
        known: String,
    },
    /// There is no Kubernetes cluster to work on.
    #[error(
        "no Kubernetes cluster: {why}\nSet KUBECONFIG to one, or install Docker and kind \
         (https://kind.sigs.k8s.io)."
    )]
    NoCluster {
        /// What each way to one is missing.
        why: String,
    },
    /// The demonstration saw something it should not have seen.
    #[error("demo: {what}\n{next}")]
    Demo {
        /// What was seen, against what was expected.
        what: String,
        /// What to do next.
        next: String,
    },
}

impl XtaskError {
    /// Wraps an error of the file system with the file it is about.
    pub(crate) fn file(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::File {
            path: path.into(),
            source,
        }
    }
}
