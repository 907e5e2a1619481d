//! The files below `templates/`, as the build script found them.

include!(concat!(env!("OUT_DIR"), "/files.rs"));
