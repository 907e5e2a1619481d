//! Tools of an environment at hand: its health, containers and configuration; take down, prune, build.

use chora_core::model::health::Verdict;
use chora_ops::health::{HealthOutcome, health};
use chora_ops::maintenance::{MaintenanceOutcome, MaintenanceRequest, maintenance};
use chora_ops::project::{ConfigOutcome, ConfigRequest, config};
use chora_ops::stack::{BuildOutcome, DownRequest, PruneRequest, PsOutcome, PsRequest, RemovedOutcome, build, down, prune, ps};
use chora_ops::{Context, Failure};
use futures_util::future::BoxFuture;

use super::operation::{Effect, Operation, Words};

pub(super) fn operations() -> Vec<Operation> {
    vec![health_tool(), ps_tool(), config_tool(), down_tool(), prune_tool(), maintenance_tool(), build_tool()]
}

fn health_tool() -> Operation {
    let words = Words {
        name: "health",
        title: "Check health",
        description: "Checks what is live on five levels: container, endpoint, configuration, process, function. `ok: false` names the first failing level.",
    };
    Operation::new(words, Effect::Reads, |cx, request| Box::pin(health(cx, request)), health_words)
}

fn ps_tool() -> Operation {
    let words = Words {
        name: "ps",
        title: "List containers",
        description: "Lists an environment's containers with the engine's own words about them and their published ports.",
    };
    Operation::new(words, Effect::Reads, |cx, request| Box::pin(ps(cx, request)), ps_words)
}

fn config_tool() -> Operation {
    let words = Words {
        name: "config",
        title: "Show the resolved stack",
        description: "Reads the Compose files as a deployment would: merged, interpolated, in canonical form. Needs no engine. Says what is wrong with them, and where.",
    };
    Operation::new(
        words,
        Effect::Reads,
        |cx, request: &ConfigRequest| Box::pin(std::future::ready(config(&cx.settings, request))),
        config_words,
    )
}

fn down_tool() -> Operation {
    let words = Words {
        name: "down",
        title: "Take an environment down",
        description: "Stops and removes the containers and networks of an environment, `development` unless named; with `volumes: true` its data too. Asks first.",
    };
    Operation::new(words, Effect::Replaces, |cx, request| Box::pin(down(cx, request)), removed_words)
        .idempotent()
        .asking(|request: &DownRequest| request.dry_run, would_go_down)
}

fn prune_tool() -> Operation {
    let words = Words {
        name: "prune",
        title: "Remove what no retained release needs",
        description: "Removes stopped containers and built images that neither the live release nor a release kept for `rollback` needs. Asks first.",
    };
    Operation::new(words, Effect::Replaces, |cx, request| Box::pin(prune(cx, request)), removed_words).idempotent().asking(
        |request: &PruneRequest| request.dry_run,
        |cx, request| {
            Box::pin(async move {
                let environment = ps(cx, &PsRequest { environment: request.environment.clone() }).await?.environment;
                Ok(vec![format!("remove stopped containers and built images of {environment} that no release kept for rollback needs")])
            })
        },
    )
}

fn maintenance_tool() -> Operation {
    let words = Words {
        name: "maintenance",
        title: "Begin or end maintenance",
        description: "With `on: true` the gateway answers HTTP requests of an environment with 503, a page and Retry-After, except for paths in `allow`; with `on: false` services answer again. Lasts through deployments. Asks first.",
    };
    Operation::new(words, Effect::Replaces, |cx, request| Box::pin(maintenance(cx, request)), maintenance_words).idempotent().asking(
        |request: &MaintenanceRequest| !request.on,
        |_, request| {
            let environment = request.environment.clone().unwrap_or_else(|| chora_ops::project::DEFAULT_ENVIRONMENT.to_owned());
            Box::pin(std::future::ready(Ok(vec![format!("answer HTTP requests to {environment} with 503")])))
        },
    )
}

