//! What modules may ask of us: the password, and nothing else.

use std::ffi::{CStr, CString};

use pam_client2::{ConversationHandler, ErrorCode};

/// One side of the talk with PAM's modules.
pub(crate) struct Conversation<'a> {
    password: &'a [u8],
    /// What a module wanted to know that is not a password.
    pub(crate) unanswered: Option<String>,
    /// The last error that a module told.
    pub(crate) told: Option<String>,
}

impl<'a> Conversation<'a> {
    pub(crate) fn new(password: &'a [u8]) -> Self {
        Self { password, unanswered: None, told: None }
    }
}

impl ConversationHandler for Conversation<'_> {
    fn prompt_echo_off(&mut self, _: &CStr) -> Result<CString, ErrorCode> {
        CString::new(self.password).map_err(|_| ErrorCode::CONV_ERR)
    }

    fn prompt_echo_on(&mut self, prompt: &CStr) -> Result<CString, ErrorCode> {
        self.unanswered = Some(prompt.to_string_lossy().into_owned());
        Err(ErrorCode::CONV_ERR)
    }

    fn text_info(&mut self, _: &CStr) {}

    fn error_msg(&mut self, text: &CStr) {
        self.told = Some(text.to_string_lossy().into_owned());
    }
}
