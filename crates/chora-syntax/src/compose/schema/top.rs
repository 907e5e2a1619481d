//! Top-level keys, networks, volumes, configs and secrets.

use super::{Dict, Field, Merge, Object, SERVICE, Shape, Unique};

/// The whole file.
pub(crate) static TOP: Object = Object::new(&[
    Field::new("version", Shape::Dropped(&Shape::Text)),
    Field::new("name", Shape::Text),
    Field::new("include", Shape::Dropped(&Shape::Include)),
    Field::new("services", Shape::StrictNamed(&Shape::Object(&SERVICE))),
    Field::new("networks", Shape::Named(&Shape::PlainObject(&NETWORK))),
    Field::new("volumes", Shape::StrictNamed(&Shape::PlainObject(&VOLUME))),
    Field::new("configs", Shape::StrictNamed(&Shape::PlainObject(&CONFIG))),
    Field::new("secrets", Shape::StrictNamed(&Shape::PlainObject(&SECRET))),
    Field::new("models", Shape::Dropped(&Shape::Named(&Shape::Object(&MODEL)))),
]);

static NETWORK: Object = Object::new(&[
    Field::new("name", Shape::Text),
    Field::new("driver", Shape::Text),
    Field::new("driver_opts", Shape::Options(false)),
    Field::new("ipam", Shape::PlainObject(&IPAM)),
    Field::new("external", Shape::External),
    Field::new("internal", Shape::Flag),
    Field::new("attachable", Shape::Flag),
    Field::new("labels", Shape::Dict(Dict::Blank)).merge(Merge::Sequence).unique(Unique::Key),
    Field::new("enable_ipv4", Shape::OptFlag),
    Field::new("enable_ipv6", Shape::OptFlag),
])
.nullable();

static IPAM: Object = Object::new(&[
    Field::new("driver", Shape::Text),
    Field::new("config", Shape::List(&Shape::Object(&POOL))).merge(Merge::Pools),
    Field::new("options", Shape::Dropped(&Shape::TextMap)),
]);

static POOL: Object = Object::new(&[
    Field::new("subnet", Shape::Text),
    Field::new("gateway", Shape::Text),
    Field::new("ip_range", Shape::Text),
    Field::new("aux_addresses", Shape::TextMap),
]);

static VOLUME: Object = Object::new(&[
    Field::new("name", Shape::Text),
    Field::new("driver", Shape::Text),
    Field::new("driver_opts", Shape::Options(false)),
    Field::new("external", Shape::External),
    Field::new("labels", Shape::Dict(Dict::Blank)).merge(Merge::Sequence),
])
.nullable();

static CONFIG: Object = Object::new(&[
    Field::new("name", Shape::Text),
    Field::new("content", Shape::Text),
    Field::new("environment", Shape::Text),
    Field::new("file", Shape::Text),
    Field::new("external", Shape::External),
    Field::new("labels", Shape::Dict(Dict::Blank)),
    Field::new("template_driver", Shape::Text),
]);

static SECRET: Object = Object::new(&[
    Field::new("name", Shape::Text),
    Field::new("environment", Shape::Text),
    Field::new("file", Shape::Text),
    Field::new("external", Shape::External),
    Field::new("labels", Shape::Dict(Dict::Blank)),
    Field::new("driver", Shape::Text),
    Field::new("driver_opts", Shape::Options(false)),
    Field::new("template_driver", Shape::Text),
]);

static MODEL: Object = Object::new(&[
    Field::new("name", Shape::Text),
    Field::new("model", Shape::Text),
    Field::new("context_size", Shape::Int(i64::MIN, i64::MAX)),
    Field::new("runtime_flags", Shape::Texts(false)),
])
.required(&["model"]);
