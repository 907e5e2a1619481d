//! `extends`: a service over another one, of the same file or of another.

use super::lexical;
use super::load::{Loader, Scope, Step};
use super::marks::Marks;
use super::merge;
use crate::diagnostic::Problem;
use crate::nearest::nearest;
use crate::span::Span;
use crate::yaml::{Map, Node, Value};

/// The file whose services are being extended.
#[derive(Clone, Copy)]
struct Place<'p> {
    file: &'p str,
    marks: &'p Marks,
    scope: Scope<'p>,
}

/// What a service names in `extends`.
struct Reference {
    service: String,
    file: Option<String>,
    span: Span,
}

impl Loader<'_> {
    /// Applies `extends` of every service of a document.
    pub(super) fn extend_all(&mut self, document: &mut Node, file: &str, marks: &Marks, scope: Scope<'_>) -> Step {
        let Some(services) = document.as_map_mut().and_then(|map| map.get_mut("services")) else { return Ok(()) };
        let Value::Map(services) = &mut services.node.value else { return Ok(()) };
        let names: Vec<String> =
            services.iter().filter(|(_, entry)| entry.node.get("extends").is_some()).map(|(name, _)| name.clone()).collect();
        for name in names {
            self.extend(&name, services, Place { file, marks, scope }, &mut Vec::new())?;
        }
        self.checkpoint()
    }

    /// Replaces a service by what it is with everything it extends.
    fn extend(&mut self, name: &str, services: &mut Map, place: Place<'_>, chain: &mut Vec<(String, String)>) -> Step {
        let Some(entry) = services.get(name) else { return Ok(()) };
        let Some(reference) = entry.node.get("extends") else { return Ok(()) };
        let reference = self.reference(name, reference)?;
        let link = (place.file.to_owned(), name.to_owned());
        if chain.contains(&link) {
            let names: Vec<&str> = chain.iter().map(|(_, service)| service.as_str()).chain([name]).collect();
            return self.fail(Problem::reference(reference.span, format!("services extend each other: {}", names.join(" → "))));
        }
        chain.push(link);
        let base = match &reference.file {
            Some(file) => self.foreign_base(file, &reference, place, chain)?,
            None => {
                if !services.contains_key(&reference.service) {
                    return self.fail(unknown(&reference, services, &self.shown(place.file)));
                }
                self.extend(&reference.service, services, place, chain)?;
                services.get(&reference.service).map(|entry| entry.node.clone())
            }
        };
        chain.pop();
        let (Some(mut base), Some(entry)) = (base.filter(|base| !base.is_null()), services.get_mut(name)) else { return Ok(()) };
        place.marks.apply(&mut base, &["services", name]);
        let over = std::mem::take(&mut entry.node);
        let span = over.span;
        merge::merge_service(&mut base, over, &mut self.problems);
        base.span = span;
        if let Some(map) = base.as_map_mut() {
            map.shift_remove("extends");
        }
        entry.node = base;
        self.checkpoint()
    }

    fn reference(&mut self, name: &str, node: &Node) -> Step<Reference> {
        let span = node.span;
        match &node.value {
            Value::Text(service) => return Ok(Reference { service: service.clone(), file: None, span }),
            Value::Map(map) => {
                let service = map.get("service").and_then(|entry| entry.node.as_text());
                let file = map.get("file").map(|entry| entry.node.as_text().map(str::to_owned));
                if let (Some(service), Some(file)) = (service, file.map_or(Some(None), |file| file.map(Some))) {
                    return Ok(Reference { service: service.to_owned(), file, span });
                }
            }
            _ => {}
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
            let message = format!("`{}` has no services, so there is no `{}` to extend", self.shown(&path), reference.service);
            return self.fail(Problem::reference(reference.span, message));
        };
        if !services.contains_key(&reference.service) {
            return self.fail(unknown(reference, services, &self.shown(&path)));
        }
        let place = Place { file: &path, marks: &marks, scope: place.scope };
        self.extend(&reference.service, services, place, chain)?;
        Ok(services.swap_remove(&reference.service).map(|entry| entry.node))
    }
}

fn unknown(reference: &Reference, services: &Map, file: &str) -> Problem {
    let problem = Problem::reference(reference.span, format!("there is no service `{}` in `{file}` to extend", reference.service));
    match nearest(&reference.service, services.keys().map(String::as_str)) {
        Some(near) => problem.help(format!("did you mean `{near}`?")),
        None => problem,
    }
}
