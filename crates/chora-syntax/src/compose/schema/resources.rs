//! Block IO, and what `deploy.resources` limits and reserves.

use super::{Dict, Field, Object, Shape};

/// `services.*.blkio_config`.
pub(super) static BLKIO: Object = Object::new(&[
    Field::new("weight", Shape::Number(0, 65_535)),
    Field::new("weight_device", Shape::List(&Shape::Object(&WEIGHT))),
    Field::new("device_read_bps", Shape::List(&Shape::Object(&RATE))),
    Field::new("device_read_iops", Shape::List(&Shape::Object(&RATE))),
    Field::new("device_write_bps", Shape::List(&Shape::Object(&RATE))),
    Field::new("device_write_iops", Shape::List(&Shape::Object(&RATE))),
])
.strict();

static WEIGHT: Object = Object::new(&[Field::new("path", Shape::Text), Field::new("weight", Shape::PlainInt)]).strict().capitalised();

static RATE: Object = Object::new(&[Field::new("path", Shape::Text), Field::new("rate", Shape::PlainBytes)]).strict().capitalised();

/// `services.*.deploy.resources`.
pub(super) static RESOURCES: Object =
    Object::new(&[Field::new("limits", Shape::Object(&LIMITS)), Field::new("reservations", Shape::Object(&RESERVATIONS))]);

static LIMITS: Object = Object::new(&[
    Field::new("cpus", Shape::Float),
    Field::new("memory", Shape::BytesText),
    Field::new("pids", Shape::Int(i64::MIN, i64::MAX)),
]);

static RESERVATIONS: Object = Object::new(&[
    Field::new("cpus", Shape::Float),
    Field::new("memory", Shape::BytesText),
    Field::new("devices", Shape::List(&Shape::Object(&DEVICE_REQUEST))),
    Field::new("generic_resources", Shape::List(&Shape::Object(&GENERIC))),
]);

static GENERIC: Object = Object::new(&[Field::new("discrete_resource_spec", Shape::Object(&DISCRETE))]);

static DISCRETE: Object = Object::new(&[Field::new("kind", Shape::Text), Field::new("value", Shape::PlainInt)]);

/// A request for devices such as GPUs.
pub(super) static DEVICE_REQUEST: Object = Object::new(&[
    Field::new("capabilities", Shape::Texts(true)),
    Field::new("driver", Shape::Text),
    Field::new("count", Shape::DeviceCount),
    Field::new("device_ids", Shape::Texts(true)),
    Field::new("options", Shape::Dict(Dict::Blank)),
])
.required(&["capabilities"]);

/// As `DEVICE_REQUEST`, in the `gpus` key, where nothing is required.
pub(super) static GPU: Object = Object::new(&[
    Field::new("capabilities", Shape::Texts(true)),
    Field::new("driver", Shape::Text),
    Field::new("count", Shape::DeviceCount),
    Field::new("device_ids", Shape::Texts(true)),
    Field::new("options", Shape::Dict(Dict::Blank)),
]);
