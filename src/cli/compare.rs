//! Arguments of `mistress compare`.

use clap::Args;
use server::RegressionLimit;
use std::path::PathBuf;

/// What `mistress compare --help` says after the arguments.
pub const HELP: &str = "\
Compares two to six runs with the first one. Each is named as for `mistress report`; a name beside
`latest` is the newest run of that name before the latest, and no run is compared with itself. The
confidence intervals come from resampling blocks of seconds within each run, so they do not cover
differences between one start of the target and the next.

With --max-regression \"p99 10%\", the exit code is 5 if the p99 of the latency is more than 10 %
above that of the first run and the difference is beyond noise. In runs shorter than five seconds,
where noise is not known, the limit alone decides. Figures: p50, p90, p95, p99, p99.9, mean and max
(latency), rate (requests done per second), failures (share of failed requests; the limit is in
percentage points).

Examples:
  mistress compare shop latest
  mistress compare shop latest --max-regression \"p99 10%\" --max-regression \"rate 5%\"
  mistress compare 0198ab 0198cd --json | jq .metrics

Exit codes:
  0    success
  2    invalid usage, no such run, or the same run twice
  3    the store cannot be read
  5    a figure is worse than --max-regression allows";

/// Arguments of `compare`.
#[derive(Args, Debug)]
pub struct CompareArguments {
    /// Runs to compare; the first is the baseline
    #[arg(required = true, num_args = 2..=6, value_name = "RUN")]
    pub runs: Vec<String>,
    /// How much worse than the first run a figure may be, such as "p99 10%"; may be repeated
    #[arg(long, value_name = "LIMIT")]
    pub max_regression: Vec<RegressionLimit>,
    /// Write all figures as JSON (docs/result.md)
    #[arg(long)]
    pub json: bool,
    /// Folder of the store, instead of MISTRESS_DATA or ~/.local/share/mistress
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}
