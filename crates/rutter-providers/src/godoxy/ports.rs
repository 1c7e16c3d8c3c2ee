//! Ports as GoDoxy writes them: `target`, `listen:target` or `:target`.

use std::fmt;
use std::str::FromStr;

use rutter_route::ParseError;

/// A route's two ports, in decimal; names of services are none. 0 is a port that is still to be
/// found: by detection, or as the gateway's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Ports {
    /// The one that is listened on.
    pub listening: u16,
    /// The target's.
    pub target: u16,
}

impl FromStr for Ports {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let syntax = || {
            ParseError::new(
                "port",
                text,
                "invalid port syntax, expect [listening_port:]target_port",
            )
        };
        let port = |text: &str| {
            let digits = text.strip_prefix('-').unwrap_or(text);
            if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                return Err(syntax());
            }
            text.parse().map_err(|_| ParseError::new("port", text, "port out of range"))
        };
        let (listening, target) = text.trim().split_once(':').unwrap_or(("", text.trim()));
        let listening = if listening.is_empty() { Ok(0) } else { port(listening) };
        // Both are looked at before either is refused: `1:x` is no port at all, whatever 1 is.
        let (target, listening) = (port(target)?, listening?);
        Ok(Self { listening, target })
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.listening {
            0 => write!(f, "{}", self.target),
            listening => write!(f, "{listening}:{}", self.target),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_originals_vectors() {
        let ports = |listening, target| Ok(Ports { listening, target });
        assert_eq!("80".parse(), ports(0, 80));
        assert_eq!("2222:22".parse(), ports(2222, 22));
        assert_eq!(":1234".parse(), ports(0, 1234));
        assert_eq!("0:80".parse(), ports(0, 80));
        assert_eq!("0080".parse(), ports(0, 80));
        for text in ["", "123:", "0:", "qwerty", "1234:x", "1:2:3", "http", "+1", "1 2", "-"] {
            let error = text.parse::<Ports>().unwrap_err();
            assert!(error.expected.starts_with("invalid port syntax"), "{text}: {error}");
        }
        for text in ["-1:1234", "65536", "0:65536", "65536:1", "99999999999"] {
            let error = text.parse::<Ports>().unwrap_err();
            assert_eq!(error.expected, "port out of range", "{text}");
        }
    }

    proptest! {
        #[test]
        fn ports_round_trip(listening: u16, target: u16) {
            let ports = Ports { listening, target };
            prop_assert_eq!(ports.to_string().parse(), Ok(ports));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,12}") {
            let _ = text.parse::<Ports>();
        }
    }
}
