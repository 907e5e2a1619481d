//! `extends`: a service over another one, of the same file or of another.

use super::lexical;
use super::load::{Loader, Scope, Step, Stop};
use super::marks::Marks;
use super::merge;
use crate::diagnostic::Problem;
use crate::nearest::nearest;
use crate::span::Span;
use crate::yaml::{Entry, Map, Node, Value};

/// The file whose services are being extended.
#[derive(Clone, Copy)]
struct Place<'p> {
    file: &'p str,
    marks: &'p Marks,
    scope: Scope<'p>,
}

/// What a service names in `extends`.
struct Reference {
    /// The service that says so.
    of: String,
    service: String,
    file: Option<String>,
    span: Span,
}

impl Loader<'_> {
    /// Applies `extends` of every service of a document.
    pub(super) fn extend_all(&mut self, document: &mut Node, file: &str, marks: &Marks, scope: Scope<'_>) {
        let Some(services) = document.as_map_mut().and_then(|map| map.get_mut("services")) else { return };
        let Value::Map(services) = &mut services.node.value else { return };
        let names: Vec<String> =
            services.iter().filter(|(_, entry)| entry.node.get("extends").is_some()).map(|(name, _)| name.clone()).collect();
        for name in names {
            self.extend(&name, services, Place { file, marks, scope }, &mut Vec::new());
        }
    }

    /// Replaces a service by what it is with everything it extends; where that cannot be had, what it may have from there is unknown.
    fn extend(&mut self, name: &str, services: &mut Map, place: Place<'_>, chain: &mut Vec<(String, String)>) {
        let Some(reference) = services.get(name).and_then(|entry| entry.node.get("extends")) else { return };
        let base = match self.reference(name, reference) {
            Ok(reference) => self.base(&reference, services, place, chain),
            Err(Stop) => Err(Stop),
        };
        let Some(entry) = services.get_mut(name) else { return };
        match base {
            Ok(Some(mut base)) => {
                place.marks.apply(&mut base, &["services", name]);
                let over = std::mem::take(&mut entry.node);
                let span = over.span;
                merge::merge_service(&mut base, over, &mut self.problems);
                base.span = span;
                entry.node = base;
            }
            Ok(None) => {}
            Err(Stop) => {
                let span = entry.node.span;
                let Value::Map(service) = &mut entry.node.value else { return };
                for key in ["image", "build"] {
                    service.entry(key.to_owned()).or_insert_with(|| Entry { key: span, node: Node::new(span, Value::Unknown) });
                }
            }
        }
        if let Some(map) = entry.node.as_map_mut() {
            map.shift_remove("extends");
        }
    }

    /// The service that another extends, with everything it extends itself.
    fn base(
        &mut self,
        reference: &Reference,
        services: &mut Map,
        place: Place<'_>,
        chain: &mut Vec<(String, String)>,
    ) -> Step<Option<Node>> {
        let link = (place.file.to_owned(), reference.of.clone());
        if chain.contains(&link) {
            let names: Vec<&str> = chain.iter().map(|(_, service)| service.as_str()).chain([reference.of.as_str()]).collect();
            return self.fail(Problem::reference(reference.span, format!("services extend each other: {}", names.join(" → "))));
        }
        chain.push(link);
        let base = match &reference.file {
            Some(file) => self.foreign_base(file, reference, place, chain),
            None if services.contains_key(&reference.service) => {
                self.extend(&reference.service, services, place, chain);
                Ok(services.get(&reference.service).map(|entry| entry.node.clone()))
            }
            None => self.no_service(reference, services, place.file),
        };
        chain.pop();
        match base? {
            Some(base) if base.is_unknown() => Err(Stop),
            base => Ok(base.filter(|base| !base.is_null())),
        }
    }

    fn reference(&mut self, name: &str, node: &Node) -> Step<Reference> {
        let span = node.span;
        match &node.value {
            Value::Text(service) => return Ok(Reference { of: name.to_owned(), service: service.clone(), file: None, span }),
            Value::Map(map) => {
                let service = map.get("service").and_then(|entry| entry.node.as_text());
                let file = map.get("file").map(|entry| entry.node.as_text().map(str::to_owned));
                if let (Some(service), Some(file)) = (service, file.map_or(Some(None), |file| file.map(Some))) {
                    return Ok(Reference { of: name.to_owned(), service: service.to_owned(), file, span });
                }
            }
            _ => {}
        }
        if node.is_unknown() || node.as_map().is_some_and(|map| map.values().any(|entry| entry.node.is_unknown())) {
            return Err(Stop);
        }
        let problem = Problem::value(span, format!("`services.{name}.extends` names no service"));
        self.fail(problem.help("write `extends: {service: NAME}`, with `file: PATH` for one of another file"))
    }

    /// The service of another file, with everything it extends itself.
    fn foreign_base(
        &mut self,
        file: &str,
        reference: &Reference,
        place: Place<'_>,
        chain: &mut Vec<(String, String)>,
    ) -> Step<Option<Node>> {
        let path = lexical::join(place.scope.dir, file);
        let (mut source, marks) = self.base_file(&path, reference.span, place.scope)?;
        let Some(services) = source.as_map_mut().and_then(|map| map.get_mut("services")).and_then(|entry| entry.node.as_map_mut()) else {
            return self.no_service(reference, &Map::default(), &path);
        };
        if !services.contains_key(&reference.service) {
            return self.no_service(reference, services, &path);
        }
        let place = Place { file: &path, marks: &marks, scope: place.scope };
        self.extend(&reference.service, services, place, chain);
        Ok(services.swap_remove(&reference.service).map(|entry| entry.node))
    }

    /// Reports that there is nothing to extend, unless it may stand in what could not be read.
    fn no_service(&mut self, reference: &Reference, services: &Map, file: &str) -> Step<Option<Node>> {
        if self.incomplete {
            return Err(Stop);
        }
        let (service, file) = (&reference.service, self.shown(file));
        if services.is_empty() {
            let message = format!("`{file}` has no services, so there is no `{service}` to extend");
            return self.fail(Problem::reference(reference.span, message));
        }
        let problem = Problem::reference(reference.span, format!("there is no service `{service}` in `{file}` to extend"));
        let near = nearest(service, services.keys().map(String::as_str));
        self.fail(if let Some(near) = near { problem.help(format!("did you mean `{near}`?")) } else { problem })
    }
}
