//! The Compose file format as one table: every key with its shape, how it merges and what makes its items equal.
//!
//! Validation, merging, canonical forms, output and the documentation all read this table.

mod build;
mod deploy;
mod resources;
mod service;
mod service_parts;
mod top;

pub(crate) use service::SERVICE;
pub(crate) use top::TOP;

/// A key of a mapping.
pub(crate) struct Field {
    pub(crate) key: &'static str,
    pub(crate) shape: Shape,
    pub(crate) merge: Merge,
    pub(crate) unique: Unique,
}

impl Field {
    const fn new(key: &'static str, shape: Shape) -> Self {
        Self { key, shape, merge: Merge::Default, unique: Unique::No }
    }

    const fn merge(mut self, merge: Merge) -> Self {
        self.merge = merge;
        self
    }

    const fn unique(mut self, unique: Unique) -> Self {
        self.unique = unique;
        self
    }
}

/// How a later file's value meets an earlier one. The default merges mappings, appends lists, replaces the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Merge {
    Default,
    /// The later value stands alone.
    Replace,
    /// Both become lists (`key=value` for mappings) and are joined.
    Sequence,
    /// As `Sequence`; items that are there already are left out.
    NewItems,
    /// Both become mappings; a list names keys without values.
    Names,
    /// Both become mappings; a list names services to be started first.
    Dependencies,
    /// Short form becomes long, then mappings merge.
    Build,
    /// Options merge only when the driver is the same.
    Logging,
    /// Pools merge by subnet.
    Pools,
    /// Entries of a mapping replace each other.
    Entries,
}

/// What makes two items of a list the same; the later one takes the place of the earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unique {
    No,
    /// The text before `=`.
    Key,
    /// The printed value.
    Printed,
    /// The path of an env file.
    Path,
    /// The mount target.
    Mount,
    /// The target of a device.
    Device,
    /// The target of a config or secret below the given folder.
    File(&'static str),
    /// Address, published and target port, protocol.
    Port,
}

/// A mapping with known keys.
pub(crate) struct Object {
    pub(crate) fields: &'static [Field],
    pub(crate) required: &'static [&'static str],
    /// Whether `x-…` keys are allowed.
    pub(crate) extensions: bool,
    pub(crate) nullable: bool,
    /// Whether the reference prints the keys with a capital letter.
    pub(crate) capitalised: bool,
}

impl Object {
    const fn new(fields: &'static [Field]) -> Self {
        Self { fields, required: &[], extensions: true, nullable: false, capitalised: false }
    }

    const fn required(mut self, keys: &'static [&'static str]) -> Self {
        self.required = keys;
        self
    }

    const fn strict(mut self) -> Self {
        self.extensions = false;
        self
    }

    const fn capitalised(mut self) -> Self {
        self.capitalised = true;
        self
    }

    const fn nullable(mut self) -> Self {
        self.nullable = true;
        self
    }

    pub(crate) fn field(&self, key: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.key == key)
    }
}

/// How the values of a `key=value` list or mapping are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dict {
    /// A key without a value is blank.
    Blank,
    /// A key without a value stays without.
    Nullable,
}

/// What a value may be and how it is printed. Unless said otherwise, empty values are not printed.
pub(crate) enum Shape {
    /// Accepted and then dropped, as the reference does.
    Dropped(&'static Self),
    Text,
    TextOrNull,
    /// One of some words.
    Choice(&'static [&'static str]),
    /// Text with a form of its own.
    ContainerName,
    PullPolicy,
    /// A boolean, or text that reads as one.
    Flag,
    /// A boolean and nothing else.
    StrictFlag,
    /// As `Flag`; `false` is printed.
    OptFlag,
    /// As `Flag`; `true` is not printed, for it is the default.
    OptOut,
    /// A whole number between two bounds, or text that reads as one.
    Int(i64, i64),
    /// As `Int`, but no text.
    Number(i64, i64),
    /// A whole number from 0 to 100, or text that reads as a number.
    Percent,
    /// As `Int`; zero is printed.
    OptInt(i64, i64),
    /// Always printed.
    PlainInt,
    Float,
    /// Bytes as a number or with a unit.
    Bytes,
    /// Bytes with a unit, as text.
    BytesText,
    /// Bytes; zero is printed.
    PlainBytes,
    Duration,
    /// As `Duration`; zero is printed.
    OptDuration,
    /// A file mode: text is octal; printed as octal text.
    FileMode,
    /// A number of devices, or `all`.
    DeviceCount,
    /// A boolean or text, printed as text.
    Stringified,
    /// A number or text, printed as text.
    NumberOrText,
    /// A list of text; `true`: without repetitions.
    Texts(bool),
    /// A list of text or numbers, printed as text.
    PrintedList,
    /// One text, or a list without repetitions.
    TextOrTexts,
    /// As `TextOrTexts`, turned into a list at once.
    TextList,
    /// Words, a command line, or nothing; always printed.
    Command,
    HealthTest,
    /// `key=value` lines or a mapping of scalars.
    Dict(Dict),
    /// As `Dict`, read into a mapping at once.
    KeyValues,
    /// Scalars by free keys; `true`: nothing is allowed too.
    Options(bool),
    /// Text by free keys.
    TextMap,
    /// Scalars by free keys, printed as text.
    AnyMap,
    /// Scalars or lists of scalars by free keys.
    MultiOptions,
    Hosts,
    Object(&'static Object),
    /// As `Object`; printed even when it is empty.
    PlainObject(&'static Object),
    List(&'static Self),
    /// Values by free names.
    Named(&'static Self),
    /// Values by names of letters, digits, `.`, `_` and `-`; a bad name is refused.
    StrictNamed(&'static Self),
    /// A list of names or a mapping.
    NamesOr(&'static Object),
    Dependencies(&'static Object),
    Build(&'static Object),
    Extends(&'static Object),
    EnvFiles(&'static Object),
    LabelFiles,
    FileReferences(&'static Object),
    Devices(&'static Object),
    Volumes(&'static Object),
    Ports(&'static Object),
    Gpus(&'static Object),
    Ssh,
    Ulimits,
    /// A boolean, or the older mapping with a name.
    External,
    Include,
}
