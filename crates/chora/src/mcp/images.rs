//! Tools of images on their way out: verify, push, release, and those for several platforms.

use chora_core::inspection::{LayerReport, size};
use chora_core::model::health::Verdict;
use chora_ops::multi::{MultiOutcome, MultiRequest, build_multi};
use chora_ops::publish::{PublishOutcome, PublishRequest, publish};
use chora_ops::push::{PushOutcome, PushRequest, push};
use chora_ops::verify::{VerifyOutcome, VerifyRequest, verify};
use chora_ops::{Context, Failure};
use futures_util::future::BoxFuture;
use indexmap::IndexMap;

use super::operation::{Effect, Operation, Shown, Words};

pub(super) fn operations() -> Vec<Operation> {
    vec![verify_tool(), build_multi_tool(), push_tool(), release_tool()]
}

fn verify_tool() -> Operation {
    let words = Words {
        name: "verify",
        title: "Verify an image",
        description: "Says whether an image is fit: user, labels, HEALTHCHECK, size, secrets; starts it apart and asks it on five levels. Leaves nothing behind.",
    };
    let shown = Shown { tell: verify_words, view: VerifyAnswer::of };
    Operation::short(words, Effect::Tries, |cx, request: &VerifyRequest| Box::pin(verify(cx, request)), shown)
        .idempotent()
        .without_property("limit_ms")
}

fn build_multi_tool() -> Operation {
    let words = Words {
        name: "build_multi",
        title: "Build images for several platforms",
        description: "Builds the project's images for several platforms and pushes them, each under one name. Asks first.",
    };
    let shown = Shown { tell: multi_words, view: MultiAnswer::of };
    Operation::short(words, Effect::Replaces, |cx, request: &MultiRequest| Box::pin(build_multi(cx, request)), shown)
        .idempotent()
        .asking(|request: &MultiRequest| request.dry_run, would_build)
}

fn push_tool() -> Operation {
    let words = Words {
        name: "push",
        title: "Push images",
        description: "Pushes the images that the project builds. `release` verifies them before. Asks first.",
    };
    let shown = Shown { tell: push_words, view: PushAnswer::of };
    Operation::short(words, Effect::Replaces, |cx, request: &PushRequest| Box::pin(push(cx, request)), shown)
        .idempotent()
        .asking(|request: &PushRequest| request.dry_run, would_push)
}

fn release_tool() -> Operation {
    let words = Words {
        name: "release",
        title: "Release images",
        description: "Builds, verifies and pushes the project's images as a version, then moves `latest`. Called again it goes on; other content under a version is refused. Asks first.",
    };
    let shown = Shown { tell: release_words, view: ReleaseAnswer::of };
    Operation::short(words, Effect::Replaces, |cx, request: &PublishRequest| Box::pin(publish(cx, request)), shown)
        .idempotent()
        .asking(|request: &PublishRequest| request.dry_run, would_release)
}

/// A verification in short.
#[derive(serde::Serialize, schemars::JsonSchema)]
struct VerifyAnswer {
    ok: bool,
    /// What fails, with what to do.
    failing: Vec<String>,
    warnings: Vec<String>,
    size_bytes: u64,
    /// Large layers, with what to do.
    layers: Vec<String>,
}

impl VerifyAnswer {
    fn of(outcome: VerifyOutcome) -> Self {
        let (mut failing, mut warnings) = (told(&outcome, Verdict::Fail), told(&outcome, Verdict::Warning));
        let VerifyOutcome { ok, log, size_bytes, mut layers, warnings: more, .. } = outcome;
        failing.extend(log.into_iter().map(|line| format!("log: {line}")));
        warnings.extend(more);
        layers.sort_by_key(|layer| std::cmp::Reverse(layer.size_bytes));
        let line = |layer: &LayerReport| format!("{} {}: {}", size(layer.size_bytes), layer.instruction, layer.advice.join("; "));
        Self { ok, failing, warnings, size_bytes, layers: layers.iter().take(5).map(line).collect() }
    }
}

fn told(outcome: &VerifyOutcome, verdict: Verdict) -> Vec<String> {
    let remarks = outcome.remarks.iter().filter(|remark| remark.verdict == verdict);
    let remarks = remarks.map(|remark| format!("{}: {}; {}", remark.aspect.as_str(), remark.found, remark.advice));
    let checks = outcome.checks.iter().filter(|check| check.verdict == verdict);
    remarks.chain(checks.map(|check| format!("level {}: {}: {}", check.level.number(), check.asked, check.answered))).collect()
}

