//! From a tree to settings: every mistake is told, and what has none is taken.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use tailwater_dsl::diagnostic::suggest::{listed, nearest};

use super::mistake::Mistake;
use super::scalar::{Raw, Scalar};
use super::section::{Kinds, List, Named, Origin, Pairs, Section, Setting, Visit};
use super::substitute::{Substituted, substitute};
use super::tree::{Form, Key, Node, Scalar as Written, Value};

/// Characters of a wrong value that are shown.
const SHOWN_CHARS: usize = 60;

/// Names that are listed where one is unknown.
const LISTED_MAX: usize = 20;

/// Parts of one map with names of somebody's choice, such as sinks.
const NAMED_MAX: usize = 64;

/// What reading found beside settings.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) mistakes: Vec<Mistake>,
    /// Places of what is known to be no secret.
    pub(super) seen: Vec<Range<usize>>,
}

impl Found {
    fn wrong(&mut self, mistake: Mistake) {
        self.mistakes.push(mistake);
    }
}

/// Reads the fields of one map.
pub(super) struct Reader<'a> {
    pairs: Vec<(Key, Node)>,
    /// Where the map is named.
    place: Range<usize>,
    /// What it is, for people: `sinks.pager`; empty for the whole file.
    path: String,
    known: Vec<&'static str>,
    folder: &'a Path,
    found: &'a mut Found,
}

/// Reads a whole file into settings that hold the defaults.
pub(super) fn read<S: Section>(root: Option<Node>, folder: &Path, of: &mut S) -> Found {
    let mut found = Found::default();
    let Some(root) = root else { return found };
    match root.value {
        Value::Map(pairs) => {
            let place = 0..0;
            let mut reader = Reader {
                pairs,
                place,
                path: String::new(),
                known: Vec::new(),
                folder,
                found: &mut found,
            };
            of.visit(&mut reader);
            reader.finish();
        }
        _ => {
            let text = format!("expected fields such as `workers`, found {}", root.what());
            found.wrong(Mistake::new(root.range.start..root.range.start, text));
        }
    }
    found
}

