//! What this module uses of httpd and APR, under the names of their headers.
//!
//! It is written by hand, so that a build needs neither the headers nor libclang. Of a structure
//! that httpd may extend, only the part up to the last field used stands here: it is never made,
//! copied or measured. The assertions at the end hold the layouts and the numbers here;
//! `tests/headers.rs` has the C compiler hold the same lines against the real headers.
#![allow(non_camel_case_types, reason = "the headers' names")]

use std::ffi::{CStr, c_char, c_int, c_uint, c_ulong, c_void};
use std::mem::{offset_of, size_of};

use crate::guard::caught;

/// Structures that are only pointed at.
pub(crate) enum apr_pool_t {}
pub(crate) enum apr_table_t {}
pub(crate) enum ap_conf_vector_t {}
pub(crate) enum ap_expr_info_t {}
pub(crate) enum ap_expr_lookup_fn_t {}
pub(crate) enum server_rec {}

/// httpd's `apr_status_t`.
pub(crate) type Status = c_int;

#[repr(C)]
pub(crate) struct request_rec {
    pub(crate) pool: *mut apr_pool_t,
    pub(crate) connection: *mut conn_rec,
    server: *mut server_rec,
    next: *mut request_rec,
    pub(crate) prev: *mut request_rec,
    pub(crate) main: *mut request_rec,
    the_request_to_status_line: [u64; 7],
    pub(crate) status: c_int,
    method_number_to_err_headers_out: [u64; 18],
    pub(crate) subprocess_env: *mut apr_table_t,
    notes_and_content_type: [u64; 2],
    pub(crate) handler: *const c_char,
    content_encoding_to_vlist_validator: [u64; 3],
    pub(crate) user: *mut c_char,
    ap_auth_type_to_eos_sent: [u64; 8],
    pub(crate) per_dir_config: *mut ap_conf_vector_t,
    pub(crate) request_config: *mut ap_conf_vector_t,
    log_to_useragent_addr: [u64; 36],
    pub(crate) useragent_ip: *mut c_char,
}

#[repr(C)]
pub(crate) struct conn_rec {
    pub(crate) pool: *mut apr_pool_t,
    base_server_to_id: [u64; 10],
    pub(crate) conn_config: *mut ap_conf_vector_t,
}

#[repr(C)]
pub(crate) struct cmd_parms {
    info_to_config_file: [u64; 7],
    directive: *const ap_directive_t,
    pub(crate) pool: *mut apr_pool_t,
    temp_pool: *mut apr_pool_t,
    pub(crate) server: *mut server_rec,
    pub(crate) path: *mut c_char,
    pub(crate) cmd: *const command_rec,
    pub(crate) context: *mut ap_conf_vector_t,
}

/// A line of the configuration, among those around it.
#[repr(C)]
pub(crate) struct ap_directive_t {
    directive: *const c_char,
    args: *const c_char,
    next_and_first_child: [u64; 2],
    parent: *const ap_directive_t,
}

/// Its function is a union in C; every directive here takes one argument.
pub(crate) type TakeOne =
    unsafe extern "C" fn(*mut cmd_parms, *mut c_void, *const c_char) -> *const c_char;

#[repr(C)]
pub(crate) struct command_rec {
    pub(crate) name: *const c_char,
    pub(crate) func: Option<TakeOne>,
    pub(crate) cmd_data: *mut c_void,
    pub(crate) req_override: c_int,
    pub(crate) args_how: c_int,
    pub(crate) errmsg: *const c_char,
}

type Create = unsafe extern "C" fn(*mut apr_pool_t, *mut c_char) -> *mut c_void;
type Merge = unsafe extern "C" fn(*mut apr_pool_t, *mut c_void, *mut c_void) -> *mut c_void;

#[repr(C)]
pub(crate) struct module {
    pub(crate) version: c_int,
    pub(crate) minor_version: c_int,
    pub(crate) module_index: c_int,
    pub(crate) name: *const c_char,
    pub(crate) dynamic_load_handle: *mut c_void,
    pub(crate) next: *mut module,
    pub(crate) magic: c_ulong,
    pub(crate) rewrite_args: *const c_void,
    pub(crate) create_dir_config: Option<Create>,
    pub(crate) merge_dir_config: Option<Merge>,
    pub(crate) create_server_config: *const c_void,
    pub(crate) merge_server_config: *const c_void,
    pub(crate) cmds: *const command_rec,
    pub(crate) register_hooks: Option<unsafe extern "C" fn(*mut apr_pool_t)>,
    pub(crate) flags: c_int,
}

#[repr(C)]
pub(crate) struct authn_provider {
    pub(crate) check_password:
        Option<unsafe extern "C" fn(*mut request_rec, *const c_char, *const c_char) -> c_int>,
    pub(crate) get_realm_hash: *const c_void,
}

