//! Text to tree. Aliases are expanded, merge keys applied, duplicate and non-text keys reported; all at once.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, StructureStyle, Tag};
use indexmap::map::Entry as MapEntry;

use super::{Entry, Map, Mark, Node, Value, scalar};
use crate::diagnostic::{DiagnosticKind, Problem};
use crate::span::Span;

/// Nodes that one file may expand to; an alias bomb ends here.
const NODE_LIMIT: usize = 500_000;
/// Levels of nesting, aliases expanded.
const DEPTH_LIMIT: usize = 100;

/// What could be read of a text.
pub(crate) struct Parsed {
    pub(crate) documents: Vec<Node>,
    /// Whether the text was read to its end.
    pub(crate) whole: bool,
}

/// Parses every document of a text. Of one that is broken, what stands before the break is kept; the value at the break is unknown.
pub(crate) fn parse(source: u32, text: &str, problems: &mut Vec<Problem>) -> Parsed {
    let mut builder =
        Builder { source, problems, stack: Vec::new(), anchors: HashMap::new(), nodes: 0, documents: Vec::new(), whole: true };
    let options = granit_parser::options! {
        flow_nesting_limit: DEPTH_LIMIT, block_nesting_limit: DEPTH_LIMIT, emit_unresolved_aliases: true
    };
    for next in Parser::new_from_str_with_options(text, options) {
        match next {
            Ok((event, span)) => {
                let span = builder.span(&span);
                if !builder.event(event, span) {
                    builder.whole = false;
                    break;
                }
            }
            Err(error) => {
                let at = offset(error.marker().byte_offset().unwrap_or(text.len()).min(text.len()));
                let span = Span { source, start: at, end: at.saturating_add(1) };
                builder.problems.push(Problem::new(DiagnosticKind::Syntax, span, format!("broken YAML: {}", error.info())));
                builder.salvage(span);
                builder.whole = false;
                break;
            }
        }
    }
    Parsed { documents: builder.documents, whole: builder.whole }
}

fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

enum Open {
    List(Vec<Node>),
    Map { map: Map, key: Option<(String, Span)>, merges: Vec<Node> },
}

struct Frame {
    open: Open,
    flow: bool,
    start: Span,
    anchor: usize,
    mark: Mark,
    depth: usize,
}

struct Anchored {
    node: Node,
    nodes: usize,
    depth: usize,
}

struct Builder<'p> {
    source: u32,
    problems: &'p mut Vec<Problem>,
    stack: Vec<Frame>,
    anchors: HashMap<usize, Anchored>,
    nodes: usize,
    documents: Vec<Node>,
    /// Whether nothing of the text was left out.
    whole: bool,
}

