//! The module as httpd sees it: the functions that it calls, and what they do to a request.
//!
//! Each takes apart what C hands over, asks the plain modules, and carries out what they say.
//! Pointers are valid for the time of the call and used by one thread: httpd processes a request,
//! its sub-requests and its redirects one after the other.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr;
use std::time::Duration;

use usher_protocol::Password;

use crate::asked::{Asked, CannotTell, Login, Question, Reuse, Told, Whom};
use crate::complaint::COMPLAINTS;
use crate::connections::{CONNECTIONS, now};
use crate::directives::{Expression, Settings};
use crate::fixup::{self, Missing, Outcome};
use crate::guard::caught;
use crate::provider;
use crate::require::Requirement;
use crate::sys::{self, Request, apr_pool_t, cmd_parms, copy, keep, request_rec, text};

/// What httpd looks for in the file; it writes the module's index into it.
// SAFETY: no other symbol of this name is in the process: httpd loads a module under a name once.
#[unsafe(no_mangle)]
pub(crate) static mut usher_module: sys::module = sys::module {
    version: sys::MODULE_MAGIC_NUMBER_MAJOR,
    // Nothing is used that came later.
    minor_version: 0,
    module_index: -1,
    name: c"mod_usher.c".as_ptr(),
    dynamic_load_handle: ptr::null_mut(),
    next: ptr::null_mut(),
    magic: sys::MODULE_MAGIC_COOKIE,
    rewrite_args: ptr::null(),
    create_dir_config: Some(create_settings),
    merge_dir_config: Some(merge_settings),
    create_server_config: ptr::null(),
    merge_server_config: ptr::null(),
    cmds: COMMANDS.0.as_ptr(),
    register_hooks: Some(register_hooks),
    flags: 0,
};

/// A constant that C reads.
struct Constant<T>(T);

// SAFETY: nobody writes to it, and what its pointers point at are constants.
unsafe impl<T> Sync for Constant<T> {}

/// Who may write a `.htaccess` chooses neither whom the server asks nor for how long.
const SERVER: c_int = sys::RSRC_CONF | sys::ACCESS_CONF;
const ANYWHERE: c_int = sys::RSRC_CONF | sys::OR_AUTHCFG;

static COMMANDS: Constant<[sys::command_rec; 7]> = Constant([
    command(c"UsherSocket", SERVER, c"the path of usherd's socket"),
    command(c"UsherRealm", SERVER, c"the realm to ask for; it may be an expression"),
    command(c"UsherTimeout", SERVER, c"how long a request waits for usherd, such as 3s or 500ms"),
    command(
        c"UsherReuse",
        SERVER,
        c"how long an answer serves others of its connection, such as 1s",
    ),
    command(c"UsherMetadata", ANYWHERE, c"On or Off"),
    command(c"UsherMetadataOnError", ANYWHERE, c"pass or deny"),
    sys::command_rec {
        name: ptr::null(),
        func: None,
        cmd_data: ptr::null_mut(),
        req_override: 0,
        args_how: 0,
        errmsg: ptr::null(),
    },
]);

const fn command(name: &'static CStr, place: c_int, usage: &'static CStr) -> sys::command_rec {
    sys::command_rec {
        name: name.as_ptr(),
        func: Some(directive),
        cmd_data: ptr::null_mut(),
        req_override: place,
        args_how: sys::TAKE1,
        errmsg: usage.as_ptr(),
    }
}

/// The environment is complete before these look at it.
static LATER: Constant<[*const c_char; 3]> =
    Constant([c"mod_headers.c".as_ptr(), c"mod_rewrite.c".as_ptr(), ptr::null()]);

static AUTHN: Constant<sys::authn_provider> = Constant(sys::authn_provider {
    check_password: Some(check_password),
    get_realm_hash: ptr::null(),
});

/// The words after `Require`.
const REQUIREMENTS: [&CStr; 3] = [c"usher-group", c"usher-attribute", c"usher-rule"];

static AUTHZ: Constant<[sys::authz_provider; 3]> =
    Constant([requirement::<0>(), requirement::<1>(), requirement::<2>()]);

const fn requirement<const NUMBER: usize>() -> sys::authz_provider {
    sys::authz_provider {
        check_authorization: Some(check_authorization),
        parse_require_line: Some(parse_require_line::<NUMBER>),
    }
}

unsafe extern "C" fn register_hooks(pool: *mut apr_pool_t) {
    caught((), || {
        // SAFETY: httpd calls this with its pool when it has loaded the module.
        unsafe {
            hook();
            provide(pool);
        }
    });
}