#[repr(C)]
pub(crate) struct authz_provider {
    pub(crate) check_authorization:
        Option<unsafe extern "C" fn(*mut request_rec, *const c_char, *const c_void) -> c_int>,
    pub(crate) parse_require_line: Option<
        unsafe extern "C" fn(*mut cmd_parms, *const c_char, *mut *const c_void) -> *const c_char,
    >,
}

pub(crate) const MODULE_MAGIC_NUMBER_MAJOR: c_int = 20_120_211;
pub(crate) const MODULE_MAGIC_COOKIE: c_ulong = 0x4150_3234;
pub(crate) const OK: c_int = 0;
pub(crate) const DECLINED: c_int = -1;
pub(crate) const HTTP_BAD_REQUEST: c_int = 400;
pub(crate) const HTTP_FORBIDDEN: c_int = 403;
pub(crate) const HTTP_NOT_FOUND: c_int = 404;
pub(crate) const HTTP_INTERNAL_SERVER_ERROR: c_int = 500;
pub(crate) const HTTP_SERVICE_UNAVAILABLE: c_int = 503;
pub(crate) const TAKE1: c_int = 1;
pub(crate) const OR_AUTHCFG: c_int = 8;
pub(crate) const ACCESS_CONF: c_int = 64;
pub(crate) const RSRC_CONF: c_int = 128;
pub(crate) const APR_HOOK_REALLY_FIRST: c_int = -10;
pub(crate) const APR_HOOK_FIRST: c_int = 0;
pub(crate) const APR_HOOK_MIDDLE: c_int = 10;
pub(crate) const AUTH_DENIED: c_int = 0;
pub(crate) const AUTH_GRANTED: c_int = 1;
pub(crate) const AUTH_USER_NOT_FOUND: c_int = 3;
pub(crate) const AUTH_GENERAL_ERROR: c_int = 4;
pub(crate) const AUTHZ_DENIED: c_int = 0;
pub(crate) const AUTHZ_GRANTED: c_int = 1;
pub(crate) const AUTHZ_GENERAL_ERROR: c_int = 3;
pub(crate) const AUTHZ_DENIED_NO_USER: c_int = 4;
pub(crate) const AP_AUTH_INTERNAL_PER_CONF: c_int = 1;
pub(crate) const AP_EXPR_FLAG_STRING_RESULT: c_uint = 8;
pub(crate) const APLOG_ERR: c_int = 3;
pub(crate) const APLOG_INFO: c_int = 6;

/// What runs in a phase of a request.
pub(crate) type Phase = unsafe extern "C" fn(*mut request_rec) -> c_int;

// SAFETY: these are the headers' declarations in Rust; `tests/headers.rs` has the C compiler compare
// them. The wrappers below and `hooks` say why each call is sound.
unsafe extern "C" {
    pub(crate) fn ap_hook_check_access_ex(
        function: Phase,
        before_it: *const *const c_char,
        after_it: *const *const c_char,
        order: c_int,
        kind: c_int,
    );
    pub(crate) fn ap_hook_check_authn(
        function: Phase,
        before_it: *const *const c_char,
        after_it: *const *const c_char,
        order: c_int,
        kind: c_int,
    );
    pub(crate) fn ap_hook_check_authz(
        function: Phase,
        before_it: *const *const c_char,
        after_it: *const *const c_char,
        order: c_int,
        kind: c_int,
    );
    pub(crate) fn ap_run_access_checker_ex(r: *mut request_rec) -> c_int;
    pub(crate) fn ap_run_check_user_id(r: *mut request_rec) -> c_int;
    pub(crate) fn ap_run_auth_checker(r: *mut request_rec) -> c_int;
    pub(crate) fn ap_run_handler(r: *mut request_rec) -> c_int;
    pub(crate) fn ap_hook_handler(
        function: Phase,
        before_it: *const *const c_char,
        after_it: *const *const c_char,
        order: c_int,
    );
    pub(crate) fn ap_hook_fixups(
        function: Phase,
        before_it: *const *const c_char,
        after_it: *const *const c_char,
        order: c_int,
    );
    pub(crate) fn ap_hook_child_init(
        function: unsafe extern "C" fn(*mut apr_pool_t, *mut server_rec),
        before_it: *const *const c_char,
        after_it: *const *const c_char,
        order: c_int,
    );
    pub(crate) fn ap_register_auth_provider(
        pool: *mut apr_pool_t,
        group: *const c_char,
        name: *const c_char,
        version: *const c_char,
        provider: *const c_void,
        kind: c_int,
    ) -> Status;
    pub(crate) fn ap_get_module_config(
        vector: *const ap_conf_vector_t,
        of: *const module,
    ) -> *mut c_void;
    pub(crate) fn ap_set_module_config(
        vector: *mut ap_conf_vector_t,
        of: *const module,
        value: *mut c_void,
    );
    pub(crate) fn ap_set_config_vectors(
        server: *mut server_rec,
        vector: *mut ap_conf_vector_t,
        section: *const c_char,
        of: *mut module,
        pool: *mut apr_pool_t,
    ) -> *mut c_void;
    pub(crate) fn ap_expr_parse_cmd_mi(
        parms: *const cmd_parms,
        text: *const c_char,
        flags: c_uint,
        error: *mut *const c_char,
        lookup: *mut ap_expr_lookup_fn_t,
        module_index: c_int,
    ) -> *mut ap_expr_info_t;
    pub(crate) fn ap_expr_str_exec(
        r: *mut request_rec,
        expression: *const ap_expr_info_t,
        error: *mut *const c_char,
    ) -> *const c_char;
    pub(crate) fn ap_log_rerror_(
        file: *const c_char,
        line: c_int,
        module_index: c_int,
        level: c_int,
        status: Status,
        r: *const request_rec,
        format: *const c_char,
        ...
    );
    pub(crate) fn apr_pstrmemdup(
        pool: *mut apr_pool_t,
        text: *const c_char,
        length: usize,
    ) -> *mut c_char;
    pub(crate) fn apr_table_setn(
        table: *mut apr_table_t,
        name: *const c_char,
        value: *const c_char,
    );
    pub(crate) fn apr_pool_cleanup_register(
        pool: *mut apr_pool_t,
        data: *const c_void,
        at_the_end: unsafe extern "C" fn(*mut c_void) -> Status,
        before_exec: unsafe extern "C" fn(*mut c_void) -> Status,
    );
    pub(crate) fn apr_pool_cleanup_null(data: *mut c_void) -> Status;
}

