//! The command line: one file per command, each converts its arguments, calls one operation and renders the outcome.

mod abort;
mod answers;
pub(crate) mod audit;
mod bridge;
mod build;
mod completions;
mod config;
mod connect;
mod contract;
pub(crate) mod deploy;
mod door;
mod down;
mod duration;
mod entrypoint;
mod events;
mod exec;
mod front;
mod gateway;
mod header;
mod health;
mod history;
mod init;
mod install;
mod logs;
mod maintenance;
mod man;
mod output;
mod panic;
mod patterns;
mod probe;
mod progress;
mod prompt;
mod prune;
mod ps;
mod push;
mod release;
mod rollback;
mod schema;
mod serve;
mod signals;
mod size;
mod source;
pub(crate) mod status;
mod style;
mod table;
mod trace;
pub(crate) mod upgrade;
mod verify;
mod wait;

use std::path::PathBuf;
use std::process::ExitCode;

use chora_ops::{Failure, FailureKind};
use clap::{Args, Parser, Subcommand};

use self::door::Door;
use self::output::{Answer, Output};
use crate::config::{ColorWhen, Flags, color};

/// Deploy MCP servers and other services on Docker: plan, health gate, rollback, log.
#[derive(Debug, Parser)]
#[command(
    name = "chora",
    version,
    max_term_width = 100,
    disable_help_subcommand = false,
    subcommand_required = true,
    arg_required_else_help = true
)]
#[command(after_help = "Start with `chora config`, then `chora plan`, then `chora deploy`, in a directory with a Compose file.")]
pub(crate) struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: Command,
}

/// Flags of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
struct GlobalArgs {
    /// Print one JSON document on standard output and nothing else
    #[arg(long, global = true)]
    json: bool,
    /// Use the project in this directory instead of the present one
    #[arg(long, global = true, value_name = "DIR")]
    project: Option<PathBuf>,
    /// Print no progress
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Print more; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    verbose: u8,
    /// Color the output
    #[arg(long, global = true, value_name = "WHEN", value_enum, hide_possible_values = false)]
    color: Option<ColorWhen>,
}

/// Which environment.
#[derive(Debug, Clone, Args)]
struct EnvironmentArgs {
    /// Work on this environment [default: production]
    #[arg(short, long = "env", value_name = "NAME")]
    environment: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::InitArgs),
    Patterns(patterns::PatternsArgs),
    Upgrade(upgrade::UpgradeArgs),
    Audit(audit::AuditArgs),
    Config(config::ConfigArgs),
    Schema(schema::SchemaArgs),
    Plan(deploy::PlanArgs),
    Deploy(deploy::DeployArgs),
    Rollback(rollback::RollbackArgs),
    Resume(abort::ResumeArgs),
    Abort(abort::AbortArgs),
    Status(status::StatusArgs),
    History(history::HistoryArgs),
    Prune(prune::PruneArgs),
    Maintenance(maintenance::MaintenanceArgs),
    Up(deploy::UpArgs),
    Down(down::DownArgs),
    Ps(ps::PsArgs),
    Logs(logs::LogsArgs),
    Exec(exec::ExecArgs),
    Build(build::BuildArgs),
    Verify(verify::VerifyArgs),
    Push(push::PushArgs),
    Release(release::ReleaseArgs),
    Health(health::HealthArgs),
    Contract(contract::ContractArgs),
    Probe(probe::ProbeArgs),
    Wait(wait::WaitArgs),
    Entrypoint(entrypoint::EntrypointArgs),
    Events(events::EventsArgs),
    Serve(serve::ServeArgs),
    Bridge(bridge::BridgeArgs),
    Connect(connect::ConnectArgs),
    Gateway(gateway::GatewayArgs),
    #[command(name = "install-into", hide = true)]
    Install(install::InstallArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
}

/// Reads the command line, does what it says, and gives the exit code.
pub(crate) fn run() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => {
            let flags = Flags { project: cli.global.project.clone(), color: cli.global.color, here: false };
            let verbosity = if cli.global.quiet { -1 } else { i8::try_from(cli.global.verbose).unwrap_or(i8::MAX) };
            let output = Output { json: cli.global.json, verbosity, color: color(&flags).value };
            panic::install(output);
            trace::install(output);
            let result = dispatch(cli.command, &flags, output);
            output.finish(result)
        }
        Err(error) => refuse(&error),
    }
}

