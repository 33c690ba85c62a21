# The few commands to know. CONTRIBUTING.md says when to use which.

CARGO   = cargo
INSTALL = install
prefix  = /usr
DESTDIR =

# Where things go.
bindir     = $(prefix)/bin
sbindir    = $(prefix)/sbin
libexecdir = $(prefix)/libexec/usher
mandir     = $(prefix)/share/man
bashdir    = $(prefix)/share/bash-completion/completions
zshdir     = $(prefix)/share/zsh/site-functions
fishdir    = $(prefix)/share/fish/vendor_completions.d
unitdir    = $(prefix)/lib/systemd/system
sysusersdir = $(prefix)/lib/sysusers.d
tmpfilesdir = $(prefix)/lib/tmpfiles.d
datadir    = $(prefix)/share/usher
docdir     = $(prefix)/share/doc/usherd
apparmordir = /etc/apparmor.d
logrotatedir = /etc/logrotate.d
pamdir     = /etc/pam.d
confdir    = /etc/usher
# Debian's place for httpd's modules; Fedora's is $(prefix)/lib64/httpd/modules.
httpd_modules = $(prefix)/lib/apache2/modules
# The group of those who may use the socket of saslauthd. Debian has one for them.
saslauthd_group = sasl
# What the units may say: an older systemd warns at each start of what it does not know. That of this
# machine, unless the packages are for another.
systemd    = $(shell systemctl --version 2>/dev/null | sed -n 's/^systemd \([0-9]*\).*/\1/p')

VERSION = $(shell sed -n 's/^version = "\(.*\)"$$/\1/p' Cargo.toml)
TARGET  = $(abspath $(or $(CARGO_TARGET_DIR),target))
RELEASE = $(TARGET)/release
PROGRAMS = $(RELEASE)/usherd $(RELEASE)/usherctl $(RELEASE)/usher-http $(RELEASE)/usher-pam $(RELEASE)/libmod_usher.so

# What is built does not tell where: the same sources give the same bytes in any folder.
CARGO_HOME ?= $(HOME)/.cargo
BUILD = CARGO_TARGET_DIR=$(TARGET) \
    RUSTFLAGS='$(RUSTFLAGS) --remap-path-prefix=$(CURDIR)=/usr/src/usherd --remap-path-prefix=$(CARGO_HOME)=/usr/src/cargo' \
    CFLAGS='$(CFLAGS) -ffile-prefix-map=$(CURDIR)=/usr/src/usherd -ffile-prefix-map=$(CARGO_HOME)=/usr/src/cargo'

.PHONY: help demo test bench check build install deb rpm sources boot-test rpm-test reproducible vendored

help:
	@echo 'make demo      the whole daemon with sample users, without a server; ^C ends it'
	@echo 'make test      all tests; as root on Debian it installs the servers that they need'
	@echo 'make bench     what answers cost, beside what they should; as root it installs rivals'
	@echo 'make check     formatting, lints, documentation, dependencies'
	@echo 'make build     the programs and the module for Apache httpd, for use'
	@echo 'make install   ... into DESTDIR= prefix=/usr'
	@echo 'make deb       packages for Debian and Ubuntu, in target/package'
	@echo 'make rpm       packages for Fedora and its kin, in target/package'
	@echo 'make boot-test the packages for Debian in a booted system; needs root'
	@echo 'make rpm-test  the packages for Fedora in a folder; needs root'
	@echo 'make reproducible   whether another folder gives the same packages'
	@echo 'make vendored  whether they are built without a network; needs root'

demo:
	$(CARGO) run --release -p usherd -- demo

# The tests would build the programs too; here it shows what takes the time.
test:
	tests/prerequisites
	$(CARGO) build --workspace --bins --lib
	$(CARGO) test --workspace

bench:
	$(CARGO) bench -p usherd
	$(CARGO) bench -p usher-tests --bench directory
	$(CARGO) bench -p usher-tests --bench refusal
	tests/prerequisites bench
	$(CARGO) bench -p usher-tests --bench httpd
	$(CARGO) bench -p usher-tests --bench http

check:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --no-deps
	$(CARGO) deny check --hide-inclusion-graph bans licenses sources

build:
	$(BUILD) $(CARGO) build --release --locked -p usherd -p usherctl -p usher-http -p usher-pam -p mod_usher

$(PROGRAMS) &:
	$(MAKE) build

