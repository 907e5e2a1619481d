//! Many servers offered as one: a server inside this program that has the tools, prompts and resources of all of them, and
//! asks the one that is meant. It speaks both eras; clients come to it as to every other server, through a bridge.

mod call;
mod catalog;
mod changes;
mod conversation;
mod greeting;
mod list;
mod names;
mod seat;
mod template;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::catalog::Catalog;
use crate::bridge::Condition;
use crate::many::Named;
use crate::message::{Fault, Outcome, code, params};
use crate::transport::link::Part;

/// Servers that are offered as one.
#[derive(Debug)]
pub struct Aggregate {
    members: Vec<Named>,
    catalog: Mutex<Catalog>,
}

impl Aggregate {
    pub(crate) fn new(members: Vec<Named>) -> Arc<Self> {
        Arc::new(Self { members, catalog: Mutex::default() })
    }

    /// Speaks with one client, or with all that need no session, until it is to stop.
    pub(crate) async fn play(self: Arc<Self>, part: Part) -> String {
        conversation::play(self, part).await
    }

    /// What is offered under another name than it would be, or not at all, and why.
    pub(crate) fn remarks(&self) -> Vec<String> {
        self.catalog().remarks.clone()
    }

    fn catalog(&self) -> MutexGuard<'_, Catalog> {
        self.catalog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why a server cannot be asked anything now.
    fn trouble(&self, member: usize) -> Option<Fault> {
        let named = self.members.get(member)?;
        match &*named.bridge.condition().borrow() {
            Condition::Down(why) => Some(away(&named.name, why)),
            Condition::Unknown | Condition::Up => None,
        }
    }
}

/// The error for a server that is not there.
fn away(name: &str, why: &str) -> Fault {
    Fault::new(code::UNAVAILABLE, format!("{name}: {why}")).with(serde_json::json!({ "retry": true, "server": name }))
}

/// An outcome that says whose it is, where the server, not what was asked of it, is the trouble.
fn attributed(name: &str, outcome: Outcome) -> Outcome {
    match &outcome {
        Outcome::Error(error) if outcome.code() == Some(code::UNAVAILABLE) => {
            let told = params::text(Some(error), "message").unwrap_or_else(|| "is not there".to_owned());
            if told.starts_with(&format!("{name}: ")) {
                return outcome;
            }
            Outcome::Error(away(name, &told).to_raw())
        }
        Outcome::Error(_) | Outcome::Result(_) => outcome,
    }
}
