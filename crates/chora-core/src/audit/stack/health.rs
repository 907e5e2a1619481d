//! Who asks whether a service works, and how often.

use chora_syntax::dockerfile::{Healthcheck, InstructionKind};
use chora_syntax::yaml;

use super::{In, each_service};
use crate::audit::marks::{Evidence, Marks};
use crate::audit::subject::{ManifestFile, Subject};
use crate::audit::words::listed;

/// Options that a check needs, as the two formats call them.
const TIMINGS: [(&str, &str); 4] =
    [("interval", "interval"), ("timeout", "timeout"), ("start_period", "start-period"), ("retries", "retries")];

pub(super) fn checked(subject: &Subject, marks: &mut Marks) {
    each_service(subject, marks, |at, marks| {
        let name = at.name;
        if at.own_check().is_some() {
            return marks.good(at.at(&["healthcheck"], format!("{name}: in the Compose file")));
        }
        if let Some(line) = in_manifest(at) {
            return marks.good(Evidence::in_file("chora.yaml", Some(line), format!("{name}: `health`")));
        }
        let is_disabled =
            at.service.healthcheck.as_ref().is_some_and(|check| check.disable || check.test.first().is_some_and(|test| test == "NONE"));
        if is_disabled {
            return marks.bad(at.at(&["healthcheck"], format!("{name}: its check is switched off")));
        }
        match in_image(at) {
            Some((line, path, _)) => marks.good(Evidence::in_file(path, Some(line), format!("{name}: in the image"))),
            None => marks.bad(at.at(&["healthcheck"], format!("{name}: nobody asks whether it works"))),
        }
    });
}

/// The line where `chora.yaml` says how it is asked from outside.
fn in_manifest(at: &In<'_>) -> Option<usize> {
    let ManifestFile::Read(manifest, text) = &at.subject.manifest else { return None };
    let health = &manifest.services.get(at.name)?.health;
    let is_asked = health.endpoint.is_some() || health.function.is_some();
    is_asked.then(|| yaml::line(text, &["services", at.name, "health"]).unwrap_or(1))
}

/// The check of the image that the service is built to: its line, its file, and which timings it has.
fn in_image<'a>(at: &In<'a>) -> Option<(usize, &'a str, Vec<&'static str>)> {
    let (file, stage, path) = at.image()?;
    let Healthcheck::Command { options, .. } = file.healthcheck(stage)? else { return None };
    let mut own = file.chain(stage).flat_map(|stage| stage.instructions.iter().rev());
    let line = own.find(|one| one.kind == InstructionKind::Healthcheck).map_or(stage.line, |one| one.line);
    Some((line, path, TIMINGS.into_iter().filter(|(_, flag)| !options.contains_key(*flag)).map(|(key, _)| key).collect()))
}

pub(super) fn timed(subject: &Subject, marks: &mut Marks) {
    each_service(subject, marks, |at, marks| {
        let given = at.service.healthcheck.as_ref().map_or([false; 4], |check| {
            [check.interval.is_some(), check.timeout.is_some(), check.start_period.is_some(), check.retries.is_some()]
        });
        let mut lacking: Vec<&str> = TIMINGS.into_iter().zip(given).filter(|(_, given)| !given).map(|((key, _), _)| key).collect();
        let mut evidence = match (at.own_check(), in_image(at)) {
            (Some(_), _) => at.at(&["healthcheck"], ""),
            (None, Some((line, path, in_image))) => {
                // The Compose file may say what the image does not.
                lacking.retain(|key| in_image.contains(key));
                Evidence::in_file(path, Some(line), "")
            }
            (None, None) => return,
        };
        let missing = listed(&lacking);
        evidence.note = if lacking.is_empty() { format!("{}: all four", at.name) } else { format!("{}: no {missing}", at.name) };
        marks.share(TIMINGS.len() - lacking.len(), TIMINGS.len(), evidence);
    });
}
