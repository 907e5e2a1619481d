//! `chora status`.

use chora_ops::Failure;
use chora_ops::certificates::CertificateLine;
use chora_ops::status::{StatusOutcome, StatusRequest, status};
use chora_ops::watch::WatchLine;
use clap::Args;

use super::EnvironmentArgs;
use super::door::{Door, next};
use super::output::Answer;
use super::ps;
use super::style::{BOLD, DIM, WARN, paint};

/// Show what is live, what is unfinished, and who is at it
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    environment: EnvironmentArgs,
}

pub(crate) async fn run(args: StatusArgs, door: &Door) -> Result<Answer, Failure> {
    let request = StatusRequest { environment: args.environment.environment };
    let outcome = status(&door.context(request.environment.as_deref())?, &request).await?;
    let text = render(&outcome);
    Answer::new(&outcome, text)
}

/// How a release under watch fares, in words.
pub(crate) fn watched(watch: &WatchLine) -> String {
    let WatchLine { version, .. } = watch;
    let back = watch.back_to.as_deref().unwrap_or("the release before");
    match (&watch.switched_back, watch.until) {
        (Some(why), _) => format!("{version} failed and {back} serves again: {why}"),
        (None, Some(until)) => format!("{version} until {}, {back} stays ready", super::history::when(until)),
        (None, None) => format!("{version} held; the next command stops {back}"),
    }
}

/// A certificate that the gateway gets by itself, in words.
pub(crate) fn certificate(line: &CertificateLine) -> String {
    let CertificateLine { host, until, failure } = line;
    match (until, failure) {
        (Some(until), None) => format!("{host} until {until:.0}"),
        (Some(until), Some(why)) => format!("{host} until {until:.0}, not renewed yet: {why}"),
        (None, Some(why)) => format!("{host} has none yet: {why}"),
        (None, None) => format!("{host} has none yet, it is being ordered"),
    }
}

fn render(outcome: &StatusOutcome) -> String {
    let environment = outcome.environment.as_str();
    let mut text = match (&outcome.version, &outcome.release) {
        (Some(version), Some(release)) => {
            format!("{}: {} is live {}\n", paint(BOLD, environment), paint(BOLD, version), paint(DIM, format!("(release {release})")))
        }
        _ => format!("{}: nothing is live\n", paint(BOLD, environment)),
    };
    if let Some(lease) = &outcome.lease {
        let since = super::history::when(lease.since);
        text.push_str(&format!("{} {} by {}, since {since}\n", paint(WARN, "under way:"), lease.purpose, lease.owner));
    }
    if let Some(watch) = &outcome.watch {
        text.push_str(&format!("{} {}\n", paint(WARN, "watched:"), watched(watch)));
    }
    for line in &outcome.certificates {
        let style = if line.until.is_some() && line.failure.is_none() { DIM } else { WARN };
        text.push_str(&format!("{} {}\n", paint(style, "certificate:"), certificate(line)));
    }
    for unfinished in &outcome.unfinished {
        text.push_str(&format!("{} {unfinished}\n", paint(WARN, "unfinished:")));
    }
    if !outcome.containers.is_empty() {
        text.push_str(&format!("\n{}\n", ps::table(&outcome.containers)));
    }
    if !outcome.rollback_to.is_empty() {
        text.push_str(&format!("rollback to: {}\n", outcome.rollback_to.join(", ")));
    }
    text.push_str(&format!("{} {}\n", paint(DIM, "next:"), next(&outcome.next, environment)));
    text
}
