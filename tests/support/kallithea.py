"""Of a copy of Kallithea's files: sets it up for a proxy before it, or shows its users."""

import json
import os
import sqlite3
import sys

folder, *headers = sys.argv[1:]
database = sqlite3.connect(os.path.join(folder, "kallithea.db"))
if not headers:
    rows = database.execute("select username, email, firstname, lastname, extern_type from users")
    print(json.dumps(list(rows)))
    sys.exit()

# What the page Admin > Authentication writes down.
names = ("header", "email_header", "firstname_header", "lastname_header")
settings = {
    "auth_plugins": "kallithea.lib.auth_modules.auth_container",
    "auth_container_enabled": "True",
    "auth_container_fallback_header": "",
    "auth_container_clean_username": "False",
}
settings.update(("auth_container_" + name, header) for name, header in zip(names, headers))
with database:
    for name, value in settings.items():
        kind = "list" if name == "auth_plugins" else "bool" if value in ("True", "False") else "unicode"
        database.execute("delete from settings where app_settings_name = ?", [name])
        row = [name, value, kind]
        database.execute(
            "insert into settings (app_settings_name, app_settings_value, app_settings_type)"
            " values (?, ?, ?)", row)
    database.execute("update ui set ui_value = ? where ui_section = 'paths'", [os.path.join(folder, "repositories")])
