//! `chora release`.

use chora_ops::Failure;
use chora_ops::publish::{PublishOutcome, PublishRequest, publish};
use clap::Args;

use super::EnvironmentArgs;
use super::door::{Door, next};
use super::output::Answer;
use super::size::size;
use super::style::{BAD, BOLD, DIM, GOOD, paint};
use super::table::{Cell, Table};
use super::verify;

/// Build, verify and push the project's images as a version, then let latest stand for it
///
/// What is pushed is the very image that was verified (see `chora verify`). A release that was broken off goes on with the same
/// command, by what the registry has; other content under the same version is refused. The log tells every attempt.
/// The exit code is 1 when an image is not fit; nothing is pushed then.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line are what they are")]
pub(crate) struct ReleaseArgs {
    /// The version, which becomes the tag
    version: String,
    /// The registry's host, with a path where it has one, such as ghcr.io/acme
    registry: String,
    /// Release only these services' images
    #[arg(value_name = "SERVICE")]
    services: Vec<String>,
    #[command(flatten)]
    environment: EnvironmentArgs,
    /// Refuse an image whose files have more bytes, such as 250MB
    #[arg(long, value_name = "SIZE", value_parser = size)]
    max_size: Option<u64>,
    /// Let this file, or all below this folder, hold what looks like a secret; may be repeated
    #[arg(long, value_name = "PATH")]
    allow: Vec<String>,
    /// For this platform, such as linux/arm64, instead of the engine's own; may be repeated: one name for all
    #[arg(long = "platform", value_name = "PLATFORM", value_delimiter = ',')]
    platforms: Vec<String>,
    /// Verify without starting
    #[arg(long)]
    no_start: bool,
    /// Verify in a network with a way out
    #[arg(long)]
    online: bool,
    /// Leave latest alone
    #[arg(long)]
    no_latest: bool,
    /// Show what would be done and touch nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

pub(crate) async fn run(args: ReleaseArgs, door: &Door) -> Result<Answer, Failure> {
    let ReleaseArgs { version, registry, services, environment, max_size, allow, platforms, no_start, online, no_latest, dry_run } = args;
    let environment = environment.environment;
    let request = PublishRequest {
        version,
        registry,
        environment,
        services,
        max_size_bytes: max_size,
        allow,
        platforms,
        no_start,
        online,
        no_latest,
        dry_run,
    };
    let outcome = Box::pin(publish(&door.context(request.environment.as_deref())?, &request)).await?;
    let text = render(&outcome);
    Ok(Answer::new(&outcome, text)?.warnings(&outcome.warnings).exit(u8::from(!outcome.ok)))
}

fn render(outcome: &PublishOutcome) -> String {
    let closing = format!("{} {}\n", paint(DIM, "next:"), next(&outcome.next, outcome.environment.as_str()));
    if !outcome.plan.is_empty() {
        return format!("{}\n{closing}", outcome.plan.join("\n"));
    }
    if !outcome.ok {
        let unfit: Vec<String> = outcome.verified.values().filter(|verified| !verified.ok).map(verify::render).collect();
        let refused = format!("{} {} is not released", paint(BAD, "✗"), paint(BOLD, &outcome.version));
        return format!("{}{refused}\n{closing}", unfit.join("\n"));
    }
    let mut table = Table::new(&["SERVICE", "RELEASED AS", "DIGEST", "NOTE"]);
    for (service, image) in &outcome.images {
        let note = if outcome.resumed.contains(service) { "was there" } else { "" };
        table.row(vec![
            service.clone().into(),
            image.reference.clone().into(),
            Cell::styled(DIM, image.digest.clone().unwrap_or_default()),
            note.into(),
        ]);
    }
    let latest = if outcome.latest { ", and latest stands for it" } else { "" };
    format!("{}{} {} is released{latest}\n{closing}", table.render(), paint(GOOD, "✓"), paint(BOLD, &outcome.version))
}
