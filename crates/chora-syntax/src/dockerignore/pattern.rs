//! One pattern: `*` and `?` within a name, `**` across directories, classes, backslash escapes.

/// A compiled pattern. Matching takes time linear in the path: all possibilities are followed at once.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    parts: Vec<Part>,
    /// `**` followed by plain text, which Docker matches as the end of a path.
    suffix: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Char(char),
    /// `?`
    Any,
    /// `*`
    Name,
    /// `**` before more: any directories, or none.
    Directories,
    /// `**` at the end.
    Rest,
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Pattern {
    pub(super) fn new(text: &str) -> Self {
        let suffix = text.strip_prefix("**").filter(|rest| !rest.contains(['*', '?', '[', ']', '\\'])).map(str::to_owned);
        Self { parts: compile(text), suffix }
    }

    pub(super) fn matches(&self, path: &str) -> bool {
        if let Some(suffix) = &self.suffix {
            return path.ends_with(suffix.as_str()) || suffix.strip_prefix('/') == Some(path);
        }
        self.run(path).contains(&State { part: self.parts.len(), inside: false })
    }

    /// Whether a path that starts with the directory can match.
    pub(super) fn may_match_below(&self, directory: &str) -> bool {
        self.suffix.is_some() || !self.run(&format!("{directory}/")).is_empty()
    }

    /// The states that are possible after a text.
    fn run(&self, text: &str) -> Vec<State> {
        let mut states = Vec::new();
        self.enter(State { part: 0, inside: false }, &mut states);
        for c in text.chars() {
            let mut next = Vec::new();
            for state in &states {
                self.step(*state, c, &mut next);
            }
            states = next;
        }
        states
    }

    /// Adds a state and those that follow without a character.
    fn enter(&self, state: State, states: &mut Vec<State>) {
        if states.contains(&state) {
            return;
        }
        states.push(state);
        let skips = matches!(self.parts.get(state.part), Some(Part::Name | Part::Rest | Part::Directories));
        if skips && !state.inside {
            self.enter(State { part: state.part + 1, inside: false }, states);
        }
    }

    fn step(&self, state: State, c: char, next: &mut Vec<State>) {
        let Some(part) = self.parts.get(state.part) else { return };
        let following = State { part: state.part + 1, inside: false };
        match part {
            Part::Char(wanted) if *wanted == c => self.enter(following, next),
            Part::Any if c != '/' => self.enter(following, next),
            Part::Name if c != '/' => self.enter(state, next),
            Part::Rest => self.enter(state, next),
            Part::Directories => {
                self.enter(State { part: state.part, inside: true }, next);
                if c == '/' {
                    self.enter(following, next);
                }
            }
            Part::Class { negated, ranges } if ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *negated => {
                self.enter(following, next);
            }
            _ => {}
        }
    }
}

/// A part that is next, or directories that are being consumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    part: usize,
    inside: bool,
}

fn compile(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        parts.push(match c {
            '*' if chars.peek() == Some(&'*') => {
                chars.next();
                if chars.peek() == Some(&'/') {
                    chars.next();
                }
                if chars.peek().is_some() { Part::Directories } else { Part::Rest }
            }
            '*' => Part::Name,
            '?' => Part::Any,
            '\\' => Part::Char(chars.next().unwrap_or('\\')),
            '[' => {
                let rest: String = chars.clone().collect();
                match class(&rest) {
                    Some((class, used)) => {
                        chars.by_ref().take(used).for_each(drop);
                        class
                    }
                    None => Part::Char('['),
                }
            }
            c => Part::Char(c),
        });
    }
    parts
}

/// A class after its `[`, and how many characters it takes with its `]`.
fn class(rest: &str) -> Option<(Part, usize)> {
    let (negated, body) = rest.strip_prefix('^').map_or((false, rest), |body| (true, body));
    let mut ranges = Vec::new();
    let mut used = usize::from(negated);
    let mut chars = body.chars().peekable();
    loop {
        let mut low = chars.next()?;
        used += 1;
        if low == ']' && !ranges.is_empty() {
            return Some((Part::Class { negated, ranges }, used));
        }
        if low == '\\' {
            low = chars.next()?;
            used += 1;
        }
        let mut high = low;
        if chars.peek() == Some(&'-') && chars.clone().nth(1).is_some_and(|next| next != ']') {
            chars.next();
            high = chars.next()?;
            used += 2;
        }
        ranges.push((low, high));
    }
}
