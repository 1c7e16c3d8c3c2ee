//! Listening sockets with the names by which both processes know them.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use serde::{Deserialize, Serialize};

/// By what a socket is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Name {
    /// The listener, as in the file.
    listener: String,
    /// The address as it is configured there, which may have port 0; a Unix socket has none.
    address: Option<SocketAddr>,
}

/// Sockets to be taken by those who would otherwise bind them; what nobody takes is closed.
#[derive(Debug, Default)]
pub(in crate::run) struct Sockets(Vec<(Name, OwnedFd)>);

impl Sockets {
    pub(super) fn of(names: Vec<Name>, descriptors: Vec<OwnedFd>) -> Self {
        Self(names.into_iter().zip(descriptors).collect())
    }

    pub(super) fn names(&self) -> Vec<Name> {
        self.0.iter().map(|(name, _)| name.clone()).collect()
    }

    pub(super) fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        self.0.iter().map(|(_, socket)| socket.as_fd()).collect()
    }

    /// Adds one.
    pub(in crate::run) fn add(
        &mut self,
        listener: &str,
        address: Option<SocketAddr>,
        socket: OwnedFd,
    ) {
        self.0.push((Name { listener: listener.to_owned(), address }, socket));
    }

    /// The socket of a listener at that address; failing that any at that address, as when the
    /// listener is called otherwise now. "Any free port" is the same only under the same name.
    pub(in crate::run) fn take(
        &mut self,
        listener: &str,
        address: Option<SocketAddr>,
    ) -> Option<OwnedFd> {
        let exactly =
            |(name, _): &(Name, OwnedFd)| name.listener == listener && name.address == address;
        let there = |(name, _): &(Name, OwnedFd)| {
            name.address == address && address.is_some_and(|a| a.port() != 0)
        };
        let place = self.0.iter().position(exactly).or_else(|| self.0.iter().position(there))?;
        Some(self.0.swap_remove(place).1)
    }

    /// All of them, once more.
    pub(in crate::run) fn try_clone(&self) -> io::Result<Self> {
        let again = |(name, socket): &(Name, OwnedFd)| Ok((name.clone(), socket.try_clone()?));
        self.0.iter().map(again).collect::<io::Result<_>>().map(Self)
    }

    /// Takes over those of another list.
    pub(super) fn extend(&mut self, more: Self) {
        self.0.extend(more.0);
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::Sockets;

    #[test]
    fn a_socket_is_found_by_name_and_address_else_by_an_address_that_says_something() {
        let mut sockets = Sockets::default();
        let (any, fixed) = ("127.0.0.1:0".parse().unwrap(), "127.0.0.1:80".parse().unwrap());
        let ports: Vec<_> = [("api", any), ("gateway", any), ("http", fixed)]
            .into_iter()
            .map(|(name, address)| {
                let socket = TcpListener::bind("127.0.0.1:0").unwrap();
                let port = socket.local_addr().unwrap().port();
                sockets.add(name, Some(address), socket.into());
                port
            })
            .collect();
        let mut port = |name: &str, address| {
            let socket = TcpListener::from(sockets.take(name, Some(address))?);
            Some(socket.local_addr().unwrap().port())
        };
        assert_eq!(port("other", any), None, "any free port is nobody else's");
        assert_eq!(port("gateway", any), Some(ports[1]));
        assert_eq!(port("gateway", any), None, "a socket is taken once");
        assert_eq!(port("https", fixed), Some(ports[2]), "the address moved to another name");
        assert_eq!(port("api", fixed), None);
        assert_eq!(port("api", any), Some(ports[0]));
    }
}
