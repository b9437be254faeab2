//! `redact`: one in all rules; its lines, their classes and keys.

use super::{Checker, Site};
use crate::ast::{self, RedactItem, RedactLine};
use crate::diagnostic::{Diagnostic, codes};
use crate::hir::{DeclarationKind, Redact, RedactAction, RedactClass};
use crate::limits::{REDACT_ITEMS_MAX, REGEX_BYTES_MAX};
use crate::text_range::TextRange;

/// What may be done with keys.
const KEYS: [&str; 2] = ["deny", "allow"];

/// What may be done with values.
const VALUES: [(&str, RedactAction); 3] =
    [("mask", RedactAction::Mask), ("drop", RedactAction::Drop), ("hash", RedactAction::Hash)];

impl Checker<'_> {
    pub(super) fn redact(
        &mut self,
        site: &Site<'_>,
        lines: &[RedactLine],
    ) -> Option<DeclarationKind> {
        if let Some(first) = self.first_redact().filter(|first| *first != site.tree.keyword.range) {
            let message = "`redact` stands once in all files";
            self.report(
                Diagnostic::new(codes::DUPLICATE, site.tree.keyword.range, message)
                    .label("again")
                    .because(first, "first here")
                    .help("write its lines into the first one"),
            );
            return None;
        }
        let mut redact = Redact::default();
        let mut seen: Vec<(String, TextRange)> = Vec::new();
        let mut count = 0;
        for line in lines {
            count += line.items.len();
            if count > REDACT_ITEMS_MAX {
                let message =
                    format!("`redact` names more than {REDACT_ITEMS_MAX} keys and classes");
                self.report(Diagnostic::new(codes::TOO_LARGE, line.range, message));
                return None;
            }
            match line.subject.text.as_str() {
                "keys" => self.redact_keys(line, &mut redact),
                _ => self.redact_values(line, &mut redact, &mut seen),
            }
        }
        if count == 0 {
            self.missing(site, "keys", "say what is taken out: `values mask [email, card]`");
        }
        Some(DeclarationKind::Redact(redact))
    }

    fn first_redact(&self) -> Option<TextRange> {
        let is_redact = |item: &&super::Item| item.tree.keyword.text == "redact";
        self.items.iter().find(is_redact).map(|item| item.tree.keyword.range)
    }

    fn redact_keys(&mut self, line: &RedactLine, redact: &mut Redact) {
        if !KEYS.contains(&line.action.text.as_str()) {
            return self.unknown_word(&line.action, "keys", &KEYS);
        }
        self.secret_of_nothing(line);
        for item in &line.items {
            match item {
                RedactItem::Keys(text) => {
                    let Some(glob) = self.glob(text) else { continue };
                    let list = match line.action.text.as_str() {
                        "deny" => &mut redact.deny,
                        _ => &mut redact.allow,
                    };
                    list.push(glob);
                }
                RedactItem::Class { name, .. } => {
                    let message = format!("`keys` takes names of keys, `{}` is none", name.text);
                    self.report(
                        Diagnostic::new(codes::CLAUSE_VALUE, name.range, message)
                            .help("a key is a text, wildcards are `*` and `?`")
                            .guess(name.range, format!("\"{}\"", name.text)),
                    );
                }
            }
        }
    }

    fn redact_values(
        &mut self,
        line: &RedactLine,
        redact: &mut Redact,
        seen: &mut Vec<(String, TextRange)>,
    ) {
        let word = line.action.text.as_str();
        let Some((_, action)) = VALUES.iter().find(|(known, _)| *known == word) else {
            let words = VALUES.map(|(word, _)| word);
            return self.unknown_word(&line.action, "values", &words);
        };
        match (action, &line.secret) {
            (RedactAction::Hash, Some(secret)) => self.secret(secret, redact),
            (RedactAction::Hash, None) => {
                let message = "a hash has a key: without one, values can be guessed from it";
                self.report(
                    Diagnostic::new(codes::MISSING_CLAUSE, line.action.range, message)
                        .help("name a secret of the configuration")
                        .guess(line.range.at_end(), " key secret(\"redact\")"),
                );
            }
            _ => self.secret_of_nothing(line),
        }
        for item in &line.items {
            match item {
                RedactItem::Keys(text) => {
                    redact.keys.extend(self.glob(text).map(|glob| (glob, *action)));
                }
                RedactItem::Class { name, keep } => {
                    let Some(class) = self.redact_class(name, keep.as_ref(), *action) else {
                        continue;
                    };
                    if let Some((_, first)) = seen.iter().find(|(known, _)| *known == name.text) {
                        self.given_twice(name, *first);
                        continue;
                    }
                    seen.push((name.text.clone(), name.range));
                    redact.classes.push(class);
                }
            }
        }
    }

    fn redact_class(
        &mut self,
        name: &ast::Name,
        keep: Option<&(ast::NumberText, TextRange)>,
        action: RedactAction,
    ) -> Option<RedactClass> {
        let catalog = self.catalog;
        let known = catalog.value_classes.iter().find(|class| class.name == name.text);
        let Some(class) = known else {
            let names: Vec<&str> =
                catalog.value_classes.iter().map(|class| class.name.as_str()).collect();
            self.unknown_word(name, "values", &names);
            return None;
        };
        let Some((number, range)) = keep else {
            return Some(RedactClass { name: name.text.clone(), action, keep_bits: None });
        };
        let bits_max = class.address_bits.filter(|_| action == RedactAction::Mask);
        let bits = number.text.parse().ok().filter(|bits| bits_max.is_some_and(|max| *bits <= max));
        if bits.is_none() {
            let (message, help) = match bits_max {
                Some(max) => (
                    format!("`keep` is a number of bits from 0 to {max}, found `{}`", number.text),
                    "say how many leading bits stay: `keep: 16`",
                ),
                None => (
                    format!(
                        "`keep` says what a mask leaves of an address, `{}` is none",
                        name.text
                    ),
                    "leave it out",
                ),
            };
            self.report(Diagnostic::new(codes::CLAUSE_VALUE, *range, message).help(help));
        }
        Some(RedactClass { name: name.text.clone(), action, keep_bits: Some(bits?) })
    }

    fn secret(&mut self, secret: &ast::StringText, redact: &mut Redact) {
        let name = self.unescape(secret);
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(is_name) {
            let message = format!("a secret has a name of letters, digits and `_`, found `{name}`");
            self.report(Diagnostic::new(codes::CLAUSE_VALUE, secret.range, message));
            return;
        }
        if redact.secret.as_ref().is_some_and(|known| *known != name) {
            let message = "all hashes of `redact` have one key";
            self.report(
                Diagnostic::new(codes::CLAUSE_VALUE, secret.range, message)
                    .label("another secret than before"),
            );
            return;
        }
        redact.secret = Some(name);
    }

    fn secret_of_nothing(&mut self, line: &RedactLine) {
        let Some(secret) = &line.secret else { return };
        let message = "only `values hash` has a key";
        self.report(
            Diagnostic::new(codes::CLAUSE_VALUE, secret.range, message)
                .help("leave `key secret(…)` out"),
        );
    }

    fn glob(&mut self, text: &ast::StringText) -> Option<String> {
        let glob = self.unescape(text);
        if glob.is_empty() || glob.len() > REGEX_BYTES_MAX {
            let message = format!("a key has 1 to {REGEX_BYTES_MAX} bytes");
            self.report(Diagnostic::new(codes::CLAUSE_VALUE, text.range, message));
            return None;
        }
        Some(glob)
    }
}
