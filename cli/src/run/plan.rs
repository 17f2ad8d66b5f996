//! What is to be run: manifest and options brought together, and checked before anything starts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use byzantine_adversary::Fault;
use byzantine_resource::{
    Application, ByzantineService, Problem, ResourceError, StateType, read, read_named,
};

use super::{RunArguments, StateOption, Template, split_words};
use crate::error::CliError;
use crate::files;

/// Ports between two replicas' gateways.
pub(crate) const PORT_STEP: u16 = 10;

/// A run that makes sense.
pub(super) struct Plan {
    pub(super) service: ByzantineService,
    pub(super) command: Template,
    pub(super) directory: PathBuf,
    pub(super) fresh: bool,
    pub(super) port: u16,
    pub(super) faults: BTreeMap<usize, Fault>,
    pub(super) log_level: String,
}

impl Plan {
    pub(super) fn new(arguments: &RunArguments) -> Result<Self, CliError> {
        let (mut service, words) = match &arguments.file {
            Some(file) => from_manifest(file, arguments)?,
            None => from_command(arguments)?,
        };
        override_sizes(&mut service, arguments);
        if let Some(path) = &arguments.health_path {
            service.spec.app.health_path.clone_from(path);
        }
        check(&service)?;
        let beside = own_program_directory();
        let command = Template::new(&words, &beside)?;
        let name = &service.metadata.name;
        let directory = arguments
            .data
            .clone()
            .unwrap_or_else(|| Path::new(".byzantine").join(name));
        let plan = Self {
            command,
            directory: std::path::absolute(&directory).unwrap_or(directory),
            fresh: arguments.fresh,
            port: arguments.port,
            faults: faults(arguments, service.spec.replica_count())?,
            log_level: log_level(&arguments.log_level)?,
            service,
        };
        plan.check_ports()?;
        Ok(plan)
    }

    /// n.
    pub(super) fn replicas(&self) -> usize {
        // At most 22 by the manifest's rules.
        usize::try_from(self.service.spec.replica_count()).unwrap_or(usize::MAX)
    }

    /// f.
    pub(super) fn faults_tolerated(&self) -> usize {
        usize::try_from(self.service.spec.fault_tolerance).unwrap_or(usize::MAX)
    }

    /// The gateway's port of a replica; +1 is its peers', +2 its administration's.
    pub(super) fn port_of(&self, replica: usize) -> u16 {
        gateway_port(self.port, replica)
    }

    /// What deserves a second look.
    pub(super) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let (faulty, tolerated) = (self.faults.len(), self.faults_tolerated());
        if faulty > tolerated {
            warnings.push(format!(
                "{faulty} replicas misbehave and {tolerated} may: answers may stop, or be wrong"
            ));
        }
        let app = &self.service.spec.app;
        if app.env.iter().any(|variable| variable.value_from.is_some()) {
            warnings.push("variables with valueFrom exist only in Kubernetes: not set".to_owned());
        }
        if !app.files.is_empty() {
            warnings
                .push("spec.app.files exists only in Kubernetes: nothing is mounted".to_owned());
        }
        warnings
    }

    fn check_ports(&self) -> Result<(), CliError> {
        let last = usize::from(self.port) + usize::from(PORT_STEP) * self.replicas();
        if self.port >= 1024 && last <= 65_535 {
            return Ok(());
        }
        Err(CliError::Option {
            option: "--port",
            given: self.port.to_string(),
            why: format!("{} replicas take the ports up to {last}", self.replicas()),
            next: "choose one from 1024 to 65000, such as 15080".to_owned(),
        })
    }
}

/// The gateway's port of a replica of a run that starts at `first`.
pub(crate) fn gateway_port(first: u16, replica: usize) -> u16 {
    // Checked above: n replicas fit below 65536.
    let step = u16::try_from(replica)
        .unwrap_or(u16::MAX)
        .saturating_mul(PORT_STEP);
    first.saturating_add(step)
}

/// Where `byz` itself is.
pub(crate) fn own_program_directory() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    program.parent().unwrap_or(Path::new(".")).to_owned()
}

fn from_manifest(
    file: &Path,
    arguments: &RunArguments,
) -> Result<(ByzantineService, Vec<String>), CliError> {
    let text = files::read_text(file)?;
    let service = match &arguments.name {
        Some(name) => read_named(&text, name),
        None => read(&text),
    };
    let service = service.map_err(|source| CliError::Manifest {
        path: file.to_owned(),
        source: Box::new(source),
    })?;
    if let Some(given) = arguments.state {
        return Err(CliError::Option {
            option: "--state",
            given: format!("{given:?}").to_lowercase(),
            why: "the manifest says it".to_owned(),
            next: "change spec.app.state in the manifest, or remove the option".to_owned(),
        });
    }
    let words = if arguments.command.is_empty() {
        let command = service.local_command();
        split_words(command.ok_or_else(|| CliError::NoLocalCommand {
            path: file.to_owned(),
        })?)?
    } else {
        arguments.command.clone()
    };
    Ok((service, words))
}

