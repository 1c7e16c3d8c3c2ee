//! What the fleet says no with, under the codes of the API.

use rutter_nodes::NodesError;
use rutter_nodes::fleet::FleetError;

use crate::v1::{ApiError, Code};

impl From<FleetError> for ApiError {
    fn from(error: FleetError) -> Self {
        let code = match &error {
            FleetError::Nodes(error) => code(error),
            FleetError::NotFound { .. } => Code::NotFound,
            FleetError::Exists { .. } => Code::NameTaken,
            FleetError::NotPrimary(_)
            | FleetError::InUse(_)
            | FleetError::Pending { .. }
            | FleetError::Expired(_) => Code::Conflict,
            FleetError::Invalid(_)
            | FleetError::Parse(_)
            | FleetError::PreauthKey(_)
            | FleetError::Tag(_) => Code::InvalidField,
            FleetError::Policy(_) | FleetError::Enforce(_) => Code::InvalidPolicy,
            FleetError::Registry(why) => {
                tracing::error!(error = %why, "the registry failed a request");
                Code::Unavailable
            }
            FleetError::Closed(_) => Code::ShuttingDown,
        };
        Self::new(code, error)
    }
}

fn code(error: &NodesError) -> Code {
    match error {
        NodesError::Unknown(_) => Code::NotFound,
        NodesError::Taken { what: "key", .. } => Code::KeyTaken,
        NodesError::Taken { .. } => Code::NameTaken,
        NodesError::TooMany { .. } => Code::TooMany,
        NodesError::Number { .. }
        | NodesError::Expired(_)
        | NodesError::NotAdvertised { .. }
        | NodesError::Advertised { .. }
        | NodesError::Refused(_) => Code::Conflict,
    }
}
