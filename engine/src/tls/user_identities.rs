//! The certificates of users: one for each row of a data file.

use super::identity;
use config::{Password, TlsIdentity};
use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use scripting::Row;
use serde_json::Value;
use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Most rows of a file of certificates.
const ROWS_MAX: usize = 100_000;
/// How many problems a message has.
const PROBLEMS_MAX: usize = 5;
/// Reading the files is told when it takes this long.
const TOLD_AFTER: Duration = Duration::from_secs(1);
/// What a key in memory takes beside its certificates, about: the parts of an RSA key of 2048 bits.
const KEY_BYTES: usize = 3 << 10;

/// The certificates that users can have; all cores share them.
#[derive(Debug, Default)]
pub(super) struct UserIdentities {
    /// Each pair of certificate and key once.
    list: Vec<Arc<CertifiedKey>>,
    /// By row: its index in `list`.
    by_row: Vec<u32>,
}

/// A file of certificates whose rows are read.
pub(crate) struct Rows<'a> {
    /// The file; paths in it are relative to its folder.
    pub(crate) file: &'a Path,
    /// All its rows, in its order.
    pub(crate) rows: &'a mut dyn Iterator<Item = io::Result<Row>>,
}

impl UserIdentities {
    /// Reads all that the rows name, on all processors; also what should be told of it.
    ///
    /// # Errors
    /// What is wrong with which rows.
    pub(super) fn read(
        source: Rows<'_>,
        password: &Password,
        provider: &CryptoProvider,
    ) -> Result<(UserIdentities, Option<String>), String> {
        let begun = Instant::now();
        let shown = source.file.display();
        let mut problems = Problems::default();
        let mut pairs: HashMap<Pair, u32> = HashMap::new();
        let mut first_rows: Vec<(Pair, usize)> = Vec::new();
        let mut by_row = Vec::new();
        for (row, read) in (1..).zip(source.rows) {
            if row > ROWS_MAX {
                return Err(format!(
                    "{shown}: found more than {ROWS_MAX} rows of client certificates"
                ));
            }
            let read = read.map_err(|e| format!("{shown}: {e}"))?;
            match pair(&read, source.file, password) {
                Ok(pair) => by_row.push(*pairs.entry(pair).or_insert_with_key(|pair| {
                    first_rows.push((pair.clone(), row));
                    first_rows.len() as u32 - 1
                })),
                Err(why) => problems.add(format!("{shown}: row {row}: {why}")),
            }
        }
        let read = read_all(&first_rows, |(pair, row)| {
            let prefix = format!("{shown}: row {row}, column ");
            identity::read(&pair.files, &pair.password, &prefix, provider)
        });
        let mut list = Vec::with_capacity(read.len());
        for one in read {
            match one {
                Ok(one) => list.push(Arc::new(one)),
                Err(problem) => problems.add(problem),
            }
        }
        problems.into_result()?;
        let identities = UserIdentities { list, by_row };
        let took = begun.elapsed();
        let notice = (took >= TOLD_AFTER).then(|| {
            let (count, mib) = (identities.list.len(), identities.bytes() >> 20);
            let took = took.as_secs_f64();
            format!(
                "{shown}: reading {count} client certificates took {took:.1} s; they take {mib} MiB"
            )
        });
        Ok((identities, notice))
    }

    /// The certificates of a row, by its number in the file from 0, as a number below
    /// [`UserIdentities::len`].
    pub(super) fn of_row(&self, row: usize) -> Option<u32> {
        self.by_row.get(row).copied()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn get(&self, identity: u32) -> Option<&Arc<CertifiedKey>> {
        self.list.get(identity as usize)
    }

    /// The memory of all, about.
    fn bytes(&self) -> usize {
        let certificates = self.list.iter().flat_map(|one| &one.cert);
        let certificates: usize = certificates.map(|der| der.len()).sum();
        certificates + self.list.len() * KEY_BYTES
    }
}

/// The files of one certificate and key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Pair {
    files: TlsIdentity,
    password: Password,
}

/// What a row names: `cert` and `key`, or `pkcs12` with or without a `password` of its own.
fn pair(row: &Row, file: &Path, password: &Password) -> Result<Pair, String> {
    let folder = file.parent().unwrap_or(Path::new(""));
    let path = |column: &str| Ok::<_, String>(cell(row, column)?.map(|text| folder.join(text)));
    let (cert, key, pkcs12) = (path("cert")?, path("key")?, path("pkcs12")?);
    let files = match (cert, key, pkcs12) {
        (Some(cert), Some(key), None) => TlsIdentity::Pem { cert, key },
        (None, None, Some(file)) => TlsIdentity::Pkcs12(file),
        (cert, key, pkcs12) => {
            let columns = [("cert", cert), ("key", key), ("pkcs12", pkcs12)];
            let found = columns.iter().filter(|(_, path)| path.is_some());
            let found: Vec<&str> = found.map(|(column, _)| *column).collect();
            let found = if found.is_empty() {
                let names: Vec<&str> = row.0.iter().map(|(name, _)| &**name).collect();
                format!("no certificate in its columns {}", names.join(", "))
            } else {
                found.join(" and ")
            };
            return Err(format!(
                "found {found}, expected `cert` and `key`, or `pkcs12`"
            ));
        }
    };
    let password = match cell(row, "password")? {
        Some(own) => Password::new(own),
        None => password.clone(),
    };
    Ok(Pair { files, password })
}

/// The text of a cell; none where it is empty.
fn cell<'r>(row: &'r Row, column: &str) -> Result<Option<&'r str>, String> {
    let mut cells = row.0.iter();
    match cells.find(|(name, _)| &**name == column) {
        None | Some((_, Value::Null)) => Ok(None),
        Some((_, Value::String(text))) => Ok(Some(&**text).filter(|text| !text.is_empty())),
        Some((_, other)) => Err(format!("column {column}: found {other}, expected a string")),
    }
}

/// What `read` makes of each, on all processors: passwords of PKCS#12 take some milliseconds each.
fn read_all<T: Sync, R: Send>(items: &[T], read: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let size = items.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let read = &read;
        let parts: Vec<_> = items
            .chunks(size)
            .map(|part| scope.spawn(move || part.iter().map(read).collect::<Vec<R>>()))
            .collect();
        let parts = parts.into_iter().map(|part| match part.join() {
            Ok(read) => read,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        parts.flatten().collect()
    })
}

/// Problems of rows, of which the first few are told.
#[derive(Default)]
struct Problems {
    told: Vec<String>,
    count: usize,
}

impl Problems {
    fn add(&mut self, problem: String) {
        self.count += 1;
        if self.told.len() < PROBLEMS_MAX {
            self.told.push(problem);
        }
    }

    fn into_result(mut self) -> Result<(), String> {
        if self.count == 0 {
            return Ok(());
        }
        if self.count > self.told.len() {
            let more = self.count - self.told.len();
            self.told.push(format!("and {more} more rows like these"));
        }
        Err(self.told.join("\n"))
    }
}
