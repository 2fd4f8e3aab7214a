//! The server as its users meet it: over HTTP, on a free port, in a scratch folder.

mod serve;
