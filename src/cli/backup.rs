//! Arguments of `mistress backup` and `mistress restore`.

use clap::Args;
use std::path::PathBuf;

/// What `mistress backup --help` says after the arguments.
pub const BACKUP_HELP: &str = "\
Writes all runs, accounts and the audit log of a stats server into one archive, which only you can
read, and reads it back. The server may go on meanwhile. In a folder the archive is named by the
time. A damaged run does not keep the others from being written; it is named, and the exit code is 3.

Examples:
  mistress backup /var/backups/mistress/
  mistress backup runs.tar.zst --data /var/lib/mistress
  0 3 * * *  mistress backup --quiet --data /var/lib/mistress /var/backups/mistress/   # cron

Exit codes:
  0    success
  2    invalid usage, nothing stored, or the file exists
  3    the archive could not be written, or a run is damaged";

/// What `mistress restore --help` says after the arguments.
pub const RESTORE_HELP: &str = "\
Puts the runs, accounts and the audit log of an archive of `mistress backup` into a folder that no
server uses. The archive is checked as a whole before anything is changed.

Examples:
  mistress restore mistress-20260131T030000Z.tar.zst --data /var/lib/mistress
  mistress restore runs.tar.zst --replace

Exit codes:
  0    success
  2    invalid usage, or the folder holds runs and --replace is not given
  3    the archive is damaged, or a server uses the folder";

/// Arguments of `backup`.
#[derive(Args, Debug)]
pub struct BackupArguments {
    /// File to write, or an existing folder to write it into
    #[arg(value_name = "OUT")]
    pub out: PathBuf,
    /// Folder of the store, instead of MISTRESS_DATA or ~/.local/share/mistress
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Print nothing but errors
    #[arg(short, long)]
    pub quiet: bool,
}

/// Arguments of `restore`.
#[derive(Args, Debug)]
pub struct RestoreArguments {
    /// Archive that `mistress backup` wrote
    #[arg(value_name = "ARCHIVE")]
    pub archive: PathBuf,
    /// Folder of the store, instead of MISTRESS_DATA or ~/.local/share/mistress
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Replace the runs and accounts that are in the folder
    #[arg(long)]
    pub replace: bool,
}
