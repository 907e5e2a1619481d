//! The certificates that a gateway gets by itself: until when they are good, and why one is not there.

use chora_core::compose::Stack;
use chora_core::plan::gateway::GATEWAY;
use jiff::Timestamp;

use crate::context::Context;
use crate::project::Project;
use crate::rollout::observe::observe;

/// A certificate that the gateway gets by itself.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct CertificateLine {
    /// Host that it is for.
    pub host: String,
    /// Until when it is valid; absent while there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub until: Option<Timestamp>,
    /// Why the last order came to nothing; it is made again by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// What the gateway of a project tells of them; nothing where it gets none by itself, or does not answer.
pub(crate) async fn certificates(cx: &Context, project: &str, stack: &Stack) -> Vec<CertificateLine> {
    let tls = stack.edge.as_ref().and_then(|edge| edge.tls.as_ref());
    if tls.is_none_or(|tls| tls.acme.is_none()) {
        return Vec::new();
    }
    let observed = observe(cx, project, stack).await;
    let gateway = observed.ok().and_then(|observed| observed.up(GATEWAY).next().map(|container| container.name.clone()));
    let Some(gateway) = gateway else { return Vec::new() };
    let told = cx.gateways.certificates(&gateway).await;
    let told = told.unwrap_or_else(|error| {
        tracing::debug!(%error, "the gateway does not tell its certificates");
        Vec::new()
    });
    told.into_iter().map(|line| CertificateLine { failure: line.failure.map(|why| cx.redactor.clean(&why)), ..line }).collect()
}

/// The hosts of a deployed project that cannot be asked over TLS yet, in words.
pub(crate) async fn missing(cx: &Context, project: &Project) -> Vec<String> {
    let lines = certificates(cx, &project.environment.project, &project.stack).await;
    let lines = lines.into_iter().filter(|line| line.until.is_none());
    let words = |CertificateLine { host, failure, .. }| match failure {
        None => format!("{host} cannot be asked over TLS yet: its certificate is being ordered; `chora status` says when it is there"),
        Some(why) => format!("{host} cannot be asked over TLS yet: its certificate is not issued, and ordered again by itself: {why}"),
    };
    lines.map(words).collect()
}
