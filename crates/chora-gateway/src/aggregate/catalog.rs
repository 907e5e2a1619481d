//! What the servers have listed: under which names it is offered, and whose each thing is.

use std::collections::{HashMap, HashSet};

use serde_json::value::{RawValue, to_raw_value};

use super::names::{Names, Origin};
use super::template;
use crate::message::params;

/// Remarks that are kept.
const MOST_REMARKS: usize = 100;

/// What a list holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Tools,
    Prompts,
    Resources,
    Templates,
}

impl Kind {
    pub(super) fn of(method: &str) -> Option<Self> {
        [Self::Tools, Self::Prompts, Self::Resources, Self::Templates].into_iter().find(|kind| kind.method() == method)
    }

    pub(super) const fn method(self) -> &'static str {
        match self {
            Self::Tools => "tools/list",
            Self::Prompts => "prompts/list",
            Self::Resources => "resources/list",
            Self::Templates => "resources/templates/list",
        }
    }

    /// Where the entries are in a result.
    pub(super) const fn member(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
        }
    }

    pub(super) const fn capability(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources | Self::Templates => "resources",
        }
    }
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    tools: Names,
    prompts: Names,
    resources: HashMap<String, usize>,
    templates: HashMap<String, usize>,
    /// What each server listed last, as it is offered.
    last: HashMap<(Kind, usize), Vec<Box<RawValue>>>,
    pub(super) remarks: Vec<String>,
}

impl Catalog {
    /// Takes up what a server lists now.
    pub(super) fn learn(&mut self, kind: Kind, member: usize, server: &str, entries: Vec<Box<RawValue>>) {
        let offered = match kind {
            Kind::Tools | Kind::Prompts => self.name(kind, member, server, entries),
            Kind::Resources | Kind::Templates => self.own(kind, member, server, entries),
        };
        self.last.insert((kind, member), offered);
    }

    /// Everything of a kind, in the order of the servers.
    pub(super) fn all(&self, kind: Kind, members: usize) -> Vec<&RawValue> {
        (0..members).filter_map(|member| self.last.get(&(kind, member))).flatten().map(AsRef::as_ref).collect()
    }

    fn names(&mut self, kind: Kind) -> &mut Names {
        if kind == Kind::Prompts { &mut self.prompts } else { &mut self.tools }
    }

    fn name(&mut self, kind: Kind, member: usize, server: &str, entries: Vec<Box<RawValue>>) -> Vec<Box<RawValue>> {
        let mut offered = Vec::with_capacity(entries.len());
        for entry in entries {
            let Some(original) = params::text(Some(&entry), "name") else { continue };
            let Some(given) = self.names(kind).give(server, (member, original.clone())) else {
                self.remark(format!("`{original}` of {server} is not offered: its name cannot be told from others"));
                continue;
            };
            if let Some(remark) = given.remark {
                self.remark(remark);
            }
            let name = to_raw_value(&given.name).unwrap_or_default();
            offered.extend(params::with(Some(&entry), "name", name));
        }
        offered
    }

    /// A resource belongs to the server that listed it first, for as long as that lists it.
    fn own(&mut self, kind: Kind, member: usize, server: &str, entries: Vec<Box<RawValue>>) -> Vec<Box<RawValue>> {
        let key = if kind == Kind::Templates { "uriTemplate" } else { "uri" };
        let listed: Vec<_> = entries.into_iter().filter_map(|entry| Some((params::text(Some(&entry), key)?, entry))).collect();
        let now: HashSet<_> = listed.iter().map(|(uri, _)| uri.as_str()).collect();
        let owners = if kind == Kind::Templates { &mut self.templates } else { &mut self.resources };
        owners.retain(|uri, owner| *owner != member || now.contains(uri.as_str()));
        let (mut offered, mut lost) = (Vec::with_capacity(listed.len()), Vec::new());
        for (uri, entry) in &listed {
            if *owners.entry(uri.clone()).or_insert(member) == member {
                offered.push(entry.clone());
            } else {
                lost.push(format!("`{uri}` of {server} is not offered: another server has listed it"));
            }
        }
        lost.into_iter().for_each(|remark| self.remark(remark));
        offered
    }

    fn remark(&mut self, remark: String) {
        if self.remarks.len() < MOST_REMARKS && !self.remarks.contains(&remark) {
            tracing::warn!("{remark}");
            self.remarks.push(remark);
        }
    }

    /// Whose a tool or prompt is, and what it is called there.
    pub(super) fn origin(&mut self, kind: Kind, name: &str) -> Option<Origin> {
        self.names(kind).origin(name)
    }

    /// Whose a resource is: that of who listed it, or a template that it can come from.
    pub(super) fn owner(&self, uri: &str) -> Option<usize> {
        let known = self.resources.get(uri).or_else(|| self.templates.get(uri)).copied();
        // Whoever comes first in the file, so that it is always the same.
        known.or_else(|| self.templates.iter().filter(|(template, _)| template::matches(template, uri)).map(|(_, owner)| *owner).min())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::{Catalog, Kind};

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).expect("JSON")
    }

    #[test]
    fn tools_are_offered_under_their_servers_names_and_else_as_they_are() {
        let mut catalog = Catalog::default();
        catalog.learn(Kind::Tools, 1, "b", vec![raw(r#"{"name":"x","inputSchema":{"n":1.50}}"#), raw("{}")]);
        catalog.learn(Kind::Tools, 0, "a", vec![raw(r#"{"name":"x"}"#)]);
        let all: Vec<_> = catalog.all(Kind::Tools, 2).into_iter().map(RawValue::get).collect();
        assert_eq!(all, [r#"{"name":"a_x"}"#, r#"{"name":"b_x","inputSchema":{"n":1.50}}"#]);
        assert_eq!(catalog.origin(Kind::Tools, "b_x"), Some((1, "x".to_owned())));
        assert_eq!(catalog.origin(Kind::Prompts, "b_x"), None);
    }

    #[test]
    fn a_resource_belongs_to_who_lists_it_first() {
        let mut catalog = Catalog::default();
        catalog.learn(Kind::Resources, 0, "a", vec![raw(r#"{"uri":"x:1"}"#)]);
        catalog.learn(Kind::Resources, 1, "b", vec![raw(r#"{"uri":"x:1"}"#), raw(r#"{"uri":"x:2"}"#)]);
        catalog.learn(Kind::Templates, 1, "b", vec![raw(r#"{"uriTemplate":"y:{id}"}"#)]);
        assert_eq!(catalog.all(Kind::Resources, 2).len(), 2);
        assert_eq!(
            [catalog.owner("x:1"), catalog.owner("x:2"), catalog.owner("y:7"), catalog.owner("z")],
            [Some(0), Some(1), Some(1), None]
        );
        assert!(catalog.remarks.iter().any(|remark| remark.contains("`x:1` of b")), "{:?}", catalog.remarks);
        // It is given up, and taken over.
        catalog.learn(Kind::Resources, 0, "a", Vec::new());
        catalog.learn(Kind::Resources, 1, "b", vec![raw(r#"{"uri":"x:1"}"#)]);
        assert_eq!(catalog.owner("x:1"), Some(1));
    }
}
