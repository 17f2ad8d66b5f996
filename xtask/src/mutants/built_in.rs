//! Places that only a build with built-in bugs reaches: what `is_on(Bug::…)` decides. In every
//! other build it is a constant that says no, so a change there changes nothing.

use proc_macro2::Span;
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{Arm, BinOp, Expr, ExprBinary, ExprIf, Pat};

use super::change::{Change, Genre};

/// The function that says which built-in bug is on.
const SWITCH: &str = "is_on";

/// Whether a change is in such a place; `regions` are those of its file.
pub(super) fn is_built_in(change: &Change, regions: &[Region]) -> bool {
    regions.iter().any(|region| region.has(change))
}

/// From where to where, lines and columns from 1, the end not included; and, where the place is a
/// guard, what it says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Region {
    from: (usize, usize),
    to: (usize, usize),
    guard: Option<bool>,
}

impl Region {
    fn of(span: Span, guard: Option<bool>) -> Self {
        let (start, end) = (span.start(), span.end());
        Self {
            from: (start.line, start.column + 1),
            to: (end.line, end.column + 1),
            guard,
        }
    }

    /// A guard is no other if it is replaced by what it says.
    fn has(&self, change: &Change) -> bool {
        let within = self.from <= change.at && change.at < self.to;
        match (change.genre, self.guard) {
            (Genre::MatchArmGuard, Some(says)) => within && change.replacement == says.to_string(),
            (Genre::MatchArmGuard, None) | (_, Some(_)) => false,
            (_, None) => within,
        }
    }
}

/// The places of a source; none where it does not parse.
pub(super) fn regions(source: &str) -> Vec<Region> {
    let mut finder = Finder(Vec::new());
    if let Ok(file) = syn::parse_file(source) {
        finder.visit_file(&file);
    }
    finder.0
}

struct Finder(Vec<Region>);

impl<'a> Visit<'a> for Finder {
    fn visit_expr_binary(&mut self, binary: &'a ExprBinary) {
        let (left, right) = (value(&binary.left), value(&binary.right));
        match binary.op {
            // The operator itself decides as long as one side may say yes.
            BinOp::And(_) if left == Some(false) => self.add(binary.right.span()),
            BinOp::And(_) if right == Some(false) => self.add(binary.left.span()),
            BinOp::Or(_) if left == Some(false) && right == Some(false) => self.add(binary.span()),
            _ => {}
        }
        visit::visit_expr_binary(self, binary);
    }

    fn visit_expr_if(&mut self, branch: &'a ExprIf) {
        if value(&branch.cond) == Some(false) {
            self.add(branch.then_branch.span());
        }
        visit::visit_expr_if(self, branch);
    }

    fn visit_arm(&mut self, arm: &'a Arm) {
        if let Pat::Guard(pattern) = &arm.pat
            && let Some(says) = value(&pattern.guard)
        {
            self.0.push(Region::of(pattern.guard.span(), Some(says)));
        }
        visit::visit_arm(self, arm);
    }
}

impl Finder {
    fn add(&mut self, span: Span) {
        self.0.push(Region::of(span, None));
    }
}

/// What an expression says while no built-in bug is on, if that alone decides it.
fn value(expr: &Expr) -> Option<bool> {
    match expr {
        Expr::Call(call) => {
            let switch = matches!(&*call.func, Expr::Path(path) if path.path.is_ident(SWITCH));
            switch.then_some(false)
        }
        Expr::Paren(inner) => value(&inner.expr),
        Expr::Unary(unary) if matches!(unary.op, syn::UnOp::Not(_)) => {
            value(&unary.expr).map(|says| !says)
        }
        Expr::Binary(binary) => {
            let (left, right) = (value(&binary.left), value(&binary.right));
            match binary.op {
                BinOp::And(_) if left == Some(false) || right == Some(false) => Some(false),
                BinOp::Or(_) if left == Some(true) || right == Some(true) => Some(true),
                BinOp::And(_) | BinOp::Or(_) if left == right => left,
                _ => None,
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The columns of a line at which a change of that kind is none.
    fn columns(line: &str, genre: Genre, replacement: &str) -> Vec<usize> {
        let source = format!("fn f() {{\n{line}\n}}");
        let regions = regions(&source);
        let change = |column| Change {
            number: 1,
            file: "a.rs".into(),
            genre,
            at: (2, column),
            replacement: replacement.into(),
            what: String::new(),
        };
        let columns = 1..=line.len();
        columns
            .filter(|column| is_built_in(&change(*column), &regions))
            .collect()
    }

    /// What of a line is built in: its characters at these columns.
    fn found(line: &str) -> String {
        let columns = columns(line, Genre::BinaryOperator, "==");
        columns
            .iter()
            .map(|column| &line[column - 1..*column])
            .collect()
    }

    #[test]
    fn what_a_switch_decides_is_built_in_and_what_it_is_joined_to_is_not() {
        assert_eq!(found("if a < b && !is_on(Bug::X) { c < d }"), "");
        assert_eq!(
            found("if is_on(Bug::X) { c < d } else { e < f }"),
            "{ c < d }"
        );
        assert_eq!(found("if is_on(Bug::X) && c < d { f() }"), "c < d{ f() }");
        assert_eq!(found("let x = a < b || is_on(Bug::X) && c < d;"), "c < d");
        let both = "is_on(Bug::X) || is_on(Bug::Y)";
        assert_eq!(found(&format!("let x = {both};")), both);
    }

    #[test]
    fn a_guard_that_says_what_it_said_before_is_none() {
        let guard = |line: &str, says: &str| !columns(line, Genre::MatchArmGuard, says).is_empty();
        let (never, always) = (
            "match x { Some(y) if is_on(Bug::X) => y, _ => z }",
            "match x { Some(y) if !is_on(Bug::X) => y, _ => z }",
        );
        assert!(guard(never, "false") && !guard(never, "true"));
        assert!(guard(always, "true") && !guard(always, "false"));
        assert!(!guard("match x { Some(y) if y < 3 => y, _ => z }", "true"));
    }
}
