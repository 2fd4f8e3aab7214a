//! The closed sets by which everything is counted, each listed once: phases, failures, counters.

/// Writes an enum whose members are indices into a counter array and words in results. A member's
/// documentation is its meaning wherever the list is shown.
macro_rules! closed_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[doc = $doc:literal])+ $variant:ident => $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[doc = $doc])+ $variant,)+ }

        impl $name {
            /// Every member, in the order of its index.
            pub const ALL: &[$name] = &[$($name::$variant,)+];
            /// How many members there are: the length of an array indexed by this enum.
            pub const COUNT: usize = Self::ALL.len();

            /// The name in profiles, reports and results; stable.
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text,)+ }
            }

            /// The member of this name.
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.as_str() == name)
            }

            /// What it means, in one line.
            pub const fn meaning(self) -> &'static str {
                match self { $($name::$variant => concat!($($doc),+).trim_ascii(),)+ }
            }

            /// This member's index in [`Self::ALL`].
            pub const fn index(self) -> usize {
                self as usize
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
                let name = <std::borrow::Cow<'_, str>>::deserialize(reader)?;
                let unknown = || serde::de::Error::custom(format!("unknown word {name:?}"));
                Self::named(&name).ok_or_else(unknown)
            }
        }
    };
}
pub(crate) use closed_enum;

closed_enum! {
    /// Why a request failed.
    FailureKind {
        /// The target refused the connection.
        Refused => "refused",
        /// There is no route to the target, or the network reported it unreachable.
        Unreachable => "unreachable",
        /// The connection was not established within the time limit.
        ConnectTimeout => "connect_timeout",
        /// Any other error while connecting.
        ConnectFailed => "connect_failed",
        /// The host name did not resolve to an address.
        Dns => "dns",
        /// This process ran out of file descriptors.
        Descriptors => "descriptors",
        /// No local port was free for the connection.
        PortsExhausted => "ports_exhausted",
        /// The connection was reset while connecting.
        ResetConnect => "reset_connect",
        /// The connection was reset while the request was being sent.
        ResetSend => "reset_send",
        /// The connection was reset after the request was sent and before the first byte of the reply.
        ResetFirstByte => "reset_first_byte",
        /// The connection was reset in the middle of the reply.
        ResetReceive => "reset_receive",
        /// The target closed the connection before the first byte of the reply.
        ClosedNoResponse => "closed_no_response",
        /// The connection ended before the body of the reply was complete.
        IncompleteBody => "incomplete_body",
        /// The time limit passed during the TLS handshake.
        TlsTimeout => "tls_timeout",
        /// The connection was closed during the TLS handshake.
        TlsClosed => "tls_closed",
        /// The connection was reset during the TLS handshake.
        ResetTls => "reset_tls",
        /// The certificate of the target has expired or is not valid yet.
        TlsExpired => "tls_expired",
        /// The certificate of the target is for another host.
        TlsWrongHost => "tls_wrong_host",
        /// The certificate of the target is not signed by a trusted authority.
        TlsUnknownCa => "tls_unknown_ca",
        /// Any other error of the target's certificate.
        TlsCertificate => "tls_certificate",
        /// The target requires a client certificate, and none is configured.
        TlsClientCertificate => "tls_client_certificate",
        /// The target ended the connection with an alert.
        TlsAlert => "tls_alert",
        /// The target does not speak TLS.
        TlsPlainText => "tls_plain_text",
        /// Any other TLS error: no version or cipher in common, malformed messages.
        TlsProtocol => "tls_protocol",
        /// A body delimited by the end of a TLS connection ended without close_notify.
        TlsTruncated => "tls_truncated",
        /// The head of the reply is larger than the limit.
        HeadTooLarge => "head_too_large",
        /// The head of the reply is not valid HTTP/1.1.
        BadHead => "bad_head",
        /// The chunked framing of the body is malformed.
        BadChunk => "bad_chunk",
        /// Content-Length is not a number, or has contradicting values.
        BadLength => "bad_length",
        /// More informational (1xx) replies than the limit.
        TooManyInformational => "too_many_informational",
        /// The reply is 101 Switching Protocols, which was not requested.
        UnexpectedUpgrade => "unexpected_upgrade",
        /// The first byte of the reply did not arrive within its time limit.
        FirstByteTimeout => "first_byte_timeout",
        /// The request did not complete within its time limit.
        Timeout => "timeout",
        /// The reply is complete, but its status was not expected.
        Status => "status",
        /// The body is larger than the limit on bodies that a script reads.
        BodyTooLarge => "body_too_large",
        /// The body could not be decoded.
        DecodeError => "decode_error",
        /// Any other error of the operating system.
        Io => "io",
        /// More redirects than the limit, or a redirect to an unusable URL.
        Redirects => "redirects",
        /// A file to be uploaded could not be read.
        UploadRead => "upload_read",
        /// The script rejected the reply.
        Rejected => "rejected",
        /// The proxy did not connect to the target: CONNECT was not answered with 2xx, or SOCKS not with 0.
        ProxyRefused => "proxy_refused",
        /// The connection ended before the proxy had answered CONNECT or SOCKS.
        ProxyClosed => "proxy_closed",
        /// The proxy's answer to CONNECT or SOCKS cannot be read.
        ProxyProtocol => "proxy_protocol",
    }
}