/// # Safety
/// httpd is loading the module.
unsafe fn hook() {
    let (none, later) = (ptr::null(), LATER.0.as_ptr());
    // SAFETY: by the contract; functions and lists are constants.
    unsafe {
        let (first, kind) = (sys::APR_HOOK_REALLY_FIRST, sys::AP_AUTH_INTERNAL_PER_CONF);
        sys::ap_hook_check_access_ex(watch_access, none, none, first, kind);
        sys::ap_hook_check_authn(watch_authentication, none, none, first, kind);
        sys::ap_hook_check_authz(watch_authorization, none, none, first, kind);
        sys::ap_hook_fixups(fixups, none, later, sys::APR_HOOK_FIRST);
        sys::ap_hook_handler(watch_login, none, none, first);
        sys::ap_hook_child_init(child_init, none, none, sys::APR_HOOK_MIDDLE);
    }
}

/// # Safety
/// httpd is loading the module, with this pool.
unsafe fn provide(pool: *mut apr_pool_t) {
    let authn = (c"authn", c"usher", (&raw const AUTHN.0).cast());
    let authz = REQUIREMENTS.iter().zip(&AUTHZ.0);
    let authz = authz.map(|(name, provider)| (c"authz", *name, ptr::from_ref(provider).cast()));
    for (group, name, provider) in [authn].into_iter().chain(authz) {
        let (group, name, version) = (group.as_ptr(), name.as_ptr(), c"0".as_ptr());
        let kind = sys::AP_AUTH_INTERNAL_PER_CONF;
        // SAFETY: by the contract; each provider is what its group expects.
        unsafe { sys::ap_register_auth_provider(pool, group, name, version, provider, kind) };
    }
}

/// In each process that serves requests, before its threads start.
unsafe extern "C" fn child_init(pool: *mut apr_pool_t, _server: *mut sys::server_rec) {
    let nothing = sys::apr_pool_cleanup_null;
    // SAFETY: the pool lives until the process ends in order; the functions are constants.
    caught((), || unsafe {
        sys::apr_pool_cleanup_register(pool, ptr::null(), close_connections, nothing);
    });
}

unsafe extern "C" fn close_connections(_: *mut c_void) -> sys::Status {
    caught((), || CONNECTIONS.close());
    sys::OK
}

unsafe extern "C" fn create_settings(pool: *mut apr_pool_t, _dir: *mut c_char) -> *mut c_void {
    // SAFETY: httpd's pool for what it is about to configure.
    caught(ptr::null_mut(), || unsafe { keep(pool, Settings::default()) }.cast())
}

unsafe extern "C" fn merge_settings(
    pool: *mut apr_pool_t,
    outer: *mut c_void,
    inner: *mut c_void,
) -> *mut c_void {
    caught(ptr::null_mut(), || {
        // SAFETY: both are from `create_settings` or from here.
        let (outer, inner) =
            unsafe { (outer.cast::<Settings>().as_ref(), inner.cast::<Settings>().as_ref()) };
        let (Some(outer), Some(inner)) = (outer, inner) else {
            return ptr::null_mut();
        };
        // SAFETY: httpd's pool for what it configures.
        unsafe { keep(pool, inner.within(outer)) }.cast()
    })
}

/// Reads a directive. The text that comes back is what is wrong with it.
unsafe extern "C" fn directive(
    parms: *mut cmd_parms,
    settings: *mut c_void,
    value: *const c_char,
) -> *const c_char {
    caught(c"mod_usher failed; see the error log".as_ptr(), || {
        // SAFETY: httpd passes what `create_settings` made, a text and its description of the
        // directive, whose name stands in `COMMANDS`.
        let (settings, name, text, pool) = unsafe {
            let name = CStr::from_ptr((*(*parms).cmd).name);
            (settings.cast::<Settings>().as_mut(), name, CStr::from_ptr(value), (*parms).pool)
        };
        let Some(settings) = settings else {
            return c"mod_usher has no settings here".as_ptr();
        };
        if name == c"UsherRealm" {
            // SAFETY: as above.
            return unsafe { compile(parms, value, settings) };
        }
        let name = name.to_string_lossy();
        match settings.set(&name, &text.to_string_lossy()) {
            Ok(()) => ptr::null(),
            // SAFETY: httpd's pool for the configuration.
            Err(what) => unsafe { copy(pool, &format!("{name}: {what}")) },
        }
    })
}

