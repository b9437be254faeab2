//! Files and imports are read, top-level names collected.

use std::rc::Rc;

use super::{Checker, Entity, Given, Item, Module};
use crate::ast::{self, Declaration, DeclarationKind};
use crate::diagnostic::{Diagnostic, codes, suggest};
use crate::limits::{FILES_MAX, FUNCTION_PARAMS_MAX, IMPORT_DEPTH_MAX, NAME_BYTES_MAX};
use crate::syntax::parse_file;
use crate::text_range::{FileId, TextRange};
use crate::{NoImport, SourceFile};

/// Packs named in one message at most.
const PACKS_SHOWN_MAX: usize = 20;

impl Checker<'_> {
    /// Reads the given files and everything that they import.
    pub(super) fn load(&mut self) {
        if self.files.len() > FILES_MAX {
            let message = format!("{} files are given, {FILES_MAX} are allowed", self.files.len());
            let range = self.file_start();
            self.report(Diagnostic::new(codes::TOO_LARGE, range, message));
            return;
        }
        for index in 0..self.files.len() {
            self.load_file(index, 0, &[]);
        }
    }

    fn load_file(&mut self, index: usize, module: usize, stack: &[String]) {
        let (text, id) = (self.files[index].text.clone(), self.files[index].id);
        let (file, diagnostics) = parse_file(&text, id);
        self.diagnostics.extend(diagnostics);
        for declaration in file.declarations {
            self.check_name_length(&declaration);
            self.check_params(&declaration);
            if let DeclarationKind::Import { path, config } = &declaration.kind {
                self.import(&declaration, path, config, module, stack);
            }
            if let (DeclarationKind::Table(source), Some(name)) =
                (&declaration.kind, &declaration.name)
            {
                let full = self.full(&name.text, module);
                self.load_table(full, &declaration, source);
            }
            if let DeclarationKind::Edition(number) = &declaration.kind
                && number.text != "1"
            {
                self.report(
                    Diagnostic::new(
                        codes::EDITION,
                        number.range,
                        format!("edition `{}` is not known", number.text),
                    )
                    .help("this version reads `edition 1`")
                    .guess(number.range, "1"),
                );
            }
            if declaration.is_partial {
                self.mark_mentioned(&declaration, &text, module);
            }
            self.items.push(Item { module, tree: Rc::new(declaration) });
        }
    }

    /// What a declaration that was not read whole mentions is not unused.
    fn mark_mentioned(&mut self, declaration: &Declaration, text: &str, module: usize) {
        let text = text.get(declaration.range.bytes()).unwrap_or_default();
        let own = declaration.name.as_ref().map_or("", |name| name.text.as_str());
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let words = text.split(|c: char| !is_word(c)).filter(|word| !word.is_empty());
        for word in words.filter(|word| *word != own) {
            let full = self.full(word, module);
            self.mark_used(&full);
        }
    }

    fn check_params(&mut self, declaration: &Declaration) {
        if let DeclarationKind::Fn { params, .. } = &declaration.kind
            && let Some(surplus) = params.get(FUNCTION_PARAMS_MAX)
        {
            let message = format!(
                "the function has {} parameters, {FUNCTION_PARAMS_MAX} are allowed",
                params.len()
            );
            self.report(Diagnostic::new(codes::TOO_LARGE, surplus.range, message));
        }
    }

    fn check_name_length(&mut self, declaration: &Declaration) {
        if let Some(name) = &declaration.name
            && name.text.len() > NAME_BYTES_MAX
        {
            let message =
                format!("the name has {} bytes, {NAME_BYTES_MAX} are allowed", name.text.len());
            self.report(
                Diagnostic::new(codes::TOO_LARGE, name.range, message)
                    .help("give it a shorter name"),
            );
        }
    }

    fn import(
        &mut self,
        declaration: &Declaration,
        path: &ast::StringText,
        config: &[ast::Binding],
        module: usize,
        stack: &[String],
    ) {
        let target = self.unescape(path);
        if stack.contains(&target) || stack.len() >= IMPORT_DEPTH_MAX {
            let message = if stack.contains(&target) {
                format!("`{target}` imports itself")
            } else {
                format!("imports are nested deeper than {IMPORT_DEPTH_MAX} levels")
            };
            self.report(
                Diagnostic::new(codes::CYCLE, path.range, message)
                    .help("move what both need into a file that imports neither"),
            );
            return;
        }
        if self.files.len() >= FILES_MAX {
            let message = format!("there are more than {FILES_MAX} files, imports included");
            self.report(Diagnostic::new(codes::TOO_LARGE, path.range, message));
            return;
        }
        let text = match (self.options.importer)(&target) {
            Ok(text) => text,
            Err(NoImport::Absent) => return self.unknown_import(&target, path.range),
            Err(NoImport::Refused(why)) => {
                return self.report(Diagnostic::new(codes::UNKNOWN_IMPORT, path.range, why));
            }
        };
        let Some(name) = &declaration.name else { return };
        let mut given = std::collections::BTreeMap::new();
        for binding in config {
            let Some(key) = binding.name.clone() else {
                let message = "a parameter of an import is given as `name: value`";
                self.report(Diagnostic::new(codes::ARGUMENTS, binding.range, message));
                continue;
            };
            let value = binding.value.clone();
            given.insert(key.text.clone(), Given { value, name: key });
        }
        let prefix = format!("{}{}.", self.modules[module].prefix, name.text);
        self.modules.push(Module { prefix, config: given, parent: module });
        let next = self.modules.len() - 1;
        let id = FileId(self.files.iter().map(|file| file.id.0 + 1).max().unwrap_or(0));
        self.files.push(SourceFile { id, name: target.clone(), text });
        let mut stack = stack.to_vec();
        stack.push(target);
        self.load_file(self.files.len() - 1, next, &stack);
        self.check_config(next);
    }

    fn unknown_import(&mut self, target: &str, range: TextRange) {
        let packs = self.options.packs;
        let message = format!("there is no pack or file `{target}`");
        let mut diagnostic = Diagnostic::new(codes::UNKNOWN_IMPORT, range, message);
        let last = |name: &str| name.rsplit('/').next().map(str::to_owned);
        let near = suggest::nearest(target, packs.iter().copied())
            .or_else(|| packs.iter().copied().find(|pack| last(pack) == last(target)));
        if let Some(near) = near {
            diagnostic = diagnostic
                .help(format!("did you mean `{near}`?"))
                .guess(range, format!("\"{near}\""));
        }
        diagnostic = match packs {
            [] => diagnostic.note("shipped packs begin with `std/`"),
            _ => diagnostic.note(format!(
                "packs that ship: {}",
                suggest::listed(packs.iter().copied(), PACKS_SHOWN_MAX)
            )),
        };
        self.report(diagnostic.note("other files are looked for beside the given ones"));
    }

    /// Every parameter that an import is given is one that it has.
    fn check_config(&mut self, module: usize) {
        let params: Vec<String> = self
            .items
            .iter()
            .filter(|item| {
                item.module == module && matches!(item.tree.kind, DeclarationKind::Param(_))
            })
            .filter_map(|item| item.tree.name.as_ref().map(|name| name.text.clone()))
            .collect();
        let unknown: Vec<ast::Name> = self.modules[module]
            .config
            .values()
            .filter(|given| !params.contains(&given.name.text))
            .map(|given| given.name.clone())
            .collect();
        for name in unknown {
            let message = format!("the import has no parameter `{}`", name.text);
            self.unknown_param(&name.text, name.range, &params, message);
        }
    }

    pub(super) fn unknown_param(
        &mut self,
        name: &str,
        range: TextRange,
        params: &[String],
        message: String,
    ) {
        let mut diagnostic = Diagnostic::new(codes::UNKNOWN_PARAM, range, message);
        let names = params.iter().map(String::as_str);
        if let Some(near) = suggest::nearest(name, names.clone()) {
            diagnostic = diagnostic.help(format!("did you mean `{near}`?"));
            if range.start < range.end {
                diagnostic = diagnostic.guess(range, near);
            }
        } else if !params.is_empty() {
            let known = suggest::listed(names, 8);
            diagnostic = diagnostic.note(format!("parameters: {known}"));
        }
        self.report(diagnostic);
    }

    /// Fills the table of top-level names and reports names given twice.
    pub(super) fn collect_names(&mut self) {
        for index in 0..self.items.len() {
            let tree = Rc::clone(&self.items[index].tree);
            let module = self.items[index].module;
            let Some(name) = &tree.name else { continue };
            let entity = match &tree.kind {
                DeclarationKind::Const(_) => Entity::Const(index),
                DeclarationKind::Param(_) => Entity::Param(index),
                DeclarationKind::Fn { .. } => Entity::Function(index),
                DeclarationKind::Import { .. } => Entity::Import(index),
                DeclarationKind::Table(_) => Entity::Table(index),
                DeclarationKind::Broken => match tree.keyword.text.as_str() {
                    "const" => Entity::Const(index),
                    "param" => Entity::Param(index),
                    "fn" => Entity::Function(index),
                    "import" => Entity::Import(index),
                    "table" => Entity::Table(index),
                    _ => Entity::Source(index),
                },
                _ => Entity::Source(index),
            };
            self.bind(module, name, entity);
            self.bind_timeout(module, &tree, index);
            self.bind_outcomes(module, &tree, index);
            self.bind_trace_parts(module, &tree, index);
            if let DeclarationKind::Stream(clauses) = &tree.kind {
                for clause in clauses {
                    match &clause.kind {
                        ast::ClauseKind::Late { side: Some(side), .. } => {
                            self.bind(module, side, Entity::Late(index));
                        }
                        ast::ClauseKind::Dedupe { side: Some(side), .. } => {
                            self.bind(module, side, Entity::Duplicates(index));
                        }
                        _ => {}
                    }
                }
            }
        }
    }

    fn bind_timeout(&mut self, module: usize, tree: &Declaration, index: usize) {
        let DeclarationKind::Pattern { clauses, .. } = &tree.kind else { return };
        for clause in clauses {
            if let ast::ClauseKind::Timeout(side) = &clause.kind {
                self.bind(module, side, Entity::Timeout(index));
            }
        }
    }

    fn bind_trace_parts(&mut self, module: usize, tree: &Declaration, index: usize) {
        let (DeclarationKind::Traces(_), Some(name)) = (&tree.kind, &tree.name) else { return };
        for part in crate::hir::TracePart::ALL {
            let text = format!("{}.{}", name.text, part.name());
            let name = ast::Name { text, range: name.range };
            self.bind(module, &name, Entity::TracePart(index, part));
        }
    }

    pub(super) fn bind(&mut self, module: usize, name: &ast::Name, entity: Entity) {
        let full = format!("{}{}", self.modules[module].prefix, name.text);
        if self.catalog.source(&name.text).is_some() {
            let message = format!("`{}` is the name of a source", name.text);
            self.report(
                Diagnostic::new(codes::SHADOWING, name.range, message)
                    .label("would hide the source")
                    .help("give it another name"),
            );
        }
        if let Some(earlier) = self.names.get(&full) {
            let first = self.name_range(*earlier, &name.text);
            let message = format!("`{}` is declared twice", name.text);
            self.report(
                Diagnostic::new(codes::DUPLICATE, name.range, message)
                    .label("declared again")
                    .because(first, "first declared here")
                    .help("give one of them another name"),
            );
            return;
        }
        let is_value = matches!(entity, Entity::Const(_) | Entity::Param(_));
        let hidden = self.catalog.sources.iter().find(|source| source.field(&name.text).is_some());
        if let Some(source) = hidden.filter(|_| is_value) {
            let message = format!("`{}` is a field of `{}`", name.text, source.name);
            self.report(
                Diagnostic::new(codes::SHADOWING, name.range, message)
                    .label("would be hidden by the field wherever that can be read")
                    .help("give it another name"),
            );
        }
        self.names.insert(full, entity);
    }

    fn name_range(&self, entity: Entity, name: &str) -> TextRange {
        let (Entity::Const(index)
        | Entity::Param(index)
        | Entity::Function(index)
        | Entity::Source(index)
        | Entity::Late(index)
        | Entity::Duplicates(index)
        | Entity::Timeout(index)
        | Entity::Outcome(index, _)
        | Entity::TracePart(index, _)
        | Entity::Table(index)
        | Entity::Import(index)) = entity;
        let tree = &self.items[index].tree;
        if let (Entity::Timeout(_), DeclarationKind::Pattern { clauses, .. }) = (entity, &tree.kind)
        {
            let side = clauses.iter().find_map(|clause| match &clause.kind {
                ast::ClauseKind::Timeout(side) => Some(side.range),
                _ => None,
            });
            return side.unwrap_or(tree.range);
        }
        if let (Entity::Late(_) | Entity::Duplicates(_), DeclarationKind::Stream(clauses)) =
            (entity, &tree.kind)
        {
            let sides = clauses.iter().filter_map(|clause| match &clause.kind {
                ast::ClauseKind::Late { side, .. } | ast::ClauseKind::Dedupe { side, .. } => {
                    side.as_ref()
                }
                _ => None,
            });
            if let Some(side) = sides.into_iter().find(|side| side.text == name) {
                return side.range;
            }
        }
        tree.name.as_ref().map_or(tree.range, |name| name.range)
    }
}
