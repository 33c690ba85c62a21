use serde::{Deserialize, Serialize};

/// Most steps that are told of one request.
pub const MAX_STEPS: usize = 100;

/// What a request met on its road.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// In the order in which they were taken; at most [`MAX_STEPS`].
    pub steps: Vec<Step>,
    /// What may be amiss, and what to do about it; one line each, for people.
    pub hints: Vec<String>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What was done, in a word.
    pub stage: String,
    /// What was found; one line, for people.
    pub text: String,
    /// Microseconds since the request began.
    pub after_us: u64,
}
