//! Which change an error of the compiler is about.

use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{Expr, Lit};

/// The change whose own text an error lies in; else the one that begins before it, or, where there
/// is none, after it.
pub(super) fn blame(woven: &str, at: (usize, usize)) -> Option<u32> {
    let mut search = Search {
        at,
        inside: None,
        before: None,
        after: None,
    };
    search.visit_file(&syn::parse_file(woven).ok()?);
    search.inside.or(search.before).or(search.after)
}

struct Search {
    /// Line and column, from 1.
    at: (usize, usize),
    inside: Option<u32>,
    before: Option<u32>,
    after: Option<u32>,
}

impl<'ast> Visit<'ast> for Search {
    fn visit_expr_if(&mut self, choice: &'ast syn::ExprIf) {
        if let Some(number) = asked(&choice.cond) {
            let from = choice.if_token.span.start();
            let to = choice.then_branch.brace_token.span.close().end();
            let from = (from.line, from.column + 1);
            if (from..=(to.line, to.column + 1)).contains(&self.at) {
                self.inside = Some(number);
            }
        }
        visit::visit_expr_if(self, choice);
    }

    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        if let Some(number) = asked_by(call) {
            let start = call.span().start();
            if (start.line, start.column + 1) <= self.at {
                self.before = Some(number);
            } else {
                self.after = self.after.or(Some(number));
            }
        }
        visit::visit_expr_call(self, call);
    }
}

fn asked(condition: &Expr) -> Option<u32> {
    match condition {
        Expr::Call(call) => asked_by(call),
        _ => None,
    }
}

/// The number in `crate::woven::is(number)`.
fn asked_by(call: &syn::ExprCall) -> Option<u32> {
    let Expr::Path(path) = call.func.as_ref() else {
        return None;
    };
    let mut segments = path.path.segments.iter().rev();
    let is = segments.next()?.ident == "is" && segments.next()?.ident == "woven";
    match call.args.first()? {
        Expr::Lit(literal) if is => match &literal.lit {
            Lit::Int(number) => number.base10_parse().ok(),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WOVEN: &str = "fn f() -> bool {
    if crate::woven::is(1u32) {
        return Default::default();
    }
    (if crate::woven::is(2u32) {
        ((if crate::woven::is(3u32) { (a < b) } else { (a > b) }) || c)
    } else {
        (d)
    })
}";

    #[test]
    fn the_innermost_text_around_an_error_is_to_blame() {
        assert_eq!(blame(WOVEN, (3, 16)), Some(1));
        assert_eq!(blame(WOVEN, (6, 42)), Some(3));
        assert_eq!(blame(WOVEN, (6, 67)), Some(2));
    }

    #[test]
    fn an_error_around_a_change_is_blamed_on_what_is_near() {
        assert_eq!(blame(WOVEN, (8, 9)), Some(3));
        assert_eq!(blame(WOVEN, (1, 4)), Some(1));
        assert_eq!(blame("fn f() {}", (1, 4)), None);
    }
}
