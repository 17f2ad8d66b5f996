//! Puts many changes into one source, each behind a switch, so that it is compiled once.
//!
//! `a < b` becomes `(if crate::woven::is(7) { (a == b) } else { (a < b) })`: with no switch on, it
//! is the program that was.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::Span;
use syn::spanned::Spanned as _;
use syn::visit_mut::{self, VisitMut};
use syn::{Arm, BinOp, Block, Expr, ExprBinary, Pat, Signature, Stmt, parse_quote, token};

use super::change::{Change, Genre};

/// What a crate's root gets, so that its places can ask. Who sets it is another process.
pub(super) const SWITCH: &str = r#"
mod woven {
    static ON: std::sync::LazyLock<u32> = std::sync::LazyLock::new(|| {
        let said = std::env::var("BYZANTINE_CHANGE").ok();
        said.and_then(|said| said.parse().ok()).unwrap_or(0)
    });

    #[inline]
    pub(crate) fn is(number: u32) -> bool {
        *ON == number
    }
}
"#;

/// The variable that [`SWITCH`] reads.
pub(super) const VARIABLE: &str = "BYZANTINE_CHANGE";

/// A source with changes in it, and which of them found their place.
pub(super) struct Woven {
    pub(super) text: String,
    pub(super) numbers: BTreeSet<u32>,
}

/// Weaves changes into a source. Functions lose their `const`, since the switch is none, unless
/// they are among those that must be.
///
/// # Errors
/// The source does not parse.
pub(super) fn weave(
    source: &str,
    changes: &[&Change],
    constant: &BTreeSet<String>,
) -> syn::Result<Woven> {
    let mut file = syn::parse_file(source)?;
    let mut at: BTreeMap<_, Vec<&Change>> = BTreeMap::new();
    for change in changes {
        at.entry((change.genre, change.at))
            .or_default()
            .push(change);
    }
    let numbers = BTreeSet::new();
    let mut weaver = Weaver {
        at,
        constant,
        numbers,
    };
    weaver.visit_file_mut(&mut file);
    Ok(Woven {
        text: prettyplease::unparse(&file),
        numbers: weaver.numbers,
    })
}

struct Weaver<'a> {
    at: BTreeMap<(Genre, (usize, usize)), Vec<&'a Change>>,
    constant: &'a BTreeSet<String>,
    numbers: BTreeSet<u32>,
}

