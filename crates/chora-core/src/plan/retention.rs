//! Which stopped containers stay ready for rollback.

use std::collections::BTreeSet;

use super::observed::ObservedContainer;
use crate::model::release::Release;

/// Names the stopped containers that no retained release could be rolled back to with; the newest of each kind stays.
#[must_use]
pub fn beyond_retention<'a>(containers: &'a [ObservedContainer], retained: &[&Release]) -> Vec<&'a ObservedContainer> {
    let mut wanted = BTreeSet::new();
    for release in retained {
        for (service, fingerprint) in &release.fingerprints {
            wanted.insert((service.as_str(), fingerprint));
        }
    }
    let mut kept = BTreeSet::new();
    // Deployment ids are ordered by time: the newest of several interchangeable containers is met first.
    let mut newest_first: Vec<_> = containers.iter().filter(|container| !container.is_up()).collect();
    newest_first.sort_by(|a, b| b.deployment.cmp(&a.deployment));
    newest_first
        .into_iter()
        .filter(|container| {
            let Some(fingerprint) = &container.fingerprint else { return false };
            let key = (container.service.as_str(), fingerprint);
            !(wanted.contains(&key) && kept.insert((key, container.number)))
        })
        .collect()
}
