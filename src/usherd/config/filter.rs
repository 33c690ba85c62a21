/// A search filter that follows RFC 4515.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter(String);

impl Filter {
    /// The filter's text, with its outer parentheses.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
