//! Declared names of a Rust file, and its regions of tests and of derived command-line parsers.

use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Ident};

/// Regions of a parsed file, as ranges of lines.
#[derive(Debug, Default)]
pub(super) struct Regions {
    pub(super) tests: Vec<(usize, usize)>,
    /// Items with derived command-line parsers: their doc comments are help texts.
    pub(super) clap: Vec<(usize, usize)>,
}

/// The declared names with their lines, and the regions.
pub(super) fn read(file: &syn::File) -> (Vec<(String, usize)>, Regions) {
    let mut visitor = Visitor::default();
    visitor.visit_file(file);
    (visitor.names, visitor.regions)
}

/// `true` for `#[cfg(test)]`, `#[test]` and `#[….test]`.
pub(crate) fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let is_cfg = attribute.path().is_ident("cfg")
            && attribute.meta.require_list().is_ok_and(|list| list.tokens.to_string() == "test");
        is_cfg || attribute.path().segments.last().is_some_and(|last| last.ident == "test")
    })
}

fn is_clap(attributes: &[Attribute]) -> bool {
    attributes.iter().filter(|it| it.path().is_ident("derive")).any(|derive| {
        let Ok(list) = derive.meta.require_list() else { return false };
        list.tokens
            .clone()
            .into_iter()
            .any(|tree| ["Parser", "Args", "Subcommand", "ValueEnum"].contains(&tree.to_string().as_str()))
    })
}

#[derive(Default)]
struct Visitor {
    names: Vec<(String, usize)>,
    regions: Regions,
}

impl Visitor {
    fn name(&mut self, name: &Ident) {
        self.names.push((name.to_string(), name.span().start().line));
    }

    fn region(&mut self, item: &impl Spanned, attributes: &[Attribute]) {
        let lines = (item.span().start().line, item.span().end().line);
        if is_test(attributes) {
            self.regions.tests.push(lines);
        }
        if is_clap(attributes) {
            self.regions.clap.push(lines);
        }
    }

    /// Functions and variables that a macro declares, e.g. the tests in `proptest!`.
    fn tokens(&mut self, stream: TokenStream) {
        let mut after_keyword = false;
        for tree in stream {
            match tree {
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Ident(ident) if after_keyword && ident != "mut" => {
                    self.name(&ident);
                    after_keyword = false;
                }
                TokenTree::Ident(ident) => after_keyword |= ident == "fn" || ident == "let",
                TokenTree::Punct(_) | TokenTree::Literal(_) => after_keyword = false,
            }
        }
    }
}

impl<'a> Visit<'a> for Visitor {
    fn visit_item_fn(&mut self, item: &'a syn::ItemFn) {
        self.region(item, &item.attrs);
        visit::visit_item_fn(self, item);
    }

    fn visit_signature(&mut self, signature: &'a syn::Signature) {
        self.name(&signature.ident);
        visit::visit_signature(self, signature);
    }

    fn visit_item_mod(&mut self, item: &'a syn::ItemMod) {
        self.region(item, &item.attrs);
        self.name(&item.ident);
        visit::visit_item_mod(self, item);
    }

    fn visit_item_struct(&mut self, item: &'a syn::ItemStruct) {
        self.region(item, &item.attrs);
        self.name(&item.ident);
        visit::visit_item_struct(self, item);
    }

    fn visit_item_enum(&mut self, item: &'a syn::ItemEnum) {
        self.region(item, &item.attrs);
        self.name(&item.ident);
        visit::visit_item_enum(self, item);
    }

    fn visit_item_impl(&mut self, item: &'a syn::ItemImpl) {
        self.region(item, &item.attrs);
        visit::visit_item_impl(self, item);
    }

    fn visit_variant(&mut self, variant: &'a syn::Variant) {
        self.name(&variant.ident);
        visit::visit_variant(self, variant);
    }

    fn visit_field(&mut self, field: &'a syn::Field) {
        if let Some(name) = &field.ident {
            self.name(name);
        }
        visit::visit_field(self, field);
    }

    fn visit_item_const(&mut self, item: &'a syn::ItemConst) {
        self.name(&item.ident);
        visit::visit_item_const(self, item);
    }

    fn visit_impl_item_const(&mut self, item: &'a syn::ImplItemConst) {
        self.name(&item.ident);
        visit::visit_impl_item_const(self, item);
    }

    fn visit_trait_item_const(&mut self, item: &'a syn::TraitItemConst) {
        self.name(&item.ident);
        visit::visit_trait_item_const(self, item);
    }

    fn visit_item_static(&mut self, item: &'a syn::ItemStatic) {
        self.name(&item.ident);
        visit::visit_item_static(self, item);
    }

    fn visit_item_trait(&mut self, item: &'a syn::ItemTrait) {
        self.name(&item.ident);
        visit::visit_item_trait(self, item);
    }

    fn visit_item_type(&mut self, item: &'a syn::ItemType) {
        self.name(&item.ident);
        visit::visit_item_type(self, item);
    }

    fn visit_trait_item_type(&mut self, item: &'a syn::TraitItemType) {
        self.name(&item.ident);
        visit::visit_trait_item_type(self, item);
    }

    fn visit_type_param(&mut self, parameter: &'a syn::TypeParam) {
        self.name(&parameter.ident);
        visit::visit_type_param(self, parameter);
    }

    fn visit_pat_ident(&mut self, pattern: &'a syn::PatIdent) {
        // In upper case it is a constant that is used, not declared.
        if pattern.ident.to_string().starts_with(|c: char| c.is_lowercase() || c == '_') {
            self.name(&pattern.ident);
        }
        visit::visit_pat_ident(self, pattern);
    }

    fn visit_macro(&mut self, item: &'a syn::Macro) {
        self.tokens(item.tokens.clone());
        visit::visit_macro(self, item);
    }
}
