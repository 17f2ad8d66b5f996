//! Three HTTP servers that nobody here wrote, each saying what it read of a request.

use std::path::Path;

use byzantine_acceptance::Launch;
use byzantine_acceptance::installed::{installed, python_packages};
use byzantine_acceptance::programs::repository;

/// From `PyPI`, with its own parser.
const GUNICORN: [&str; 1] = ["gunicorn==23.0.0"];

/// A server behind `byz run`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Backend {
    /// Node's `http`, which reads with llhttp.
    Node,
    /// Python's `http.server`.
    Standard,
    /// Gunicorn.
    Gunicorn,
}

impl Backend {
    pub(crate) const ALL: [Self; 3] = [Self::Node, Self::Standard, Self::Gunicorn];

    /// Ready to start; none if it cannot be installed and may be left out.
    pub(crate) fn launch(self) -> Option<Launch> {
        let directory = repository().join("acceptance/backends");
        let file = |name: &str| directory.join(name).display().to_string();
        let options = ["--name", "echo", "--state", "none"];
        let launch = match self {
            Self::Node => Launch::command(&["node", &file("echo.mjs"), "{port}"]),
            Self::Standard => Launch::command(&["python3", &file("echo_http_server.py"), "{port}"]),
            Self::Gunicorn => {
                let environment = installed("gunicorn", install_gunicorn)?;
                let program = environment.join("bin/gunicorn").display().to_string();
                let directory = directory.display().to_string();
                let bind = ["--bind", "127.0.0.1:{port}", "--chdir", &directory];
                Launch::command(&[&[&*program][..], &bind, &["echo_wsgi:app"]].concat())
            }
        };
        Some(launch.with_options(&options))
    }
}

fn install_gunicorn(directory: &Path) -> Result<(), String> {
    python_packages(directory, &GUNICORN)
}
