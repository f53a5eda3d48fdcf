//! The socket below a connection: the one way to end a client that does not read, and to see at once that it is gone.

use std::net::TcpStream;
use std::time::Duration;

use tokio::net::TcpStream as AsyncTcpStream;

/// Bytes that the kernel holds for a client that does not read: it makes twice as much of it. Updates are small, and of many
/// clients this is most of the memory.
const SEND_BUFFER_BYTES: usize = 32 * 1_024;

/// A second handle of the socket of a connection.
#[derive(Debug)]
pub struct Socket(AsyncTcpStream);

impl Socket {
    /// Of a socket that does not block, on the thread that serves it. What was sent and is not acknowledged for twice `patience`
    /// ends the connection, because a machine that lost its power sends no end. A client that does not read is dropped before.
    ///
    /// # Errors
    /// The reactor does not take it.
    pub fn new(socket: TcpStream, patience: Duration) -> std::io::Result<Self> {
        use rustix::net::sockopt;
        // Both only save time and memory: the service works without.
        sockopt::set_socket_send_buffer_size(&socket, SEND_BUFFER_BYTES).unwrap_or_default();
        #[cfg(target_os = "linux")]
        {
            let patience = u32::try_from((patience * 2).as_millis()).unwrap_or(u32::MAX);
            sockopt::set_tcp_user_timeout(&socket, patience).unwrap_or_default();
        }
        AsyncTcpStream::from_std(socket).map(Self)
    }

    /// Ends the connection. Fails only where the client has ended it already.
    pub(super) fn end(&self) {
        rustix::net::shutdown(&self.0, rustix::net::Shutdown::Both).unwrap_or_default();
    }

    /// Resolves when the client has closed its side. Never once the client sent more than its request, which is not expected.
    pub(super) async fn closed(&self) {
        match self.0.peek(&mut [0]).await {
            Ok(0) | Err(_) => {}
            Ok(_) => std::future::pending().await,
        }
    }
}