# The one list of what is installed; packages only say what is whose. What is built is installed as
# it is: root need not have cargo.
install: $(PROGRAMS)
	$(INSTALL) -D -m 755 $(RELEASE)/usherd $(DESTDIR)$(sbindir)/usherd
	$(INSTALL) -D -m 755 $(RELEASE)/usherctl $(DESTDIR)$(bindir)/usherctl
	$(INSTALL) -D -m 755 $(RELEASE)/usher-http $(DESTDIR)$(libexecdir)/usher-http
	$(INSTALL) -D -m 755 $(RELEASE)/usher-pam $(DESTDIR)$(libexecdir)/usher-pam
	$(INSTALL) -D -m 644 $(RELEASE)/libmod_usher.so $(DESTDIR)$(httpd_modules)/mod_usher.so
	for page in man/*.[1-9]; do \
	    $(INSTALL) -D -m 644 $$page $(DESTDIR)$(mandir)/man$${page##*.}/$${page##*/} || exit 1; \
	done
	$(INSTALL) -d $(addprefix $(DESTDIR),$(bashdir) $(zshdir) $(fishdir) $(unitdir))
	$(RELEASE)/usherctl completions bash > $(DESTDIR)$(bashdir)/usherctl
	$(RELEASE)/usherctl completions zsh > $(DESTDIR)$(zshdir)/_usherctl
	$(RELEASE)/usherctl completions fish > $(DESTDIR)$(fishdir)/usherctl.fish
	chmod 644 $(addprefix $(DESTDIR),$(bashdir)/usherctl $(zshdir)/_usherctl $(fishdir)/usherctl.fish)
	for unit in systemd/*.service systemd/*.socket; do \
	    sed -e 's,/usr/sbin,$(sbindir),g' -e 's,/usr/bin,$(bindir),g' \
	        -e 's,/usr/libexec/usher,$(libexecdir),g' \
	        -e 's,^SocketGroup=sasl$$,SocketGroup=$(saslauthd_group),' $$unit \
	        > $(DESTDIR)$(unitdir)/$${unit##*/} || exit 1; \
	    chmod 644 $(DESTDIR)$(unitdir)/$${unit##*/}; \
	done
	[ "0$(systemd)" -lt 254 ] || for service in usherd usher-http; do \
	    $(INSTALL) -D -m 644 systemd/back-off.conf \
	        $(DESTDIR)$(unitdir)/$$service.service.d/back-off.conf || exit 1; \
	done
	$(INSTALL) -D -m 644 systemd/sysusers.conf $(DESTDIR)$(sysusersdir)/usher.conf
	$(INSTALL) -D -m 644 systemd/tmpfiles.conf $(DESTDIR)$(tmpfilesdir)/usher.conf
	$(INSTALL) -D -m 644 packaging/apparmor $(DESTDIR)$(apparmordir)/usher
	$(INSTALL) -D -m 644 packaging/logrotate/usher $(DESTDIR)$(logrotatedir)/usher
	$(INSTALL) -D -m 644 packaging/grafana/usherd.json $(DESTDIR)$(datadir)/grafana/usherd.json
	$(INSTALL) -D -m 644 packaging/prometheus/usher.rules.yml $(DESTDIR)$(datadir)/prometheus/usher.rules.yml
	for page in README.md CHANGELOG.md SECURITY.md; do \
	    $(INSTALL) -D -m 644 $$page $(DESTDIR)$(docdir)/$$page || exit 1; \
	done
	[ -e $(DESTDIR)$(pamdir)/usher ] || \
	    $(INSTALL) -D -m 644 packaging/pam/usher $(DESTDIR)$(pamdir)/usher
	[ -e $(DESTDIR)$(confdir)/usher.toml ] || \
	    $(INSTALL) -D -m 640 packaging/usher.toml $(DESTDIR)$(confdir)/usher.toml

# The packages are built from a copy, with the compiled libraries of this folder.
PACKAGE = $(TARGET)/package
SOURCES = $(PACKAGE)/usherd-$(VERSION)

sources:
	rm -rf $(SOURCES)
	mkdir -p $(SOURCES)
	if [ -e .git ]; then git ls-files -z; else find . -path ./target -prune -o -type f -print0; fi | \
	    tar -c --null -T - | tar -x -C $(SOURCES)
	ln -s packaging/debian $(SOURCES)/debian

# Where cargo is not one of Debian's packages, it is not asked for.
deb: sources
	cd $(SOURCES) && CARGO_TARGET_DIR=$(PACKAGE)/build dpkg-buildpackage -b -us -uc \
	    $$(dpkg-query -W cargo-web cargo >/dev/null 2>&1 || echo -Ppkg.usherd.own-cargo)

# Where rpm is a guest (on Debian), it knows of nothing that is installed.
rpm: sources
	cd $(SOURCES) && CARGO_TARGET_DIR=$(PACKAGE)/build rpmbuild -bb --build-in-place packaging/rpm/usherd.spec \
	    --define '_topdir $(PACKAGE)/rpm' --define '_rpmdir $(PACKAGE)' \
	    --define '_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm' \
	    $$(rpm -q rpm >/dev/null 2>&1 || echo --nodeps)

boot-test: deb
	tests/boot/run $(PACKAGE)

rpm-test: rpm
	tests/rpm $(PACKAGE)

reproducible: deb
	tests/reproducible $(PACKAGE)

vendored: sources
	tests/reproducible $(PACKAGE) vendored
