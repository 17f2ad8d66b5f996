//! `cargo xtask images`: static programs, an image from scratch around each, an archive of each.
//!
//! docker where its daemon answers, buildah else: the Dockerfiles are the same. The programs are
//! built in a target directory of their own, since other flags would undo everybody's builds.

mod builder;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;

use crate::command::{self, cargo, workspace_root};
use crate::error::XtaskError;
use builder::Builder;
pub(crate) use builder::complaint;

/// The C library of this target can be linked statically, name resolution included.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Which images to build, and where to.
#[derive(Args)]
pub(crate) struct ImagesArguments {
    /// Directory for the archives
    #[arg(long, default_value = "target/images", value_name = "DIR")]
    out: PathBuf,
    /// Tag of the images
    #[arg(long, default_value = "dev")]
    tag: String,
    /// Only these: sidecar, operator, sidecar-test, wallet, byz, e2e
    #[arg(value_name = "IMAGE")]
    only: Vec<String>,
}

impl Default for ImagesArguments {
    fn default() -> Self {
        Self {
            out: "target/images".into(),
            tag: "dev".into(),
            only: Vec::new(),
        }
    }
}

/// One image: its name, and the package and program it is made of.
#[derive(Debug, PartialEq, Eq)]
struct Image {
    name: &'static str,
    package: &'static str,
    program: &'static str,
}

const IMAGES: [Image; 6] = [
    Image {
        name: "sidecar",
        package: "byzantine-sidecar",
        program: "byzantine-sidecar",
    },
    Image {
        name: "operator",
        package: "byzantine-operator",
        program: "byzantine-operator",
    },
    Image {
        name: "sidecar-test",
        package: "byzantine-adversary",
        program: "byzantine-sidecar-test",
    },
    Image {
        name: "wallet",
        package: "wallet",
        program: "wallet",
    },
    Image {
        name: "byz",
        package: "byz",
        program: "byz",
    },
    Image {
        name: "e2e",
        package: "byzantine-e2e-tool",
        program: "byzantine-e2e-tool",
    },
];

/// Builds the images.
///
/// # Errors
/// Any [`XtaskError`] of a program or file.
pub(crate) fn run(arguments: &ImagesArguments) -> Result<(), XtaskError> {
    let images = chosen(&arguments.only)?;
    let builder = Builder::find()?;
    let out = workspace_root().join(&arguments.out);
    let programs = compile()?;
    for image in images {
        let beginning = Instant::now();
        let reference = format!("byzantine/{}:{}", image.name, arguments.tag);
        let archive = out.join(format!("{}.tar", image.name));
        let context = stage(image, &programs.join(image.program))?;
        builder.build(&context, &reference, &archive)?;
        let (took, size) = (beginning.elapsed().as_secs(), megabytes(&archive));
        println!("   {reference}  {size} MB  {took} s  {}", archive.display());
    }
    Ok(())
}

fn chosen(only: &[String]) -> Result<Vec<&'static Image>, XtaskError> {
    if only.is_empty() {
        return Ok(IMAGES.iter().collect());
    }
    let named = |name: &String| {
        let known = || IMAGES.each_ref().map(|image| image.name).join(", ");
        let found = IMAGES.iter().find(|image| image.name == name);
        found.ok_or_else(|| XtaskError::UnknownImage {
            name: name.clone(),
            known: known(),
        })
    };
    only.iter().map(named).collect()
}

/// Compiles the programs; where they are. Always all of them: another selection would mean other
/// features of what they share, and everything would be compiled anew each time.
fn compile() -> Result<PathBuf, XtaskError> {
    let mut arguments = vec![
        "build",
        "--locked",
        "--profile",
        "image",
        "--target",
        TARGET,
    ];
    for image in &IMAGES {
        arguments.extend(["--package", image.package, "--bin", image.program]);
    }
    let target = workspace_root().join("target/images/build");
    let mut command = cargo(&arguments);
    command
        .env("CARGO_TARGET_DIR", &target)
        .env("RUSTFLAGS", "-C target-feature=+crt-static");
    println!("== static programs: {}", command::line(&command));
    command::run(&mut command)?;
    Ok(target.join(TARGET).join("image"))
}

/// A directory with a Dockerfile and the program it copies, and nothing else.
fn stage(image: &Image, program: &Path) -> Result<PathBuf, XtaskError> {
    println!("== image {}", image.name);
    let context = workspace_root()
        .join("target/images/stage")
        .join(image.name);
    fs::create_dir_all(&context).map_err(|error| XtaskError::file(&context, error))?;
    let dockerfile = workspace_root()
        .join("images")
        .join(image.name)
        .join("Dockerfile");
    for (from, name) in [
        (&dockerfile, "Dockerfile"),
        (&program.to_owned(), image.program),
    ] {
        let copied = fs::copy(from, context.join(name));
        copied.map_err(|error| XtaskError::file(from, error))?;
    }
    Ok(context)
}

fn megabytes(archive: &Path) -> u64 {
    fs::metadata(archive).map_or(0, |metadata| metadata.len().div_ceil(1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_images_or_those_named() {
        assert_eq!(chosen(&[]).unwrap().len(), IMAGES.len());
        let one = chosen(&["wallet".to_owned()]).unwrap();
        assert_eq!(one, [&IMAGES[3]]);
        let error = chosen(&["walet".to_owned()]).unwrap_err().to_string();
        assert!(
            error.contains("`walet`") && error.contains("sidecar-test"),
            "{error}"
        );
    }

    #[test]
    fn each_dockerfile_runs_its_program_as_nobody_on_nothing_else() {
        for image in IMAGES {
            let path = workspace_root().join(format!("images/{}/Dockerfile", image.name));
            let text = fs::read_to_string(path).unwrap();
            let program = image.program;
            for line in [
                "FROM scratch".to_owned(),
                format!("COPY {program} /{program}"),
                "USER 65532:65532".to_owned(),
                format!("ENTRYPOINT [\"/{program}\"]"),
            ] {
                assert!(text.lines().any(|found| found == line), "{program}: {line}");
            }
            assert!(!text.contains("RUN"), "{program}");
        }
    }
}
