//! The order of declarations: sources before readers; circles are reported.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::Checker;
use super::names::Target;
use crate::ast::{ClauseKind, DeclarationKind};
use crate::diagnostic::{Diagnostic, codes};
use crate::text_range::TextRange;

/// An edge: the index of the declaration that is read, and where its name stands.
type Edge = (usize, TextRange);

/// Rules of a circle that are named one by one.
const CIRCLE_SHOWN_MAX: usize = 10;

impl Checker<'_> {
    /// Indices of the declarations that make or route items, sources first; otherwise as written.
    /// Those on a circle are left out after it was reported.
    pub(super) fn order(&mut self) -> Vec<usize> {
        let count = self.items.len();
        let edges: Vec<Vec<Edge>> = (0..count).map(|index| self.edges(index)).collect();
        let mut waiting: Vec<usize> = edges.iter().map(Vec::len).collect();
        let mut readers: Vec<Vec<usize>> = vec![Vec::new(); count];
        for (index, edges) in edges.iter().enumerate() {
            for (source, _) in edges {
                readers[*source].push(index);
            }
        }
        let mut ready: BTreeSet<usize> = (0..count).filter(|&index| waiting[index] == 0).collect();
        let mut order = Vec::new();
        while let Some(index) = ready.pop_first() {
            order.push(index);
            for &reader in &readers[index] {
                waiting[reader] -= 1;
                if waiting[reader] == 0 {
                    ready.insert(reader);
                }
            }
        }
        self.readers = readers;
        let left: Vec<usize> = (0..count).filter(|&index| waiting[index] > 0).collect();
        for &index in &left {
            let name = self.items[index].tree.name.as_ref().map(|name| name.text.clone());
            let full = self.full(&name.unwrap_or_default(), self.items[index].module);
            self.mark_used(&full); // it has been reported already
        }
        self.circles(&left, &edges);
        order.retain(|&index| {
            matches!(
                self.items[index].tree.kind,
                DeclarationKind::Stream(_)
                    | DeclarationKind::Aggregate(_)
                    | DeclarationKind::Rows(_)
                    | DeclarationKind::Alert(_)
                    | DeclarationKind::Route(_)
                    | DeclarationKind::Pattern { .. }
                    | DeclarationKind::Traces(_)
                    | DeclarationKind::Correlate { .. }
                    | DeclarationKind::Redact(_)
                    | DeclarationKind::Sample(_)
                    | DeclarationKind::Retrace(_)
            )
        });
        order
    }

    /// The declaration that is being checked and all that read it, directly or not: it cannot read
    /// any of them.
    pub(super) fn readers_of_current(&self) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        let mut waiting: Vec<usize> = self.current.into_iter().collect();
        while let Some(index) = waiting.pop() {
            if found.insert(index) {
                waiting.extend(self.readers.get(index).into_iter().flatten());
            }
        }
        found
    }

    fn edges(&self, index: usize) -> Vec<Edge> {
        let item = &self.items[index];
        let edge = |name: &crate::ast::Name| match self.target(&name.text, item.module)? {
            Target::Declaration(source)
            | Target::Late(source)
            | Target::Duplicates(source)
            | Target::Timeout(source)
            | Target::Outcome(source, _)
            | Target::TracePart(source, _) => Some((source, name.range)),
            Target::Catalog(_) => None,
        };
        if let DeclarationKind::Pattern { body: Some(body), .. } = &item.tree.kind {
            return body.sources().into_iter().filter_map(edge).collect();
        }
        if let DeclarationKind::Correlate { sides: Some(sides), .. } = &item.tree.kind {
            return sides.iter().filter_map(|side| edge(&side.source)).collect();
        }
        if let DeclarationKind::Sample(body) = &item.tree.kind {
            return body.sources().iter().filter_map(edge).collect();
        }
        let (DeclarationKind::Stream(clauses)
        | DeclarationKind::Aggregate(clauses)
        | DeclarationKind::Rows(clauses)
        | DeclarationKind::Alert(clauses)
        | DeclarationKind::Traces(clauses)
        | DeclarationKind::Route(clauses)
        | DeclarationKind::Retrace(clauses)) = &item.tree.kind
        else {
            return Vec::new();
        };
        let names = clauses.iter().filter_map(|clause| match &clause.kind {
            ClauseKind::From(name) | ClauseKind::Join { with: name, .. } => Some(name),
            _ => None,
        });
        names.filter_map(edge).collect()
    }

    /// Follows edges among what is left until a place comes again; what only reads a circle is
    /// not part of one and is not reported.
    fn circles(&mut self, left: &[usize], edges: &[Vec<Edge>]) {
        let mut is_left = vec![false; self.items.len()];
        for &index in left {
            is_left[index] = true;
        }
        // Each place is walked over once.
        let mut seen = vec![false; self.items.len()];
        for &start in left {
            let mut path: Vec<Edge> = Vec::new();
            let mut walked = std::collections::BTreeMap::new();
            let mut at = start;
            while !seen[at] {
                seen[at] = true;
                let Some(&(source, range)) = edges[at].iter().find(|edge| is_left[edge.0]) else {
                    break;
                };
                walked.insert(at, path.len());
                path.push((at, range));
                at = source;
            }
            if let Some(&from) = walked.get(&at) {
                self.report_circle(&path[from..]);
            }
        }
    }

    fn report_circle(&mut self, circle: &[Edge]) {
        let name = |index: usize| {
            let tree = Rc::clone(&self.items[index].tree);
            tree.name.as_ref().map_or_else(|| "route".to_owned(), |name| name.text.clone())
        };
        let mut names: Vec<String> = circle.iter().map(|step| name(step.0)).collect();
        names.push(names[0].clone());
        let shown: Vec<&str> = names.iter().map(String::as_str).collect();
        let written = match shown.len() {
            0..=CIRCLE_SHOWN_MAX => shown.join(" ← "),
            count => format!("{} ← … ({} in all)", shown[..4].join(" ← "), count - 1),
        };
        let message = format!("rules read each other in a circle: {written}");
        let mut diagnostic = Diagnostic::new(codes::CYCLE, circle[0].1, message);
        for (at, step) in circle.iter().enumerate().take(CIRCLE_SHOWN_MAX) {
            let source = shown[at + 1];
            let text = format!("`{}` reads `{source}`", shown[at]);
            diagnostic =
                if at == 0 { diagnostic.label(text) } else { diagnostic.because(step.1, text) };
        }
        self.report(diagnostic.help("let one of them read what the other one reads"));
    }
}
