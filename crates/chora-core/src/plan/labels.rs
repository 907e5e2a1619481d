//! Labels on engine objects: the Compose ones, so that other tools list them, and Chora's own.

/// Project name (Docker Compose).
pub const PROJECT: &str = "com.docker.compose.project";
/// Service name (Docker Compose).
pub const SERVICE: &str = "com.docker.compose.service";
/// Replica number from 1 (Docker Compose).
pub const NUMBER: &str = "com.docker.compose.container-number";
/// `False` for service containers (Docker Compose).
pub const ONEOFF: &str = "com.docker.compose.oneoff";
/// Hash of the configuration (Docker Compose).
pub const CONFIG_HASH: &str = "com.docker.compose.config-hash";
/// Image id (Docker Compose).
pub const IMAGE: &str = "com.docker.compose.image";
/// `service:condition:restart` list (Docker Compose).
pub const DEPENDS_ON: &str = "com.docker.compose.depends_on";
/// Compose files, absolute, separated by commas (Docker Compose).
pub const CONFIG_FILES: &str = "com.docker.compose.project.config_files";
/// Project directory (Docker Compose).
pub const WORKING_DIR: &str = "com.docker.compose.project.working_dir";
/// Version of the program that made the container (Docker Compose).
pub const VERSION: &str = "com.docker.compose.version";
/// Network key (Docker Compose).
pub const NETWORK: &str = "com.docker.compose.network";
/// Volume key (Docker Compose).
pub const VOLUME: &str = "com.docker.compose.volume";
/// Environment name.
pub const ENVIRONMENT: &str = "dev.chora.environment";
/// Release that a container was created for.
pub const RELEASE: &str = "dev.chora.release";
/// Deployment that created the object.
pub const DEPLOYMENT: &str = "dev.chora.deployment";
/// What makes a container interchangeable with another.
pub const FINGERPRINT: &str = "dev.chora.fingerprint";
/// Key of the network that a staging network stands beside.
pub const STAGING: &str = "dev.chora.staging";
/// Key of the network whose former members, ready to serve again, a network holds.
pub const WARM: &str = "dev.chora.warm";
/// Containers that a network is there for, by name, separated by commas.
pub const MEMBERS: &str = "dev.chora.members";
/// Restart policy of a container while it is meant to run, as Compose writes it; a stopped one has none.
pub const RESTART: &str = "dev.chora.restart";
/// Hash of the build inputs of an image.
pub const BUILD_INPUTS: &str = "dev.chora.build-inputs";
/// Marks what an image was started with to be verified; its value says who did.
pub const SPECIMEN: &str = "dev.chora.specimen";
/// Process that an object is there for, as JSON; it goes with it.
pub const OWNER: &str = "dev.chora.owner";
