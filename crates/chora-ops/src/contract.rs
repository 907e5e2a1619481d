//! `chora contract record` and `chora contract diff`: what an MCP server offers, written down and held against it.

mod operation;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chora_core::model::container::Container;
use chora_core::model::contract::{Contract, ContractChange, compare};
use chora_core::model::health::{McpProbe, Probe, ProbeAnswer, ProbeVerdict};
use chora_core::ports::Prober;

pub use operation::{ServerRequest, diff, record};

/// The newest format of a contract file that this program reads.
const SCHEMA_VERSION: u32 = 1;

/// Why there is no contract.
#[derive(Debug, thiserror::Error)]
pub enum ContractError {
    /// It cannot become a file name.
    #[error("`{service}` is not a service name")]
    ServiceName {
        /// As it was given.
        service: String,
    },
    /// Nothing was recorded for the service.
    #[error("no contract at {path}; `chora contract record` writes one")]
    Missing {
        /// Where it was looked for.
        path: String,
    },
    /// It is there and is no contract that this program reads.
    #[error("the contract at {path} cannot be read: {reason}")]
    Unreadable {
        /// Where it is.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It cannot be written.
    #[error("the contract at {path} cannot be written: {reason}")]
    Unwritable {
        /// Where it should be.
        path: String,
        /// What the operating system said.
        reason: String,
    },
    /// The server did not say what it offers.
    #[error("the server does not say what it offers: {}", .answer.answered)]
    NotObserved {
        /// What it said instead.
        answer: Box<ProbeAnswer>,
    },
}

/// Whose contract, and how to ask for it.
#[derive(Debug, Clone, PartialEq)]
pub struct ContractRequest {
    /// The service's name, which names the file unless `file` does.
    pub service: String,
    /// The project's directory.
    pub project: PathBuf,
    /// Where the contract is, relative to the project, when `chora.yaml` says so.
    pub file: Option<PathBuf>,
    /// How to ask; its own contract is not looked at.
    pub how: McpProbe,
    /// Time budget.
    pub limit: Duration,
}

impl ContractRequest {
    fn path(&self) -> Result<PathBuf, ContractError> {
        self.file.clone().map_or_else(|| path_of(&self.service), Ok)
    }
}

/// What was recorded.
#[derive(Debug, Clone, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct RecordOutcome {
    /// Where, relative to the project.
    pub path: String,
    /// What the server offers.
    pub contract: Contract,
    /// Whether the file changed.
    pub written: bool,
    /// Changes since the last recording, breaking ones first.
    pub changes: Vec<ContractChange>,
}

/// How the server differs from its recording.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct DiffOutcome {
    /// Nothing breaks.
    pub ok: bool,
    /// The recording, relative to the project.
    pub path: String,
    /// Changes, breaking ones first.
    pub changes: Vec<ContractChange>,
}

/// Asks a container what it offers and writes it down; an unchanged file is left alone.
///
/// # Errors
/// See [`ContractError`].
pub async fn record_contract(
    prober: &dyn Prober,
    container: &Container,
    request: &ContractRequest,
) -> Result<RecordOutcome, ContractError> {
    let relative = request.path()?;
    let file = request.project.join(&relative);
    let contract = observe(prober, container, request).await?;
    let changes = match read(&file) {
        Ok(recorded) => compare(&recorded, &contract),
        Err(ContractError::Missing { .. }) => Vec::new(),
        Err(error) => return Err(error),
    };
    let written = write(&file, &contract)?;
    Ok(RecordOutcome { path: relative.display().to_string(), contract, written, changes })
}

/// Asks a container what it offers and compares it with what was written down.
///
/// # Errors
/// See [`ContractError`].
pub async fn diff_contract(prober: &dyn Prober, container: &Container, request: &ContractRequest) -> Result<DiffOutcome, ContractError> {
    let relative = request.path()?;
    let recorded = read(&request.project.join(&relative))?;
    let observed = observe(prober, container, request).await?;
    let changes = compare(&recorded, &observed);
    Ok(DiffOutcome { ok: !changes.iter().any(|change| change.breaking), path: relative.display().to_string(), changes })
}

/// Where a service's contract is, relative to the project.
///
/// # Errors
/// When the name could leave the folder.
pub fn path_of(service: &str) -> Result<PathBuf, ContractError> {
    let plain = service.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if service.is_empty() || service.starts_with('.') || !plain {
        return Err(ContractError::ServiceName { service: service.to_owned() });
    }
    Ok(Path::new(".chora").join("contracts").join(format!("{service}.json")))
}

/// Reads a contract file.
///
/// # Errors
/// When it is missing, broken or newer than this program.
pub fn read(path: &Path) -> Result<Contract, ContractError> {
    let shown = || path.display().to_string();
    let text = std::fs::read(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => ContractError::Missing { path: shown() },
        _ => ContractError::Unreadable { path: shown(), reason: error.to_string() },
    })?;
    let contract: Contract =
        serde_json::from_slice(&text).map_err(|error| ContractError::Unreadable { path: shown(), reason: error.to_string() })?;
    match contract.schema_version {
        1..=SCHEMA_VERSION => Ok(contract),
        0 => Err(ContractError::Unreadable { path: shown(), reason: "it has no `schema_version`".to_owned() }),
        newer => {
            Err(ContractError::Unreadable { path: shown(), reason: format!("its format is {newer}, this program reads {SCHEMA_VERSION}") })
        }
    }
}

/// Writes a contract file whole or not at all; `false` when it held the very same text.
fn write(path: &Path, contract: &Contract) -> Result<bool, ContractError> {
    let unwritable = |error: std::io::Error| ContractError::Unwritable { path: path.display().to_string(), reason: error.to_string() };
    let mut text = serde_json::to_string_pretty(contract).map_err(|error| unwritable(error.into()))?;
    text.push('\n');
    if std::fs::read(path).is_ok_and(|known| known == text.as_bytes()) {
        return Ok(false);
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(unwritable)?;
    let mut file = tempfile::Builder::new().prefix(".contract-").tempfile_in(folder).map_err(unwritable)?;
    file.write_all(text.as_bytes()).map_err(unwritable)?;
    file.as_file().sync_all().map_err(unwritable)?;
    make_readable(file.as_file()).map_err(unwritable)?;
    file.persist(path).map_err(|error| unwritable(error.error))?;
    std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(unwritable)?;
    Ok(true)
}

/// Temporary files are private; a committed file is not.
#[cfg(unix)]
fn make_readable(file: &std::fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn make_readable(_: &std::fs::File) -> std::io::Result<()> {
    Ok(())
}

async fn observe(prober: &dyn Prober, container: &Container, request: &ContractRequest) -> Result<Contract, ContractError> {
    let how = McpProbe { contract: None, call: None, ..request.how.clone() };
    let answer = prober.probe(container, &Probe::Mcp(how), request.limit).await;
    match (answer.verdict, &answer.contract) {
        (ProbeVerdict::Pass | ProbeVerdict::Degraded, Some(contract)) => Ok(contract.clone()),
        _ => Err(ContractError::NotObserved { answer: Box::new(answer) }),
    }
}
