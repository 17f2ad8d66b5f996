//! What the demonstration does and says, step by step, with the values it really saw.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::demo::plain_client::{self, PlainRequest};
use crate::demo::ports::REPLICAS;
use crate::demo::service::Service;
use crate::demo::{byz, seen, wallet};
use crate::error::XtaskError;

const TRANSFERS: usize = 12;
const CATCH_UP_MAX: Duration = Duration::from_mins(1);
/// Who opens accounts, and with what.
const OPENING: [(&str, u64); 2] = [("ada", 100), ("bob", 50)];

/// Tells the whole story; stops the service unless it is to be kept.
///
/// # Errors
/// The first thing that was not as it must be.
pub(crate) fn tell(service: &mut Service, keep: bool) -> Result<(), XtaskError> {
    let mut story = Story::begin(service)?;
    story.open_accounts()?;
    story.move_money(0..TRANSFERS / 2)?;
    let victim = story.kill_primary()?;
    let longest = story.move_money(TRANSFERS / 2..TRANSFERS)?;
    say(&format!(
        "The longest wait, with the primary dead, was {longest} ms."
    ));
    story.check_sums()?;
    story.wait_for_return(victim)?;
    story.ask_again_without_knowing_of_proofs()?;
    let (responses, policy) = (std::mem::take(&mut story.responses), service.policy());
    if !keep {
        step("Stopping everything: what follows needs no network and no service.");
        service.stop()?;
    }
    verify_offline(&responses, &policy)?;
    conclude();
    if keep {
        stay(service);
    }
    Ok(())
}

/// What has happened so far.
struct Story<'service> {
    service: &'service mut Service,
    /// Two gateways; neither is of the replica that will be killed.
    gateways: [u16; 2],
    primary: u16,
    /// Every request sent, with the gateway it went to and the body that was proved.
    sent: Vec<(PlainRequest, u16, Value)>,
    responses: Vec<PathBuf>,
    balances: [u64; 2],
}

impl<'service> Story<'service> {
    fn begin(service: &'service mut Service) -> Result<Self, XtaskError> {
        let status = service.status(0).unwrap_or_default();
        let primary = status["primary"]
            .as_u64()
            .and_then(|one| u16::try_from(one).ok());
        let primary = primary.filter(|one| *one < REPLICAS).ok_or_else(|| {
            seen(
                format!("the status names no primary: {status}"),
                "See the replicas' logs.",
            )
        })?;
        step(&format!(
            "Four replicas are up, each a wallet and a sidecar. Replica {primary} is the primary: \
             it proposes the order of requests."
        ));
        let others: Vec<_> = (0..REPLICAS)
            .filter(|replica| *replica != primary)
            .collect();
        let gateways = [service.gateway(others[0]), service.gateway(others[1])];
        let (sent, responses) = (Vec::new(), Vec::new());
        Ok(Self {
            service,
            gateways,
            primary,
            sent,
            responses,
            balances: OPENING.map(|one| one.1),
        })
    }

    fn open_accounts(&mut self) -> Result<(), XtaskError> {
        step("Opening two accounts, each through another replica's gateway, with `byz call`.");
        for (name, balance) in OPENING {
            let summary = self.call(wallet::open(name, balance))?.1;
            say(&format!("{name} has {balance}. {summary}"));
        }
        Ok(())
    }

    /// Ada pays bob, bob pays ada, and so on, alternately through both gateways. Returns the
    /// longest that one transfer took, in milliseconds.
    fn move_money(&mut self, numbers: std::ops::Range<usize>) -> Result<u128, XtaskError> {
        step("Moving money through both gateways; the receiver accepts each transfer.");
        let mut longest = 0;
        for number in numbers {
            let (from, to) = if number % 2 == 0 { (0, 1) } else { (1, 0) };
            let amount = 3 + number as u64;
            let beginning = Instant::now();
            let offer = wallet::transfer(OPENING[from].0, OPENING[to].0, amount, number);
            let (offered, _) = self.call(offer)?;
            let (_, summary) = self.call(wallet::accept(&offered, number))?;
            self.balances[from] -= amount;
            self.balances[to] += amount;
            let took = beginning.elapsed().as_millis();
            longest = longest.max(took);
            say(&format!(
                "{} → {}: {amount} ({took} ms)",
                OPENING[from].0, OPENING[to].0
            ));
            if number % 6 == 0 {
                say(&summary);
            }
        }
        Ok(longest)
    }

    fn kill_primary(&mut self) -> Result<u16, XtaskError> {
        let victim = self.primary;
        let (sidecar, app) = self.service.kill(victim)?;
        step(&format!(
            "Killed replica {victim}, the primary: sidecar (process {sidecar}) and wallet \
             (process {app}), with SIGKILL. Nothing was saved in its last moment."
        ));
        Ok(victim)
    }

    fn check_sums(&mut self) -> Result<(), XtaskError> {
        step("Asking for balances and the total.");
        let (balances, _) = self.call(wallet::balances(0))?;
        let (total, summary) = self.call(wallet::total(0))?;
        for ((name, _), balance) in OPENING.iter().zip(self.balances) {
            let found = wallet::balance_of(&balances, name);
            wallet::expect(&format!("{name}'s balance"), found, &json!(balance))?;
        }
        let sum: u64 = OPENING.iter().map(|one| one.1).sum();
        wallet::expect("the total", &total["total"], &json!(sum))?;
        say(&format!(
            "balances {balances}, total {}: as they must be.",
            total["total"]
        ));
        say(&summary);
        Ok(())
    }