closed_enum! {
    /// Events worth counting that are neither requests nor failures.
    Counter {
        /// Requests sent again because the reused connection had died without a reply.
        StaleRetry => "stale_retry",
        /// Idle connections that the target closed.
        IdleClosed => "idle_closed",
        /// Connections closed because bytes arrived after the end of a reply.
        UnsolicitedData => "unsolicited_data",
        /// Connections established.
        ConnectionOpened => "connection_opened",
        /// Requests sent on a connection that had already carried one.
        ConnectionReused => "connection_reused",
        /// Connections that ended, whichever side closed them.
        ConnectionClosed => "connection_closed",
        /// Full TLS handshakes.
        TlsFull => "tls_full",
        /// TLS handshakes that resumed an earlier session.
        TlsResumed => "tls_resumed",
        /// Times that a core ran out of receive buffers.
        BuffersExhausted => "buffers_exhausted",
        /// Requests that failed before any byte was written.
        NotWritten => "not_written",
        /// Log lines of scripts that were dropped because too many were waiting.
        LogsDropped => "logs_dropped",
        /// Redirects followed.
        RedirectFollowed => "redirect_followed",
        /// Bytes of encoded bodies as received, of those that were decoded.
        EncodedBytes => "encoded_bytes",
        /// Bytes of decoded bodies after decoding.
        DecodedBytes => "decoded_bytes",
        /// Bodies of replies counted as ok that could not be decoded when a script asked for them.
        DecodeErrorLate => "decode_error_late",
        /// Heads of replies that break the standard but were read as browsers read them.
        OddHead => "odd_head",
        /// Errors of the script: in an iteration, a branch of one, on_start or on_stop.
        ScriptError => "script_error",
    }
}

impl Counter {
    /// The unit of the count.
    pub const fn unit(self) -> &'static str {
        match self {
            Counter::EncodedBytes | Counter::DecodedBytes => "bytes",
            _ => "count",
        }
    }
}

closed_enum! {
    /// What is measured of a name, one histogram each, in microseconds; the parts of a request in
    /// the order they come.
    Phase {
        /// From due to done, of all requests that ended.
        Latency => "latency",
        /// From due to the failure, of failed requests.
        LatencyFailed => "latency_failed",
        /// From the first byte sent to done: the target and the network.
        ServiceTime => "service_time",
        /// From due to sent, without connecting: the generator's own lateness.
        Lag => "lag",
        /// Waiting for a free connection.
        Queue => "queue",
        /// Waiting for the address of a name.
        Dns => "dns",
        /// Establishing a connection.
        Connect => "connect",
        /// The TLS handshake of a new connection.
        Tls => "tls",
        /// From the first to the last byte of a request that is sent in pieces.
        Send => "send",
        /// From sent to the first byte of the reply.
        FirstByte => "first_byte",
        /// From the first to the last byte of a reply that arrived in pieces.
        Receive => "receive",
    }
}

impl Phase {
    /// Whether it is one part of a request, and not a time of the request as a whole.
    pub fn is_part(self) -> bool {
        self >= Phase::Queue
    }
}

closed_enum! {
    /// What a name belongs to.
    NameKind {
        /// One request.
        Request => "request",
        /// A named group of requests.
        Transaction => "transaction",
        /// All requests with a tag; the name is `key:value`.
        Tag => "tag",
    }
}

closed_enum! {
    /// How the plan asks for load; decides how a fully busy core is judged and what reports say.
    Model {
        /// Arrivals at times of the plan, however slow the target is.
        Open => "open",
        /// A number of users that loop; each waits for the target.
        Closed => "closed",
        /// Loads of both kinds in one run.
        Mixed => "mixed",
    }
}
