//! What came of trying to read something. Partial knowledge is normal: a user
//! may see Deployments and not autoscalers. The four cases are kept apart all
//! the way, so that "may not look" is never taken for "is not there".

use crate::error::plain;
use crate::exec::CallFailure;
use crate::kubectl;

/// The four ends of a reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading<T> {
    /// It was read.
    Known(T),
    /// It does not exist.
    Absent,
    /// The user may not read it.
    Forbidden(Denied),
    /// It was not understood, or not answered; the reason in words.
    Unclear(String),
}

/// A right that the user does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Denied {
    /// `get`, `list`, `watch`, `patch`, `delete`.
    pub verb: &'static str,
    /// As RBAC names it, such as `pods/proxy`.
    pub resource: &'static str,
}

impl<T> Reading<T> {
    /// The reading of a kubectl call that needs this right.
    pub fn of(result: Result<T, CallFailure>, needs: Denied) -> Self {
        match result {
            Ok(value) => Self::Known(value),
            // A pod's own "no" comes without the API server's word for it.
            Err(failed) if failed.stderr().contains("(Unauthorized)") => Self::Forbidden(needs),
            Err(failed) => match kubectl::meaning(&failed) {
                kubectl::Meaning::Forbidden => Self::Forbidden(needs),
                kubectl::Meaning::NotFound => Self::Absent,
                _ => Self::Unclear(match failed.stderr().lines().last() {
                    Some(said) => plain(said),
                    None => failed.to_string(),
                }),
            },
        }
    }

    /// What was read, if it was.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Absent | Self::Forbidden(_) | Self::Unclear(_) => None,
        }
    }
}
