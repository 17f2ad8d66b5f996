//! Runs the tests with one change switched on, and stops at the first that fails.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use cargo_metadata::Message;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::tree::{Tree, messages};
use super::weave::VARIABLE;
use super::{PACKAGES, TESTED};
use crate::command;
use crate::error::XtaskError;

/// What a test program may take with a change on, as a multiple of what it takes without, and
/// beyond that.
const PATIENCE: (u32, Duration) = (5, Duration::from_secs(20));

/// A change that allocates for ever must not take the machine with it: bytes of address space.
const MEMORY: u64 = 8 << 30;

/// What the simulator plays, if no test and no recorded seed notices: attacks, and fresh schedules.
const PLAYED: [&str; 9] = [
    "ci",
    "--jobs",
    "1",
    "--from",
    "1",
    "--minutes",
    "30",
    "--schedules",
    "300",
];

/// A program that notices, or does not.
#[derive(Debug)]
pub(super) struct Program {
    name: String,
    path: PathBuf,
    arguments: Vec<&'static str>,
    directory: PathBuf,
    takes: Duration,
}

/// What became of a change.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The first test that failed.
    Noticed(String),
    /// This program did not end.
    Hung(String),
    Unnoticed,
}

/// Builds all tests and runs them once without a change, the quickest first from then on; and
/// last, unless only tests are asked, the simulator.
///
/// # Errors
/// [`XtaskError::Unwoven`] where they fail without a change.
pub(super) fn programs(tree: &Tree, tests_only: bool) -> Result<Vec<Program>, XtaskError> {
    let mut test = tree.cargo("test");
    test.arg("--no-run");
    test.args(PACKAGES.iter().flat_map(|package| ["--package", package]));
    test.args(["--package", TESTED]);
    let mut programs = built(&mut test, &["--test-threads=1"], true)?;
    let mut build = tree.cargo("build");
    build.args(["--package", TESTED, "--bins"]);
    let mut simulator = built(&mut build, &PLAYED, false)?;
    limit_memory()?;
    for program in &mut programs {
        program.measure()?;
    }
    programs.sort_by_key(|program| program.takes);
    for program in simulator.iter_mut().filter(|_| !tests_only) {
        program.directory.clone_from(&tree.root);
        program.measure()?;
    }
    programs.extend(simulator.into_iter().filter(|_| !tests_only));
    Ok(programs)
}

fn limit_memory() -> Result<(), XtaskError> {
    let resource = nix::sys::resource::Resource::RLIMIT_AS;
    nix::sys::resource::setrlimit(resource, MEMORY, MEMORY)
        .map_err(|error| XtaskError::file("the limit of memory", error.into()))
}