/// Gives the value to the pool, which drops it when it is cleared.
///
/// # Safety
/// The pool is one of httpd's.
pub(crate) unsafe fn keep<T>(pool: *mut apr_pool_t, value: T) -> *mut T {
    unsafe extern "C" fn drop_it<T>(value: *mut c_void) -> Status {
        // SAFETY: the pool hands over what `keep` registered, once.
        caught((), || drop(unsafe { Box::from_raw(value.cast::<T>()) }));
        OK
    }
    let value = Box::into_raw(Box::new(value));
    let nothing = apr_pool_cleanup_null;
    // SAFETY: by the contract; the value stays where it is until `drop_it`.
    unsafe { apr_pool_cleanup_register(pool, value.cast(), drop_it::<T>, nothing) };
    value
}

/// A copy that lives as long as the pool. A text for C ends at its first NUL.
///
/// # Safety
/// The pool is one of httpd's.
pub(crate) unsafe fn copy(pool: *mut apr_pool_t, text: &str) -> *mut c_char {
    // SAFETY: by the contract; the text has so many bytes, and APR puts a NUL behind them.
    unsafe { apr_pstrmemdup(pool, text.as_ptr().cast(), text.len()) }
}

/// # Safety
/// A text that ends with a NUL, or null.
pub(crate) unsafe fn text(text: *const c_char) -> Option<String> {
    // SAFETY: by the contract.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}

/// Whether a `Require` line speaks of those who are to stay out.
///
/// # Safety
/// What httpd passes with the line.
pub(crate) unsafe fn is_negated(parms: *const cmd_parms) -> bool {
    let some = |directive: *const ap_directive_t| Some(directive).filter(|it| !it.is_null());
    // SAFETY: by the contract; httpd has read the lines around this one, and keeps them all.
    let outer = |line: &*const ap_directive_t| some(unsafe { (**line).parent });
    // SAFETY: by the contract.
    let mut lines = std::iter::successors(some(unsafe { (*parms).directive }), outer);
    lines.any(|line| {
        // SAFETY: as above; both are texts, or null.
        let (name, arguments) = unsafe { (text((*line).directive), text((*line).args)) };
        let is = |known: &str| name.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(known));
        let arguments = arguments.unwrap_or_default();
        let first = arguments.split_whitespace().next().unwrap_or_default();
        is("<RequireNone") || (is("Require") && first.eq_ignore_ascii_case("not"))
    })
}

/// httpd's request, for the time of a call; made only of what httpd passes.
pub(crate) struct Request(pub(crate) *mut request_rec);

impl Request {
    /// Whom httpd or another module found it to be. No directory has a name that is not UTF-8.
    pub(crate) fn user(&self) -> Option<String> {
        // SAFETY: a text, or null.
        unsafe { text((*self.0).user) }
    }

    pub(crate) fn set_user(&self, name: &str) {
        // SAFETY: the copy lives as long as the request.
        unsafe { (*self.0).user = copy((*self.0).pool, name) }
    }

