//! `chora ps`.

use chora_core::model::container::{ContainerState, PublishedPort};
use chora_ops::Failure;
use chora_ops::stack::{PsRequest, ps};
use chora_ops::status::ContainerLine;
use clap::Args;

use super::EnvironmentArgs;
use super::door::Door;
use super::output::Answer;
use super::style::{DIM, GOOD, WARN};
use super::table::{Cell, Table};

/// List the containers
///
/// Where no environment is named and only development runs, that one is meant.
#[derive(Debug, Args)]
pub(crate) struct PsArgs {
    #[command(flatten)]
    environment: EnvironmentArgs,
}

pub(crate) async fn run(args: PsArgs, door: &Door) -> Result<Answer, Failure> {
    let request = PsRequest { environment: door.running(args.environment.environment).await? };
    let outcome = ps(&door.context(request.environment.as_deref())?, &request).await?;
    let text =
        if outcome.containers.is_empty() { format!("no containers in {}\n", outcome.environment) } else { table(&outcome.containers) };
    Answer::new(&outcome, text)
}

/// The containers of `ps` and `status`.
pub(crate) fn table(containers: &[ContainerLine]) -> String {
    let mut table = Table::new(&["SERVICE", "CONTAINER", "ROLE", "STATUS", "PORTS"]);
    for container in containers {
        let style = match container.role.as_str() {
            "active" if container.state == ContainerState::Running && !container.status.contains("unhealthy") => GOOD,
            "active" | "candidate" => WARN,
            _ => DIM,
        };
        table.row(vec![
            container.service.clone().into(),
            container.name.clone().into(),
            Cell::styled(style, container.role.clone()),
            container.status.clone().into(),
            ports(&container.published).into(),
        ]);
    }
    table.render()
}

/// `0.0.0.0:8080->80/tcp`, as Docker's client writes it.
fn ports(published: &[PublishedPort]) -> String {
    let words = published.iter().map(|port| match (port.host_ip.as_str(), port.host_port) {
        (_, 0) => port.target.clone(),
        (address, number) if address.contains(':') => format!("[{address}]:{number}->{}", port.target),
        ("", number) => format!("{number}->{}", port.target),
        (address, number) => format!("{address}:{number}->{}", port.target),
    });
    words.collect::<Vec<_>>().join(", ")
}
