//! A wire between two sockets, which can be cut, or go silent with its connections open.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// How the wire is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Is {
    Whole,
    /// Nothing passes, and nobody is told.
    Silent,
    /// Connections break, and none comes about.
    Cut,
}

pub(crate) struct Wire {
    pub(crate) address: SocketAddr,
    is: watch::Sender<Is>,
}

impl Wire {
    pub(crate) async fn to(far: SocketAddr) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let (is, now) = watch::channel(Is::Whole);
        tokio::spawn(async move {
            while let Ok((near, _)) = socket.accept().await {
                if *now.borrow() != Is::Cut {
                    tokio::spawn(carry(near, far, now.clone()));
                }
            }
        });
        Self { address, is }
    }

    pub(crate) fn set(&self, is: Is) {
        self.is.send_replace(is);
    }
}

async fn carry(near: TcpStream, far: SocketAddr, mut is: watch::Receiver<Is>) {
    let Ok(far) = TcpStream::connect(far).await else { return };
    let (near, far) = (near.into_split(), far.into_split());
    let there = pass(near.0, far.1, is.clone());
    let back = pass(far.0, near.1, is.clone());
    tokio::select! {
        () = there => {}
        () = back => {}
        _ = is.wait_for(|is| *is == Is::Cut) => {}
    }
}

async fn pass(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut is: watch::Receiver<Is>,
) {
    let mut bytes = vec![0; 65_536];
    while let Ok(n) = from.read(&mut bytes).await {
        // What waits while it is silent is never heard of again.
        if n == 0 || is.wait_for(|is| *is != Is::Silent).await.is_err() {
            return;
        }
        if to.write_all(&bytes[..n]).await.is_err() {
            return;
        }
    }
}