    pub(crate) fn set_environment(&self, name: &str, value: &str) {
        // SAFETY: the copies live as long as the request, and so does the table.
        unsafe {
            let (pool, table) = ((*self.0).pool, (*self.0).subprocess_env);
            apr_table_setn(table, copy(pool, name), copy(pool, value));
        }
    }

    pub(crate) fn has_user(&self) -> bool {
        // SAFETY: a field of httpd's request.
        unsafe { !(*self.0).user.is_null() }
    }

    /// Whence it comes.
    pub(crate) fn address(&self) -> Option<String> {
        // SAFETY: a text, or null.
        unsafe { text((*self.0).useragent_ip) }
    }

    /// Who is to write the page.
    pub(crate) fn handler(&self) -> Option<&CStr> {
        // SAFETY: a text that nobody changes in this call, or null.
        unsafe {
            let handler = (*self.0).handler;
            (!handler.is_null()).then(|| CStr::from_ptr(handler))
        }
    }

    pub(crate) fn status(&self) -> c_int {
        // SAFETY: a field of httpd's request.
        unsafe { (*self.0).status }
    }

    /// This request, the one that it comes from, and so on to the first.
    pub(crate) fn lineage(&self) -> impl Iterator<Item = Self> {
        let from = |Self(request): &Self| {
            // SAFETY: each is alive, since those that it brought about are.
            let (prev, main) = unsafe { ((**request).prev, (**request).main) };
            Some(if prev.is_null() { main } else { prev }).filter(|it| !it.is_null()).map(Self)
        };
        std::iter::successors(Some(Self(self.0)), from)
    }
}

const _: () = {
    assert!(offset_of!(request_rec, pool) == 0);
    assert!(offset_of!(request_rec, connection) == 8);
    assert!(offset_of!(request_rec, prev) == 32);
    assert!(offset_of!(request_rec, main) == 40);
    assert!(offset_of!(request_rec, status) == 104);
    assert!(offset_of!(request_rec, subprocess_env) == 256);
    assert!(offset_of!(request_rec, handler) == 280);
    assert!(offset_of!(request_rec, user) == 312);
    assert!(offset_of!(request_rec, per_dir_config) == 384);
    assert!(offset_of!(request_rec, request_config) == 392);
    assert!(offset_of!(request_rec, useragent_ip) == 688);
    assert!(offset_of!(conn_rec, pool) == 0);
    assert!(offset_of!(conn_rec, conn_config) == 88);
    assert!(offset_of!(cmd_parms, directive) == 56);
    assert!(offset_of!(cmd_parms, pool) == 64);
    assert!(offset_of!(cmd_parms, server) == 80);
    assert!(offset_of!(cmd_parms, path) == 88);
    assert!(offset_of!(cmd_parms, cmd) == 96);
    assert!(offset_of!(cmd_parms, context) == 104);
    assert!(offset_of!(ap_directive_t, directive) == 0);
    assert!(offset_of!(ap_directive_t, args) == 8);
    assert!(offset_of!(ap_directive_t, parent) == 32);
    assert!(offset_of!(command_rec, name) == 0);
    assert!(offset_of!(command_rec, func) == 8);
    assert!(offset_of!(command_rec, cmd_data) == 16);
    assert!(offset_of!(command_rec, req_override) == 24);
    assert!(offset_of!(command_rec, args_how) == 28);
    assert!(offset_of!(command_rec, errmsg) == 32);
    assert!(size_of::<command_rec>() == 40);
    assert!(offset_of!(module, version) == 0);
    assert!(offset_of!(module, minor_version) == 4);
    assert!(offset_of!(module, module_index) == 8);
    assert!(offset_of!(module, name) == 16);
    assert!(offset_of!(module, dynamic_load_handle) == 24);
    assert!(offset_of!(module, next) == 32);
    assert!(offset_of!(module, magic) == 40);
    assert!(offset_of!(module, rewrite_args) == 48);
    assert!(offset_of!(module, create_dir_config) == 56);
    assert!(offset_of!(module, merge_dir_config) == 64);
    assert!(offset_of!(module, create_server_config) == 72);
    assert!(offset_of!(module, merge_server_config) == 80);
    assert!(offset_of!(module, cmds) == 88);
    assert!(offset_of!(module, register_hooks) == 96);
    assert!(offset_of!(module, flags) == 104);
    assert!(size_of::<module>() == 112);
    assert!(offset_of!(authn_provider, check_password) == 0);
    assert!(offset_of!(authn_provider, get_realm_hash) == 8);
    assert!(size_of::<authn_provider>() == 16);
    assert!(offset_of!(authz_provider, check_authorization) == 0);
    assert!(offset_of!(authz_provider, parse_require_line) == 8);
    assert!(size_of::<authz_provider>() == 16);
};
