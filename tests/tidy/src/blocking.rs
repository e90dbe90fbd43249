//! Calls that block a thread of the async runtime: files, sleeps and processes of std in async code. Closures for
//! `spawn_blocking` and threads are no async code.

use syn::visit::{self, Visit};
use syn::{Expr, ExprPath};

use crate::tree::SourceFile;
use crate::words::rust::names::is_test;

/// Paths of blocking functions and modules, as they are written with their imports.
const BLOCKING: &[&str] = &[
    "std::fs",
    "fs",
    "File",
    "OpenOptions",
    "std::thread::sleep",
    "thread::sleep",
    "std::process::Command",
    "Command",
    "std::net",
    "reqwest::blocking",
];

/// Functions whose closures run on other threads.
const ON_OTHER_THREADS: &[&str] = &["spawn_blocking", "thread", "spawn"];

/// The blocking calls of one file, with their lines.
#[must_use]
pub fn offences(file: &SourceFile) -> Vec<String> {
    let Ok(parsed) = syn::parse_file(&file.text) else { return vec![format!("{}: invalid Rust", file.path)] };
    let mut visitor = Visitor::default();
    visitor.visit_file(&parsed);
    let calls = visitor.calls.into_iter();
    calls.map(|(name, line)| format!("{}:{line} calls {name} in async code", file.path)).collect()
}

#[derive(Default)]
struct Visitor {
    is_async: bool,
    calls: Vec<(String, usize)>,
}

impl Visitor {
    fn within(&mut self, is_async: bool, visit: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.is_async, is_async);
        visit(self);
        self.is_async = outer;
    }

    fn arguments<'a>(&mut self, name: &str, arguments: impl Iterator<Item = &'a Expr>) {
        for argument in arguments {
            match argument {
                Expr::Closure(closure) if ON_OTHER_THREADS.contains(&name) => {
                    self.within(false, |it| visit::visit_expr_closure(it, closure));
                }
                other => self.visit_expr(other),
            }
        }
    }
}

impl<'a> Visit<'a> for Visitor {
    fn visit_item_mod(&mut self, item: &'a syn::ItemMod) {
        if !is_test(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'a syn::ItemFn) {
        self.within(item.sig.asyncness.is_some(), |it| visit::visit_item_fn(it, item));
    }

    fn visit_impl_item_fn(&mut self, item: &'a syn::ImplItemFn) {
        self.within(item.sig.asyncness.is_some(), |it| visit::visit_impl_item_fn(it, item));
    }

    fn visit_expr_async(&mut self, block: &'a syn::ExprAsync) {
        self.within(true, |it| visit::visit_expr_async(it, block));
    }

    fn visit_expr_closure(&mut self, closure: &'a syn::ExprClosure) {
        let is_async = self.is_async || closure.asyncness.is_some();
        self.within(is_async, |it| visit::visit_expr_closure(it, closure));
    }

    fn visit_expr_call(&mut self, call: &'a syn::ExprCall) {
        self.visit_expr(&call.func);
        let name = match &*call.func {
            Expr::Path(function) => last_segment(function),
            _ => String::new(),
        };
        self.arguments(&name, call.args.iter());
    }

    fn visit_expr_method_call(&mut self, call: &'a syn::ExprMethodCall) {
        self.visit_expr(&call.receiver);
        self.arguments(&call.method.to_string(), call.args.iter());
    }

    fn visit_expr_path(&mut self, path: &'a ExprPath) {
        let segments: Vec<String> = path.path.segments.iter().map(|it| it.ident.to_string()).collect();
        let name = segments.join("::");
        let is_blocking = BLOCKING
            .iter()
            .any(|it| name.strip_prefix(it).is_some_and(|rest| rest.is_empty() || rest.starts_with("::")));
        if self.is_async && is_blocking && segments.len() > 1 {
            self.calls.push((name, path.path.segments[0].ident.span().start().line));
        }
    }
}

fn last_segment(path: &ExprPath) -> String {
    path.path.segments.last().map(|it| it.ident.to_string()).unwrap_or_default()
}
