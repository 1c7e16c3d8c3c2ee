//! Where a service is listened for.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use rutter_route::Listener;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::datagrams::Datagrams;
use super::pick::Picker;
use super::{SELDOM, SOON};
use crate::routes::Routes;
use crate::server::{Acceptor, Gate};

/// A place, and the routes of the service that is asked for there.
#[derive(Debug)]
pub(crate) struct Place {
    listener: Listener,
    pub(super) address: SocketAddr,
    routes: ArcSwapOption<Routes>,
    /// Which of the routes is next.
    pub(super) picker: Picker,
}

/// A socket at a place.
#[derive(Debug)]
pub(super) enum Bound {
    Tcp(TcpListener),
    Udp(UdpSocket),
}

impl Place {
    pub(super) fn new(listener: Listener, address: SocketAddr) -> Self {
        let picker = Picker::default();
        Self { listener, address, routes: ArcSwapOption::empty(), picker }
    }

    pub(super) fn set(&self, routes: Arc<Routes>) {
        self.routes.store(Some(routes));
    }

    /// The routes of now; `None`: it hasn't been told them yet.
    pub(crate) fn routes(&self) -> Option<Arc<Routes>> {
        self.routes.load_full()
    }

    pub(super) fn bind(&self) -> io::Result<Bound> {
        match self.listener {
            Listener::Udp => {
                let socket = UdpSocket::bind(self.address)?;
                socket.set_nonblocking(true)?;
                Ok(Bound::Udp(socket))
            }
            // HTTP at a place of its own isn't a stream, and never comes here.
            Listener::Tcp | Listener::Http => crate::socket::listen(self.address).map(Bound::Tcp),
        }
    }

    /// Listens until told to stop, beginning with what came of the first try.
    pub(super) async fn listen(
        self: Arc<Self>,
        first: io::Result<Bound>,
        gate: Arc<Gate>,
        stop: CancellationToken,
    ) {
        let bound = tokio::select! {
            () = stop.cancelled() => return,
            bound = self.bound(first) => bound,
        };
        let address = self.address;
        match bound {
            Bound::Tcp(listener) => {
                let (listener, to) = (Arc::new(listener), gate.stream(self));
                Acceptor { listener, address, to, gate }.run(stop).await;
            }
            Bound::Udp(socket) => {
                let (datagrams, ended) = Datagrams::new(self, socket, &gate, stop);
                gate.datagrams(datagrams);
                // The worker says so, or is gone.
                let _ended = ended.await;
            }
        }
    }

    async fn bound(&self, mut bound: io::Result<Bound>) -> Bound {
        let (mut told, mut again) = (false, SOON);
        loop {
            match bound {
                Ok(bound) => {
                    if told {
                        tracing::info!(place = %self.address, "streams are listened for again");
                    }
                    return bound;
                }
                Err(error) if !told => {
                    let place = self.address;
                    tracing::error!(%place, %error, "streams can't be listened for; tried again");
                    told = true;
                }
                Err(_) => {}
            }
            tokio::time::sleep(again).await;
            again = (again * 2).min(SELDOM);
            bound = self.bind();
        }
    }
}
