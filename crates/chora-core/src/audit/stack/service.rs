//! Going through services, environment by environment.

use chora_syntax::dockerfile::{Dockerfile, Stage};

use crate::audit::marks::{Evidence, Marks};
use crate::audit::subject::{EnvironmentFiles, ResolvedStack, Subject};
use crate::audit::words::is_store;
use crate::compose::{Condition, Healthcheck, Service};

/// A service in an environment.
pub(in crate::audit) struct In<'a> {
    pub(in crate::audit) subject: &'a Subject,
    pub(in crate::audit) environment: &'a EnvironmentFiles,
    pub(in crate::audit) resolved: &'a ResolvedStack,
    pub(in crate::audit) name: &'a str,
    pub(in crate::audit) service: &'a Service,
}

impl<'a> In<'a> {
    /// Something at a key of the service.
    pub(in crate::audit) fn at(&self, path: &[&str], note: impl Into<String>) -> Evidence {
        let path: Vec<&str> = ["services", self.name].iter().chain(path).copied().collect();
        Evidence::at(self.resolved.written.place(&path), note)
    }

    /// Whether it keeps data for others.
    pub(in crate::audit) fn is_store(&self) -> bool {
        self.service.build.is_none() && self.service.image.as_deref().is_some_and(is_store)
    }

    /// Whether it is built here.
    pub(in crate::audit) const fn is_own(&self) -> bool {
        self.service.build.is_some()
    }

    /// Whether it ends by itself: others wait for that.
    fn is_one_shot(&self) -> bool {
        let waits = |service: &Service| {
            service.depends_on.get(self.name).is_some_and(|dependency| dependency.condition == Condition::CompletedSuccessfully)
        };
        self.resolved.stack.services.values().any(waits)
    }

    /// Its check in the Compose file, where that has a command of its own.
    pub(in crate::audit) fn own_check(&self) -> Option<&'a Healthcheck> {
        let check = self.service.healthcheck.as_ref()?;
        let is_asked = !check.disable && check.test.first().is_some_and(|first| first != "NONE");
        Some(check).filter(|_| is_asked)
    }

    /// The Dockerfile that it is built from, and the stage that it is.
    pub(in crate::audit) fn image(&self) -> Option<(&'a Dockerfile, &'a Stage, &'a str)> {
        let image = self.subject.image_of(self.service.build.as_ref()?)?;
        let (file, stage) = image.target()?;
        Some((file, stage, &image.path))
    }
}

/// Every service of the environments that are wanted; what does not resolve is unknown.
pub(in crate::audit) fn each_in(
    subject: &Subject,
    marks: &mut Marks,
    wanted: impl Fn(&EnvironmentFiles) -> bool,
    judge: impl Fn(&In<'_>, &mut Marks),
) {
    for environment in subject.environments.iter().filter(|environment| wanted(environment)) {
        match &environment.stack {
            Err(_) => marks.unknown(Evidence::note(format!("{} does not resolve", environment.name))),
            Ok(resolved) => {
                for (name, service) in &resolved.stack.services {
                    marks.about(Some((name.clone(), environment.own_file())), Some(environment.name.clone()));
                    judge(&In { subject, environment, resolved, name, service }, marks);
                }
                marks.about(None, None);
            }
        }
    }
}

/// Every service that stays, where releases are deployed with care.
pub(in crate::audit) fn each_service(subject: &Subject, marks: &mut Marks, judge: impl Fn(&In<'_>, &mut Marks)) {
    each_in(subject, marks, EnvironmentFiles::is_careful, |service, marks| {
        if !service.is_one_shot() {
            judge(service, marks);
        }
    });
}
