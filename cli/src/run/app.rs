//! How a replica's two processes are started.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::child::Launch;
use super::command::Values;
use super::console::Label;
use super::directory::RunDirectory;
use super::plan::Plan;
use super::ports::Ports;
use crate::error::CliError;
use crate::files;

/// The app of a replica, under its guard.
pub(super) fn app(
    plan: &Plan,
    run: &RunDirectory,
    ports: &Ports,
    replica: usize,
) -> Result<Launch, CliError> {
    let (directory, port) = (run.replica(replica), ports.apps[replica]);
    let data = directory.app();
    let values = Values {
        port,
        replica,
        data: &data,
    };
    let mut arguments: Vec<OsString> = vec!["guard".into(), "--pid-file".into()];
    arguments.extend([directory.file("app.pid").into(), "--".into()]);
    arguments.push(plan.command.program().into());
    arguments.extend(
        plan.command
            .arguments(&values)?
            .into_iter()
            .map(OsString::from),
    );
    let mut environment = variables(plan, replica);
    environment.push(("PORT".to_owned(), port.to_string()));
    environment.push(("BYZANTINE_REPLICA".to_owned(), replica.to_string()));
    Ok(Launch {
        what: format!("the app of replica {replica}"),
        label: Label::new(replica, "app"),
        program: this_program(),
        arguments,
        environment,
        directory: data,
        log: directory.file("app.log"),
    })
}

/// The sidecar of a replica.
pub(super) fn sidecar(plan: &Plan, run: &RunDirectory, replica: usize) -> Launch {
    let directory = run.replica(replica);
    let mut arguments: Vec<OsString> = vec!["sidecar".into(), "--config".into()];
    arguments.push(directory.configuration().into());
    if let Some(fault) = plan.faults.get(&replica) {
        arguments.extend(["--fault".into(), fault.name().into()]);
    }
    Launch {
        what: format!("the sidecar of replica {replica}"),
        label: Label::new(replica, "sidecar"),
        program: this_program(),
        arguments,
        environment: Vec::new(),
        log: directory.file("sidecar.log"),
        directory: directory.0,
    }
}

/// Tells the sidecar that the next app process is another one than the last.
pub(super) fn renew_instance(instance: &Path) -> Result<(), CliError> {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let text = format!("{}-{}\n", std::process::id(), since.as_nanos());
    files::write_atomically(instance, text.as_bytes())
}

/// Puts an app's data out of its way, and tells where they are now: somebody may want to know what
/// became of them.
pub(super) fn put_data_aside(data: &Path) -> Result<PathBuf, CliError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| CliError::Write { path, source }
    };
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let aside = data.with_extension(format!("differs-{}", since.unwrap_or_default().as_secs()));
    std::fs::rename(data, &aside).map_err(failed(&aside))?;
    std::fs::create_dir(data).map_err(failed(data))?;
    Ok(aside)
}

/// The manifest's variables, with the replica's own instead where it has some.
fn variables(plan: &Plan, replica: usize) -> Vec<(String, String)> {
    let spec = &plan.service.spec;
    let own = spec
        .overrides
        .iter()
        .find(|one| usize::try_from(one.ordinal) == Ok(replica));
    let own = own.into_iter().flat_map(|one| &one.env);
    let all = spec.app.env.iter().chain(own);
    all.filter_map(|variable| Some((variable.name.clone(), variable.value.clone()?)))
        .collect()
}

/// `byz` itself, even if its file was replaced since.
fn this_program() -> std::path::PathBuf {
    std::env::current_exe().unwrap_or_else(|_| "byz".into())
}
