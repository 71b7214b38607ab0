//! The kill switch: what is frozen is not acted on, rollbacks excepted.
//!
//! A freeze stands in two places: in the database, and in a file of the data folder that is written first and needs
//! no database, so that freezing works while the disk of the database is full or it is read-only. Whatever stands in
//! either place is in force. An operator without the API can make the file by hand: an empty file, or one that
//! does not read, freezes everything.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use echobase_store::freeze::{Freeze, FreezeScope};
use echobase_types::{ErrorKind, PlaybookId, ResourceId, TenantId, Timestamp};

/// The name of the file in the data folder.
pub const FILE_NAME: &str = "freeze";

/// The file cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("write the freeze file `{}`", path.display())]
pub struct FlagError {
    /// Which file.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub source: std::io::Error,
}

impl FlagError {
    /// The class of the failure.
    pub const fn kind(&self) -> ErrorKind {
        ErrorKind::Unavailable
    }
}

/// What the file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flag {
    /// These freezes, each with its tenant.
    Scopes(Vec<(TenantId, Freeze)>),
    /// Everything of every tenant: the file is empty or does not read.
    Everything,
}

impl Flag {
    /// The freeze of the file that covers an intervention on this target by this playbook.
    pub fn covering(
        &self,
        tenant: &TenantId,
        target: &ResourceId,
        playbook: Option<PlaybookId>,
    ) -> Option<Freeze> {
        match self {
            Self::Everything => Some(everything()),
            Self::Scopes(all) => all
                .iter()
                .find(|(t, f)| t == tenant && f.scope.covers(target, playbook))
                .map(|(_, f)| f.clone()),
        }
    }

    /// The freezes of a tenant.
    pub fn of(&self, tenant: &TenantId) -> Vec<Freeze> {
        match self {
            Self::Everything => vec![everything()],
            Self::Scopes(all) => all.iter().filter(|(t, _)| t == tenant).map(|(_, f)| f.clone()).collect(),
        }
    }
}

fn everything() -> Freeze {
    Freeze {
        scope: FreezeScope::Tenant,
        reason: "the freeze file in the data folder is empty or does not read; remove it by hand".to_owned(),
        by: "operator".to_owned(),
        since: Timestamp::EPOCH,
        release_requested_by: None,
    }
}

/// The file. One line for each freeze: tenant, scope, since, by, reason, with tabs between.
#[derive(Clone, Debug)]
pub struct FlagFile {
    path: PathBuf,
}

impl FlagFile {
    /// The file in this folder.
    pub fn within(folder: &Path) -> Self {
        Self { path: folder.join(FILE_NAME) }
    }

    /// Reads it. It is small; reading it before every act is what makes the switch work within a second.
    pub fn read(&self) -> Flag {
        match std::fs::read_to_string(&self.path) {
            Ok(text) => parse(&text),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Flag::Scopes(Vec::new()),
            Err(_) => Flag::Everything,
        }
    }

    /// Adds a freeze; one of the same scope stays as it is.
    pub fn add(&self, tenant: &TenantId, freeze: &Freeze) -> Result<(), FlagError> {
        let Flag::Scopes(mut all) = self.read() else { return Ok(()) };
        if !all.iter().any(|(t, f)| t == tenant && f.scope == freeze.scope) {
            all.push((tenant.clone(), freeze.clone()));
            self.write(&all)?;
        }
        Ok(())
    }

    /// Takes a freeze out. A file that freezes everything is left: it was made by hand, and goes by hand.
    pub fn remove(&self, tenant: &TenantId, scope: &FreezeScope) -> Result<(), FlagError> {
        let Flag::Scopes(mut all) = self.read() else { return Ok(()) };
        let before = all.len();
        all.retain(|(t, f)| !(t == tenant && f.scope == *scope));
        if all.len() == before { Ok(()) } else { self.write(&all) }
    }

    fn write(&self, all: &[(TenantId, Freeze)]) -> Result<(), FlagError> {
        let fail = |source| FlagError { path: self.path.clone(), source };
        if all.is_empty() {
            return std::fs::remove_file(&self.path).map_err(fail);
        }
        let clean = |text: &str| text.replace(['\t', '\n', '\r'], " ");
        let lines: String = all
            .iter()
            .map(|(tenant, f)| {
                format!("{tenant}\t{}\t{}\t{}\t{}\n", f.scope, f.since, clean(&f.by), clean(&f.reason))
            })
            .collect();
        let new = self.path.with_extension("new");
        let put = || {
            let mut file = std::fs::File::create(&new)?;
            file.write_all(lines.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&new, &self.path)
        };
        put().map_err(fail)
    }
}

fn parse(text: &str) -> Flag {
    let line = |line: &str| {
        let mut parts = line.splitn(5, '\t');
        let mut next = || parts.next();
        let tenant: TenantId = next()?.parse().ok()?;
        let scope = next()?.parse().ok()?;
        let since = next()?.parse().ok()?;
        let (by, reason) = (next()?.to_owned(), next()?.to_owned());
        Some((tenant, Freeze { scope, reason, by, since, release_requested_by: None }))
    };
    let all: Option<Vec<_>> = text.lines().map(line).collect();
    match all {
        Some(all) if !all.is_empty() => Flag::Scopes(all),
        _ => Flag::Everything,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may fail loudly")]
    use super::*;

    fn freeze(scope: FreezeScope) -> Freeze {
        Freeze {
            scope,
            reason: "too\tmany\nrestarts".to_owned(),
            by: "ana".to_owned(),
            since: Timestamp::from_secs(5),
            release_requested_by: None,
        }
    }

    #[test]
    fn freezes_stand_in_the_file_until_they_are_taken_out() {
        let folder = tempfile::tempdir().unwrap();
        let file = FlagFile::within(folder.path());
        let (a, b) = (TenantId::default_tenant(), TenantId::new("b").unwrap());
        let orders = ResourceId::new("service:orders").unwrap();
        let store = ResourceId::new("service:store").unwrap();
        assert_eq!(file.read(), Flag::Scopes(Vec::new()));
        file.add(&a, &freeze(FreezeScope::Resource(orders.clone()))).unwrap();
        file.add(&a, &freeze(FreezeScope::Resource(orders.clone()))).unwrap();
        file.add(&b, &freeze(FreezeScope::Tenant)).unwrap();
        let flag = file.read();
        assert_eq!(flag.of(&a).len(), 1);
        assert_eq!(flag.of(&a)[0].reason, "too many restarts");
        for (tenant, target, covered) in [(&a, &orders, true), (&a, &store, false), (&b, &store, true)] {
            assert_eq!(flag.covering(tenant, target, None).is_some(), covered, "{tenant} {target}");
        }
        file.remove(&b, &FreezeScope::Tenant).unwrap();
        file.remove(&a, &FreezeScope::Resource(orders)).unwrap();
        assert!(!folder.path().join(FILE_NAME).exists());
    }

    #[test]
    fn an_empty_or_damaged_file_freezes_everything_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let file = FlagFile::within(folder.path());
        let tenant = TenantId::default_tenant();
        let target = ResourceId::new("service:orders").unwrap();
        for text in ["", "x", "default\ttenant\tnever\tana\twhy\n", "\0"] {
            std::fs::write(folder.path().join(FILE_NAME), text).unwrap();
            assert_eq!(file.read(), Flag::Everything, "{text:?}");
            assert!(file.read().covering(&tenant, &target, None).is_some());
            file.remove(&tenant, &FreezeScope::Tenant).unwrap();
            assert!(folder.path().join(FILE_NAME).exists());
        }
    }
}
