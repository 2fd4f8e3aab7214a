//! Tests of the ring on real sockets.
