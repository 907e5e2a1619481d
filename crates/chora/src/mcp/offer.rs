//! Which tools a server offers: all of them, those named, or only those that change nothing.

use chora_ops::{Failure, FailureKind};

use super::operation::{Effect, Operation};
use super::{contracts, deployments, environments, images, records, scaffold};

/// Leaves tools out: an agent should have no more than it needs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Restriction {
    /// Only these; all when empty.
    pub(crate) tools: Vec<String>,
    /// Only those that change nothing.
    pub(crate) read_only: bool,
}

/// The tools on offer, in a fixed order.
pub(crate) struct Offer(Vec<Operation>);

impl Offer {
    /// Everything there is, less what the restriction leaves out.
    pub(crate) fn new(restriction: &Restriction) -> Result<Self, Failure> {
        let all = every();
        if let Some(unknown) = restriction.tools.iter().find(|name| !all.iter().any(|operation| operation.name == name.as_str())) {
            let names: Vec<&str> = all.iter().map(|operation| operation.name).collect();
            return Err(Failure::new(FailureKind::Invalid, format!("there is no tool `{unknown}`"))
                .hint(format!("name some of: {}", names.join(", "))));
        }
        let named = |operation: &Operation| restriction.tools.is_empty() || restriction.tools.iter().any(|name| name == operation.name);
        let harmless = |operation: &Operation| !restriction.read_only || operation.effect() == Effect::Reads;
        let offered: Vec<Operation> = all.into_iter().filter(|operation| named(operation) && harmless(operation)).collect();
        if offered.is_empty() {
            let failure = Failure::new(FailureKind::Invalid, "no tool is left to offer");
            return Err(failure.hint("name tools that change nothing, or leave out --read-only"));
        }
        Ok(Self(offered))
    }

    pub(super) fn operations(&self) -> impl Iterator<Item = &Operation> {
        self.0.iter()
    }

    pub(super) fn find(&self, name: &str) -> Option<&Operation> {
        self.0.iter().find(|operation| operation.name == name)
    }
}

fn every() -> Vec<Operation> {
    let mut all = deployments::operations();
    all.extend(environments::operations());
    all.extend(records::operations());
    all.extend(contracts::operations());
    all.extend(scaffold::operations());
    all.extend(images::operations());
    all
}
