//! The `deploy` and `develop` sections and hooks.

use super::resources::RESOURCES;
use super::{Dict, Field, Merge, Object, Shape, Unique};

/// `services.*.deploy`.
pub(super) static DEPLOY: Object = Object::new(&[
    Field::new("mode", Shape::Text),
    Field::new("endpoint_mode", Shape::Text),
    Field::new("replicas", Shape::OptInt(i64::MIN, i64::MAX)),
    Field::new("labels", Shape::Dict(Dict::Blank)).merge(Merge::Sequence).unique(Unique::Key),
    Field::new("rollback_config", Shape::Object(&UPDATE)),
    Field::new("update_config", Shape::Object(&UPDATE)),
    Field::new("resources", Shape::PlainObject(&RESOURCES)),
    Field::new("restart_policy", Shape::Object(&RESTART)),
    Field::new("placement", Shape::PlainObject(&PLACEMENT)),
])
.nullable();

static UPDATE: Object = Object::new(&[
    Field::new("parallelism", Shape::OptInt(0, i64::MAX)),
    Field::new("delay", Shape::Duration),
    Field::new("failure_action", Shape::Text),
    Field::new("monitor", Shape::Duration),
    Field::new("max_failure_ratio", Shape::Float),
    Field::new("order", Shape::Choice(&["start-first", "stop-first"])),
]);

static RESTART: Object = Object::new(&[
    Field::new("condition", Shape::Text),
    Field::new("delay", Shape::OptDuration),
    Field::new("max_attempts", Shape::OptInt(0, i64::MAX)),
    Field::new("window", Shape::OptDuration),
]);

static PLACEMENT: Object = Object::new(&[
    Field::new("constraints", Shape::Texts(false)),
    Field::new("preferences", Shape::List(&Shape::Object(&PREFERENCE))),
    Field::new("max_replicas_per_node", Shape::Int(0, i64::MAX)),
]);

static PREFERENCE: Object = Object::new(&[Field::new("spread", Shape::Text)]);

/// `services.*.develop`.
pub(super) static DEVELOP: Object = Object::new(&[Field::new("watch", Shape::List(&Shape::Object(&WATCH)))]).nullable();

static WATCH: Object = Object::new(&[
    Field::new("path", Shape::Text),
    Field::new("action", Shape::Choice(&["rebuild", "sync", "restart", "sync+restart", "sync+exec"])),
    Field::new("target", Shape::Text),
    Field::new("exec", Shape::PlainObject(&HOOK)),
    Field::new("include", Shape::TextList),
    Field::new("ignore", Shape::TextList),
    Field::new("initial_sync", Shape::StrictFlag),
])
.required(&["path", "action"]);

/// A command run in a container.
pub(super) static HOOK: Object = Object::new(&[
    Field::new("command", Shape::Command),
    Field::new("user", Shape::Text),
    Field::new("privileged", Shape::Flag),
    Field::new("working_dir", Shape::Text),
    Field::new("environment", Shape::Dict(Dict::Nullable)),
])
.required(&["command"]);
