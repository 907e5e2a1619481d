//! What the values of a service say: secrets, images, dependencies.

use super::each_service;
use crate::audit::marks::{Evidence, Marks};
use crate::audit::subject::{EnvironmentFiles, Subject};
use crate::audit::words::{Hold, has_password, hold, is_secret, is_worth_hiding};
use crate::compose::Condition;

pub(super) fn secrets(subject: &Subject, marks: &mut Marks) {
    let mut found = Marks::default();
    each_service(subject, &mut found, |at, found| {
        for (name, value) in &at.service.environment {
            let Some(value) = value else { continue };
            let path = ["environment", name.as_str()];
            // Never the value: this is printed, logged and committed.
            if has_password(value) {
                found.bad(at.at(&path, format!("{}: {name} holds a URL with a password", at.name)));
            } else if is_secret(name) && is_worth_hiding(value) {
                found.bad(at.at(&path, format!("{}: {name} is a value", at.name)));
            }
        }
    });
    if found.is_empty() && subject.careful().any(|environment| environment.stack.is_ok()) {
        for environment in subject.careful() {
            let Ok(resolved) = &environment.stack else { continue };
            for (name, service) in resolved.stack.services.iter().filter(|(_, service)| !service.secrets.is_empty()) {
                let place = resolved.written.place(&["services", name, "secrets"]);
                let files: Vec<&str> = service.secrets.iter().map(|secret| secret.source.as_str()).collect();
                found.good(Evidence::at(place, format!("{name}: {} as files", files.join(", "))));
            }
        }
        if found.is_empty() {
            found.good(Evidence::note("no environment value is a secret"));
        }
    }
    *marks = found;
}

pub(super) fn pinned(subject: &Subject, marks: &mut Marks) {
    each_service(subject, marks, |at, marks| {
        let Some(image) = at.service.image.as_deref().filter(|_| !at.is_own()) else { return };
        let place = |note: String| at.at(&["image"], note);
        match hold(image) {
            Hold::Digest => marks.good(place(format!("{}: by digest", at.name))),
            Hold::Version => marks.good(place(format!("{}: `{image}` by version; a digest would hold it for ever", at.name))),
            Hold::Moving => marks.bad(place(format!("{}: `{image}` is another image tomorrow", at.name))),
        }
    });
}

pub(super) fn conditions(subject: &Subject, marks: &mut Marks) {
    each_service(subject, marks, |at, marks| {
        for (name, dependency) in &at.service.depends_on {
            let place = |note: String| at.at(&["depends_on", name], note);
            match dependency.condition {
                Condition::Healthy => marks.good(place(format!("{} waits for the health of {name}", at.name))),
                Condition::CompletedSuccessfully => marks.good(place(format!("{} waits for {name} to end", at.name))),
                Condition::Started => marks.bad(place(format!("{} waits only for the start of {name}", at.name))),
            }
        }
    });
}

/// Variables that interpolation found unset; the environment says it by its warnings.
pub(super) fn required(subject: &Subject, marks: &mut Marks) {
    for environment in subject.careful() {
        let EnvironmentFiles { name, stack: Ok(resolved), .. } = environment else {
            marks.unknown(Evidence::note(format!("{} does not resolve", environment.name)));
            continue;
        };
        marks.about(None, Some(name.clone()));
        for unset in &resolved.unset {
            marks.bad(unset.clone());
        }
        if resolved.unset.is_empty() {
            marks.good(Evidence::in_file(environment.last_file(), None, "every variable has a value"));
        }
        marks.about(None, None);
    }
}
