//! YAML 1.2 to a tree.
//!
//! Of YAML that is what a configuration needs: one document, text keys, no tags but `!!str`,
//! aliases as copies within a bound.

use std::collections::BTreeMap;
use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle, Span};

use super::mistake::Mistake;
use super::tree::{DEPTH_MAX, Form, Key, NODES_MAX, Node, Scalar, Value};

/// What was read of a file.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    /// The tree; none for an empty file or where the syntax is broken.
    pub(super) root: Option<Node>,
    /// What is wrong.
    pub(super) mistakes: Vec<Mistake>,
    /// Whether the syntax is broken: then nothing is known of what is a secret.
    pub(super) is_broken: bool,
    /// Places beside the tree that are known to be no secrets.
    pub(super) seen: Vec<Range<usize>>,
}

/// Reads YAML.
pub(super) fn parse(text: &str) -> Parsed {
    let mut builder =
        Builder { text, parsed: Parsed::default(), anchors: BTreeMap::new(), nodes: 0 };
    let mut stack: Vec<Open> = Vec::new();
    let mut documents = 0;
    for next in Parser::new_from_str(text) {
        let (event, span) = match next {
            Ok(next) => next,
            Err(error) => {
                let at = error.marker().byte_offset().unwrap_or(text.len()).min(text.len());
                builder.syntax(at, &error.info());
                return builder.broken();
            }
        };
        if matches!(event, Event::DocumentStart(..)) {
            documents += 1;
        }
        if documents > 1 {
            let range = builder.range(&span);
            let told = Mistake::new(range, "a configuration is one document").label("a second one");
            builder.parsed.mistakes.push(told);
            return builder.broken();
        }
        if builder.event(event, &span, &mut stack).is_err() {
            return builder.broken();
        }
    }
    builder.parsed
}

/// A list or map that is not closed yet.
struct Open {
    start: usize,
    anchor: usize,
    holds: Holds,
}

enum Holds {
    List(Vec<Node>),
    Map { pairs: Vec<(Key, Node)>, next: Next },
}

/// What comes next in a map.
enum Next {
    Key,
    ValueOf(Key),
    /// The value of something that is no key.
    Nothing,
}

struct Builder<'a> {
    text: &'a str,
    parsed: Parsed,
    anchors: BTreeMap<usize, Node>,
    nodes: usize,
}

/// More than a bound allows; it is told.
struct TooMuch;