fn maintenance_words(outcome: &MaintenanceOutcome) -> String {
    let said = if outcome.on { "is in maintenance" } else { "is not in maintenance" };
    format!("{} {said}\nnext: {}", outcome.environment, outcome.next)
}

fn build_tool() -> Operation {
    let words = Words {
        name: "build",
        title: "Build images",
        description: "Builds the images of services that have a `build` section. `deploy` does it by itself; use this to try a build.",
    };
    Operation::new(words, Effect::Adds, |cx, request| Box::pin(build(cx, request)), build_words).idempotent()
}

fn would_go_down<'a>(cx: &'a Context, request: &'a DownRequest) -> BoxFuture<'a, Result<Vec<String>, Failure>> {
    Box::pin(async move {
        let environment = request.environment.clone().unwrap_or_else(|| chora_ops::project::DEVELOPMENT.to_owned());
        let listed = ps(cx, &PsRequest { environment: Some(environment) }).await?;
        let mut lines: Vec<String> =
            listed.containers.iter().map(|container| format!("remove {} ({})", container.name, container.status)).collect();
        lines.push(format!("remove the networks of {}", listed.environment));
        if request.volumes {
            lines.push(format!("remove the volumes of {} and all data in them", listed.environment));
        }
        Ok(lines)
    })
}

fn health_words(outcome: &HealthOutcome) -> String {
    let version = outcome.version.as_deref().unwrap_or("nothing");
    let verdict = outcome.first_failing_level.map_or_else(|| "healthy".to_owned(), |level| format!("unhealthy on level {level}"));
    let mut lines = vec![format!("{version} in {} is {verdict}: {} checks", outcome.environment, outcome.checks.len())];
    let told = outcome.checks.iter().filter(|check| matches!(check.verdict, Verdict::Fail | Verdict::Warning));
    lines.extend(told.map(|check| format!("{} {}: {} → {}", check.service, check.level.as_str(), check.asked, check.answered)));
    lines.push(format!("next: {}", outcome.next));
    lines.join("\n")
}

fn ps_words(outcome: &PsOutcome) -> String {
    let mut lines = vec![format!("{} containers in {}", outcome.containers.len(), outcome.environment)];
    lines.extend(
        outcome
            .containers
            .iter()
            .map(|container| format!("{} {} ({}): {}", container.role, container.name, container.service, container.status)),
    );
    lines.join("\n")
}

fn config_words(outcome: &ConfigOutcome) -> String {
    let services: Vec<&str> =
        outcome.stack.get("services").and_then(serde_json::Value::as_object).into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    let files: Vec<String> = outcome.files.iter().map(|file| file.display().to_string()).collect();
    let mut lines = vec![format!("{} services: {}", services.len(), services.join(", ")), format!("read from {}", files.join(", "))];
    lines.extend(outcome.warnings.first().map(|warning| format!("warning: {warning}")));
    lines.push("next: plan".to_owned());
    lines.join("\n")
}

fn removed_words(outcome: &RemovedOutcome) -> String {
    let counts = [
        (outcome.containers.len(), "containers"),
        (outcome.networks.len(), "networks"),
        (outcome.volumes.len(), "volumes"),
        (outcome.images.len(), "images"),
    ];
    let parts: Vec<String> = counts.into_iter().filter(|(count, _)| *count > 0).map(|(count, noun)| format!("{count} {noun}")).collect();
    let what = if parts.is_empty() {
        "there was nothing to remove".to_owned()
    } else if outcome.dry_run {
        format!("would remove {}; nothing was touched", parts.join(", "))
    } else {
        format!("removed {}", parts.join(", "))
    };
    format!("{what}\nnext: {}", outcome.next)
}

fn build_words(outcome: &BuildOutcome) -> String {
    let mut lines = vec![format!("{} images", outcome.images.len())];
    lines.extend(outcome.images.iter().map(|(service, pin)| format!("{service}: {} ({})", pin.reference, pin.id)));
    lines.push(format!("next: {}", outcome.next));
    lines.join("\n")
}
