//! One app on its own, without a sidecar: for commands that look at the app itself.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use super::child::{Ending, Launch, Process, in_words};
use super::command::{Template, Values};
use super::console::{Console, Label};
use crate::error::CliError;

/// How long an app may take to listen.
const START: Duration = Duration::from_secs(20);

/// Between two tries to connect; there is no event for another process's listening.
const PAUSE: Duration = Duration::from_millis(25);

const STOP: Duration = Duration::from_secs(10);

/// A running app.
pub(crate) struct Instance {
    port: u16,
    process: Process,
}

impl Instance {
    /// Starts the app in `directory` on a free port and waits until it listens.
    ///
    /// # Errors
    /// [`CliError::Spawn`], [`CliError::Ended`] or [`CliError::Unhealthy`].
    pub(crate) async fn start(
        template: &Template,
        number: usize,
        directory: &Path,
    ) -> Result<Self, CliError> {
        let port = free_port().map_err(|source| CliError::Runtime { source })?;
        let data = directory.join("app");
        std::fs::create_dir_all(&data).map_err(|source| CliError::Write {
            path: data.clone(),
            source,
        })?;
        let values = Values {
            port,
            replica: number,
            data: &data,
        };
        let launch = launch(template, &values, directory)?;
        let process = Process::start(&launch, &Console::start(true))?;
        Self { port, process }.listening().await
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Ends it.
    pub(crate) async fn stop(self) {
        self.process
            .stop(Ending::Input, STOP, std::future::pending())
            .await;
    }

    async fn listening(mut self) -> Result<Self, CliError> {
        let until = Instant::now() + START;
        loop {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))
                .await
                .is_ok()
            {
                return Ok(self);
            }
            tokio::select! {
                status = self.process.ended() => {
                    let (how, tail) = (in_words(&status), self.process.bury().await);
                    return Err(CliError::Ended {
                        what: "the app".to_owned(),
                        how,
                        stderr: shown(&tail),
                        next: "start it by hand with the same command and correct the cause",
                    });
                }
                () = sleep(PAUSE) => {}
            }
            if Instant::now() > until {
                let port = self.port;
                return Err(CliError::Unhealthy {
                    what: "the app".to_owned(),
                    port,
                    waited: START,
                    stderr: shown(&self.process.bury().await),
                    next: "let it listen on {port} or the variable PORT of 127.0.0.1",
                });
            }
        }
    }
}

fn launch(template: &Template, values: &Values<'_>, directory: &Path) -> Result<Launch, CliError> {
    let pid_file = directory.join("app.pid");
    let mut arguments = vec![
        "guard".into(),
        "--pid-file".into(),
        pid_file.into(),
        "--".into(),
    ];
    arguments.push(template.program().into());
    arguments.extend(template.arguments(values)?.into_iter().map(Into::into));
    Ok(Launch {
        what: "the app".to_owned(),
        label: Label::new(values.replica, "app"),
        program: std::env::current_exe().unwrap_or_else(|_| "byz".into()),
        arguments,
        environment: vec![
            ("PORT".to_owned(), values.port.to_string()),
            ("BYZANTINE_REPLICA".to_owned(), values.replica.to_string()),
        ],
        directory: values.data.to_owned(),
        log: directory.join("app.log"),
    })
}

fn free_port() -> std::io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

fn shown(tail: &[String]) -> String {
    super::child::indented(tail)
}
