"""Makes a database as Kallithea has it: FILE, then NAME=VALUE for each setting."""
import sqlite3
import sys

database = sqlite3.connect(sys.argv[1])
database.execute(
    "CREATE TABLE settings (app_settings_id INTEGER NOT NULL, app_settings_name VARCHAR(255), "
    "app_settings_value TEXT, app_settings_type VARCHAR(255), PRIMARY KEY (app_settings_id), "
    "UNIQUE (app_settings_name))"
)
database.execute("CREATE TABLE users (user_id INTEGER PRIMARY KEY, username VARCHAR(255))")
add = "INSERT INTO settings (app_settings_name, app_settings_value, app_settings_type) VALUES (?, ?, 'unicode')"
# Enough for a tree of several pages, and a value that overflows one.
for number in range(300):
    database.execute(add, ("filler_%d" % number, "x" * 40))
database.execute(add, ("custom_page", "y" * 20000))
for setting in sys.argv[2:]:
    database.execute(add, setting.split("=", 1))
database.commit()
if len(sys.argv) > 2:
    print("\n".join(database.iterdump()))
