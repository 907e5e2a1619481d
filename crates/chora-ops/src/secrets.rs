//! The `Secrets` port on files and a given environment (SPEC §10). No value ever appears in an error.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use chora_core::compose::FileObject;
use chora_core::model::secret::Secret;
use chora_core::ports::secrets::{SecretError, Secrets};

/// Values from files, from `KEY_FILE` → `/run/secrets/key` → `KEY`, and from the Compose file itself.
#[derive(Clone)]
pub struct FileSecrets {
    environment: Arc<BTreeMap<String, String>>,
    mounted: PathBuf,
}

impl FileSecrets {
    /// Looks variables up in this environment.
    #[must_use]
    pub fn new(environment: BTreeMap<String, String>) -> Self {
        Self { environment: Arc::new(environment), mounted: PathBuf::from("/run/secrets") }
    }

    /// Looks for mounted secrets in another folder than `/run/secrets`.
    #[must_use]
    pub fn mounted_at(self, folder: &Path) -> Self {
        Self { mounted: folder.to_owned(), ..self }
    }

    /// `KEY_FILE`, then the mounted file (as written, then in lower case), then the variable. Bytes are taken as they are.
    fn look_up(&self, name: &str, key: &str) -> Result<Vec<u8>, SecretError> {
        let pointer = format!("{key}_FILE");
        if let Some(path) = self.environment.get(&pointer).filter(|path| !path.is_empty()) {
            return read(name, Path::new(path)).map_err(|e| with_origin(e, &pointer));
        }
        // A key that could leave the folder has no mounted file.
        let is_file_name = !key.contains('/') && key != "." && key != "..";
        for mounted in [key.to_owned(), key.to_lowercase()].iter().filter(|_| is_file_name) {
            match read(name, &self.mounted.join(mounted)) {
                Err(SecretError::Missing { .. }) => {}
                found => return found,
            }
        }
        let value = self.environment.get(key).map(|value| value.clone().into_bytes());
        value.ok_or_else(|| {
            let folder = self.mounted.display();
            let reason = format!("neither `{pointer}` nor a file in {folder} nor the variable `{key}` is there");
            SecretError::Missing { name: name.to_owned(), reason }
        })
    }
}

impl std::fmt::Debug for FileSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileSecrets").field("mounted", &self.mounted).finish_non_exhaustive()
    }
}

impl FileSecrets {
    /// Reads a value here and now.
    ///
    /// # Errors
    /// As [`Secrets::value`].
    pub(crate) fn read(&self, name: &str, object: &FileObject) -> Result<Secret<Vec<u8>>, SecretError> {
        let missing = |reason: &str| SecretError::Missing { name: name.to_owned(), reason: reason.to_owned() };
        if object.external {
            return Err(missing("it is external: kept outside this project"));
        }
        let bytes = match (&object.file, &object.environment, &object.content) {
            (Some(path), _, _) => read(name, Path::new(path))?,
            (None, Some(key), _) => self.look_up(name, key)?,
            (None, None, Some(content)) => content.clone().into_bytes(),
            (None, None, None) => return Err(missing("it names neither a file nor a variable nor content")),
        };
        Ok(Secret::new(bytes))
    }
}

#[async_trait]
impl Secrets for FileSecrets {
    async fn value(&self, name: &str, object: &FileObject) -> Result<Secret<Vec<u8>>, SecretError> {
        let (secrets, key, object) = (self.clone(), name.to_owned(), object.clone());
        // A file may be on a slow disk, or a pipe.
        let read = tokio::task::spawn_blocking(move || secrets.read(&key, &object)).await;
        read.unwrap_or_else(|broken| Err(SecretError::Unreadable { name: name.to_owned(), reason: broken.to_string() }))
    }
}

fn read(name: &str, path: &Path) -> Result<Vec<u8>, SecretError> {
    std::fs::read(path).map_err(|error| {
        let (name, reason) = (name.to_owned(), format!("{}: {error}", path.display()));
        match error.kind() {
            io::ErrorKind::NotFound => SecretError::Missing { name, reason },
            _ => SecretError::Unreadable { name, reason },
        }
    })
}

