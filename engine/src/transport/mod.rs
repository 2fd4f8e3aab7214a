//! Connections of one core: how they are made, kept and given up, and what travels on them.

pub(crate) mod closing;
pub(crate) mod completions;
pub(crate) mod connect;
pub(crate) mod connections;
pub(crate) mod origins;
pub(crate) mod policy;
pub(crate) mod pool;
pub(crate) mod ports;
pub(crate) mod resolver;
pub(crate) mod stream;
pub(crate) mod tls_io;
pub(crate) mod upload;
pub(crate) mod waiting;
