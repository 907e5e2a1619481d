//! `chora connect`.

use std::path::PathBuf;

use chora_ops::connect::{Client, ConnectRequest, ConnectSettings, OperatingSystem, connect};
use chora_ops::{Failure, FailureKind};
use clap::{Args, ValueEnum};

use super::door::Door;
use super::output::Answer;
use super::style::{DIM, paint};

/// Connect an MCP client to a server
///
/// Prints the configuration that the client needs; with --write puts it into the client's file, where everything else stays as it
/// is, and with --undo takes it out again. A client that can only start programs is given `chora bridge` for an address. Claude
/// Code, Cursor and VS Code have their file in the project, Claude Desktop has its own, n8n has none.
#[derive(Debug, Args)]
pub(crate) struct ConnectArgs {
    /// The client
    #[arg(value_enum)]
    client: ClientName,
    /// Name of the server in the client
    service: String,
    /// Address of the server, such as `https://example.com/mcp`
    #[arg(long, value_name = "URL", required_unless_present_any = ["stdio", "undo"], conflicts_with = "stdio")]
    url: Option<String>,
    /// The server is the program after `--`, on standard streams
    #[arg(long, requires = "command")]
    stdio: bool,
    /// Program and arguments of the server; no shell reads them
    #[arg(last = true, value_name = "COMMAND", requires = "stdio")]
    command: Vec<String>,
    /// Header for every request; `${NAME}` in the value becomes a variable as the client spells it
    #[arg(long, value_name = "NAME: VALUE", requires = "url")]
    header: Vec<String>,
    /// Write the client's file
    #[arg(long)]
    write: bool,
    /// Take back what was written under that name
    #[arg(long, conflicts_with_all = ["write", "url", "stdio", "header"])]
    undo: bool,
    /// The client's file [default: where the client looks for it]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// The clients, by their names on the command line.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum ClientName {
    /// Claude Desktop
    #[value(name = "claude-desktop")]
    ClaudeDesktop,
    /// Claude Code: .mcp.json in the project
    #[value(name = "claude-code")]
    ClaudeCode,
    /// Cursor: .cursor/mcp.json in the project
    #[value(name = "cursor")]
    Cursor,
    /// Visual Studio Code: .vscode/mcp.json in the project
    #[value(name = "vscode")]
    VsCode,
    /// n8n: prints what to enter in its MCP Client Tool
    #[value(name = "n8n")]
    N8n,
}

pub(crate) fn run(args: ConnectArgs, door: &Door) -> Result<Answer, Failure> {
    let outcome = connect(&settings(door)?, &request(args)?)?;
    let next = match outcome.next.as_str() {
        "" => String::new(),
        next => format!("{} {next}\n", paint(DIM, if outcome.written { "undo:" } else { "next:" })),
    };
    let text = format!("{}{next}", outcome.text);
    Answer::new(&outcome, text)
}

fn settings(door: &Door) -> Result<ConnectSettings, Failure> {
    let folder = |name: &str| door.config.variables.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let system = OperatingSystem::named(std::env::consts::OS);
    let (home, settings_folder) = match system {
        OperatingSystem::Linux => (folder("HOME"), folder("XDG_CONFIG_HOME")),
        OperatingSystem::MacOs => (folder("HOME"), None),
        OperatingSystem::Windows => (folder("USERPROFILE"), folder("APPDATA")),
    };
    let program = std::env::current_exe()
        .map_err(|error| Failure::new(FailureKind::Unavailable, format!("it is unknown where chora itself is: {error}")))?;
    Ok(ConnectSettings { home, settings_folder, project: door.config.project_dir.value.clone(), system, program })
}

fn request(args: ConnectArgs) -> Result<ConnectRequest, Failure> {
    // A path on the command line is meant from where the person stands, not from the project.
    let file = args.config.map(std::path::absolute).transpose();
    let file = file.map_err(|error| Failure::new(FailureKind::Invalid, format!("the name after --config is no file: {error}")))?;
    let client = match args.client {
        ClientName::ClaudeDesktop => Client::ClaudeDesktop,
        ClientName::ClaudeCode => Client::ClaudeCode,
        ClientName::Cursor => Client::Cursor,
        ClientName::VsCode => Client::VsCode,
        ClientName::N8n => Client::N8n,
    };
    Ok(ConnectRequest {
        client,
        service: args.service,
        url: args.url,
        command: args.command,
        headers: args.header,
        write: args.write,
        undo: args.undo,
        file,
    })
}