impl Reader<'_> {
    fn take(&mut self, name: &'static str) -> Option<(Key, Node)> {
        self.known.push(name);
        let at = self.pairs.iter().position(|(key, _)| key.text == name)?;
        let (key, node) = self.pairs.remove(at);
        self.found.seen.push(key.range.clone());
        Some((key, node))
    }

    fn inner<'b>(&'b mut self, pairs: Vec<(Key, Node)>, key: &Key) -> Reader<'b> {
        let path = if self.path.is_empty() {
            key.text.clone()
        } else {
            format!("{}.{}", self.path, key.text)
        };
        Reader {
            pairs,
            place: key.range.clone(),
            path,
            known: Vec::new(),
            folder: self.folder,
            found: self.found,
        }
    }

    /// What nobody asked for is unknown.
    fn finish(self) {
        for (key, _) in &self.pairs {
            let within = match &*self.path {
                "" => String::new(),
                path => format!(" in `{path}`"),
            };
            let near = nearest(&key.text, self.known.iter().copied());
            let text = if near.is_some() || key.is_plain() {
                self.found.seen.push(key.range.clone());
                format!("unknown field `{}`{within}", key.text)
            } else {
                format!("unknown field{within}")
            };
            let told = Mistake::new(key.range.clone(), text);
            self.found.wrong(match near {
                Some(near) => told.help(format!("did you mean `{near}`?")),
                None => {
                    let known = listed(self.known.iter().copied(), LISTED_MAX);
                    told.help(format!("fields{within} are {known}"))
                }
            });
        }
    }

    /// The fields of a map; `None`, and told, where it is none.
    fn map(&mut self, node: Node, what: &str) -> Option<Vec<(Key, Node)>> {
        match node.value {
            Value::Map(pairs) => Some(pairs),
            Value::Scalar(scalar) if matches!(scalar.form, Form::Empty | Form::Null) => {
                Some(Vec::new())
            }
            _ => {
                let text = format!("expected {what}, found {}", node.what());
                self.found.wrong(Mistake::new(node.range, text));
                None
            }
        }
    }

    fn value<T: Scalar>(&mut self, node: &Node) -> Option<Setting<T>> {
        let expected = T::EXPECTED;
        let Value::Scalar(written) = &node.value else {
            let text = format!("expected {expected}, found {}", node.what());
            self.found.wrong(Mistake::new(node.range.clone(), text));
            return None;
        };
        match (written.form, T::null()) {
            (Form::Null, Some(value)) => {
                return Some(Setting { value, origin: Origin::File(node.range.clone()) });
            }
            (Form::Empty | Form::Null, _) => {
                let text = format!("expected {expected}, found {}", node.what());
                let told = Mistake::new(node.range.clone(), text);
                self.found.wrong(told.help("leave the whole line out to have the default"));
                return None;
            }
            _ => {}
        }
        let substituted = match substitute(&written.text, self.folder) {
            Ok(substituted) => substituted,
            Err(text) => {
                self.found.wrong(Mistake::new(node.range.clone(), text));
                return None;
            }
        };
        self.typed(node, written, substituted)
    }

    fn typed<T: Scalar>(
        &mut self,
        node: &Node,
        written: &Written,
        Substituted { text, from }: Substituted,
    ) -> Option<Setting<T>> {
        let may_hold_secret = text.contains(['@', '?']);
        if !T::IS_SECRET && !may_hold_secret {
            self.found.seen.push(node.range.clone());
        }
        let is_masked = T::IS_SECRET || may_hold_secret;
        let expected = T::EXPECTED;
        let is_written = from.is_empty();
        let wrong = |found: &mut Found, help: Option<String>| {
            let mut told = Mistake::new(
                node.range.clone(),
                match (is_masked, is_written) {
                    (true, _) => format!("expected {expected}"),
                    (_, true) => format!("expected {expected}, found `{}`", shown(&text)),
                    // Nobody knows what the environment holds.
                    (_, false) => {
                        format!("expected {expected}: what {} gives is none", from.join(""))
                    }
                },
            );
            told.help = help;
            found.wrong(told);
        };
        if is_written && !T::TAKES_ANY {
            let help = match written.form {
                Form::Text if T::IS_BARE => Some("write it without quotes"),
                Form::Bare if !T::IS_BARE => Some("write it in quotes"),
                _ => None,
            };
            // A number without its unit has a better word for it.
            let raw = Raw { text: &text, folder: self.folder };
            if let Some(help) = help {
                let better = T::read(&raw).err().flatten();
                wrong(self.found, better.or(Some(help.to_owned())));
                return None;
            }
        }
        match T::read(&Raw { text: &text, folder: self.folder }) {
            Ok(value) => {
                let at = node.range.clone();
                let origin =
                    if is_written { Origin::File(at) } else { Origin::Reference { at, from } };
                Some(Setting { value, origin })
            }
            Err(help) => {
                wrong(self.found, help);
                None
            }
        }
    }

    /// The kind of a part: what its `type` says, or else its own name.
    fn kind<K: Kinds>(
        &mut self,
        key: &Key,
        pairs: &mut Vec<(Key, Node)>,
    ) -> Option<(&'static str, Origin)> {
        let kinds = || K::KINDS.iter().map(|(kind, _)| *kind);
        let Some(at) = pairs.iter().position(|(key, _)| key.text == "type") else {
            if let Some(kind) = kinds().find(|kind| *kind == key.text) {
                return Some((kind, Origin::File(key.range.clone())));
            }
            let text = format!("`{}` needs a `type`", key.text);
            let told = Mistake::new(key.range.clone(), text);
            self.found.wrong(told.help(format!("types are {}", listed(kinds(), LISTED_MAX))));
            return None;
        };
        let (type_key, node) = pairs.remove(at);
        self.found.seen.push(type_key.range);
        let written: Setting<String> = self.value(&node)?;
        if let Some(kind) = kinds().find(|kind| *kind == written.value) {
            return Some((kind, written.origin));
        }
        let all = listed(kinds(), LISTED_MAX);
        let what = if matches!(written.origin, Origin::File(_)) {
            shown(&written.value)
        } else {
            String::new()
        };
        let told = Mistake::new(node.range, format!("there is no type `{what}`"));
        self.found.wrong(told.help(match nearest(&written.value, kinds()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("types are {all}"),
        }));
        None
    }

    fn named<K: Kinds>(&mut self, key: &Key, node: Node, of: &mut BTreeMap<String, Named<K>>) {
        self.found.seen.push(key.range.clone());
        if !is_name(&key.text) {
            let text = format!("`{}` is no name that a rule can write", shown(&key.text));
            let told = Mistake::new(key.range.clone(), text);
            self.found.wrong(told.help("a name is letters, digits and `_`, no digit first"));
        }
        let Some(mut pairs) = self.map(node, "a map of fields") else { return };
        let Some((kind, origin)) = self.kind::<K>(key, &mut pairs) else {
            return;
        };
        let part = match of.remove(&key.text) {
            Some(default) if default.part.kind() == kind => Some(default.part),
            _ => K::of_kind(kind),
        };
        let Some(mut part) = part else { return };
        let mut inner = self.inner(pairs, key);
        part.visit(&mut inner);
        inner.known.push("type");
        inner.finish();
        of.insert(key.text.clone(), Named { origin, part });
    }
}

