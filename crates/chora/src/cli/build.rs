//! `chora build`.

use chora_ops::Failure;
use chora_ops::multi::{MultiOutcome, MultiRequest, build_multi};
use chora_ops::stack::{BuildRequest, build};
use clap::Args;

use super::EnvironmentArgs;
use super::door::{Door, next};
use super::output::Answer;
use super::style::{DIM, paint};
use super::table::{Cell, Table};

/// Build the images of services that have a `build` section
///
/// With --multi for several platforms (those of build.platforms, else linux/amd64 and linux/arm64): such an image lives in a
/// registry, so it is pushed there as REGISTRY/NAME:VERSION. The current builder of buildx builds them where it has the platforms, else
/// the engine. What the machine cannot run is told before anything is built.
#[derive(Debug, Args)]
pub(crate) struct BuildArgs {
    /// Build only these services
    #[arg(value_name = "SERVICE")]
    services: Vec<String>,
    #[command(flatten)]
    environment: EnvironmentArgs,
    /// Build images whose inputs did not change, too
    #[arg(long)]
    again: bool,
    /// Name the version in the images' labels
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// Build for several platforms
    #[arg(long, requires = "registry", conflicts_with = "again")]
    multi: bool,
    /// With --multi: push to this registry, such as ghcr.io/acme
    #[arg(long = "push", value_name = "REGISTRY", requires = "multi")]
    registry: Option<String>,
    /// With --multi: build for this platform, such as linux/arm64; may be repeated
    #[arg(long = "platform", value_name = "PLATFORM", requires = "multi", value_delimiter = ',')]
    platforms: Vec<String>,
    /// With --multi: build by `engine`, by `buildx`, or by its builder NAME; by what helps unless given
    #[arg(long, value_name = "engine|buildx|NAME", requires = "multi")]
    builder: Option<String>,
    /// With --multi: show what would be built and pushed, and touch nothing
    #[arg(short = 'n', long, requires = "multi")]
    dry_run: bool,
}

impl BuildArgs {
    /// Whether what is built is pushed as well.
    pub(crate) const fn is_multi(&self) -> bool {
        self.multi
    }
}

pub(crate) async fn run(args: BuildArgs, door: &Door) -> Result<Answer, Failure> {
    if let Some(registry) = args.registry {
        let BuildArgs { services, environment, version, platforms, builder, dry_run, .. } = args;
        let request = MultiRequest { registry, environment: environment.environment, services, version, platforms, builder, dry_run };
        let outcome = build_multi(&door.context(request.environment.as_deref())?, &request).await?;
        let text = multi(&outcome);
        return Answer::new(&outcome, text);
    }
    let request =
        BuildRequest { environment: args.environment.environment, services: args.services, again: args.again, version: args.version };
    let outcome = {
        let cx = door.context(request.environment.as_deref())?;
        build(&cx, &request).await?
    };
    if outcome.images.is_empty() {
        return Answer::new(&outcome, "no service has a `build` section\n".to_owned());
    }
    let mut table = Table::new(&["SERVICE", "IMAGE", "ID"]);
    for (service, pin) in &outcome.images {
        table.row(vec![service.clone().into(), pin.reference.clone().into(), Cell::styled(DIM, pin.id.to_string())]);
    }
    let text = format!("{}{} {}\n", table.render(), paint(DIM, "next:"), outcome.next);
    Answer::new(&outcome, text)
}

fn multi(outcome: &MultiOutcome) -> String {
    let command = next(&outcome.next, outcome.environment.as_str());
    let end = format!("{} {}\n{} {command}\n", paint(DIM, "builder:"), outcome.builder, paint(DIM, "next:"));
    if !outcome.plan.is_empty() {
        return format!("{}\n{end}", outcome.plan.join("\n"));
    }
    let mut table = Table::new(&["SERVICE", "IMAGE", "PLATFORM", "DIGEST"]);
    for (service, image) in &outcome.images {
        table.row(vec![service.clone().into(), image.reference.clone().into(), "all".into(), Cell::styled(DIM, image.digest.clone())]);
        for (platform, digest) in &image.platforms {
            table.row(vec!["".into(), "".into(), platform.clone().into(), Cell::styled(DIM, digest.clone())]);
        }
    }
    format!("{}{end}", table.render())
}