fn with_origin(error: SecretError, pointer: &str) -> SecretError {
    match error {
        SecretError::Missing { name, reason } => SecretError::Missing { name, reason: format!("`{pointer}` says {reason}") },
        SecretError::Unreadable { name, reason } => SecretError::Unreadable { name, reason: format!("`{pointer}` says {reason}") },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;

    use chora_core::compose::FileObject;
    use chora_core::ports::secrets::{SecretError, Secrets};
    use tempfile::TempDir;

    use super::FileSecrets;

    struct World {
        folder: TempDir,
        environment: BTreeMap<String, String>,
    }

    impl World {
        fn new() -> Self {
            Self { folder: TempDir::new().unwrap(), environment: BTreeMap::new() }
        }

        fn file(self, name: &str, text: &str) -> Self {
            fs::write(self.folder.path().join(name), text).unwrap();
            self
        }

        fn variable(mut self, key: &str, value: &str) -> Self {
            let value = value.replace("{}", &self.folder.path().display().to_string());
            self.environment.insert(key.into(), value);
            self
        }

        async fn look_up(&self, key: &str) -> Result<Vec<u8>, SecretError> {
            self.value(FileObject { environment: Some(key.into()), ..FileObject::default() }).await
        }

        async fn value(&self, object: FileObject) -> Result<Vec<u8>, SecretError> {
            let secrets = FileSecrets::new(self.environment.clone()).mounted_at(self.folder.path());
            assert!(!format!("{secrets:?}").contains("hunter2"));
            secrets.value("api", &object).await.map(|secret| secret.expose().clone())
        }
    }

    #[tokio::test]
    async fn a_variable_is_looked_up_in_three_places_in_order() {
        let world = World::new().variable("API_KEY", "hunter2");
        assert_eq!(world.look_up("API_KEY").await.unwrap(), b"hunter2");
        let world = world.file("api_key", "mounted\n");
        assert_eq!(world.look_up("API_KEY").await.unwrap(), b"mounted\n");
        let world = world.file("elsewhere", "named").variable("API_KEY_FILE", "{}/elsewhere");
        assert_eq!(world.look_up("API_KEY").await.unwrap(), b"named");
    }

    #[tokio::test]
    async fn a_pointer_that_leads_nowhere_is_not_passed_over() {
        let world = World::new().variable("API_KEY", "hunter2").variable("API_KEY_FILE", "{}/gone");
        let error = world.look_up("API_KEY").await.unwrap_err();
        assert!(error.to_string().starts_with("`api` has no value: `API_KEY_FILE` says "), "{error}");
        assert!(!error.to_string().contains("hunter2"));
    }

    #[tokio::test]
    async fn a_key_is_never_a_path() {
        let world = World::new();
        let outside = world.folder.path().with_extension("outside");
        fs::write(&outside, "x").unwrap();
        let key = format!("../{}", outside.file_name().unwrap().to_str().unwrap());
        let read = world.look_up(&key).await;
        fs::remove_file(outside).unwrap();
        assert!(matches!(read, Err(SecretError::Missing { .. })), "{read:?}");
    }

    #[tokio::test]
    async fn files_and_content_are_taken_as_they_are() {
        let world = World::new().file("key.pem", "line\n");
        let path = |name: &str| Some(world.folder.path().join(name).display().to_string());
        assert_eq!(world.value(FileObject { file: path("key.pem"), ..FileObject::default() }).await.unwrap(), b"line\n");
        let content = FileObject { content: Some("a=$b\n".into()), ..FileObject::default() };
        assert_eq!(world.value(content).await.unwrap(), b"a=$b\n");
        let absent = world.value(FileObject { file: path("gone"), ..FileObject::default() }).await;
        assert!(matches!(absent, Err(SecretError::Missing { .. })));
        let folder = world.value(FileObject { file: path("."), ..FileObject::default() }).await;
        assert!(matches!(folder, Err(SecretError::Unreadable { .. })));
    }

    #[tokio::test]
    async fn what_is_kept_elsewhere_or_nowhere_is_missing() {
        let world = World::new();
        let external = FileObject { external: true, ..FileObject::default() };
        for object in [external, FileObject::default()] {
            assert!(matches!(world.value(object).await, Err(SecretError::Missing { .. })));
        }
        let error = world.look_up("API_KEY").await.unwrap_err();
        assert!(error.to_string().contains("neither `API_KEY_FILE` nor a file in "), "{error}");
    }
}