/// # Safety
/// What httpd passes to a directive.
unsafe fn compile(
    parms: *mut cmd_parms,
    value: *const c_char,
    settings: &mut Settings,
) -> *const c_char {
    let mut wrong = ptr::null();
    // SAFETY: by the contract; httpd has written the index when it calls a directive, and keeps
    // the expression in the pool of the settings.
    let expression = unsafe {
        let flags = sys::AP_EXPR_FLAG_STRING_RESULT;
        let index = usher_module.module_index;
        let own = ptr::null_mut();
        sys::ap_expr_parse_cmd_mi(parms, value, flags, &raw mut wrong, own, index)
    };
    if wrong.is_null() {
        settings.realm = Some(Expression(expression.cast()));
    }
    wrong
}

/// Reads what stands after `Require usher-group` and so on.
unsafe extern "C" fn parse_require_line<const NUMBER: usize>(
    parms: *mut cmd_parms,
    line: *const c_char,
    parsed: *mut *const c_void,
) -> *const c_char {
    caught(c"mod_usher failed; see the error log".as_ptr(), || {
        let provider = REQUIREMENTS.get(NUMBER).map(|name| name.to_string_lossy());
        // SAFETY: httpd passes a text.
        let line = unsafe { CStr::from_ptr(line) }.to_string_lossy();
        let requirement = Requirement::parse(&provider.unwrap_or_default(), &line);
        // SAFETY: httpd passes its description of the line, with its pool, and a place for the
        // outcome.
        unsafe {
            match requirement {
                Ok(requirement) => {
                    remember(parms, &requirement);
                    *parsed = keep((*parms).pool, requirement).cast();
                }
                Err(what) => return copy((*parms).pool, &what),
            }
        }
        ptr::null()
    })
}

/// What can be asked with a password is known where passwords are asked.
///
/// # Safety
/// What httpd passes with a `Require` line.
unsafe fn remember(parms: *mut cmd_parms, requirement: &Requirement) {
    // SAFETY: by the contract.
    let (path, server, context, pool, is_negated) = unsafe {
        let cmd_parms { path, server, context, pool, .. } = *parms;
        (path, server, context, pool, sys::is_negated(parms))
    };
    // Without a path it is an alias, which stands for no place.
    if path.is_null() || is_negated {
        return;
    }
    let Some(rule) = requirement.only_rule() else {
        return;
    };
    // SAFETY: by the contract; the settings of a place are from `create_settings`, which httpd
    // calls here if no directive of ours came before.
    unsafe {
        let module = &raw mut usher_module;
        let settings = sys::ap_set_config_vectors(server, context, ptr::null(), module, pool);
        if let Some(settings) = settings.cast::<Settings>().as_mut() {
            settings.require(rule);
        }
    }
}

unsafe extern "C" fn check_password(
    r: *mut request_rec,
    user: *const c_char,
    password: *const c_char,
) -> c_int {
    caught(sys::AUTH_GENERAL_ERROR, || {
        // SAFETY: httpd passes two texts.
        let (user, password) = unsafe { (CStr::from_ptr(user), CStr::from_ptr(password)) };
        let request = Request(r);
        let user = user.to_string_lossy().into_owned();
        let password = Password::new(password.to_bytes().to_vec());
        match request.question(&user).and_then(|mut question| question.password(password)) {
            Ok(Login::Granted(name)) => {
                request.set_user(&name);
                sys::AUTH_GRANTED
            }
            Ok(Login::Denied(refusal)) => {
                request.log(sys::APLOG_INFO, &format!("{user} is denied: {}", refusal.message));
                sys::AUTH_DENIED
            }
            Ok(Login::NoSuchUser) => sys::AUTH_USER_NOT_FOUND,
            Err(CannotTell { trouble, why }) => {
                request.cannot_tell(&trouble, &format!("cannot authenticate {user}: {why}"));
                sys::AUTH_GENERAL_ERROR
            }
        }
    })
}

unsafe extern "C" fn check_authorization(
    r: *mut request_rec,
    _line: *const c_char,
    parsed: *const c_void,
) -> c_int {
    caught(sys::AUTHZ_GENERAL_ERROR, || {
        let request = Request(r);
        let Some(user) = request.user() else {
            return sys::AUTHZ_DENIED_NO_USER;
        };
        // SAFETY: what `parse_require_line` made of this line.
        let Some(requirement) = (unsafe { parsed.cast::<Requirement>().as_ref() }) else {
            return sys::AUTHZ_GENERAL_ERROR;
        };
        let question = request.question(&user);
        match question.and_then(|mut question| provider::satisfied(&mut question, requirement)) {
            Ok(true) => sys::AUTHZ_GRANTED,
            Ok(false) => sys::AUTHZ_DENIED,
            Err(CannotTell { trouble, why }) => {
                request.cannot_tell(&trouble, &format!("cannot authorize {user}: {why}"));
                sys::AUTHZ_GENERAL_ERROR
            }
        }
    })
}

