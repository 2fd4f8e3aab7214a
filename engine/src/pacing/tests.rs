//! The same work for any number of cores.
