//! What the YAML reader says about a wrong name or type, in the words of a manifest's author.

use crate::error::ResourceError;
use crate::problem::Problem;
use crate::suggestion::closest;

/// How the reader's messages start after the field's path.
const STARTS: [&str; 7] = [
    "unknown field ",
    "missing field ",
    "unknown variant ",
    "duplicate ",
    "invalid type: ",
    "invalid value: ",
    "invalid length ",
];

/// The author's view of a reader's error.
pub(super) fn error(cause: &serde_yaml::Error) -> ResourceError {
    let line = cause.location().map_or(0, |location| location.line());
    let text = cause.to_string();
    let text = text
        .rsplit_once(" at line ")
        .map_or(text.as_str(), |(message, _)| message);
    let (path, message) = split_path(text);
    ResourceError::Shape {
        line,
        problem: problem(path, message),
    }
}

/// The path, without a dot at its end, and the message.
fn split_path(text: &str) -> (&str, &str) {
    let starts = STARTS.iter().filter_map(|start| text.find(start));
    match starts.min() {
        Some(0) | None => ("", text),
        Some(place) => (text[..place].trim_end_matches(": "), &text[place..]),
    }
}

fn problem(path: &str, message: &str) -> Problem {
    let names = quoted(message);
    if message.starts_with("unknown field") {
        unknown_field(path, &names)
    } else if message.starts_with("missing field") {
        missing_field(path, &names)
    } else if message.starts_with("unknown variant") {
        unknown_variant(path, &names)
    } else if message.starts_with("duplicate") {
        let field = join(path, names.first().copied().unwrap_or_default());
        Problem::new(
            field,
            "given twice",
            "which one counts is unclear",
            "remove one of them",
        )
    } else if let Some((given, expected)) = message.split_once(", expected ") {
        wrong_type(path, given, expected)
    } else {
        Problem::new(
            path,
            message,
            "it cannot be read",
            "compare it with the example manifest",
        )
    }
}

fn unknown_field(path: &str, names: &[&str]) -> Problem {
    let (name, known) = names.split_first().unwrap_or((&"", &[]));
    let owner = if path.is_empty() {
        "a ByzantineService"
    } else {
        path
    };
    let why = format!("{owner} has no field of that name");
    Problem::new(
        join(path, name),
        "unknown field",
        why,
        choose(name, known, "field"),
    )
}

fn missing_field(path: &str, names: &[&str]) -> Problem {
    let field = join(path, names.first().copied().unwrap_or_default());
    let next = match field.as_str() {
        "spec.app.image" => "add the app's container image; `byz run` does not pull it",
        "metadata.name" => "add a name, such as `name: wallet`",
        "apiVersion" => "add `apiVersion: byzantine.dev/v1alpha1`",
        _ => "add it",
    };
    Problem::new(field, "missing", "it is required and has no default", next)
}

fn unknown_variant(path: &str, names: &[&str]) -> Problem {
    let (given, known) = names.split_first().unwrap_or((&"", &[]));
    let why = format!("only {} are known", known.join(", "));
    Problem::new(path, given, why, choose(given, known, "value"))
}

fn wrong_type(path: &str, given: &str, expected: &str) -> Problem {
    let given = given
        .trim_start_matches("invalid type: ")
        .trim_start_matches("invalid value: ");
    let (expected, next) = match expected {
        "u32" | "u64" => (
            "a whole number, not negative",
            "write it without quotes and units",
        ),
        "a string" => ("text", "put the value in double quotes"),
        "a sequence" => ("a list", "write `[a, b]`, or an indented `- a` a line"),
        "a boolean" => ("true or false", "write true or false without quotes"),
        other if other.starts_with("struct ") || other == "a map" => (
            "a mapping",
            "indent its fields below it, each as `name: value`",
        ),
        other => (other, "compare it with the example manifest"),
    };
    let path = if path.is_empty() {
        "the document"
    } else {
        path
    };
    Problem::new(path, given, format!("expected {expected}"), next)
}

fn choose(given: &str, known: &[&str], what: &str) -> String {
    match closest(given, known.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("use a known {what}: {}", known.join(", ")),
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// The words between back-quotes or double quotes.
fn quoted(message: &str) -> Vec<&str> {
    let mark = if message.contains('`') { '`' } else { '"' };
    message.split(mark).skip(1).step_by(2).collect()
}
