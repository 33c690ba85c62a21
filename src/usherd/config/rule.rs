/// A rule that a user must satisfy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// As it was written, for messages.
    pub text: String,
    /// What must hold.
    pub test: Test,
}

/// What a rule asks. Any of the alternatives will do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// `group=dev|ops`: the user is in one of these groups.
    Group(Vec<String>),
    /// `attribute:NAME=VALUE|VALUE`: the attribute has one of these values.
    Attribute {
        /// The attribute's name.
        name: String,
        /// The values that satisfy the rule.
        values: Vec<String>,
    },
}
