use serde::{Deserialize, Serialize};

/// Most differences that are told.
pub const MAX_DIFFERENCES: usize = 50;

/// How the answers of two configurations compare.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    /// Questions that both were asked.
    pub compared: u64,
    /// Those of them that both answered, and not alike.
    pub different: u64,
    /// Passwords that the present one refused. They were not tried again.
    pub refused: u64,
    /// Questions that were not asked: there was no time, or no host to judge the password now.
    pub passed_over: u64,
    /// Differences, each once; at most [`MAX_DIFFERENCES`].
    pub differences: Vec<Difference>,
}

/// One answer that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The realm that was asked for by name.
    pub realm: Option<String>,
    /// The user, as the question named them.
    pub user: String,
    /// What the present configuration says.
    pub now: String,
    /// What the other would say.
    pub then: String,
}
