//! Identifiers as types of their own, so that one cannot stand for another.

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Wraps an identifier that is already known to be one.
            pub fn new(value: impl Into<String>) -> Self {
                Self(value.into())
            }

            /// Gives the identifier as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id! {
    /// A release: immutable once recorded.
    ReleaseId
}
id! {
    /// One journaled attempt to make a release live.
    DeploymentId
}
id! {
    /// A container, as the engine knows it (id or name).
    ContainerId
}
id! {
    /// An image's id on the engine (`sha256:…`).
    ImageId
}
id! {
    /// An environment's name, such as `production`.
    EnvironmentName
}

impl DeploymentId {
    /// The eight characters that distinguish engine objects of this deployment.
    #[must_use]
    pub fn short(&self) -> &str {
        let tail = self.0.len().saturating_sub(8);
        self.0.get(tail..).unwrap_or(&self.0)
    }
}
