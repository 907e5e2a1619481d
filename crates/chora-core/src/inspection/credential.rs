//! Files that are there to hold credentials, by their names and by what stands in them.

use super::{address, token};
use crate::audit::words::{is_secret, is_worth_hiding};

/// `.env` files that are there to be shown.
const SHOWN_ENV: [&str; 5] = [".env.example", ".env.defaults", ".env.sample", ".env.test", ".env.template"];
/// Ends of paths, what has to stand in the file, and what it is then.
const KNOWN: [(&str, &str, &str); 9] = [
    (".npmrc", "_authToken=", "an npm login"),
    (".npmrc", "_auth=", "an npm login"),
    (".npmrc", "_password=", "an npm login"),
    (".pypirc", "password", "a PyPI login"),
    (".netrc", "password", "a login for a server"),
    (".git-credentials", "://", "a git login"),
    (".pgpass", ":", "a PostgreSQL login"),
    (".aws/credentials", "aws_secret_access_key", "an AWS login"),
    (".docker/config.json", "\"auth\"", "a registry login"),
];
/// Variables that are named of a file.
const NAMED: usize = 3;

/// What a file holds, by its path; `None` where that says nothing.
pub(super) fn find(path: &str, content: &str) -> Option<Credential> {
    let name = path.rsplit('/').next().unwrap_or(path);
    if (name == ".env" || name.starts_with(".env.")) && !SHOWN_ENV.contains(&name) {
        return variables(content);
    }
    let known = KNOWN.iter().find(|(end, mark, _)| is_called(path, end) && content.contains(mark));
    known.map(|(_, _, what)| Credential { what: (*what).to_owned(), is_certain: true })
}

/// What a file is taken for.
pub(super) struct Credential {
    pub(super) what: String,
    /// Else it only should not be there.
    pub(super) is_certain: bool,
}

fn is_called(path: &str, end: &str) -> bool {
    path.strip_suffix(end).is_some_and(|before| before.is_empty() || before.ends_with('/'))
}

fn variables(content: &str) -> Option<Credential> {
    let lines = content.lines().map(|line| line.trim().trim_start_matches("export ")).filter(|line| !line.starts_with('#'));
    let set: Vec<(&str, &str)> =
        lines.filter_map(|line| line.split_once('=')).map(|(name, value)| (name.trim(), value.trim().trim_matches(['"', '\'']))).collect();
    let is_one = |name: &str, value: &str| {
        let tells_itself = token::find(value.as_bytes()).next().is_some() || address::is_in(value);
        tells_itself || (is_secret(name) && is_worth_hiding(value))
    };
    let secret: Vec<&str> = set.iter().filter(|(name, value)| is_one(name, value)).map(|(name, _)| *name).collect();
    let more = if secret.len() > NAMED { ", …" } else { "" };
    let named = secret.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    match (set.is_empty(), secret.is_empty()) {
        (true, _) => None,
        (false, true) => Some(Credential { what: "variables of one place".to_owned(), is_certain: false }),
        (false, false) => Some(Credential { what: format!("values of {named}{more}"), is_certain: true }),
    }
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn files_of_credentials_are_known() {
        for (path, content, expected) in [
            ("app/.env", "# none\nexport DB_PASSWORD='x y'\nPORT=1\n", Some(("values of DB_PASSWORD", true))),
            ("app/.env.local", "PORT=1\n", Some(("variables of one place", false))),
            ("app/.env", "STRIPE_KEY=sk_live_aB3dE5fG7hI9jK1lM3nO5pQ7\n", Some(("values of STRIPE_KEY", true))),
            ("app/.env", "DATABASE_URL=postgres://app:hunter2@db/x\n", Some(("values of DATABASE_URL", true))),
            ("app/.env", "DATABASE_URL=postgres://app:${PASSWORD}@db/x\n", Some(("variables of one place", false))),
            ("app/.env", "\n", None),
            ("app/.env.example", "DB_PASSWORD=x\n", None),
            ("root/.npmrc", "//r/:_authToken=x\n", Some(("an npm login", true))),
            ("root/.npmrc", "//r/:_auth=bWU6cHc=\n", Some(("an npm login", true))),
            ("root/.npmrc", "registry=x\nalways-auth=true\n", None),
            ("root/.docker/config.json", "{\"auths\":{\"r\":{\"auth\":\"eA==\"}}}", Some(("a registry login", true))),
            ("app/config.json", "{\"auth\": 1}", None),
        ] {
            let found = find(path, content);
            assert_eq!(found.as_ref().map(|found| (found.what.as_str(), found.is_certain)), expected, "{path}");
        }
    }
}
