//! Where runs are kept: `meta.sqlite` and one file per run.
