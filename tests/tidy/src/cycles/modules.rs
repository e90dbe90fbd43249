//! The module tree of a crate: what each module declares and imports, and the paths that it uses.

use std::collections::BTreeMap;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Item, UseTree, Visibility};

use crate::tree::SourceFile;
use crate::words::rust::names::is_test;

/// A path as it is written, e.g. `super::a::B`.
#[derive(Debug, Clone)]
pub struct UsedPath {
    /// Its segments.
    pub segments: Vec<String>,
    /// Its line.
    pub line: usize,
    /// `true` for a use declaration, whose single segments count as well.
    pub is_import: bool,
    /// `true` for `path::*`.
    pub is_glob: bool,
}

/// A module, in a file of its own or within one.
#[derive(Debug, Default)]
pub struct Module {
    /// The file, below `src`.
    pub file: String,
    /// `None` for the root.
    pub parent: Option<usize>,
    /// Child modules by name.
    pub children: BTreeMap<String, usize>,
    /// Names that it declares itself.
    pub items: Vec<String>,
    /// Imported names with their paths.
    pub imports: Vec<(String, Vec<String>)>,
    /// Paths of glob imports.
    pub globs: Vec<Vec<String>>,
    /// All that it uses.
    pub used: Vec<UsedPath>,
}

/// The modules of a crate; the first one is the root.
#[derive(Debug, Default)]
pub struct Tree {
    /// A parent comes before its children.
    pub modules: Vec<Module>,
}

/// The tree below the root file; `None` if there is no such file.
///
/// # Errors
/// A file that cannot be parsed.
pub fn read(source: &str, root: &str, files: &[&SourceFile]) -> Result<Option<Tree>, String> {
    let mut reader = Reader { source, files, tree: Tree::default() };
    let found = reader.file(&[root.to_owned()], None, "")?;
    Ok(found.map(|_| reader.tree))
}

struct Reader<'a> {
    source: &'a str,
    files: &'a [&'a SourceFile],
    tree: Tree,
}

impl Reader<'_> {
    /// Reads the first of these files that exists, whose children are in `folder`.
    fn file(
        &mut self,
        candidates: &[String],
        parent: Option<usize>,
        folder: &str,
    ) -> Result<Option<usize>, String> {
        let named = |path: &String| self.files.iter().find(|it| it.path == format!("{}{path}", self.source));
        let Some((path, file)) = candidates.iter().find_map(|path| Some((path.clone(), named(path)?))) else {
            return Ok(None);
        };
        let parsed = syn::parse_file(&file.text)
            .map_err(|cause| format!("{}: cannot be parsed: {cause}", file.path))?;
        self.module(parsed.items, &path, parent, folder).map(Some)
    }

    fn module(
        &mut self,
        items: Vec<Item>,
        file: &str,
        parent: Option<usize>,
        folder: &str,
    ) -> Result<usize, String> {
        let index = self.tree.modules.len();
        self.tree.modules.push(Module { file: file.to_owned(), parent, ..Module::default() });
        for item in items {
            if let Item::Mod(module) = item {
                if is_test(&module.attrs) {
                    continue;
                }
                let name = module.ident.to_string();
                let inner = format!("{folder}{name}/");
                let child = match module.content {
                    Some((_, items)) => Some(self.module(items, file, Some(index), &inner)?),
                    None => {
                        let candidates = [format!("{folder}{name}.rs"), format!("{inner}mod.rs")];
                        self.file(&candidates, Some(index), &inner)?
                    }
                };
                self.tree.modules[index].children.extend(child.map(|child| (name, child)));
                continue;
            }
            let module = &mut self.tree.modules[index];
            module.items.extend(declared(&item));
            Uses { module }.visit_item(&item);
        }
        Ok(index)
    }
}

fn declared(item: &Item) -> Option<String> {
    let name = match item {
        Item::Const(it) => &it.ident,
        Item::Enum(it) => &it.ident,
        Item::Fn(it) => &it.sig.ident,
        Item::Macro(it) => it.ident.as_ref()?,
        Item::Static(it) => &it.ident,
        Item::Struct(it) => &it.ident,
        Item::Trait(it) => &it.ident,
        Item::TraitAlias(it) => &it.ident,
        Item::Type(it) => &it.ident,
        Item::Union(it) => &it.ident,
        _ => return None,
    };
    Some(name.to_string())
}

/// Collects the paths of an item.
struct Uses<'a> {
    module: &'a mut Module,
}

