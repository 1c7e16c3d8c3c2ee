//! Who may ask what, where it isn't the signature in the path that says so.
//!
//! Home addresses (`/resolve`, `/routes/:userid`) are for gateways: a token of scope `gateway`, or
//! a connection from one of `trusted_gateways`, by default this machine. Everyone else gets the
//! answer of a name that nobody has, so that the list of names can't be read off either. A request
//! that names an `Origin` comes from a browser: it is not a gateway, and a page anywhere could send
//! it from inside a trusted network, so there only a token counts. Nor does it come straight from
//! a gateway when a proxy has added its headers ([`crate::peer`]).
//!
//! Names are given and taken by a token of scope `domains`, which acts for the user named behind
//! it: `Bearer TOKEN;UID`.

use axum::http::{HeaderMap, header};
use rutter_registry::{Scope, Token, UserId};

use super::Surface;
use super::error::Refused;
use crate::peer::Peer;

impl Surface {
    /// Whether the one who asks may read home addresses.
    pub(super) async fn may_read(&self, peer: Peer, headers: &HeaderMap) -> Result<bool, Refused> {
        if self.options.public_resolve || self.is_trusted(peer, headers) {
            return Ok(true);
        }
        let Some(bearer) = bearer(headers) else { return Ok(false) };
        match self.controller.authenticate(self.clock.now(), bearer).await {
            Ok(token) => Ok(allows(&token, Scope::Gateway)),
            Err(rutter_controller::Error::Token(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn is_trusted(&self, peer: Peer, headers: &HeaderMap) -> bool {
        let trusted = &self.options.trusted_gateways;
        !headers.contains_key(header::ORIGIN) && peer.is_in(trusted, headers)
    }

    /// The user for whom a token of scope `domains` acts, and what the token is called.
    pub(super) async fn acting_user(
        &self,
        headers: &HeaderMap,
    ) -> Result<(UserId, String), Refused> {
        let unauthorized = || Refused::new(401, "Unauthorized");
        let bearer = bearer(headers).ok_or_else(unauthorized)?;
        let (secret, user) = match bearer.split_once(';') {
            // The original ends the user id at the next `;`.
            Some((secret, rest)) => (secret, rest.split(';').next().unwrap_or_default()),
            None => (bearer, ""),
        };
        let token = self.controller.authenticate(self.clock.now(), secret).await?;
        if !allows(&token, Scope::Domains) {
            return Err(unauthorized());
        }
        if user.is_empty() {
            return Err(Refused::new(401, "Unauthorized: Missing uid in service token"));
        }
        let user = user.parse().map_err(|_| unauthorized())?;
        Ok((user, format!("token {} {}", token.id, token.name)))
    }
}

fn allows(token: &Token, scope: Scope) -> bool {
    matches!(token.grant, rutter_registry::Grant::Api { scopes } if scopes.allow(scope))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ").map(str::trim)
}