    /// `byz run` starts it again; it fetches what it missed and votes again.
    fn wait_for_return(&mut self, victim: u16) -> Result<(), XtaskError> {
        step(&format!(
            "Waiting until replica {victim} is back and has what it missed."
        ));
        let beside = (0..REPLICAS)
            .find(|replica| *replica != victim)
            .unwrap_or_default();
        let took =
            self.service
                .wait_for("the killed replica is back", CATCH_UP_MAX, |service| {
                    let (Some(own), Some(other)) = (service.status(victim), service.status(beside))
                    else {
                        return false;
                    };
                    let same = |field: &str| own[field] == other[field];
                    own["ready"] == true && same("ledgerSize") && same("ledgerRoot")
                })?;
        let status = self.service.status(victim).unwrap_or_default();
        say(&format!(
            "{:.1} s later its ledger is the others' ledger: {} entries, root {}.",
            took.as_secs_f64(),
            status["ledgerSize"],
            status["ledgerRoot"].as_str().unwrap_or("-")
        ));
        say(&match &status["primary"] {
            primary if *primary == json!(victim) => {
                "It was back before the others lost patience, and is still primary.".into()
            }
            primary => format!("Meanwhile the others made replica {primary} the primary."),
        });
        Ok(())
    }

    /// Every request once more, from a client that ignores proofs: the same key gives the first
    /// answer, and runs nothing again.
    fn ask_again_without_knowing_of_proofs(&mut self) -> Result<(), XtaskError> {
        step("Sending every request again under its key, at the other gateway, as curl would.");
        let directory = self.service.responses();
        std::fs::create_dir_all(&directory).map_err(|error| XtaskError::file(&directory, error))?;
        for (number, (request, gateway, proved)) in self.sent.iter().enumerate() {
            let other = self
                .gateways
                .into_iter()
                .find(|one| one != gateway)
                .unwrap_or(*gateway);
            let response = plain_client::send(other, request).map_err(|error| {
                seen(
                    format!("gateway {other} does not answer: {error}"),
                    "See its sidecar.log.",
                )
            })?;
            let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
            let what = format!(
                "{} {} ({})",
                request.method,
                request.target,
                response.status()
            );
            wallet::expect(&format!("the repeated answer to {what}"), &body, proved)?;
            let path = directory.join(format!("{number:02}-{}.http", request.key));
            std::fs::write(&path, &response.bytes)
                .map_err(|error| XtaskError::file(&path, error))?;
            self.responses.push(path);
        }
        let count = self.sent.len();
        say(&format!(
            "{count} answers, each equal to the first one; saved with their proofs."
        ));
        Ok(())
    }

    /// Sends through the gateways in turn; the other one is there to fail over to.
    fn call(&mut self, request: PlainRequest) -> Result<(Value, String), XtaskError> {
        let turn = self.sent.len() % 2;
        let ports = [self.gateways[turn], self.gateways[1 - turn]];
        let verified = byz::call(&self.service.policy(), &ports, &request)?;
        self.sent.push((request, ports[0], verified.body.clone()));
        Ok((verified.body, verified.summary))
    }
}

fn verify_offline(responses: &[PathBuf], policy: &Path) -> Result<(), XtaskError> {
    step("Verifying every saved answer with `byz verify`, offline, against the policy file.");
    for path in responses {
        let (accepted, said) = byz::verify(policy, path)?;
        if !accepted {
            let what = format!("{} was refused:\n{said}", path.display());
            return Err(seen(what, "This must never happen: please report it."));
        }
    }
    say(&format!(
        "{} of {} verified.",
        responses.len(),
        responses.len()
    ));
    responses.last().map_or(Ok(()), |path| tamper(path, policy))
}

/// Raises one digit of a body: a single changed byte must be refused.
fn tamper(path: &Path, policy: &Path) -> Result<(), XtaskError> {
    let mut bytes = std::fs::read(path).map_err(|error| XtaskError::file(path, error))?;
    if let Some(digit) = bytes.iter_mut().rev().find(|byte| byte.is_ascii_digit()) {
        *digit = if *digit == b'9' { b'0' } else { *digit + 1 };
    }
    let altered = path.with_extension("altered");
    std::fs::write(&altered, &bytes).map_err(|error| XtaskError::file(&altered, error))?;
    let (accepted, said) = byz::verify(policy, &altered)?;
    if accepted {
        let what = format!("{} was accepted", altered.display());
        return Err(seen(what, "This must never happen: please report it."));
    }
    say("One digit of one answer changed: refused.");
    say(said.lines().next().unwrap_or_default());
    Ok(())
}

fn conclude() {
    println!(
        "\nOne of four replicas, the primary, died in the middle. No transfer was lost or made \
         twice,\nthe total never changed, and every answer carries the signatures of a quorum.\n\
         \nNext: byz run -- YOUR-PROGRAM, or the tour in README.md."
    );
}

fn stay(service: &mut Service) {
    let port = service.gateway(0);
    println!("\nStill running. Try, in another terminal, and stop it here with Ctrl-C:");
    println!("  curl -i http://127.0.0.1:{port}/balances");
    println!("  curl -si http://127.0.0.1:{port}/total > response");
    let byz = byz::built("byz");
    println!(
        "  {} verify --policy {} response",
        byz.display(),
        service.policy().display()
    );
    println!("Its data and logs: {}", service.data().display());
    service.wait_for_end();
}

fn step(text: &str) {
    println!("\n▸ {text}");
}

fn say(text: &str) {
    for line in text.lines() {
        println!("    {line}");
    }
}
