//! The order in which features are adopted: what hides others first, then what hurts most.

/// A phase of the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// What cannot be read hides everything else.
    Readable,
    /// What leaks or opens the machine.
    Safety,
    Image,
    Stack,
    Project,
    /// How people and CI work with it.
    Work,
}

impl Phase {
    pub(super) const ALL: [Self; 6] = [Self::Readable, Self::Safety, Self::Image, Self::Stack, Self::Project, Self::Work];

    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Readable => "files that can be read",
            Self::Safety => "nothing that leaks or opens the machine",
            Self::Image => "the image",
            Self::Stack => "the stack",
            Self::Project => "the project",
            Self::Work => "recipes, CI and guides",
        }
    }
}