impl<'a> Weaver<'a> {
    fn here(&self, genre: Genre, span: Span) -> Vec<&'a Change> {
        let start = span.start();
        let changes = self.at.get(&(genre, (start.line, start.column + 1)));
        changes.cloned().unwrap_or_default()
    }

    /// `otherwise`, unless the change is on.
    fn choice(&mut self, change: &Change, changed: &Expr, otherwise: &Expr) -> Expr {
        let number = change.number;
        self.numbers.insert(number);
        let mut choice: syn::ExprIf = parse_quote!(if crate::woven::is(#number) {} else {});
        choice.then_branch.stmts = vec![Stmt::Expr(in_parentheses(changed), None)];
        let mut last: syn::ExprBlock = parse_quote!({});
        last.block.stmts = vec![Stmt::Expr(in_parentheses(otherwise), None)];
        choice.else_branch = Some((token::Else::default(), Box::new(Expr::Block(last))));
        in_parentheses(&Expr::If(choice))
    }

    /// A condition with `let` is no value that a branch could have.
    fn binary(&mut self, binary: &ExprBinary) -> Option<Expr> {
        let changes = self.here(Genre::BinaryOperator, binary.op.span());
        let mut woven = Expr::Binary(binary.clone());
        if changes.is_empty() || binds(&woven) {
            return None;
        }
        for change in changes {
            let Ok(op) = syn::parse_str::<BinOp>(&change.replacement) else {
                continue;
            };
            let mut other = binary.clone();
            other.op = op;
            // `a as usize < b` would begin the arguments of a generic type.
            if matches!(*other.left, Expr::Cast(_)) {
                *other.left = in_parentheses(&other.left);
            }
            woven = self.choice(change, &Expr::Binary(other), &woven);
        }
        Some(woven)
    }

    fn unary(&mut self, unary: &syn::ExprUnary) -> Option<Expr> {
        let change = *self.here(Genre::UnaryOperator, unary.op.span()).first()?;
        let woven = Expr::Unary(unary.clone());
        Some(self.choice(change, &unary.expr, &woven))
    }

    fn fields(&mut self, whole: &syn::ExprStruct) -> Option<Expr> {
        let mut woven = None;
        for (place, field) in whole.fields.iter().enumerate() {
            for change in self.here(Genre::StructField, field.member.span()) {
                let mut changed = whole.clone();
                let others = whole.fields.iter().enumerate();
                let others = others.filter(|(other, _)| *other != place);
                changed.fields = others.map(|(_, field)| field.clone()).collect();
                let before = woven.unwrap_or_else(|| Expr::Struct(whole.clone()));
                woven = Some(self.choice(change, &Expr::Struct(changed), &before));
            }
        }
        woven
    }

    fn function(&mut self, signature: &mut Signature, block: &mut Block) {
        let Some(first) = block.stmts.first() else {
            return;
        };
        let changes = self.here(Genre::FnValue, first.span());
        if !self.constant.contains(&signature.ident.to_string()) {
            signature.constness = None;
        }
        visit_mut::visit_block_mut(self, block);
        for change in changes {
            let Ok(value) = syn::parse_str::<Expr>(&change.replacement) else {
                continue;
            };
            let number = change.number;
            self.numbers.insert(number);
            let early: Stmt = parse_quote!(if crate::woven::is(#number) { return #value; });
            block.stmts.insert(0, early);
        }
    }

    /// What the guard is instead; and without the arm it is as if its guard were false.
    fn guard(&mut self, arm: &mut Arm, guards: &[&Change], deletions: &[&Change]) {
        if let Pat::Guard(pattern) = &mut arm.pat {
            for change in guards {
                if let Ok(changed) = syn::parse_str::<Expr>(&change.replacement) {
                    *pattern.guard = self.choice(change, &changed, &pattern.guard);
                }
            }
        }
        for change in deletions {
            let number = change.number;
            self.numbers.insert(number);
            let pattern = arm.pat.clone();
            arm.pat = match pattern {
                Pat::Guard(mut guarded) => {
                    let mut both: ExprBinary = parse_quote!(!crate::woven::is(#number) && true);
                    *both.right = in_parentheses(&guarded.guard);
                    *guarded.guard = Expr::Binary(both);
                    Pat::Guard(guarded)
                }
                pattern => Pat::Guard(syn::PatGuard {
                    attrs: Vec::new(),
                    pat: Box::new(pattern),
                    if_token: token::If::default(),
                    guard: parse_quote!(!crate::woven::is(#number)),
                }),
            };
        }
    }
}

impl VisitMut for Weaver<'_> {
    fn visit_expr_mut(&mut self, expression: &mut Expr) {
        visit_mut::visit_expr_mut(self, expression);
        let woven = match expression {
            Expr::Binary(binary) => self.binary(binary),
            Expr::Unary(unary) => self.unary(unary),
            Expr::Struct(whole) => self.fields(whole),
            _ => None,
        };
        if let Some(woven) = woven {
            *expression = woven;
        }
    }

    fn visit_arm_mut(&mut self, arm: &mut Arm) {
        let deletions = self.here(Genre::MatchArm, arm.span());
        let guards = match &arm.pat {
            Pat::Guard(pattern) => self.here(Genre::MatchArmGuard, pattern.guard.span()),
            _ => Vec::new(),
        };
        visit_mut::visit_arm_mut(self, arm);
        self.guard(arm, &guards, &deletions);
    }

    fn visit_item_fn_mut(&mut self, item: &mut syn::ItemFn) {
        self.function(&mut item.sig, &mut item.block);
    }

    fn visit_impl_item_fn_mut(&mut self, item: &mut syn::ImplItemFn) {
        self.function(&mut item.sig, &mut item.block);
    }

    fn visit_trait_item_fn_mut(&mut self, item: &mut syn::TraitItemFn) {
        if let Some(block) = &mut item.default {
            self.function(&mut item.sig, block);
        }
    }
}

fn in_parentheses(expression: &Expr) -> Expr {
    Expr::Paren(syn::ExprParen {
        attrs: Vec::new(),
        paren_token: token::Paren::default(),
        expr: Box::new(expression.clone()),
    })
}

/// Whether a condition binds names: `let` somewhere in a chain of `&&`.
fn binds(expression: &Expr) -> bool {
    match expression {
        Expr::Let(_) => true,
        Expr::Binary(binary) => binds(&binary.left) || binds(&binary.right),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn woven(source: &str, genre: Genre, at: (usize, usize), replacement: &str) -> String {
        let change = Change {
            number: 7,
            file: "a.rs".into(),
            genre,
            at,
            replacement: replacement.into(),
            what: String::new(),
        };
        let woven = weave(source, &[&change], &BTreeSet::new()).unwrap();
        assert!(woven.numbers.contains(&7), "{source} has that place");
        woven.text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn each_genre_is_behind_its_switch() {
        let source = "fn f() -> bool { a < b }";
        let text = woven(source, Genre::BinaryOperator, (1, 20), "==");
        assert!(text.contains("if crate::woven::is(7u32) { (a == b) } else { (a < b) }"));
        let text = woven("fn f() { g(!a) }", Genre::UnaryOperator, (1, 12), "");
        assert!(text.contains("if crate::woven::is(7u32) { (a) } else { (!a) }"));
        let text = woven("const fn f() -> u8 { 3 }", Genre::FnValue, (1, 22), "1");
        let early = "fn f() -> u8 { if crate::woven::is(7u32) { return 1; } 3 }";
        assert_eq!(text, early);
        let source = "fn f() { match a { B => c, _ => d } }";
        let text = woven(source, Genre::MatchArm, (1, 20), "");
        assert!(text.contains("B if !crate::woven::is(7u32) => c"), "{text}");
        let source = "fn f() { match a { B if e => c, _ => d } }";
        let text = woven(source, Genre::MatchArmGuard, (1, 25), "true");
        assert!(text.contains("B if (if crate::woven::is(7u32) { (true) } else { (e) }) => c"));
        let source = "fn f() { S { a: 1, ..b } }";
        let text = woven(source, Genre::StructField, (1, 14), "");
        assert!(
            text.contains("{ (S { ..b }) } else { (S { a: 1, ..b }) }"),
            "{text}"
        );
    }

    #[test]
    fn a_chain_with_let_is_left_alone() {
        let source = "fn f() { if let Some(a) = b && c {} }";
        let change = Change {
            number: 7,
            file: "a.rs".into(),
            genre: Genre::BinaryOperator,
            at: (1, 29),
            replacement: "||".into(),
            what: String::new(),
        };
        let woven = weave(source, &[&change], &BTreeSet::new()).unwrap();
        assert!(woven.numbers.is_empty());
    }
}