impl Uses<'_> {
    fn tree(&mut self, tree: &UseTree, before: &[String], is_public: bool) {
        let path = |last: String| before.iter().cloned().chain([last]).collect::<Vec<_>>();
        match tree {
            UseTree::Path(it) => self.tree(&it.tree, &path(it.ident.to_string()), is_public),
            UseTree::Group(it) => it.items.iter().for_each(|tree| self.tree(tree, before, is_public)),
            UseTree::Name(it) => {
                let is_self = it.ident == "self" && !before.is_empty();
                let segments = if is_self { before.to_vec() } else { path(it.ident.to_string()) };
                let name = segments.last().cloned().unwrap_or_default();
                self.import(name, segments, it.ident.span().start().line);
            }
            UseTree::Rename(it) => {
                let is_self = it.ident == "self" && !before.is_empty();
                let segments = if is_self { before.to_vec() } else { path(it.ident.to_string()) };
                self.import(it.rename.to_string(), segments, it.ident.span().start().line);
            }
            UseTree::Glob(it) => {
                let line = it.star_token.spans[0].start().line;
                let segments = before.to_vec();
                self.module.globs.push(segments.clone());
                self.module.used.push(UsedPath { segments, line, is_import: is_public, is_glob: true });
            }
        }
    }

    fn import(&mut self, name: String, segments: Vec<String>, line: usize) {
        self.module.imports.push((name, segments.clone()));
        self.module.used.push(UsedPath { segments, line, is_import: true, is_glob: false });
    }

    fn path(&mut self, segments: Vec<String>, line: usize) {
        self.module.used.push(UsedPath { segments, line, is_import: false, is_glob: false });
    }

    /// The paths in the tokens of a macro or an attribute, also in strings that hold nothing but a path.
    fn tokens(&mut self, stream: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut line = 0;
        let mut colons = 0;
        for tree in stream {
            match &tree {
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Ident(ident) => {
                    if colons != 2 || path.is_empty() {
                        self.finish(&mut path, line);
                        line = ident.span().start().line;
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Group(group) => {
                    self.finish(&mut path, line);
                    self.tokens(group.stream());
                }
                TokenTree::Literal(literal) => {
                    self.finish(&mut path, line);
                    let text = literal.to_string();
                    let text = text.trim_matches('"');
                    let is_path = text.contains("::")
                        && !text.contains(|c: char| !c.is_alphanumeric() && !"_:".contains(c));
                    if is_path {
                        self.path(text.split("::").map(str::to_owned).collect(), literal.span().start().line);
                    }
                }
                TokenTree::Punct(_) => self.finish(&mut path, line),
            }
            if !matches!(&tree, TokenTree::Punct(punct) if punct.as_char() == ':') {
                colons = 0;
            }
        }
        self.finish(&mut path, line);
    }

    fn finish(&mut self, path: &mut Vec<String>, line: usize) {
        let segments = std::mem::take(path);
        if !segments.is_empty() {
            self.path(segments, line);
        }
    }
}

impl<'a> Visit<'a> for Uses<'_> {
    fn visit_item(&mut self, item: &'a Item) {
        let attributes: &[syn::Attribute] = match item {
            Item::Const(it) => &it.attrs,
            Item::Enum(it) => &it.attrs,
            Item::Fn(it) => &it.attrs,
            Item::Impl(it) => &it.attrs,
            Item::Macro(it) => &it.attrs,
            Item::Mod(it) => &it.attrs,
            Item::Static(it) => &it.attrs,
            Item::Struct(it) => &it.attrs,
            Item::Trait(it) => &it.attrs,
            Item::Type(it) => &it.attrs,
            Item::Use(it) => &it.attrs,
            _ => &[],
        };
        if !is_test(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'a syn::ItemUse) {
        let is_public = !matches!(item.vis, Visibility::Inherited);
        if item.leading_colon.is_none() {
            self.tree(&item.tree, &[], is_public);
        }
    }

    /// The path in `pub(in path)` is no use.
    fn visit_vis_restricted(&mut self, _: &'a syn::VisRestricted) {}

    fn visit_path(&mut self, path: &'a syn::Path) {
        if path.leading_colon.is_none() {
            let line = path.segments.first().map_or(0, |it| it.ident.span().start().line);
            self.path(path.segments.iter().map(|it| it.ident.to_string()).collect(), line);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'a syn::Macro) {
        self.tokens(item.tokens.clone());
        visit::visit_macro(self, item);
    }

    fn visit_attribute(&mut self, attribute: &'a syn::Attribute) {
        if let syn::Meta::List(list) = &attribute.meta {
            self.tokens(list.tokens.clone());
        }
    }
}