fn dispatch(command: Command, flags: &Flags, output: Output) -> Result<Answer, Failure> {
    let door = || Door::open(flags, output);
    match command {
        // These must be quick, or run where there is no project: no runtime, no store, no engine.
        Command::Probe(args) => probe::run(args, output),
        Command::Wait(args) => wait::run(args),
        Command::Entrypoint(args) => Ok(entrypoint::run(args, output)),
        Command::Bridge(args) => bridge::run(args, output),
        Command::Gateway(args) => gateway::run(&args, output),
        Command::Install(args) => install::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Config(args) => {
            let environment = args.environment();
            door()?.plainly(|door| config::run(args, door), environment.as_deref())
        }
        Command::Patterns(args) => door()?.plainly(|door| patterns::run(args, door), None),
        // A project is begun where one stands, and be it a part of another one.
        Command::Init(args) => Door::open(&Flags { here: true, ..flags.clone() }, output)?.plainly(|door| init::run(args, door), None),
        Command::Upgrade(args) => door()?.plainly(|door| upgrade::run(args, door), None),
        Command::Audit(args) => door()?.plainly(|door| audit::run(&args, door), None),
        Command::Connect(args) => door()?.plainly(|door| connect::run(args, door), None),
        Command::Plan(args) => door()?.ask(async |door| deploy::plan(args, door).await),
        Command::Deploy(args) if args.is_dry_run() => door()?.ask(async |door| deploy::run(args, door).await),
        Command::Deploy(args) => door()?.change(async |door| deploy::run(args, door).await),
        Command::Up(args) => door()?.change(async |door| deploy::up(args, door).await),
        Command::Rollback(args) if args.is_dry_run() => door()?.ask(async |door| rollback::run(args, door).await),
        Command::Rollback(args) => door()?.change(async |door| rollback::run(args, door).await),
        Command::Resume(args) => door()?.change(async |door| abort::resume(args, door).await),
        Command::Abort(args) => door()?.change(async |door| abort::abort(args, door).await),
        Command::Status(args) => door()?.ask(async |door| status::run(args, door).await),
        Command::History(args) => door()?.ask(async |door| history::run(args, door).await),
        Command::Prune(args) => door()?.change(async |door| prune::run(args, door).await),
        Command::Maintenance(args) => door()?.act(async |door| maintenance::run(args, door).await),
        Command::Down(args) => door()?.change(async |door| down::run(args, door).await),
        Command::Ps(args) => door()?.ask(async |door| ps::run(args, door).await),
        Command::Logs(args) => door()?.ask(async |door| logs::run(args, door).await),
        Command::Exec(args) => door()?.act(async |door| exec::run(args, door).await),
        Command::Build(args) if args.is_multi() => door()?.change(async |door| build::run(args, door).await),
        Command::Build(args) => door()?.act(async |door| build::run(args, door).await),
        Command::Verify(args) => door()?.change(async |door| verify::run(args, door).await),
        Command::Push(args) => door()?.change(async |door| push::run(args, door).await),
        Command::Release(args) => door()?.change(async |door| release::run(args, door).await),
        Command::Health(args) => door()?.ask(async |door| health::run(args, door).await),
        Command::Contract(args) => door()?.ask(async |door| contract::run(args, door).await),
        Command::Serve(args) => door()?.stay(async |door| serve::run(args, door).await),
        Command::Events(args) => door()?.ask(async |door| events::run(args, door).await),
    }
}

/// A command line that cannot be read, or one that asks for help.
fn refuse(error: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind;
    let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    let json = std::env::args_os().any(|argument| argument == "--json");
    if json && !asked {
        let text = error.render().to_string();
        let message = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        let details = text.lines().skip(1).filter(|line| !line.trim().is_empty()).map(|line| line.trim().to_owned()).collect();
        let failure = Failure::new(FailureKind::Invalid, message).state("nothing was changed").hint("chora help").details(details);
        return Output { json, verbosity: 0, color: ColorWhen::Never }.finish(Err(failure));
    }
    // Nobody there to read it is fine.
    drop(error.print());
    ExitCode::from(if asked { 0 } else { FailureKind::Invalid.exit_code() })
}
