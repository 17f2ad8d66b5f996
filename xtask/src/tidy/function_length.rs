//! Rule `function-length`: functions stay short; and the figures of how short they are.
//!
//! Measured from the `fn` line to the closing brace. The figures printed are of product code;
//! the limit holds for tests too.

use std::fmt;

use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};

use crate::error::XtaskError;
use crate::tidy::source::SourceFile;
use crate::tidy::violation::Violation;

const LINES_MAX: usize = 60;

/// How long the functions of the workspace are, in lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Figures {
    count: usize,
    median: usize,
    ninetieth: usize,
    longest: usize,
}

impl fmt::Display for Figures {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            count,
            median,
            ninetieth,
            longest,
        } = self;
        write!(
            formatter,
            "{count} functions: median {median} lines, p90 {ninetieth}, longest {longest}"
        )
    }
}

/// Every function over the limit, and the figures.
///
/// # Errors
/// [`XtaskError::Unparsable`].
pub(crate) fn check(files: &[SourceFile]) -> Result<(Vec<Violation>, Figures), XtaskError> {
    let mut violations = Vec::new();
    let mut lengths = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        for function in functions(file)? {
            if !function.is_test {
                lengths.push(function.lines);
            }
            if function.lines > LINES_MAX {
                violations.push(function.too_long(file));
            }
        }
    }
    Ok((violations, figures(lengths)))
}

struct Function {
    name: String,
    line: usize,
    lines: usize,
    is_test: bool,
}

impl Function {
    fn too_long(&self, file: &SourceFile) -> Violation {
        Violation {
            path: file.path.clone(),
            line: self.line,
            rule: "function-length",
            why: format!(
                "`{}` has {} lines, the limit is {LINES_MAX}",
                self.name, self.lines
            ),
            advice: "give each of its steps a function with a name",
        }
    }
}

fn functions(file: &SourceFile) -> Result<Vec<Function>, XtaskError> {
    let in_tests = file
        .path
        .split('/')
        .any(|part| part == "tests" || part == "benches");
    let mut visitor = Functions {
        found: Vec::new(),
        is_test: in_tests,
    };
    visitor.visit_file(&file.parse()?);
    Ok(visitor.found)
}

fn figures(mut lengths: Vec<usize>) -> Figures {
    lengths.sort_unstable();
    let at = |percent: usize| {
        let rank = (lengths.len() * percent).div_ceil(100).max(1) - 1;
        lengths.get(rank).copied().unwrap_or(0)
    };
    Figures {
        count: lengths.len(),
        median: at(50),
        ninetieth: at(90),
        longest: at(100),
    }
}

struct Functions {
    found: Vec<Function>,
    is_test: bool,
}

impl Functions {
    fn add(
        &mut self,
        signature: &syn::Signature,
        block: &syn::Block,
        attributes: &[syn::Attribute],
    ) {
        let line = signature.span().start().line;
        self.found.push(Function {
            name: signature.ident.to_string(),
            line,
            lines: block.span().end().line + 1 - line,
            is_test: self.is_test || attributes.iter().any(|one| one.path().is_ident("test")),
        });
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.add(&item.sig, &item.block, &item.attrs);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.add(&item.sig, &item.block, &item.attrs);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.add(&item.sig, block, &item.attrs);
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let outside = self.is_test;
        self.is_test |= item.attrs.iter().any(is_cfg_test);
        visit::visit_item_mod(self, item);
        self.is_test = outside;
    }
}

fn is_cfg_test(attribute: &syn::Attribute) -> bool {
    attribute.path().is_ident("cfg")
        && attribute
            .parse_args::<syn::Ident>()
            .is_ok_and(|condition| condition == "test")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function_of(lines: usize) -> SourceFile {
        let body = "    step();\n".repeat(lines - 2);
        SourceFile::new(
            "a/src/lib.rs",
            &format!("/// Long.\nfn long() {{\n{body}}}\n"),
        )
    }

    #[test]
    fn the_limit_itself_passes() {
        assert_eq!(check(&[function_of(LINES_MAX)]).unwrap().0, []);
    }

    #[test]
    fn one_line_more_fails_where_the_function_begins() {
        let (found, _) = check(&[function_of(LINES_MAX + 1)]).unwrap();
        assert_eq!(found[0].line, 2);
        assert_eq!(found[0].why, "`long` has 61 lines, the limit is 60");
    }

    #[test]
    fn methods_and_default_methods_count_and_tests_do_not() {
        let text = "impl A { fn a() {} }\ntrait B { fn b() {\n}\nfn c(); }\n\
                    #[cfg(test)] mod tests { fn d() {\n\n} #[test] fn e() {} }";
        let (_, figures) = check(&[SourceFile::new("a/src/lib.rs", text)]).unwrap();
        assert_eq!(
            figures,
            Figures {
                count: 2,
                median: 1,
                ninetieth: 2,
                longest: 2
            }
        );
    }

    #[test]
    fn figures_are_ranks_of_what_is_there() {
        let figures = figures((1..=10).collect());
        assert_eq!(
            figures,
            Figures {
                count: 10,
                median: 5,
                ninetieth: 9,
                longest: 10
            }
        );
    }

    #[test]
    fn no_function_at_all_is_no_panic() {
        assert_eq!(figures(vec![]).longest, 0);
    }
}