fn verify_words(outcome: &VerifyOutcome) -> String {
    let fit = if outcome.ok { "is fit" } else { "is not fit" };
    let mut lines = vec![format!("{} {fit}, {}", outcome.image, size(outcome.size_bytes))];
    lines.extend(told(outcome, Verdict::Fail));
    lines.push(format!("next: {}", outcome.next));
    lines.join("\n")
}

/// Images for several platforms in short.
#[derive(serde::Serialize, schemars::JsonSchema)]
struct MultiAnswer {
    builder: String,
    /// `name:tag@digest` by service.
    images: IndexMap<String, String>,
    plan: Vec<String>,
}

impl MultiAnswer {
    fn of(outcome: MultiOutcome) -> Self {
        let MultiOutcome { builder, images, plan, .. } = outcome;
        let images = images.into_iter().map(|(service, image)| (service, format!("{}@{}", image.reference, image.digest))).collect();
        Self { builder: builder.to_string(), images, plan }
    }
}

fn multi_words(outcome: &MultiOutcome) -> String {
    let mut lines = vec![format!("builder: {}", outcome.builder)];
    lines.extend(outcome.plan.iter().cloned());
    for (service, image) in &outcome.images {
        let platforms: Vec<&str> = image.platforms.keys().map(String::as_str).collect();
        lines.push(format!("{service}: {} {} for {}", image.reference, image.digest, platforms.join(", ")));
    }
    lines.push(format!("next: {}", outcome.next));
    lines.join("\n")
}

fn would_build<'a>(cx: &'a Context, request: &'a MultiRequest) -> BoxFuture<'a, Result<Vec<String>, Failure>> {
    Box::pin(async move {
        let outcome = build_multi(cx, &MultiRequest { dry_run: true, ..request.clone() }).await?;
        Ok(std::iter::once(format!("build with {}", outcome.builder)).chain(outcome.plan).collect())
    })
}

/// A push in short.
#[derive(serde::Serialize, schemars::JsonSchema)]
struct PushAnswer {
    /// `name:tag@digest` by service.
    images: IndexMap<String, String>,
}

impl PushAnswer {
    fn of(outcome: PushOutcome) -> Self {
        let named = |image: chora_ops::push::Published| format!("{}@{}", image.reference, image.digest.unwrap_or_default());
        Self { images: outcome.images.into_iter().map(|(service, image)| (service, named(image))).collect() }
    }
}

fn push_words(outcome: &PushOutcome) -> String {
    let mut lines: Vec<String> = outcome
        .images
        .iter()
        .map(|(service, image)| format!("{service}: {} {}", image.reference, image.digest.as_deref().unwrap_or("(not pushed)")))
        .collect();
    lines.push(format!("next: {}", outcome.next));
    lines.join("\n")
}

fn would_push<'a>(cx: &'a Context, request: &'a PushRequest) -> BoxFuture<'a, Result<Vec<String>, Failure>> {
    Box::pin(async move {
        let outcome = push(cx, &PushRequest { dry_run: true, ..request.clone() }).await?;
        Ok(outcome.images.values().map(|image| format!("push {}", image.reference)).collect())
    })
}

/// A release in short.
#[derive(serde::Serialize, schemars::JsonSchema)]
struct ReleaseAnswer {
    ok: bool,
    /// `name:tag@digest` by service.
    images: IndexMap<String, String>,
    latest: bool,
    failing: Vec<String>,
    warnings: Vec<String>,
    plan: Vec<String>,
}

impl ReleaseAnswer {
    fn of(outcome: PublishOutcome) -> Self {
        let failing = unfit(&outcome);
        let named = |image: chora_ops::push::Published| format!("{}@{}", image.reference, image.digest.unwrap_or_default());
        let PublishOutcome { ok, images, latest, warnings, plan, .. } = outcome;
        let images = images.into_iter().map(|(service, image)| (service, named(image))).collect();
        Self { ok, images, latest, failing, warnings, plan }
    }
}

fn unfit(outcome: &PublishOutcome) -> Vec<String> {
    let verified = outcome.verified.iter();
    verified
        .flat_map(|(service, verified)| told(verified, Verdict::Fail).into_iter().map(move |line| format!("{service}: {line}")))
        .collect()
}

fn release_words(outcome: &PublishOutcome) -> String {
    let said = if outcome.ok { "is released" } else { "is not released" };
    let mut lines = vec![format!("{} {said}", outcome.version)];
    lines.extend(outcome.plan.iter().cloned());
    lines.extend(unfit(outcome));
    lines.push(format!("next: {}", outcome.next));
    lines.join("\n")
}

fn would_release<'a>(cx: &'a Context, request: &'a PublishRequest) -> BoxFuture<'a, Result<Vec<String>, Failure>> {
    Box::pin(async move { Ok(publish(cx, &PublishRequest { dry_run: true, ..request.clone() }).await?.plan) })
}
