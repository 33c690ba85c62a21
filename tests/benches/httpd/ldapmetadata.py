"""What mod_usher replaces: a fixup handler for mod_python that asks the directory for each request.

After the one in Kallithea's manual, for Python 3. The environment has the account, as `SetEnv` and
its like come too late; a PythonOption has the server's URL.
"""

import os

import ldap
from mod_python import apache

ACCOUNT = os.environ["LDAP_ACCOUNT"]
PASSWORD = os.environ["LDAP_PASSWORD"]
ROOT = "ou=people,dc=example,dc=com"
FILTER = "uid=%s"
ATTRIBUTES = ["uid", "givenName", "sn", "mail"]


def fixuphandler(req):
    if req.user is None:
        return apache.OK
    try:
        if "\\" in req.user:
            username = req.user.split("\\")[1]
        elif "@" in req.user:
            username = req.user.split("@")[0]
        else:
            username = req.user
        connection = ldap.initialize(req.get_options()["server"])
        connection.simple_bind_s(ACCOUNT, PASSWORD)
        found = connection.search_s(ROOT, ldap.SCOPE_SUBTREE, FILTER % username, ATTRIBUTES)
        attributes = found[0][1]
        req.subprocess_env["X_REMOTE_USER"] = username
        req.subprocess_env["X_REMOTE_EMAIL"] = attributes["mail"][0].decode().lower()
        req.subprocess_env["X_REMOTE_FIRSTNAME"] = attributes["givenName"][0].decode()
        req.subprocess_env["X_REMOTE_LASTNAME"] = attributes["sn"][0].decode()
    except Exception as error:
        apache.log_error("error getting data from ldap %s" % error, apache.APLOG_ERR)
    return apache.OK
