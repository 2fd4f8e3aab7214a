//! Whether runs differ beyond noise.
