//! `byzantine-operator`: looks after the services of a cluster.

use std::process::ExitCode;

use byzantine_operator::environment::Environment;
use byzantine_operator::error::OperatorError;
use byzantine_operator::program;
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    match begin().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("byzantine-operator: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn begin() -> Result<(), OperatorError> {
    let environment = Environment::read(|name| std::env::var(name).ok())?;
    log(&environment);
    // Only the first installation counts; a library that came before chose the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    program::run(environment).await
}

fn log(environment: &Environment) {
    let filter = EnvFilter::try_new(&environment.log_level);
    let filter = filter.unwrap_or_else(|_| EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter);
    if environment.log_json {
        subscriber.json().init();
    } else {
        subscriber.init();
    }
}
