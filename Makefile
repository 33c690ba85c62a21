# The few commands to know. CONTRIBUTING.md says when to use which.

CARGO   = cargo
INSTALL = install
prefix  = /usr
DESTDIR =

# Where things go under the prefix.
bindir  = $(DESTDIR)$(prefix)/bin
sbindir = $(DESTDIR)$(prefix)/sbin
libexecdir = $(DESTDIR)$(prefix)/libexec/usher
mandir  = $(DESTDIR)$(prefix)/share/man
bashdir = $(DESTDIR)$(prefix)/share/bash-completion/completions
zshdir  = $(DESTDIR)$(prefix)/share/zsh/site-functions
fishdir = $(DESTDIR)$(prefix)/share/fish/vendor_completions.d
# Debian's place for httpd's modules; Fedora's is $(prefix)/lib64/httpd/modules.
httpd_modules = $(DESTDIR)$(prefix)/lib/apache2/modules

TARGET  = $(or $(CARGO_TARGET_DIR),target)
RELEASE = $(TARGET)/release
PROGRAMS = $(RELEASE)/usherd $(RELEASE)/usherctl $(RELEASE)/usher-http $(RELEASE)/libmod_usher.so

.PHONY: help demo test bench check build install

help:
	@echo 'make demo      the whole daemon with sample users, without a server; ^C ends it'
	@echo 'make test      all tests; as root on Debian it installs the servers that they need'
	@echo 'make bench     what answers cost, beside what they should; as root it installs rivals'
	@echo 'make check     formatting, lints, documentation, dependencies'
	@echo 'make build     the programs and the module for Apache httpd, for use'
	@echo 'make install   ... into DESTDIR= prefix=/usr'

demo:
	$(CARGO) run --release -p usherd -- demo

# The tests would build the programs too; here it shows what takes the time.
test:
	tests/prerequisites
	$(CARGO) build --workspace --bins --lib
	$(CARGO) test --workspace

bench:
	$(CARGO) bench -p usherd --bench usherd
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
	$(CARGO) build --release -p usherd -p usherctl -p usher-http -p mod_usher

$(PROGRAMS) &:
	$(MAKE) build

# What is built is installed as it is: root need not have cargo.
install: $(PROGRAMS)
	$(INSTALL) -D -m 755 $(RELEASE)/usherd $(sbindir)/usherd
	$(INSTALL) -D -m 755 $(RELEASE)/usherctl $(bindir)/usherctl
	$(INSTALL) -D -m 755 $(RELEASE)/usher-http $(libexecdir)/usher-http
	$(INSTALL) -D -m 644 $(RELEASE)/libmod_usher.so $(httpd_modules)/mod_usher.so
	for page in man/*.[1-9]; do \
	    $(INSTALL) -D -m 644 $$page $(mandir)/man$${page##*.}/$${page##*/} || exit 1; \
	done
	$(INSTALL) -d $(bashdir) $(zshdir) $(fishdir)
	$(RELEASE)/usherctl completions bash > $(bashdir)/usherctl
	$(RELEASE)/usherctl completions zsh > $(zshdir)/_usherctl
	$(RELEASE)/usherctl completions fish > $(fishdir)/usherctl.fish
	chmod 644 $(bashdir)/usherctl $(zshdir)/_usherctl $(fishdir)/usherctl.fish
