//! Headers of the shape `value; name=value; …` (RFC 2045 §5.1, RFC 2231).

/// A structured header's value and its parameters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parameters {
    /// What stands before the first `;`, without comments, in lower case.
    pub value: String,
    /// Lower-case names and decoded values, in order; each name once.
    pub params: Vec<(String, String)>,
}

impl Parameters {
    /// The value of the parameter called `name` (lower case).
    pub fn get(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(each, _)| each == name).map(|(_, value)| value.as_str())
    }
}

/// Reads a Content-Type, a Content-Disposition or the like, folded or not.
pub fn parse(raw: &[u8]) -> Parameters {
    let _ = raw;
    Parameters::default()
}