fn from_command(arguments: &RunArguments) -> Result<(ByzantineService, Vec<String>), CliError> {
    let words = arguments.command.clone();
    let program = words.first().ok_or(CliError::NothingToRun)?;
    let name = arguments.name.clone().unwrap_or_else(|| name_of(program));
    let mut app = Application::new("local");
    "/".clone_into(&mut app.health_path);
    app.state.applied_path.clone_from(&arguments.applied_path);
    app.state.kind = match arguments.state {
        Some(StateOption::None) => StateType::None,
        Some(StateOption::Durable) => StateType::Durable,
        Some(StateOption::Memory) | None => StateType::Memory,
    };
    if app.state.kind == StateType::Durable {
        // Locally the app's own directory takes the place of a volume.
        app.state.mount_path = Some("/data".to_owned());
    }
    Ok((ByzantineService::new(name, app), words))
}

/// A service's name from its program's.
fn name_of(program: &str) -> String {
    let stem = Path::new(program)
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .to_lowercase();
    let allowed = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    let words: Vec<&str> = stem.split(|letter| !allowed(letter)).collect();
    let name: String = words.join("-").trim_matches('-').chars().take(30).collect();
    let mut service = ByzantineService::new(name.clone(), Application::new("local"));
    if service.problems().is_empty() {
        return name;
    }
    service.metadata.name = format!("{name}-service");
    if service.problems().is_empty() {
        service.metadata.name
    } else {
        "service".to_owned()
    }
}

fn override_sizes(service: &mut ByzantineService, arguments: &RunArguments) {
    let spec = &mut service.spec;
    if let Some(faults) = arguments.faults {
        spec.fault_tolerance = faults;
        // Other sizes of the manifest follow from its own f.
        spec.replicas = None;
        spec.consensus.reply_quorum = None;
    }
    if let Some(replicas) = arguments.replicas {
        spec.replicas = Some(replicas);
        spec.consensus.reply_quorum = None;
        if arguments.faults.is_none() && replicas >= 4 && spec.fewest_replicas() > replicas {
            spec.fault_tolerance = (replicas - 1) / 3;
        }
    }
}

/// Options can break a manifest's rules; the messages name the option then.
fn check(service: &ByzantineService) -> Result<(), CliError> {
    let problems = service.problems();
    let Some(first) = problems.first() else {
        return Ok(());
    };
    let option = match first.path.as_str() {
        "metadata.name" => "--name",
        "spec.faultTolerance" => "--faults",
        "spec.replicas" => "--replicas",
        "spec.app.healthPath" => "--health-path",
        "spec.app.state.appliedPath" => "--applied-path",
        _ => {
            let source = Box::new(ResourceError::Invalid { problems });
            return Err(CliError::Manifest {
                path: PathBuf::from("the options"),
                source,
            });
        }
    };
    let Problem {
        given,
        why,
        next_step,
        ..
    } = first.clone();
    Err(CliError::Option {
        option,
        given,
        why,
        next: next_step,
    })
}

fn faults(arguments: &RunArguments, replicas: u32) -> Result<BTreeMap<usize, Fault>, CliError> {
    let mut faults = BTreeMap::new();
    for one in &arguments.misbehaviour {
        let refused = |why: String, next: &str| CliError::Option {
            option: "--fault",
            given: format!("{}={}", one.replica, one.fault),
            why,
            next: next.to_owned(),
        };
        if u32::try_from(one.replica).map_or(true, |replica| replica >= replicas) {
            let why = format!("replicas are numbered from 0 to {}", replicas - 1);
            return Err(refused(why, "name one of those"));
        }
        if faults.insert(one.replica, one.fault).is_some() {
            let why = "this replica has a fault already".to_owned();
            return Err(refused(why, "give each replica one fault at most"));
        }
    }
    Ok(faults)
}

fn log_level(level: &str) -> Result<String, CliError> {
    if ["error", "warn", "info", "debug", "trace"].contains(&level) {
        return Ok(level.to_owned());
    }
    Err(CliError::Option {
        option: "--log-level",
        given: level.to_owned(),
        why: "it is not one of the known levels".to_owned(),
        next: "choose error, warn, info, debug or trace".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_programs() {
        let cases = [
            ("./target/debug/wallet", "wallet"),
            ("python3", "python3"),
            ("My_App.py", "my-app"),
            ("app-2", "app-2-service"),
            ("42", "service"),
            ("…", "service"),
        ];
        for (program, name) in cases {
            assert_eq!(name_of(program), name, "{program}");
        }
    }
}
