//! The closed sets everything is counted by: failures, counters, phases, kinds of names, models.

/// Writes an enum whose members are indices into a counter array.
macro_rules! closed_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident => $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[$vmeta])* $variant,)+ }

        impl $name {
            /// Every member, in the order of its index.
            pub const ALL: &[$name] = &[$($name::$variant,)+];
            /// How many members there are: the length of an array indexed by this enum.
            pub const COUNT: usize = Self::ALL.len();

            /// The name in reports and results; stable.
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text,)+ }
            }

            /// This member's place in [`Self::ALL`].
            pub const fn index(self) -> usize {
                self as usize
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

closed_enum! {
    /// Why a request failed. Closed, so that counting needs no strings.
    FailureKind {
        /// The target refused the connection.
        Refused => "refused",
        /// No route to the target, or the network said it cannot be reached.
        Unreachable => "unreachable",
        /// The connection was not made within the time limit.
        ConnectTimeout => "connect_timeout",
        /// Any other error while connecting.
        ConnectFailed => "connect_failed",
        /// The host name did not resolve to an address.
        Dns => "dns",
        /// The process ran out of file descriptors.
        Descriptors => "descriptors",
        /// No local port was left.
        PortsExhausted => "ports_exhausted",
        /// Reset while connecting.
        ResetConnect => "reset_connect",
        /// Reset while the request was being sent.
        ResetSend => "reset_send",
        /// Reset after the request was sent and before the first byte of the reply.
        ResetFirstByte => "reset_first_byte",
        /// Reset in the middle of the reply.
        ResetReceive => "reset_receive",
        /// The target closed the connection without a byte of reply.
        ClosedNoResponse => "closed_no_response",
        /// The reply ended before its body did.
        IncompleteBody => "incomplete_body",
        /// The time limit passed within the TLS handshake.
        TlsTimeout => "tls_timeout",
        /// Closed within the TLS handshake.
        TlsClosed => "tls_closed",
        /// Reset within the TLS handshake.
        ResetTls => "reset_tls",
        /// The certificate of the target is not valid today.
        TlsExpired => "tls_expired",
        /// The certificate of the target is for another host.
        TlsWrongHost => "tls_wrong_host",
        /// The certificate of the target is signed by nobody who is trusted.
        TlsUnknownCa => "tls_unknown_ca",
        /// Anything else about the certificate of the target.
        TlsCertificate => "tls_certificate",
        /// The target wants a client certificate, and there is none.
        TlsClientCertificate => "tls_client_certificate",
        /// The target ended the connection with an alert.
        TlsAlert => "tls_alert",
        /// What the target speaks is not TLS.
        TlsPlainText => "tls_plain_text",
        /// Anything else about TLS: no version or cipher in common, broken messages.
        TlsProtocol => "tls_protocol",
        /// A close-delimited body over TLS ended without close_notify.
        TlsTruncated => "tls_truncated",
        /// The head of the reply is larger than what is accepted.
        HeadTooLarge => "head_too_large",
        /// The head of the reply is not HTTP/1.1.
        BadHead => "bad_head",
        /// The chunked framing of the body is broken.
        BadChunk => "bad_chunk",
        /// Content-Length is not a number, or says two things.
        BadLength => "bad_length",
        /// More interim (1xx) replies than are accepted.
        TooManyInformational => "too_many_informational",
        /// 101 Switching Protocols, which nobody asked for.
        UnexpectedUpgrade => "unexpected_upgrade",
        /// No byte of the reply within the time limit for the first.
        FirstByteTimeout => "first_byte_timeout",
        /// The request was not done within its time limit.
        Timeout => "timeout",
        /// The reply is complete, but its status is not among those expected.
        Status => "status",
        /// The body is larger than what the script may keep.
        BodyTooLarge => "body_too_large",
        /// The body could not be decoded.
        DecodeError => "decode_error",
        /// Any other error of the operating system.
        Io => "io",
        /// Redirected more often than is followed, or to where nobody can go.
        Redirects => "redirects",
        /// A file that was to be sent could not be read.
        UploadRead => "upload_read",
    }
}

closed_enum! {
    /// Things worth counting that are neither requests nor failures.
    Counter {
        /// A request was sent again because its reused connection had died unanswered.
        StaleRetry => "stale_retry",
        /// The target closed an idle connection.
        IdleClosed => "idle_closed",
        /// Bytes came after the end of a reply; the connection was closed.
        UnsolicitedData => "unsolicited_data",
        /// A connection was made.
        ConnectionOpened => "connection_opened",
        /// A request went out on a connection that had served one before.
        ConnectionReused => "connection_reused",
        /// A connection ended, whoever closed it.
        ConnectionClosed => "connection_closed",
        /// A TLS handshake without an earlier session.
        TlsFull => "tls_full",
        /// A TLS handshake that resumed an earlier session.
        TlsResumed => "tls_resumed",
        /// The receive buffers of a core ran out, and receiving was armed again.
        BuffersExhausted => "buffers_exhausted",
        /// A request failed before a byte of it was written.
        NotWritten => "not_written",
        /// A line logged by a script was dropped, since nobody took it in time.
        LogsDropped => "logs_dropped",
        /// A redirect was followed.
        RedirectFollowed => "redirect_followed",
        /// Bytes of bodies that were decoded, as they came.
        EncodedBytes => "encoded_bytes",
        /// The same bodies' bytes after decoding.
        DecodedBytes => "decoded_bytes",
        /// A script asked for the body of a reply that had counted as ok, and it could not be
        /// decoded.
        DecodeErrorLate => "decode_error_late",
        /// The head of a reply was not what the standard has, and could be read all the same.
        OddHead => "odd_head",
    }
}

closed_enum! {
    /// What is measured of a name, one histogram each.
    Phase {
        /// Done minus intended, of every request that ended, ok or failed. The headline.
        Latency => "latency",
        /// Done minus sent, of every request of which a byte was sent.
        ServiceTime => "service_time",
        /// Sent minus intended: the generator's own lateness.
        Lag => "lag",
        /// From sent to the first byte of the reply.
        FirstByte => "first_byte",
        /// Making a connection.
        Connect => "connect",
        /// The TLS handshake of a new connection.
        Tls => "tls",
        /// Waiting for one of the user's connections to become free.
        Queue => "queue",
        /// Waiting for the address of a name.
        Dns => "dns",
        /// From the first to the last byte of a request that is sent in pieces.
        Send => "send",
        /// From the first to the last byte of the reply, where they came apart.
        Receive => "receive",
        /// The part of `Latency` that belongs to failed requests.
        LatencyFailed => "latency_failed",
    }
}

/// What a name belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NameKind {
    /// One request.
    Request,
    /// A named group of requests.
    Transaction,
}

/// How the plan asks for load; decides how a fully busy core is judged and what reports say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Model {
    /// Arrivals at times of the plan, whatever the target does.
    Open,
    /// A number of users that loop; each waits for the target.
    Closed,
    /// Loads of both kinds in one run.
    Mixed,
}
