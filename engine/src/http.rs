//! HTTP/1.1 as bytes in, events out: it encodes requests and finds the ends of messages.
//!
//! Nothing here knows of sockets, clocks or users. The client side is [`encode`] (with [`url`])
//! and [`response`] (and what its head asks for: [`content`], [`cookies`], [`digest`], [`redirect`]); [`request`] is the server side, for the built-in target. Syntax comes from
//! RFC 9112 (messages), RFC 9110 (fields) and RFC 3986 (references); where those leave a choice
//! the rule is: what could be read in two ways is a [`fault::Fault`] or, if the message itself is
//! certain, ends the connection.

mod chunked;
pub(crate) mod content;
pub(crate) mod cookies;
pub(crate) mod digest;
pub(crate) mod encode;
pub(crate) mod fault;
mod grammar;
mod head;
mod head_cache;
pub(crate) mod head_flags;
pub(crate) mod message;
pub(crate) mod redirect;
pub(crate) mod request;
pub(crate) mod response;
mod response_head;
pub(crate) mod upload;
pub(crate) mod url;

#[cfg(test)]
mod tests;