/// Whom httpd knows already is judged here.
unsafe extern "C" fn watch_access(r: *mut request_rec) -> c_int {
    if !Request(r).has_user() {
        return sys::DECLINED;
    }
    watch(r, sys::ap_run_access_checker_ex)
}

unsafe extern "C" fn watch_authentication(r: *mut request_rec) -> c_int {
    watch(r, sys::ap_run_check_user_id)
}

unsafe extern "C" fn watch_authorization(r: *mut request_rec) -> c_int {
    watch(r, sys::ap_run_auth_checker)
}

/// The handler of mod_auth_form checks passwords where others write pages.
unsafe extern "C" fn watch_login(r: *mut request_rec) -> c_int {
    if Request(r).handler() != Some(c"form-login-handler") {
        return sys::DECLINED;
    }
    watch(r, sys::ap_run_handler)
}

/// httpd makes 500, a fault of its own, of a provider that cannot tell; this has it say 503.
///
/// It comes before everybody else in its phase, runs the phase itself, in which it then has
/// nothing to say, and looks at what comes of it.
///
/// A phase from which `DECLINED` comes is run by httpd once more. Authentication and authorization
/// are none: mod_authn_core and mod_authz_core come last there and always decide. Nor is a login by
/// its handler. Access is one only if somebody wants a user to be found though one is known.
fn watch(r: *mut request_rec, phase: sys::Phase) -> c_int {
    caught(sys::HTTP_INTERNAL_SERVER_ERROR, || {
        let request = Request(r);
        if !request.asked().watch(r.addr()) {
            return sys::DECLINED;
        }
        // SAFETY: httpd passes its request to a hook of this phase, which so may be run for it.
        let status = unsafe { phase(r) };
        let outage = request.asked().watched();
        if outage && status == sys::HTTP_INTERNAL_SERVER_ERROR {
            return sys::HTTP_SERVICE_UNAVAILABLE;
        }
        status
    })
}

unsafe extern "C" fn fixups(r: *mut request_rec) -> c_int {
    caught(sys::HTTP_INTERNAL_SERVER_ERROR, || {
        let request = Request(r);
        let Some(settings) = request.settings() else {
            return sys::DECLINED;
        };
        if settings.metadata != Some(true) || request.is_unproven() {
            return sys::DECLINED;
        }
        let Some(user) = request.user() else {
            return sys::DECLINED;
        };
        let on_error = settings.on_error.unwrap_or_default();
        let mut question = request.question(&user);
        let outcome = match &mut question {
            Ok(question) => fixup::metadata(question, on_error),
            Err(cannot_tell) => fixup::unavailable(&user, cannot_tell, on_error),
        };
        match outcome {
            Outcome::Told(metadata) => {
                metadata.iter().for_each(|(name, value)| request.set_environment(name, value));
                sys::OK
            }
            Outcome::Missing(missing) => request.go_on_without(&missing),
        }
    })
}

/// What the module keeps in a vector of httpd's; at first that is empty.
///
/// # Safety
/// Pool and vector live for as long as what comes back is used, and nobody else uses it meanwhile.
/// At the module's place is nothing but what was put there here, of the same type.
unsafe fn memory<'a, T: Default>(
    pool: *mut apr_pool_t,
    vector: *mut sys::ap_conf_vector_t,
) -> &'a mut T {
    let module = &raw const usher_module;
    // SAFETY: by the contract.
    unsafe {
        let known = sys::ap_get_module_config(vector, module).cast::<T>();
        if let Some(known) = known.as_mut() {
            return known;
        }
        let new = keep(pool, T::default());
        sys::ap_set_module_config(vector, module, new.cast());
        &mut *new
    }
}

impl Request {
    /// What holds where the request is going.
    fn settings(&self) -> Option<&Settings> {
        // SAFETY: httpd has made the vector before any callback with a request; at the module's
        // place is what `create_settings` or `merge_settings` made.
        unsafe {
            let vector = (*self.0).per_dir_config;
            sys::ap_get_module_config(vector, &raw const usher_module).cast::<Settings>().as_ref()
        }
    }

