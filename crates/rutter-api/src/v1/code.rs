//! The one table of error codes, and the error that carries one.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rutter_book::BookClosed;
use rutter_controller::Error;
use serde::Serialize;
use utoipa::ToSchema;

use crate::limits::BodyError;

pub(crate) type Result<T, E = ApiError> = std::result::Result<T, E>;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident $text:literal $status:ident;)*) => {
        /// What went wrong, in a word that stays: programs look at it, the sentence beside it is
        /// for people and may change.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, ToSchema)]
        pub enum Code {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The code as text.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The status that it comes with.
            pub fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)* }
            }
        }
    };
}

codes! {
    /// The body is not JSON, or can't be read.
    InvalidJson "invalid_json" BAD_REQUEST;
    /// A parameter of the query or the path is not what it should be.
    InvalidParameter "invalid_parameter" BAD_REQUEST;
    /// There is no token, or one that opens nothing.
    Unauthenticated "unauthenticated" UNAUTHORIZED;
    /// The token doesn't open this.
    Forbidden "forbidden" FORBIDDEN;
    /// There is no such thing.
    NotFound "not_found" NOT_FOUND;
    /// This is a gateway: only its controller, elsewhere, has that.
    NoController "no_controller" NOT_FOUND;
    /// This controller doesn't speak `rutter.v1`.
    NoLink "no_link" NOT_FOUND;
    /// This controller has no nodes.
    NoNodes "no_nodes" NOT_FOUND;
    /// This process has no providers.
    NoProviders "no_providers" NOT_FOUND;
    /// This cluster is part of no fabric.
    NoFabric "no_fabric" NOT_FOUND;
    /// The path takes other methods.
    MethodNotAllowed "method_not_allowed" METHOD_NOT_ALLOWED;
    /// The request took too long to come.
    Timeout "timeout" REQUEST_TIMEOUT;
    /// Another user or member has the name.
    NameTaken "name_taken" CONFLICT;
    /// Another user or member has the key.
    KeyTaken "key_taken" CONFLICT;
    /// What stands speaks against it; the sentence says what.
    Conflict "conflict" CONFLICT;
    /// The body is too large.
    TooLarge "too_large" PAYLOAD_TOO_LARGE;
    /// The name breaks a rule.
    InvalidName "invalid_name" UNPROCESSABLE_ENTITY;
    /// A field is not what it should be; the sentence names it.
    InvalidField "invalid_field" UNPROCESSABLE_ENTITY;
    /// The policy is wrong; the sentences name each place.
    InvalidPolicy "invalid_policy" UNPROCESSABLE_ENTITY;
    /// A route may not lead to that address.
    AddressRefused "address_refused" UNPROCESSABLE_ENTITY;
    /// There are as many of them as there may be.
    TooMany "too_many" TOO_MANY_REQUESTS;
    /// The program made a mistake; its log says more.
    Internal "internal" INTERNAL_SERVER_ERROR;
    /// What must be written can't be now. Reads go on.
    Unavailable "unavailable" SERVICE_UNAVAILABLE;
    /// What was stored is still being restored.
    NotReady "not_ready" SERVICE_UNAVAILABLE;
    /// The program is stopping.
    ShuttingDown "shutting_down" SERVICE_UNAVAILABLE;
}

/// An error of the API.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApiError {
    /// What went wrong and where, for people.
    pub(crate) error: String,
    /// The same for programs.
    pub(crate) code: Code,
}

impl ApiError {
    pub(crate) fn new(code: Code, error: impl std::fmt::Display) -> Self {
        Self { error: error.to_string(), code }
    }

    /// A field that is not what it should be.
    pub(crate) fn field(name: impl std::fmt::Display, why: impl std::fmt::Display) -> Self {
        Self::new(Code::InvalidField, format!("{name}: {why}"))
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let code = self.code;
        let mut response = (code.status(), axum::Json(self)).into_response();
        if code == Code::Unauthenticated {
            // RFC 9110 11.6.1: a 401 says how to do it right.
            let challenge = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

impl From<BodyError> for ApiError {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge => Self::new(Code::TooLarge, "the body is over 100 kB"),
            BodyError::Broken => Self::new(Code::InvalidJson, "the body can't be read"),
        }
    }
}

impl From<BookClosed> for ApiError {
    fn from(error: BookClosed) -> Self {
        Self::new(Code::ShuttingDown, error)
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        let code = match &error {
            Error::Name(_) => Code::InvalidName,
            Error::NameTaken(_) | Error::MemberNameTaken(_) => Code::NameTaken,
            Error::KeyTaken => Code::KeyTaken,
            Error::UnknownUser | Error::NotFound { .. } => Code::NotFound,
            // No more than that: which of unknown, expired, revoked and used it is helps who
            // guesses.
            Error::Token(_) => {
                return Self::new(Code::Unauthenticated, "the token is unknown or no longer good");
            }
            Error::TooManyRoutes { .. } | Error::Parse(_) => Code::InvalidField,
            Error::Bound(_) => Code::TooMany,
            Error::Address { .. } => Code::AddressRefused,
            Error::Registry(why) => {
                tracing::error!(error = %why, "the registry failed a request");
                Code::Unavailable
            }
            Error::Closed => Code::ShuttingDown,
            other => {
                tracing::error!(error = %other, "an error without a code");
                Code::Internal
            }
        };
        Self::new(code, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_words_and_stay() {
        let lines: Vec<_> =
            Code::ALL.iter().map(|c| format!("{} {}", c.status().as_u16(), c.as_str())).collect();
        insta::assert_snapshot!(lines.join("\n"));
        let distinct: std::collections::HashSet<_> = Code::ALL.iter().map(|c| c.as_str()).collect();
        assert_eq!(distinct.len(), Code::ALL.len());
    }
}
