//! The program that makes images of Dockerfiles.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::command;
use crate::error::XtaskError;

/// Where images live whose name says no registry; containerd asks for them by this name.
const REGISTRY: &str = "docker.io";

/// What builds images here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Builder {
    /// With its daemon.
    Docker,
    /// Without a daemon, user namespaces or a registry.
    Buildah,
}

impl Builder {
    /// The first that works.
    ///
    /// # Errors
    /// [`XtaskError::NoImageBuilder`] says what each is missing.
    pub(crate) fn find() -> Result<Self, XtaskError> {
        let Some(docker) = complaint("docker", &["info"]) else {
            return Ok(Self::Docker);
        };
        match complaint("buildah", &["version"]) {
            None => Ok(Self::Buildah),
            Some(buildah) => Err(XtaskError::NoImageBuilder { docker, buildah }),
        }
    }

    /// Builds the image of a directory and writes it as an OCI archive.
    ///
    /// # Errors
    /// [`XtaskError::CannotStart`], [`XtaskError::CommandFailed`] or [`XtaskError::File`].
    pub(crate) fn build(
        self,
        context: &Path,
        reference: &str,
        archive: &Path,
    ) -> Result<(), XtaskError> {
        match std::fs::remove_file(archive) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(XtaskError::file(archive, error));
            }
            _ => {}
        }
        for arguments in self.steps(context, reference, archive) {
            let mut command = Command::new(self.program());
            command::run(command.args(arguments).stdout(Stdio::null()))?;
        }
        Ok(())
    }

    fn program(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Buildah => "buildah",
        }
    }

    fn steps(self, context: &Path, reference: &str, archive: &Path) -> [Vec<String>; 2] {
        let (context, archive) = (context.display(), archive.display());
        let full = format!("{REGISTRY}/{reference}");
        let words = |line: &[&str]| line.iter().map(|word| (*word).to_owned()).collect();
        let context = context.to_string();
        match self {
            Self::Docker => [
                words(&["build", "--quiet", "--tag", reference, &context]),
                words(&["save", "--output", &archive.to_string(), reference]),
            ],
            Self::Buildah => {
                let storage = ["--storage-driver", "vfs"];
                let build = [
                    "bud",
                    "--isolation",
                    "chroot",
                    "--quiet",
                    "--tag",
                    &full,
                    &context,
                ];
                let target = format!("oci-archive:{archive}:{full}");
                let push = ["push", "--quiet", &full, &target];
                [
                    words(&[&storage[..], &build[..]].concat()),
                    words(&[&storage[..], &push[..]].concat()),
                ]
            }
        }
    }
}

/// Why a program does not work; `None` when it does.
pub(crate) fn complaint(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output();
    match output {
        Err(error) => Some(format!("{program} cannot be started ({error})")),
        Ok(output) if output.status.success() => None,
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            let last = said.lines().last().unwrap_or("without a word").to_owned();
            Some(format!("{program} does not work ({last})"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(builder: Builder) -> [String; 2] {
        let (context, archive) = (Path::new("stage"), Path::new("a.tar"));
        let steps = builder.steps(context, "byzantine/sidecar:dev", archive);
        steps.map(|step| step.join(" "))
    }

    #[test]
    fn both_build_the_same_directory_into_the_same_archive() {
        assert_eq!(
            lines(Builder::Docker),
            [
                "build --quiet --tag byzantine/sidecar:dev stage",
                "save --output a.tar byzantine/sidecar:dev",
            ]
        );
        assert_eq!(
            lines(Builder::Buildah),
            [
                "--storage-driver vfs bud --isolation chroot --quiet --tag \
                 docker.io/byzantine/sidecar:dev stage",
                "--storage-driver vfs push --quiet docker.io/byzantine/sidecar:dev \
                 oci-archive:a.tar:docker.io/byzantine/sidecar:dev",
            ]
        );
    }

    #[test]
    fn a_missing_program_is_a_complaint() {
        let complaint = complaint("no-such-program-here", &[]).unwrap();
        assert!(
            complaint.contains("no-such-program-here cannot be started"),
            "{complaint}"
        );
        assert_eq!(super::complaint("true", &[]), None);
    }
}