    /// A question about this user, as the request's place has it.
    fn question(&self, user: &str) -> Result<Question<'_>, CannotTell> {
        let nothing_said = Settings::default();
        let settings = self.settings().unwrap_or(&nothing_said);
        let whom = Whom {
            socket: settings.socket(),
            realm: self.realm(settings.realm)?,
            user: user.to_owned(),
        };
        Ok(Question {
            whom,
            client: self.address().and_then(|address| address.parse().ok()),
            timeout: settings.timeout(),
            asked: self.asked(),
            rules: self.settings().map_or(&[], Settings::rules),
            connections: &CONNECTIONS,
            reuse: self.reuse(settings.reuse()),
        })
    }

    /// What the requests of its connection share, which httpd processes one after the other, those
    /// of HTTP/2 on connections of their own.
    fn reuse(&self, time: Duration) -> Option<Reuse<'_>> {
        if time.is_zero() {
            return None;
        }
        // SAFETY: a connection lives longer than its requests, and so do its pool and its vector;
        // else as `asked`.
        let told: &mut Told = unsafe {
            let sys::conn_rec { pool, conn_config, .. } = *(*self.0).connection;
            memory(pool, conn_config)
        };
        Some(Reuse { told, time, now: now() })
    }

    /// An expression that comes to nothing names no realm.
    fn realm(&self, expression: Option<Expression>) -> Result<Option<String>, CannotTell> {
        let Some(Expression(expression)) = expression else {
            return Ok(None);
        };
        let mut wrong = ptr::null();
        // SAFETY: what httpd compiled for these settings.
        let (value, wrong) = unsafe {
            let value = sys::ap_expr_str_exec(self.0, expression.cast(), &raw mut wrong);
            (text(value), text(wrong))
        };
        match wrong {
            Some(wrong) => {
                let trouble = "UsherRealm".to_owned();
                Err(CannotTell { trouble, why: format!("UsherRealm: {wrong}") })
            }
            None => Ok(value.filter(|realm| !realm.is_empty())),
        }
    }

    /// The memory that the first request shares with its sub-requests and redirects.
    ///
    /// Nothing that is done with it calls httpd, so it is borrowed once at a time.
    #[expect(clippy::mut_from_ref, reason = "it is httpd's memory, behind a pointer")]
    fn asked(&self) -> &mut Asked {
        // SAFETY: a first request lives longer than those that it brings about, and so do its pool
        // and its vector, in which the module's place is empty or holds what is put there here.
        unsafe {
            let Self(first) = self.lineage().last().unwrap_or(Self(self.0));
            memory((*first).pool, (*first).request_config)
        }
    }

    /// Whether this is an error document for somebody who perhaps did not prove who they are: httpd
    /// lends it the name that was claimed. What is missing is only noticed of who was let in.
    fn is_unproven(&self) -> bool {
        let mut statuses = self.lineage().map(|request| request.status());
        statuses.any(|status| status >= sys::HTTP_BAD_REQUEST && status != sys::HTTP_NOT_FOUND)
    }

    fn go_on_without(&self, missing: &Missing) -> c_int {
        match (&missing.trouble, missing.status) {
            (Some(trouble), _) => self.complain(trouble, &missing.text),
            (None, Some(_)) => self.log(sys::APLOG_ERR, &missing.text),
            (None, None) => self.log(sys::APLOG_INFO, &missing.text),
        }
        match missing.status {
            None => sys::OK,
            Some(fixup::Status::Forbidden) => sys::HTTP_FORBIDDEN,
            Some(fixup::Status::ServiceUnavailable) => sys::HTTP_SERVICE_UNAVAILABLE,
        }
    }

    /// For those who judge users, see [`watch`].
    fn cannot_tell(&self, trouble: &str, what: &str) {
        self.asked().cannot_tell();
        self.complain(trouble, what);
    }

    /// An outage is told seldom.
    fn complain(&self, trouble: &str, what: &str) {
        if let Some(line) = COMPLAINTS.line(trouble, what, now()) {
            self.log(sys::APLOG_ERR, &line);
        }
    }

    fn log(&self, level: c_int, line: &str) {
        let line = CString::new(line.replace('\0', " ")).unwrap_or_default();
        let (file, format) = (c"mod_usher".as_ptr(), c"%s".as_ptr());
        // SAFETY: the format takes one text; httpd copies it.
        unsafe {
            let index = usher_module.module_index;
            sys::ap_log_rerror_(file, 0, index, level, 0, self.0, format, line.as_ptr());
        }
    }
}
