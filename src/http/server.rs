//! The server: one thread, one worker, an end that waits for what is in flight.

use std::any::Any;
use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs as _};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use actix_web::dev::{Extensions, ServerHandle};
use actix_web::middleware::{NormalizePath, from_fn};
use actix_web::rt::net::TcpStream;
use actix_web::web::Data;
use actix_web::{App, HttpServer};

use super::connections::{Connections, IDLE_LIMIT};
use super::document::Document;
use super::hosts::Hosts;
use super::index::Served;
use super::parts::ApiParts;
use super::route::Route;
use super::{guard, routes};
use crate::push::Hub;

/// Connections that wait to be taken; the kernel drops further ones, and their clients try again after a second.
const BACKLOG: i32 = 4_096;
/// Connections beyond the limit that actix may hold until those that give way to them have ended.
const CONNECTIONS_ENDING: usize = 64;
/// Idle connections are looked for this often.
const IDLE_CHECK: Duration = Duration::from_secs(1);
/// A client has this long to send the head of a request.
const REQUEST_HEAD_LIMIT: Duration = Duration::from_secs(10);
/// A client has this long to close a connection that was ended.
const DISCONNECT_LIMIT: Duration = Duration::from_secs(2);
/// What is in flight has this long to finish at the end, in seconds; below the 10 s that the whole service has.
const DRAIN_SECONDS: u64 = 5;

/// Why the server did not start. All of them stop the service.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be listened on.
    #[error(
        "cannot listen on {listen}: {source}; set http.listen to a free address, or to port 0 for any free port"
    )]
    Listen {
        /// As configured.
        listen: String,
        /// Why.
        source: std::io::Error,
    },
    /// The API has no authentication yet, so it stays on this machine.
    #[error(
        "{listen} is reachable from other machines, and the API has no authentication; set http.listen to 127.0.0.1:8470 and put an authenticating proxy before it"
    )]
    Exposed {
        /// As configured.
        listen: String,
    },
    /// No thread or no worker.
    #[error("the HTTP server did not start: {0}")]
    Start(#[from] std::io::Error),
}

/// A running server. Dropping it leaves it running until the process ends.
pub struct Server {
    address: SocketAddr,
    handle: ServerHandle,
    ended: Receiver<()>,
}

impl Server {
    /// Listens and serves. Port 0 means any free one, see [`Server::address`].
    pub fn start(listen: &str, parts: ApiParts) -> Result<Self, ServeError> {
        let listen_error = |source| ServeError::Listen {
            listen: listen.to_owned(),
            source,
        };
        let addresses: Vec<SocketAddr> = listen.to_socket_addrs().map_err(listen_error)?.collect();
        if !addresses.iter().all(|address| address.ip().is_loopback()) {
            return Err(ServeError::Exposed {
                listen: listen.to_owned(),
            });
        }
        let listener = TcpListener::bind(addresses.as_slice()).map_err(listen_error)?;
        rustix::net::listen(&listener, BACKLOG).map_err(std::io::Error::from)?;
        let address = listener.local_addr()?;
        let hosts = Hosts::new(address, parts.allowed_hosts.clone());
        let (started_sender, started) = sync_channel(1);
        let (ended_sender, ended) = sync_channel(1);
        std::thread::Builder::new()
            .name("http".to_owned())
            .spawn(move || {
                if let Err(error) = serve(listener, parts, hosts, &started_sender) {
                    tracing::error!(%error, "the HTTP server ended");
                    // The receiver is gone if it had started.
                    started_sender.try_send(Err(error)).unwrap_or_default();
                }
                ended_sender.send(()).unwrap_or_default();
            })?;
        let handle = started.recv().map_err(std::io::Error::other)??;
        Ok(Self {
            address,
            handle,
            ended,
        })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more connections, lets requests in flight finish for at most `deadline`, and ends. Blocking. Returns
    /// whether it ended in time.
    pub fn stop(self, deadline: Duration) -> bool {
        // The order is given by the call; its future only reports the end, as the channel does.
        drop(self.handle.stop(true));
        self.ended.recv_timeout(deadline).is_ok()
    }
}

fn serve(
    listener: TcpListener,
    parts: ApiParts,
    hosts: Hosts,
    started: &SyncSender<std::io::Result<ServerHandle>>,
) -> std::io::Result<()> {
    let table = routes::table();
    for route in &table {
        parts.metrics.http_route(route.path());
    }
    let document = Data::new(Document::of(&table));
    let routes = table
        .iter()
        .map(|route| format!("{} {}", route.method(), route.path()));
    let index = Data::new(Served(routes.collect()));
    let exempt = table.iter().filter(|route| route.is_exempt());
    let exempt = Data::new(guard::Exempt::of(exempt.map(Route::path)));
    actix_rt::System::new().block_on(async move {
        let hosts = Data::new(hosts);
        let (connections, users_max) = Connections::within_file_limit();
        let hub = Arc::clone(&parts.push);
        make_room(&hub, users_max);
        let connections_max = connections.limit() + CONNECTIONS_ENDING + hub.places();
        let idle = close_idle(Arc::clone(&connections), hub);
        let install_parts = parts.installer();
        let server = HttpServer::new(move || {
            App::new()
                .app_data(hosts.clone())
                .app_data(exempt.clone())
                .app_data(document.clone())
                .app_data(index.clone())
                .configure(&install_parts)
                .wrap(NormalizePath::trim())
                .wrap(from_fn(guard::guard))
                .configure(|application| routes::install(application, routes::table()))
        })
        .on_connect(move |stream, data| admit(&connections, stream, data))
        .workers(1)
        .max_connections(connections_max)
        .keep_alive(IDLE_LIMIT)
        .client_request_timeout(REQUEST_HEAD_LIMIT)
        .client_disconnect_timeout(DISCONNECT_LIMIT)
        .shutdown_timeout(DRAIN_SECONDS)
        .disable_signals()
        .listen(listener)?
        .run();
        started.send(Ok(server.handle())).unwrap_or_default();
        tokio::select! {
            ended = server => ended,
            never = idle => match never {},
        }
    })
}

/// One that cannot be taken in is ended: its requests could not be bounded.
fn admit(connections: &Arc<Connections>, stream: &dyn Any, data: &mut Extensions) {
    let Some(stream) = stream.downcast_ref::<TcpStream>() else {
        return;
    };
    match connections.admit(stream, Instant::now()) {
        Some(connection) => {
            data.insert(connection);
        }
        // Fails only where the client has closed it already.
        None => rustix::net::shutdown(stream, rustix::net::Shutdown::Both).unwrap_or_default(),
    }
}

async fn close_idle(connections: Arc<Connections>, hub: Arc<Hub>) -> Infallible {
    loop {
        tokio::time::sleep(IDLE_CHECK).await;
        connections.close_idle(Instant::now(), IDLE_LIMIT);
        hub.look();
    }
}

/// No more connections of users than the process has files for.
fn make_room(hub: &Hub, room: usize) {
    let wanted = hub.places();
    if room < wanted {
        tracing::warn!(
            "the process may open too few files, so {room} connections of users are held instead of {wanted} (recommendations.push.total_max); raise its limit of open files (`ulimit -n`, or LimitNOFILE= in a systemd unit)"
        );
        hub.has_room_for(room);
    }
}