impl Builder<'_> {
    fn span(&self, span: &granit_parser::Span) -> Span {
        let (start, end) = (span.start.byte_offset().unwrap_or(0), span.end.byte_offset().unwrap_or(0));
        Span { source: self.source, start: offset(start), end: offset(end.max(start)) }
    }

    fn problem(&mut self, span: Span, message: impl Into<String>) {
        self.problems.push(Problem::new(DiagnosticKind::Syntax, span, message));
    }

    /// Takes one event; false ends the parse.
    fn event(&mut self, event: Event<'_>, span: Span) -> bool {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                if plain && text == "<<" && self.expects_key() {
                    return self.merge_key(span);
                }
                let mut value = scalar_value(&text, plain, tag.as_deref());
                if matches!(value, Value::Float(number) if !number.is_finite()) {
                    self.problem(span, format!("`{text}` is not a number that Compose can hold"));
                    value = Value::Unknown;
                }
                let node = Node { span, mark: mark(tag.as_deref()), value };
                self.remember(anchor, &node, 0);
                self.place(node, 0)
            }
            Event::SequenceStart(style, anchor, tag) => self.open(Open::List(Vec::new()), style, span, (anchor, mark(tag.as_deref()))),
            Event::MappingStart(style, anchor, tag) => {
                let open = Open::Map { map: Map::default(), key: None, merges: Vec::new() };
                self.open(open, style, span, (anchor, mark(tag.as_deref())))
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            Event::Alias(anchor) => self.alias(anchor, span),
            Event::UnresolvedAlias(name) => {
                self.problem(span, format!("there is no anchor `{name}` before this alias"));
                self.place(Node::new(span, Value::Unknown), 0)
            }
            _ => true,
        }
    }

    fn expects_key(&self) -> bool {
        matches!(self.stack.last(), Some(Frame { open: Open::Map { key: None, .. }, .. }))
    }

    fn merge_key(&mut self, span: Span) -> bool {
        if let Some(Frame { open: Open::Map { key, .. }, .. }) = self.stack.last_mut() {
            *key = Some(("<<".to_owned(), span));
        }
        true
    }

    fn open(&mut self, open: Open, style: StructureStyle, start: Span, (anchor, mark): (usize, Mark)) -> bool {
        if self.stack.len() >= DEPTH_LIMIT {
            self.problem(start, format!("nested deeper than {DEPTH_LIMIT} levels"));
            return false;
        }
        self.stack.push(Frame { open, flow: style == StructureStyle::Flow, start, anchor, mark, depth: 0 });
        true
    }

    /// Closes what is open at a break. The value that the break is in, or that stands before it, is unknown.
    fn salvage(&mut self, at: Span) {
        let mut inside = false;
        while self.stack.last().is_some_and(|frame| frame.flow) {
            self.stack.pop();
            inside = true;
        }
        if let Some(frame) = self.stack.last_mut() {
            match &mut frame.open {
                Open::List(list) if inside => list.push(Node::new(at, Value::Unknown)),
                Open::List(list) => list.iter_mut().last().into_iter().for_each(|item| item.value = Value::Unknown),
                Open::Map { map, key, .. } => match key.take() {
                    Some((name, span)) => {
                        map.insert(name, Entry { key: span, node: Node::new(at, Value::Unknown) });
                    }
                    None => map.values_mut().last().into_iter().for_each(|entry| entry.node.value = Value::Unknown),
                },
            }
        }
        while !self.stack.is_empty() {
            self.close(at);
        }
    }

    fn close(&mut self, end: Span) -> bool {
        let Some(frame) = self.stack.pop() else { return true };
        let span = Span { source: self.source, start: frame.start.start, end: end.end.max(frame.start.end) };
        let value = match frame.open {
            Open::List(list) => Value::List(list),
            Open::Map { mut map, merges, .. } => {
                for merge in merges {
                    self.merge(&mut map, merge);
                }
                Value::Map(map)
            }
        };
        let node = Node { span, mark: frame.mark, value };
        self.remember(frame.anchor, &node, frame.depth + 1);
        self.place(node, frame.depth + 1)
    }

    fn remember(&mut self, anchor: usize, node: &Node, depth: usize) {
        if anchor != 0 {
            self.anchors.insert(anchor, Anchored { node: node.clone(), nodes: count(node), depth });
        }
    }

    fn alias(&mut self, anchor: usize, span: Span) -> bool {
        let Some(anchored) = self.anchors.get(&anchor) else {
            self.problem(span, "this alias refers to itself");
            return false;
        };
        self.nodes += anchored.nodes;
        let depth = anchored.depth;
        if self.nodes > NODE_LIMIT || self.stack.len() + depth > DEPTH_LIMIT {
            self.problem(span, "aliases expand to more than a Compose file can hold");
            return false;
        }
        let node = anchored.node.clone();
        if self.expects_key() && !matches!(node.value, Value::Text(_)) {
            self.problem(span, "this alias is not text, so it cannot be a key");
            return false;
        }
        self.place(node, depth)
    }

    /// Puts a finished node where its parent expects it.
    fn place(&mut self, node: Node, depth: usize) -> bool {
        self.nodes += 1;
        if self.nodes > NODE_LIMIT {
            self.problem(node.span, "the file holds more values than a Compose file can");
            return false;
        }
        let Some(frame) = self.stack.last_mut() else {
            self.documents.push(node);
            return true;
        };
        frame.depth = frame.depth.max(depth);
        match &mut frame.open {
            Open::List(list) => list.push(node),
            Open::Map { map, key, merges } => match key.take() {
                None => *key = Some(key_text(node, self.problems)),
                Some((name, at)) if name == "<<" => {
                    merges.push(node);
                    if merges.len() > 1 {
                        self.problem(at, "merge key `<<` is used twice; give it a list instead");
                    }
                }
                Some((name, at)) => match map.entry(name) {
                    MapEntry::Vacant(place) => {
                        place.insert(Entry { key: at, node });
                    }
                    MapEntry::Occupied(mut there) => {
                        let message = format!("key `{}` is used twice in this mapping", there.key());
                        both(&mut there.get_mut().node, node);
                        self.problem(at, message);
                    }
                },
            },
        }
        true
    }

    /// Adds the entries of a merged mapping that are not there yet.
    fn merge(&mut self, map: &mut Map, node: Node) {
        match node.value {
            Value::Map(other) => {
                for (key, entry) in other {
                    map.entry(key).or_insert(entry);
                }
            }
            Value::List(items) if items.iter().all(|item| matches!(item.value, Value::Map(_) | Value::Unknown)) => {
                for item in items {
                    self.merge(map, item);
                }
            }
            Value::Unknown => self.whole = false,
            _ => self.problem(node.span, "a merge key `<<` takes a mapping or a list of mappings"),
        }
    }
}

/// What is known of a value that is given twice: what both mappings hold, and nothing else.
fn both(first: &mut Node, second: Node) {
    match (&mut first.value, second.value) {
        (Value::Map(map), Value::Map(other)) => {
            for (key, entry) in other {
                match map.entry(key) {
                    MapEntry::Vacant(place) => {
                        place.insert(entry);
                    }
                    MapEntry::Occupied(mut there) => both(&mut there.get_mut().node, entry.node),
                }
            }
        }
        (value, _) => *value = Value::Unknown,
    }
}

/// The text of a key; a key that is not text is reported and read as it would be printed.
fn key_text(node: Node, problems: &mut Vec<Problem>) -> (String, Span) {
    if let Value::Text(text) = node.value {
        return (text, node.span);
    }
    let shown = node.printed().unwrap_or_else(|| node.kind_name().to_owned());
    let problem = Problem::new(DiagnosticKind::Syntax, node.span, format!("key `{shown}` is not text"));
    problems.push(problem.help(format!("write it in quotes: \"{shown}\"")));
    (shown, node.span)
}

fn count(node: &Node) -> usize {
    1 + match &node.value {
        Value::List(list) => list.iter().map(count).sum(),
        Value::Map(map) => map.values().map(|entry| count(&entry.node)).sum(),
        _ => 0,
    }
}

fn mark(tag: Option<&Tag>) -> Mark {
    match tag.filter(|tag| tag.handle() == "!").map(Tag::suffix) {
        Some("reset") => Mark::Reset,
        Some("override") => Mark::Override,
        _ => Mark::None,
    }
}

fn scalar_value(text: &str, plain: bool, tag: Option<&Tag>) -> Value {
    match tag {
        None if plain => scalar::resolve(text),
        Some(tag) if plain && tag.is_yaml_core_schema() && !tag.is_yaml_core_schema_tag("str") => scalar::resolve(text),
        _ => Value::Text(text.to_owned()),
    }
}
