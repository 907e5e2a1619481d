//! What makes layers large without being of use, and what to write instead.

/// A kind of waste: what its paths begin with or hold, and what to do.
pub(super) struct Waste {
    starts: &'static [&'static str],
    holds: &'static [&'static str],
    pub(super) advice: &'static str,
}

pub(super) const WASTES: [Waste; 6] = [
    Waste {
        starts: &["var/lib/apt/lists/", "var/cache/apt/", "var/cache/apk/", "var/cache/dnf/"],
        holds: &[],
        advice: "package lists and archives: remove them in the same RUN, or mount a cache there (`RUN --mount=type=cache,target=/var/cache/apt`)",
    },
    Waste {
        starts: &[],
        holds: &[
            ".cache/pip/",
            ".cache/uv/",
            ".cache/pypoetry/",
            ".npm/_cacache/",
            ".cache/yarn/",
            ".cargo/registry/",
            "go/pkg/mod/cache/",
            ".cache/go-build/",
        ],
        advice: "a package manager's cache: mount it (`RUN --mount=type=cache,target=…`), or turn it off",
    },
    Waste { starts: &[".git/"], holds: &["/.git/"], advice: "the repository's history: add `.git` to .dockerignore" },
    Waste {
        starts: &["usr/lib/gcc/", "usr/local/go/", "usr/lib/llvm", "usr/local/cargo/", "usr/local/rustup/", "root/.rustup/"],
        holds: &["/target/release/", "/target/debug/"],
        advice: "compilers and what they leave: build in a stage of its own and copy the result",
    },
    Waste {
        starts: &[],
        holds: &["/__pycache__/", "/.pytest_cache/", "/.mypy_cache/", "/.ruff_cache/"],
        advice: "caches of Python: add them to .dockerignore, and set PYTHONDONTWRITEBYTECODE=1 while building",
    },
    Waste {
        starts: &["usr/share/doc/", "usr/share/man/", "usr/share/locale/"],
        holds: &[],
        advice: "manuals: take a slim base image, or install with `--no-install-recommends`",
    },
];

impl Waste {
    fn is_at(&self, path: &str) -> bool {
        self.starts.iter().any(|start| path.starts_with(start)) || self.holds.iter().any(|part| path.contains(part))
    }
}

/// The kind of waste that a file is, as its place in [`WASTES`].
pub(super) fn kind(path: &str) -> Option<usize> {
    WASTES.iter().position(|waste| waste.is_at(path))
}

#[cfg(test)]
mod tests {
    use super::kind;

    #[test]
    fn waste_is_known_by_its_place() {
        for (path, expected) in [
            ("var/lib/apt/lists/x", Some(0)),
            ("root/.cache/pip/http/x", Some(1)),
            (".git/HEAD", Some(2)),
            ("app/.git/HEAD", Some(2)),
            ("usr/lib/gcc/x", Some(3)),
            ("app/__pycache__/x.pyc", Some(4)),
            ("app/main.py", None),
        ] {
            assert_eq!(kind(path), expected, "{path}");
        }
    }
}