impl Visit for Reader<'_> {
    fn scalar<T: Scalar>(&mut self, name: &'static str, _: &'static str, of: &mut Setting<T>) {
        if let Some((_, node)) = self.take(name)
            && let Some(value) = self.value(&node)
        {
            *of = value;
        }
    }

    fn required<T: Scalar>(
        &mut self,
        name: &'static str,
        _: &'static str,
        of: &mut Setting<Option<T>>,
    ) {
        match self.take(name) {
            Some((_, node)) => {
                if let Some(Setting { value, origin }) = self.value::<T>(&node) {
                    *of = Setting { value: Some(value), origin };
                }
            }
            None if of.value.is_none() => {
                let text = format!("`{}` needs `{name}`: {}", self.path, T::EXPECTED);
                self.found.wrong(Mistake::new(self.place.clone(), text));
            }
            None => {}
        }
    }

    fn list<T: Scalar>(&mut self, name: &'static str, _: &'static str, of: &mut List<T>) {
        let Some((_, node)) = self.take(name) else { return };
        match &node.value {
            Value::List(items) => {
                let origin = Origin::File(node.range.clone());
                of.items = items.iter().filter_map(|item| self.value(item)).collect();
                of.origin = origin;
            }
            _ => {
                let text = format!("expected a list, found {}", node.what());
                let told = Mistake::new(node.range.clone(), text);
                self.found
                    .wrong(told.help(format!("write `[…]` around it; each is {}", T::EXPECTED)));
            }
        }
    }

    fn pairs<T: Scalar>(&mut self, name: &'static str, _: &'static str, of: &mut Pairs<T>) {
        let Some((_, node)) = self.take(name) else { return };
        let origin = Origin::File(node.range.clone());
        let Some(pairs) = self.map(node, "a map of names and values") else { return };
        let values = pairs.into_iter().filter_map(|(key, node)| {
            let value = self.value(&node);
            if key.is_plain() && (value.is_some() || !T::IS_SECRET) {
                self.found.seen.push(key.range);
            }
            Some((key.text, value?))
        });
        *of = Pairs { items: values.collect(), origin };
    }

    fn section<S: Section>(&mut self, name: &'static str, _: &'static str, of: &mut S) {
        let Some((key, node)) = self.take(name) else { return };
        let Some(pairs) = self.map(node, "a map of fields") else { return };
        let mut inner = self.inner(pairs, &key);
        of.visit(&mut inner);
        inner.finish();
    }

    fn kinds<K: Kinds>(
        &mut self,
        name: &'static str,
        _: &'static str,
        of: &mut BTreeMap<String, Named<K>>,
    ) {
        let Some((key, node)) = self.take(name) else { return };
        let Some(pairs) = self.map(node, "a map of names") else { return };
        if pairs.len() > NAMED_MAX {
            let text = format!("expected at most {NAMED_MAX} {name}, found {}", pairs.len());
            self.found.wrong(Mistake::new(key.range.clone(), text));
        }
        let mut inner = self.inner(Vec::new(), &key);
        for (key, node) in pairs {
            inner.named(&key, node, of);
        }
    }
}

/// Whether rules can write it.
fn is_name(text: &str) -> bool {
    let is_first = |c: char| c.is_ascii_alphabetic() || c == '_';
    text.starts_with(is_first) && text.chars().all(|c| is_first(c) || c.is_ascii_digit())
}

/// Text on one line and within bounds.
fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN_CHARS).flat_map(char::escape_debug).collect();
    if text.chars().count() > SHOWN_CHARS {
        shown.push('…');
    }
    shown
}