impl Builder<'_> {
    fn broken(mut self) -> Parsed {
        self.parsed.root = None;
        self.parsed.is_broken = true;
        self.parsed
    }

    fn syntax(&mut self, at: usize, what: &str) {
        let range = self.one_char(at);
        let start = self.text[..range.start].rfind('\n').map_or(0, |at| at + 1);
        let told = Mistake::new(range.clone(), format!("this is no YAML: {what}"));
        let has_reference = self.text[start..range.end].contains('$');
        let help = "within `{…}` and `[…]` it stands in quotes: `'${env:NAME}'`";
        self.parsed.mistakes.push(if has_reference { told.help(help) } else { told });
    }

    fn range(&self, span: &Span) -> Range<usize> {
        let range = span.byte_range().unwrap_or(0..0);
        let end = range.end.min(self.text.len());
        let start = range.start.min(end);
        // A block ends where the next thing begins.
        start..start + self.text[start..end].trim_end().len()
    }

    fn one_char(&self, at: usize) -> Range<usize> {
        let mut start = at;
        while !self.text.is_char_boundary(start) {
            start -= 1;
        }
        start..start + self.text[start..].chars().next().map_or(0, char::len_utf8)
    }

    fn event(
        &mut self,
        event: Event<'_>,
        span: &Span,
        stack: &mut Vec<Open>,
    ) -> Result<(), TooMuch> {
        let range = self.range(span);
        let tag = event.tag().map(|tag| (tag.handle().to_owned(), tag.suffix().to_owned()));
        let is_text = matches!(&tag, Some((handle, suffix))
            if (handle == "!!" || handle == "tag:yaml.org,2002:") && suffix == "str");
        if tag.is_some() && !is_text {
            let told = Mistake::new(range.clone(), "a configuration has no tags");
            self.parsed.mistakes.push(told.help("remove what begins with `!`"));
        }
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let form = form(&text, style, is_text, range.is_empty());
                let scalar = Scalar { text: text.into_owned(), form };
                let node = Node { range, value: Value::Scalar(scalar) };
                self.done(node, 1, anchor, stack)
            }
            Event::SequenceStart(_, anchor, _) => {
                self.open(range.start, anchor, Holds::List(Vec::new()), stack)
            }
            Event::MappingStart(_, anchor, _) => {
                let holds = Holds::Map { pairs: Vec::new(), next: Next::Key };
                self.open(range.start, anchor, holds, stack)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = stack.pop() else { return Ok(()) };
                let value = match open.holds {
                    Holds::List(items) => Value::List(items),
                    Holds::Map { pairs, .. } => Value::Map(pairs),
                };
                let end = self.range(span).end.max(open.start);
                let end = open.start + self.text[open.start..end].trim_end().len();
                self.done(Node { range: open.start..end, value }, 1, open.anchor, stack)
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some(node) => self.done(Node { range, ..node.clone() }, size(&node), 0, stack),
                None => {
                    let told = Mistake::new(range, "an alias within what it stands for");
                    self.parsed.mistakes.push(told);
                    Err(TooMuch)
                }
            },
            _ => Ok(()),
        }
    }

    fn open(
        &mut self,
        start: usize,
        anchor: usize,
        holds: Holds,
        stack: &mut Vec<Open>,
    ) -> Result<(), TooMuch> {
        if stack.len() >= DEPTH_MAX {
            let text = format!("lists and maps lie deeper than {DEPTH_MAX} in each other");
            self.parsed.mistakes.push(Mistake::new(self.one_char(start), text));
            return Err(TooMuch);
        }
        stack.push(Open { start, anchor, holds });
        Ok(())
    }

    /// A node is complete: it becomes an item, a key, a value, or the root.
    fn done(
        &mut self,
        node: Node,
        nodes: usize,
        anchor: usize,
        stack: &mut [Open],
    ) -> Result<(), TooMuch> {
        self.nodes += nodes;
        if self.nodes > NODES_MAX {
            let text = format!("a configuration has at most {NODES_MAX} values, aliases counted");
            self.parsed.mistakes.push(Mistake::new(self.one_char(node.range.start), text));
            return Err(TooMuch);
        }
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(open) = stack.last_mut() else {
            self.parsed.root = Some(node).filter(|node| !is_empty(node));
            return Ok(());
        };
        match &mut open.holds {
            Holds::List(items) => items.push(node),
            Holds::Map { pairs, next } => {
                let key = match std::mem::replace(next, Next::Key) {
                    Next::Key => {
                        *next = key(node, &mut self.parsed);
                        return Ok(());
                    }
                    Next::ValueOf(key) => key,
                    Next::Nothing => return Ok(()),
                };
                match pairs.iter().find(|(other, _)| other.text == key.text) {
                    Some((first, _)) => {
                        let is_plain = key.is_plain();
                        let name = if is_plain { &*key.text } else { "a name" };
                        let text = format!("`{name}` is given twice");
                        if is_plain {
                            self.parsed.seen.push(key.range.clone());
                        }
                        let told = Mistake::new(key.range, text).label("here again");
                        self.parsed.mistakes.push(told.because(first.range.clone(), "given here"));
                    }
                    None => pairs.push((key, node)),
                }
            }
        }
        Ok(())
    }
}

fn key(node: Node, parsed: &mut Parsed) -> Next {
    match node.value {
        Value::Scalar(scalar) if scalar.form != Form::Empty => {
            Next::ValueOf(Key { text: scalar.text, range: node.range })
        }
        _ => {
            let text = format!("expected a name in front of `:`, found {}", node.what());
            parsed.mistakes.push(Mistake::new(node.range, text));
            Next::Nothing
        }
    }
}

fn is_empty(node: &Node) -> bool {
    matches!(&node.value, Value::Scalar(scalar) if matches!(scalar.form, Form::Empty | Form::Null))
}

fn size(node: &Node) -> usize {
    match &node.value {
        Value::Scalar(_) => 1,
        Value::List(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Map(pairs) => 1 + pairs.iter().map(|(_, node)| size(node)).sum::<usize>(),
    }
}

fn form(text: &str, style: ScalarStyle, is_text: bool, is_absent: bool) -> Form {
    match (style, text) {
        _ if is_text => Form::Text,
        (ScalarStyle::Plain, _) if is_absent => Form::Empty,
        (ScalarStyle::Plain, "~" | "null" | "Null" | "NULL") => Form::Null,
        (ScalarStyle::Plain, _) => Form::Plain,
        _ => Form::Text,
    }
}
