//! Global state: statics that can change. Each is listed with its reason, so that no table becomes global by accident.

use syn::visit::{self, Visit};
use syn::{ItemStatic, StaticMutability, Type};

use crate::tree::SourceFile;
use crate::words::rust::names::is_test;

/// Types whose values change through a shared reference. Those of `std::sync::atomic` begin with `Atomic`.
const CHANGING: &[&str] = &["Mutex", "RwLock", "RefCell", "Cell", "UnsafeCell", "OnceLock", "OnceCell"];

/// The file and the name of a permitted static, with the reason.
const PERMITTED: &[(&str, &str, &str)] = &[
    ("shared/kafka-io/src/broker_monitor.rs", "NEXT_ID", "numbers the monitors of the process"),
    ("shared/kafka-io/src/broker_monitor.rs", "LOG", "several clients report one outage in one line"),
    ("shared/chassis/src/output.rs", "STDOUT", "standard output belongs to the process"),
    ("shared/chassis/src/descriptors.rs", "RESERVED", "the limit of descriptors is that of the process"),
    ("shared/hosting/src/memory.rs", "RESERVED", "the limit of memory is that of the process"),
];

/// The statics of one file that can change and are not permitted.
#[must_use]
pub fn offences(file: &SourceFile) -> Vec<String> {
    let Ok(parsed) = syn::parse_file(&file.text) else { return vec![format!("{}: invalid Rust", file.path)] };
    let mut visitor = Visitor::default();
    visitor.visit_file(&parsed);
    let is_permitted = |name: &String| PERMITTED.iter().any(|(path, it, _)| *path == file.path && it == name);
    let names = visitor.names.into_iter().filter(|(name, _)| !is_permitted(name));
    names.map(|(name, line)| format!("{}:{line} the static {name} can change", file.path)).collect()
}

#[derive(Default)]
struct Visitor {
    names: Vec<(String, usize)>,
}

impl<'a> Visit<'a> for Visitor {
    fn visit_item_mod(&mut self, item: &'a syn::ItemMod) {
        if !is_test(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_static(&mut self, item: &'a ItemStatic) {
        let is_mut = matches!(item.mutability, StaticMutability::Mut(_));
        if is_mut || changes(&item.ty) {
            self.names.push((item.ident.to_string(), item.ident.span().start().line));
        }
    }

    /// `thread_local!` declares statics as well.
    fn visit_macro(&mut self, item: &'a syn::Macro) {
        if item.path.segments.last().is_some_and(|it| it.ident == "thread_local") {
            self.names.push(("thread_local".to_owned(), item.path.segments[0].ident.span().start().line));
        }
    }
}

/// `true` if the type, or a type within it, changes through a shared reference.
fn changes(ty: &Type) -> bool {
    #[derive(Default)]
    struct Types(bool);

    impl<'a> Visit<'a> for Types {
        fn visit_ident(&mut self, ident: &'a proc_macro2::Ident) {
            let name = ident.to_string();
            self.0 |= CHANGING.contains(&name.as_str()) || name.starts_with("Atomic");
        }
    }

    let mut types = Types::default();
    types.visit_type(ty);
    types.0
}
