//! Starting and stopping.

use mistress_server as server;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

#[test]
fn a_server_answers_until_it_is_stopped() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let bind = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let running = server::start(server::Options::new(bind, dir.path()))?;
    let addr = running.addr();
    let mut stream = TcpStream::connect(addr)?;
    stream.write_all(b"GET /nothing HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply)?;
    assert!(reply.starts_with("HTTP/1.1 4"), "{reply}");
    running.stop();
    assert!(TcpStream::connect(addr).is_err());
    Ok(())
}
