//! The ways in which httpd can be told of a user.

use std::fs;
use std::process::Command;

use crate::site::Servers;
use crate::support::httpd::{self, Httpd};
use crate::support::ldif::{PEOPLE, READER, READER_PASSWORD};

/// One way: its name, the variable in which the mail arrives, and its part of the configuration.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    mail: Option<&'static str>,
    server: &'static str,
    directory: &'static str,
}

/// For mod_python.
const HANDLER: &str = include_str!("ldapmetadata.py");

/// httpd itself authenticates.
const FILE: &str = "AuthBasicProvider file\nAuthUserFile @DIR@/users\nRequire valid-user\n";

const HANDLED: &str =
    "PythonPath \"['@DIR@/python'] + sys.path\"\nPythonFixupHandler ldapmetadata\n";

const LDAP: &str = "LoadModule ldap_module @MODULES@/mod_ldap.so\n\
                    LoadModule authnz_ldap_module @MODULES@/mod_authnz_ldap.so\n";
const LDAP_LOGIN: &str = "AuthBasicProvider ldap\n\
     AuthLDAPURL \"@LDAP@/@PEOPLE@?uid,mail,givenName,sn\"\n\
     AuthLDAPBindDN \"@READER@\"\nAuthLDAPBindPassword @SECRET@\nRequire valid-user\n";

const PYTHON: &str = "LoadModule python_module @MODULES@/mod_python.so\n";

/// The first is what the others are measured by.
pub(crate) const CONTENDERS: [Contender; 9] = [
    Contender { name: "no lookup", mail: None, server: "", directory: "@FILE@" },
    Contender {
        name: "mod_usher, metadata",
        mail: Some("X_REMOTE_EMAIL"),
        server: "UsherSocket @SOCKET@\n",
        directory: "@FILE@UsherMetadata On\n",
    },
    Contender {
        name: "mod_usher, metadata, UsherReuse",
        mail: Some("X_REMOTE_EMAIL"),
        server: "UsherSocket @SOCKET@\nUsherReuse 1s\n",
        directory: "@FILE@UsherMetadata On\n",
    },
    Contender {
        name: "mod_usher, login and metadata",
        mail: Some("X_REMOTE_EMAIL"),
        server: "UsherSocket @SOCKET@\n",
        directory: "AuthBasicProvider usher\nRequire valid-user\nUsherMetadata On\n",
    },
    Contender {
        name: "mod_python, as in the manual",
        mail: Some("X_REMOTE_EMAIL"),
        server: PYTHON,
        directory: "@FILE@@HANDLER@PythonOption server @LDAPS@\n",
    },
    Contender {
        name: "mod_python, without TLS",
        mail: Some("X_REMOTE_EMAIL"),
        server: PYTHON,
        directory: "@FILE@@HANDLER@PythonOption server @LDAP@\n",
    },
    Contender {
        name: "mod_authnz_ldap, cached",
        mail: Some("AUTHENTICATE_MAIL"),
        server: LDAP,
        directory: LDAP_LOGIN,
    },
    Contender {
        name: "mod_authnz_ldap, not cached",
        mail: Some("AUTHENTICATE_MAIL"),
        server: "@LOADLDAP@LDAPCacheEntries 0\nLDAPOpCacheEntries 0\n",
        directory: LDAP_LOGIN,
    },
    Contender {
        name: "mod_lookup_identity and SSSD",
        mail: Some("REMOTE_USER_EMAIL"),
        server: "LoadModule lookup_identity_module @MODULES@/mod_lookup_identity.so\n",
        directory: "@FILE@LookupUserAttr mail REMOTE_USER_EMAIL\n\
                   LookupUserAttr givenName REMOTE_USER_FIRSTNAME\n\
                   LookupUserAttr sn REMOTE_USER_LASTNAME\n",
    },
];

/// Room for every connection of the measurement.
const ROOM: &str = "StartServers 2\nServerLimit 2\nThreadLimit 64\nThreadsPerChild 64\n\
                    MaxRequestWorkers 128\nMinSpareThreads 1\nMaxSpareThreads 128\n\
                    MaxKeepAliveRequests 0\n";

impl Contender {
    /// The same httpd with the same page for each.
    pub(crate) fn start(&self, servers: &Servers) -> Httpd {
        let folder = httpd::folder();
        let at = |name: &str| folder.path().join(name);
        // bench:bench-secret
        fs::write(at("users"), "bench:{SHA}CTzbBkUWDmH8bDSU98Oh4qU5yjo=\n").expect("users");
        fs::write(at("htdocs/page"), "The same page for everybody.\n").expect("a page");
        fs::create_dir(at("python")).expect("a folder");
        fs::write(at("python/ldapmetadata.py"), HANDLER).expect("the handler");
        // Who is told nothing has the same work with saying so.
        let mail = self.mail.unwrap_or("NOTHING");
        let configuration = format!(
            "{ROOM}{}<Directory @DIR@/htdocs>\nAuthType Basic\nAuthName bench\n{}\
             Header set X-Mail \"expr=%{{reqenv:{mail}}}\"\n</Directory>\n",
            self.server, self.directory
        );
        let configuration = configuration
            .replace("@FILE@", FILE)
            .replace("@HANDLER@", HANDLED)
            .replace("@LOADLDAP@", LDAP)
            .replace("@PEOPLE@", PEOPLE)
            .replace("@READER@", READER)
            .replace("@SECRET@", READER_PASSWORD)
            .replace("@LDAPS@", &servers.ldaps)
            .replace("@LDAP@", &servers.slapd.url())
            .replace("@SOCKET@", &servers.daemon.socket().to_string_lossy());
        let adapt = |mut command: Command| {
            // The system's Python, whatever else the machine has.
            command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
            command.env("LDAPTLS_CACERT", servers.authority());
            command.env("LDAP_ACCOUNT", READER).env("LDAP_PASSWORD", READER_PASSWORD);
            command.env("DBUS_SYSTEM_BUS_ADDRESS", servers.sssd.bus());
            command
        };
        let httpd = Httpd::start_in(folder, "event", &configuration, adapt);
        self.is_told(&httpd);
        httpd
    }

    /// What is measured must do what it is for.
    fn is_told(&self, httpd: &Httpd) {
        let page = httpd.get("/page", &["--user", "bench:bench-secret", "--include"]);
        assert_eq!(page.status, 200, "{}: {page:#?} {}", self.name, httpd.log());
        if self.mail.is_some() {
            let mail = page.header("X-Mail").unwrap_or_default().to_lowercase();
            assert_eq!(mail, "bench@example.com", "{}: {page:#?} {}", self.name, httpd.log());
        }
        assert_eq!(httpd.get("/page", &[]).status, 401);
    }
}
