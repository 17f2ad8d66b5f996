//! Scenarios as readable text, with recorded output: `tests/scenarios/*.txt`.
//!
//! A line is a command; what follows `----` up to an empty line is what it must print.
//! `BYZANTINE_REWRITE=1 cargo test -p byzantine-consensus` records the output anew.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod group;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use byzantine_consensus::limits::GATEWAY_KEYS;
use byzantine_consensus::{Notice, Rejection, ReplicaId};
use byzantine_proof::ResponseLeaf;
use group::Group;

#[test]
fn every_scenario_prints_what_it_printed_before() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(files.len() >= 8, "scenarios are missing");
    let rewrite = std::env::var_os("BYZANTINE_REWRITE").is_some();
    for file in files {
        let recorded = std::fs::read_to_string(&file).unwrap();
        let printed = Scenario::default().play(&recorded);
        if rewrite {
            std::fs::write(&file, printed).unwrap();
        } else {
            assert_eq!(
                printed,
                recorded,
                "{}: see CONTRIBUTING.md on recording",
                file.display()
            );
        }
    }
}

#[derive(Default)]
struct Scenario {
    group: Option<Group>,
}

impl Scenario {
    /// Runs every command of a script and returns the script with its output filled in.
    fn play(&mut self, script: &str) -> String {
        let mut printed = String::new();
        let mut skipping = false;
        for line in script.lines() {
            match line {
                "----" => skipping = true,
                "" if skipping => skipping = false,
                _ if skipping => {}
                "" => printed.push('\n'),
                comment if comment.starts_with('#') => writeln!(printed, "{comment}").unwrap(),
                command => {
                    let output = self.run(command);
                    writeln!(printed, "{command}\n----\n{output}").unwrap();
                }
            }
        }
        printed
    }

    fn run(&mut self, command: &str) -> String {
        let words: Vec<&str> = command.split_whitespace().collect();
        let number = |place: usize| words[place].parse::<usize>().unwrap();
        if words[0] == "group" {
            let interval = u64::try_from(number(3)).unwrap();
            let quota = words
                .get(4)
                .map_or(GATEWAY_KEYS, |word| word.parse().unwrap());
            let group = Group::with_quota(number(1), number(2), interval, quota);
            self.group = Some(group);
        }
        let group = self
            .group
            .as_mut()
            .expect("a scenario starts with `group n f interval [quota]`");
        match words[0] {
            "request" => drop(group.request(number(1), words[2], words[3])),
            "stabilize" | "group" => group.stabilize(),
            "advance" => group.advance(Duration::from_millis(number(1) as u64)),
            "jump" => group.tick(number(1) as u64),
            "latency" => group.latency.0 = Duration::from_millis(number(1) as u64),
            "crash" => group.crash(number(1)),
            "forget" => group.forget(number(1)),
            "start" => group.start(number(1)),
            "isolate" => group.isolate(number(1)),
            "cut" => drop(group.cut.insert((number(1), number(2)))),
            "heal" => group.heal(),
            "withhold" => drop(group.withheld.insert((number(1), kind(words[2])))),
            "lie" => group.nodes[number(1)].lying_app = true,
            "odd" => group.nodes[number(1)].odd_app = true,
            "even" => group.nodes[number(1)].odd_app = false,
            "pause" => group.nodes[number(1)].paused_app = true,
            "resume" => group.nodes[number(1)].paused_app = false,
            "talk" => return group.talk.take(),
            "standing" => return standing(group),
            "answers" => return answers(group, number(1)),
            other => panic!("no command {other}"),
        }
        notices(group)
    }
}

fn kind(word: &str) -> &'static str {
    let kinds = [
        "PRE-PREPARE",
        "PREPARE",
        "COMMIT",
        "RESULT",
        "ATTEST",
        "NEW-VIEW",
        "REQUESTS",
        "PROMISE",
    ];
    kinds
        .into_iter()
        .find(|kind| *kind == word)
        .expect("a kind of message")
}

