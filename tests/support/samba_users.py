"""The users and groups of the domain controller that the tests start, and the state of each.

Each user's password is the name and `-Secret1`. Run by Debian's Python, which knows Samba.
"""
import sys

import ldb
from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB

DAY = 24 * 3600 * 10_000_000
NORMAL, DISABLED, NEVER_EXPIRES = 0x200, 0x2, 0x10000
# Lets pwdLastSet be written (DSDB_CONTROL_PASSWORD_BYPASS_LAST_SET_OID).
LAST_SET = "local_oid:1.3.6.1.4.1.7165.4.3.20:0"

parameters = LoadParm()
parameters.load(sys.argv[1])
url = parameters.private_path("sam.ldb")
directory = SamDB(url=url, session_info=system_session(), lp=parameters)
domain = str(directory.domain_dn())


def change(dn, control="relax:0", **attributes):
    message = ldb.Message(ldb.Dn(directory, dn))
    for name, value in attributes.items():
        value = value if isinstance(value, bytes) else str(value)
        message[name] = ldb.MessageElement(value, ldb.FLAG_MOD_REPLACE, name)
    directory.modify(message, [control])


def user(name, control="relax:0", **attributes):
    directory.newuser(name, name + "-Secret1", givenname=name.capitalize(), surname="Archer",
                      mailaddress=name.capitalize() + "@Example.COM")
    attributes.setdefault("userAccountControl", NORMAL | NEVER_EXPIRES)
    dn = f"CN={name},CN=Users,{domain}"
    control_of_account = attributes.pop("userAccountControl")
    change(dn, userAccountControl=control_of_account)
    if attributes:
        change(dn, control, **attributes)


# Passwords that are no older than a day never expire here, whatever is written.
change(domain, maxPwdAge=-2 * DAY, lockoutThreshold=3)
user("reader")
user("alice")
user("bob", userPrincipalName="b.baker@mail.example.org")
user("locked")
user("disabled", userAccountControl=NORMAL | DISABLED)
user("expired", accountExpires=1)
user("old", LAST_SET, userAccountControl=NORMAL, pwdLastSet=130_000_000_000_000_000)
user("change", userAccountControl=NORMAL, pwdLastSet=0)
user("hours", logonHours=bytes(21))
user("workstation", userWorkstations="ELSEWHERE")
# alice is in dev, which is in staff, which is in everybody, which is in dev.
members = [("dev", "alice"), ("staff", "dev"), ("everybody", "staff"), ("dev", "everybody")]
for group in ["dev", "staff", "everybody"]:
    directory.newgroup(group)
for group, member in members:
    directory.add_remove_group_members(group, [member])
