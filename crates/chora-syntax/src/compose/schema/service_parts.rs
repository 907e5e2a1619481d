//! The mappings within a service.

use super::{Dict, Field, Merge, Object, Shape, Unique};

/// `services.*.ulimits` and `services.*.build.ulimits`.
pub(super) const ULIMITS: Shape = Shape::Ulimits;

pub(super) static CREDENTIAL_SPEC: Object =
    Object::new(&[Field::new("config", Shape::Text), Field::new("file", Shape::Text), Field::new("registry", Shape::Text)]);

pub(super) static DEPENDENCY: Object = Object::new(&[
    Field::new("condition", Shape::Choice(&["service_started", "service_healthy", "service_completed_successfully"])),
    Field::new("restart", Shape::Flag),
    Field::new("required", Shape::Flag),
])
.required(&["condition"]);

pub(super) static DEVICE: Object =
    Object::new(&[Field::new("source", Shape::Text), Field::new("target", Shape::Text), Field::new("permissions", Shape::Text)])
        .required(&["source", "target"]);

pub(super) static ENV_FILE: Object =
    Object::new(&[Field::new("path", Shape::Text), Field::new("format", Shape::Text), Field::new("required", Shape::Flag)])
        .required(&["path"])
        .strict();

pub(super) static EXTENDS: Object =
    Object::new(&[Field::new("service", Shape::Text), Field::new("file", Shape::Text)]).required(&["service"]).strict();

pub(super) static FILE_REFERENCE: Object = Object::new(&[
    Field::new("source", Shape::Text),
    Field::new("target", Shape::Text),
    Field::new("uid", Shape::Text),
    Field::new("gid", Shape::Text),
    Field::new("mode", Shape::FileMode),
]);

pub(super) static HEALTHCHECK: Object = Object::new(&[
    Field::new("test", Shape::HealthTest).merge(Merge::Replace),
    Field::new("timeout", Shape::OptDuration),
    Field::new("interval", Shape::OptDuration),
    Field::new("retries", Shape::OptInt(0, i64::MAX)),
    Field::new("start_period", Shape::OptDuration),
    Field::new("start_interval", Shape::OptDuration),
    Field::new("disable", Shape::Flag),
]);

pub(super) static LOGGING: Object = Object::new(&[Field::new("driver", Shape::Text), Field::new("options", Shape::Options(true))]);

pub(super) static SERVICE_MODEL: Object =
    Object::new(&[Field::new("endpoint_var", Shape::Text), Field::new("model_var", Shape::Text)]).nullable();

pub(super) static SERVICE_NETWORK: Object = Object::new(&[
    Field::new("aliases", Shape::Texts(true)).unique(Unique::Key),
    Field::new("interface_name", Shape::Text),
    Field::new("ipv4_address", Shape::Text),
    Field::new("ipv6_address", Shape::Text),
    Field::new("link_local_ips", Shape::Texts(true)).unique(Unique::Key),
    Field::new("mac_address", Shape::Text),
    Field::new("driver_opts", Shape::Options(false)),
    Field::new("priority", Shape::Int(i64::MIN, i64::MAX)),
    Field::new("gw_priority", Shape::Int(i64::MIN, i64::MAX)),
])
.nullable();

pub(super) static PORT: Object = Object::new(&[
    Field::new("name", Shape::Text),
    Field::new("mode", Shape::Text),
    Field::new("host_ip", Shape::Text),
    Field::new("target", Shape::Int(0, 65_535)),
    Field::new("published", Shape::NumberOrText),
    Field::new("protocol", Shape::Text),
    Field::new("app_protocol", Shape::Text),
]);

pub(super) static PROVIDER: Object =
    Object::new(&[Field::new("type", Shape::Text), Field::new("options", Shape::MultiOptions)]).required(&["type"]);

pub(super) static VOLUME_MOUNT: Object = Object::new(&[
    Field::new("type", Shape::Choice(&["bind", "volume", "tmpfs", "cluster", "npipe", "image"])),
    Field::new("source", Shape::Text),
    Field::new("target", Shape::Text),
    Field::new("read_only", Shape::Flag),
    Field::new("consistency", Shape::Text),
    Field::new("bind", Shape::Object(&BIND)),
    Field::new("volume", Shape::Object(&VOLUME_OPTIONS)),
    Field::new("tmpfs", Shape::Object(&TMPFS)),
    Field::new("image", Shape::Object(&IMAGE)),
])
.required(&["type", "target"]);

static BIND: Object = Object::new(&[
    Field::new("propagation", Shape::Text),
    Field::new("create_host_path", Shape::OptOut),
    Field::new("recursive", Shape::Choice(&["enabled", "disabled", "writable", "readonly"])),
    Field::new("selinux", Shape::Choice(&["z", "Z"])),
]);

static VOLUME_OPTIONS: Object =
    Object::new(&[Field::new("labels", Shape::Dict(Dict::Blank)), Field::new("nocopy", Shape::Flag), Field::new("subpath", Shape::Text)]);

static TMPFS: Object = Object::new(&[Field::new("size", Shape::Bytes), Field::new("mode", Shape::Number(0, 4_294_967_295))]);

static IMAGE: Object = Object::new(&[Field::new("subpath", Shape::Text)]);