fn built(
    build: &mut Command,
    arguments: &[&'static str],
    tests: bool,
) -> Result<Vec<Program>, XtaskError> {
    println!("$ {}", command::line(build));
    let told = command::output(build.stderr(Stdio::inherit()))?;
    if !told.status.success() {
        return Err(XtaskError::CommandFailed {
            command: command::line(build),
            status: told.status,
        });
    }
    let artifacts = messages(&told.stdout).filter_map(|message| match message {
        Message::CompilerArtifact(artifact) if artifact.profile.test == tests => Some(artifact),
        _ => None,
    });
    let programs = artifacts.filter_map(|artifact| {
        let manifest = artifact.manifest_path.parent()?.to_owned();
        Some(Program {
            name: artifact.target.name.clone(),
            path: artifact.executable?.into(),
            arguments: arguments.to_vec(),
            directory: manifest.into(),
            takes: Duration::ZERO,
        })
    });
    Ok(programs.collect())
}

/// The first program that notices a change.
///
/// # Errors
/// [`XtaskError::CannotStart`].
pub(super) fn try_one(programs: &[Program], number: u32) -> Result<Outcome, XtaskError> {
    for program in programs {
        let (times, more) = PATIENCE;
        let outcome = program.run(number, program.takes * times + more)?;
        if outcome != Outcome::Unnoticed {
            return Ok(outcome);
        }
    }
    Ok(Outcome::Unnoticed)
}

impl Program {
    fn measure(&mut self) -> Result<(), XtaskError> {
        let beginning = Instant::now();
        let outcome = self.run(0, Duration::from_mins(20))?;
        self.takes = beginning.elapsed();
        println!("{}: {:.1} s", self.name, self.takes.as_secs_f64());
        if outcome == Outcome::Unnoticed {
            return Ok(());
        }
        let why = format!("{} fails without a change: {outcome:?}", self.name);
        Err(XtaskError::Unwoven(why))
    }

    /// Reads what the tests say; who fails first ends it.
    fn run(&self, number: u32, patience: Duration) -> Result<Outcome, XtaskError> {
        let mut command = Command::new(&self.path);
        command.args(&self.arguments).current_dir(&self.directory);
        command.env(VARIABLE, number.to_string());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command
            .spawn()
            .map_err(|error| command::cannot_start(&command, error))?;
        let pid = Pid::from_raw(child.id().cast_signed());
        let (alive, over) = mpsc::channel::<()>();
        let watch = std::thread::spawn(move || {
            let late = over.recv_timeout(patience) == Err(mpsc::RecvTimeoutError::Timeout);
            // Not reaped before this thread is joined: the number is still the child's.
            late && kill(pid, Signal::SIGKILL).is_ok()
        });
        let failed = child.stdout.take().and_then(failed_test);
        if failed.is_some() {
            kill(pid, Signal::SIGKILL).ok();
        }
        drop(alive);
        let late = watch.join().unwrap_or(false);
        let status = child.wait();
        Ok(match (failed, status) {
            (Some(test), _) => Outcome::Noticed(format!("{}: {test}", self.name)),
            _ if late => Outcome::Hung(self.name.clone()),
            (None, Ok(status)) if status.success() => Outcome::Unnoticed,
            (None, _) => Outcome::Noticed(self.name.clone()),
        })
    }
}

/// Reads to the end, or to the first test that failed.
fn failed_test(output: std::process::ChildStdout) -> Option<String> {
    let lines = BufReader::new(output).split(b'\n').map_while(Result::ok);
    let lines = lines.map(|line| String::from_utf8_lossy(&line).into_owned());
    let mut failed = lines.filter_map(|line| {
        let test = line.strip_suffix(" ... FAILED")?;
        Some(test.strip_prefix("test ").unwrap_or(test).to_owned())
    });
    failed.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &'static str) -> Program {
        Program {
            name: "sh".into(),
            path: "/bin/sh".into(),
            arguments: vec!["-c", script],
            directory: "/".into(),
            takes: Duration::ZERO,
        }
    }

    #[test]
    fn the_first_test_that_fails_is_named_and_the_rest_is_not_waited_for() {
        let program = shell("echo 'test a::b ... ok'; echo 'test a::c ... FAILED'; exec sleep 600");
        let outcome = program.run(1, Duration::from_mins(1)).unwrap();
        assert_eq!(outcome, Outcome::Noticed("sh: a::c".into()));
    }

    #[test]
    fn what_does_not_end_or_is_killed_is_noticed_too() {
        let outcome = shell("exec sleep 600")
            .run(1, Duration::from_millis(50))
            .unwrap();
        assert_eq!(outcome, Outcome::Hung("sh".into()));
        let outcome = shell("kill -ABRT $$")
            .run(1, Duration::from_mins(1))
            .unwrap();
        assert_eq!(outcome, Outcome::Noticed("sh".into()));
    }

    #[test]
    fn the_change_is_told_by_its_number() {
        let program = shell("test $BYZANTINE_CHANGE = 7");
        let wait = Duration::from_mins(1);
        assert_eq!(program.run(7, wait).unwrap(), Outcome::Unnoticed);
        assert_eq!(program.run(8, wait).unwrap(), Outcome::Noticed("sh".into()));
    }
}