/// A line a member: where it stands. Equal roots mean equal ledgers.
fn standing(group: &Group) -> String {
    let mut lines = String::new();
    for (id, node) in group.nodes.iter().enumerate() {
        let Some(replica) = &node.replica else {
            writeln!(lines, "{id}: down").unwrap();
            continue;
        };
        let at = replica.standing();
        let changing = if at.changing { " changing" } else { "" };
        writeln!(
            lines,
            "{id}: view {}{changing} stable {} committed {} executed {} certified {} calls {} \
             leaves {} root {:?}",
            at.view,
            at.stable,
            at.committed,
            at.executed,
            at.certified,
            group.calls(id),
            at.size,
            at.root,
        )
        .unwrap();
    }
    lines
}

/// A line a leaf of one member's ledger: its place, its kind, and what it says.
fn answers(group: &Group, id: usize) -> String {
    let mut lines = String::new();
    for entry in &group.nodes[id].ledger {
        for (index, settled) in entry.answers.iter().enumerate() {
            let leaf = std::str::from_utf8(&settled.answer.leaf).unwrap();
            let leaf = ResponseLeaf::parse(leaf).unwrap();
            let content = String::from_utf8_lossy(&settled.answer.content);
            let place = format!("{}/{index}", entry.sequence);
            writeln!(lines, "{place}: {} {:?} {content}", leaf.status, leaf.kind).unwrap();
        }
    }
    lines
}

/// What an observer would be told, a line each, repeated ones counted.
fn notices(group: &mut Group) -> String {
    let told = std::mem::take(&mut group.notices);
    let mut lines: Vec<(String, usize)> = Vec::new();
    for line in told
        .iter()
        .filter_map(|(id, notice)| notice_line(*id, notice))
    {
        match lines.iter_mut().find(|(before, _)| *before == line) {
            Some((_, count)) => *count += 1,
            None => lines.push((line, 1)),
        }
    }
    let counted = lines.into_iter().map(|(line, count)| match count {
        1 => format!("{line}\n"),
        _ => format!("{line} ({count} times)\n"),
    });
    counted.collect()
}

fn notice_line(id: usize, notice: &Notice) -> Option<String> {
    Some(match notice {
        Notice::Phase {
            phase: "attest",
            sequence,
        } => format!("{id}: certified {sequence}"),
        Notice::Phase { .. } => return None,
        Notice::Rejected {
            replica,
            rejection,
            kind,
        } => return rejected(id, *replica, *rejection, kind),
        Notice::Equivocated { replica, sequence } => {
            format!("{id}: {replica} equivocated at {sequence}")
        }
        Notice::Differs {
            replica,
            sequence,
            index,
            request,
            ours,
            theirs,
        } => {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            format!(
                "{id}: {replica} answered {request} at {sequence}/{index} with {:?}, not {:?}",
                text(&theirs.content),
                text(&ours.content)
            )
        }
        Notice::Outvoted {
            replica,
            sequence,
            index,
        } => {
            format!("{id}: {replica} is outvoted at {sequence}/{index}")
        }
        Notice::Suspected { view, reason } => format!("{id}: suspects view {view}: {reason}"),
        Notice::ViewChangeStarted { view, reason } => {
            format!("{id}: leaves for view {view}: {reason}")
        }
        Notice::ViewEntered(view) => format!("{id}: enters view {view}"),
        Notice::Proposed { sequence, requests } => {
            format!("{id}: proposes {requests} at {sequence}")
        }
        Notice::Promised { sequence } => format!("{id}: promises {sequence}"),
        Notice::Resolved { sequence, verdicts } => {
            format!("{id}: resolves {sequence} with {verdicts} verdicts")
        }
        Notice::VotesAgain { sequence } => format!("{id}: votes again above {sequence}"),
        Notice::CaughtUp(sequence) => format!("{id}: caught up to {sequence}"),
    })
}

/// Late votes are no news.
fn rejected(id: usize, replica: ReplicaId, rejection: Rejection, kind: &str) -> Option<String> {
    let late = matches!(rejection, Rejection::WrongView | Rejection::OutsideWindow);
    (!late).then(|| format!("{id}: rejects {kind} of {replica}: {rejection}"))
}
