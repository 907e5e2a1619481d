//! The pattern as it is now, for the answers of before and those that are new.

use std::collections::BTreeSet;

use chora_template::answers::{Ask, Settled};
use chora_template::migration::Renames;
use chora_template::record::{Record, Source};
use chora_template::{Answers, Catalogue, Pattern, Rendered};

use super::UpgradeRequest;
use crate::context::Settings;
use crate::failure::{Failure, FailureKind};
use crate::scaffold::hooks::{self, Given, Hooked, Occasion};
use crate::scaffold::source::address::{Address, check_reference};
use crate::scaffold::source::{Fetched, State};
use crate::scaffold::{self, UNTOUCHED};

/// The patterns that an upgrade goes to.
pub(super) fn fetch(settings: &Settings, record: &Record, request: &UpgradeRequest) -> Result<Fetched, Failure> {
    let to = request.to.as_deref();
    to.map_or(Ok(()), check_reference)?;
    if let Some(from) = &request.from {
        let address = Address::parse(&settings.project_dir, from)?;
        return match (&address.reference, to) {
            (Some(_), Some(_)) => {
                let failure = Failure::new(FailureKind::Invalid, "the version is named twice, in --from and in --to").state(UNTOUCHED);
                Err(failure.hint("name it once"))
            }
            (None, Some(to)) => Fetched::in_state(settings, &address.place, State::Exactly(to)),
            (_, None) => Fetched::at(settings, &address),
        };
    }
    let Some(source) = &record.source else { return Ok(Fetched::built_in()) };
    again(settings, source, to).map_err(|failure| {
        let hint = format!("{}; if it has moved, chora upgrade --from SOURCE: what it wrote is kept in .chora/base", failure.hint);
        failure.hint(hint)
    })
}

/// The source that the project remembers.
fn again(settings: &Settings, source: &Source, to: Option<&str>) -> Result<Fetched, Failure> {
    let address = Address::parse(&settings.project_dir, &source.from)?;
    let state = match (to, &source.commit) {
        (Some(to), _) => State::Exactly(to),
        (None, Some(_)) => State::Newest(source.reference.as_deref()),
        (None, None) => State::AsItStands,
    };
    Fetched::in_state(settings, &address.place, state)
}

/// The pattern as it is now.
pub(super) struct Wanted<'a> {
    pub(super) pattern: &'a Pattern,
    pub(super) answers: Answers,
    pub(super) files: Rendered,
    pub(super) renames: Renames,
    /// New questions that were answered by their defaults.
    pub(super) assumed: Vec<String>,
    /// Files that hooks have made or changed, now or before.
    pub(super) hooked: Vec<String>,
    pub(super) skipped: Vec<String>,
}

impl<'a> Wanted<'a> {
    pub(super) fn of(
        settings: &Settings,
        (fetched, catalogue): (&Fetched, &'a Catalogue<'_>),
        (record, base): (&Record, &Rendered),
        (request, ask): (&UpgradeRequest, &mut Ask<'_>),
    ) -> Result<Self, Failure> {
        let pattern = scaffold::pattern(catalogue, &record.pattern)?;
        refuse_version(record, pattern, fetched, request.to.as_deref())?;
        // Questions that the pattern asks no more are forgotten; new ones are asked, or have their defaults.
        let mut given = catalogue.migrated(pattern, record.version, &record.answers);
        given.retain(|name, _| pattern.questions.contains_key(name));
        given.extend(request.answers.clone());
        let settled = catalogue.ask(pattern, &given, &Answers::new(), ask);
        let Settled { answers, assumed } = settled.map_err(|error| scaffold::unanswered(&pattern.name, &error))?;
        let unrendered = |error| scaffold::unrendered(fetched, &error);
        let rendered = catalogue.render(pattern, &answers).map_err(unrendered)?;
        let renames = catalogue.renames(pattern, record.version, &answers).map_err(|error| unrendered(error.into()))?;
        let hooks = Given { settings, fetched, catalogue, pattern, answers: &answers, trust: &request.trust };
        let hooked = hooks::run(&hooks, Occasion::Upgrade, rendered)?;
        let Hooked { mut files, mut touched, skipped } = hooked;
        keep(&mut files, &mut touched, (record, base, &renames));
        let hooked = touched.into_iter().collect();
        Ok(Self { pattern, answers, files, renames, assumed, hooked, skipped })
    }

    /// Whether the pattern or the answers have changed since the files were written.
    pub(super) fn differs(&self, record: &Record, base: &Rendered) -> bool {
        *base != self.files || record.answers != self.answers || record.version != self.pattern.version
    }
}

/// What only earlier hooks have made stays as they made it: neither the pattern nor these hooks say anything else about it.
fn keep(files: &mut Rendered, touched: &mut BTreeSet<String>, (record, base, renames): (&Record, &Rendered, &Renames)) {
    for path in record.hooked.iter().filter(|path| !renames.contains_key(*path)) {
        if let (Some(file), false) = (base.get(path), touched.contains(path)) {
            files.insert(path.clone(), file.clone());
            touched.insert(path.clone());
        }
    }
}

/// Refuses to go back, and versions that are not there.
fn refuse_version(record: &Record, pattern: &Pattern, fetched: &Fetched, to: Option<&str>) -> Result<(), Failure> {
    let (name, old, new) = (&pattern.name, record.version, pattern.version);
    let refused = |message: String, hint: &str| Err(Failure::new(FailureKind::Conflict, message).state(UNTOUCHED).hint(hint));
    match (fetched.source(), to) {
        (None, Some(to)) if to.trim_start_matches('v') != new.to_string() => {
            let message = format!("this chora has version {new} of `{name}`, not {to}: versions of the built-in catalogue come with chora");
            refused(message, "use the chora that has it, or leave --to away")
        }
        (None, _) if old > new => {
            refused(format!("a newer chora wrote version {old} of `{name}`; this one has {new}"), "use the newer chora")
        }
        (Some(_), _) if old > new => refused(
            format!("the source has version {new} of `{name}`, the project {old}: an upgrade does not go back"),
            "name a newer one with --to",
        ),
        _ => Ok(()),
    }
}
