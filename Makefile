# make          build coordinator and worker into bin/
# make run      build, then show the main job with generated feeds and no network
# make run FEEDS=list.opml
#               build, then refresh your own list (OPML, or one URL a line)
# make test     every test; needs nothing but Go and make
# make install PREFIX=/usr/local
#               programs, completions, man pages and systemd units (DESTDIR for packages)
#
# The tools below are pinned here and not in go.mod, which lists what the
# program needs.

STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME ?= 10s
ROUNDS ?= 5x
CHAOS ?= 60s
SEED ?=
LARGE ?=
PROFILES ?= profiles
FEEDS ?=
DB ?= feedmill.db
PREFIX ?= /usr/local
DESTDIR ?=
# The tag that is built, if one is; a download without history has none.
VERSION ?= $(shell git describe --tags --match 'v[0-9]*' 2>/dev/null)

# Pure Go: one static binary, and a resolver that loads nothing.
export CGO_ENABLED ?= 0

.PHONY: all build image image-root run test race lint cross fuzz bench bench-docs bench-round profile chaos install uninstall clean help

all: build

flags = -trimpath -ldflags '-X feedmill/internal/version.tag=$(VERSION)'

build: ## coordinator and worker into bin/
	go build $(flags) -o bin/ ./cmd/coordinator ./cmd/worker

# Where things go. The coordinator finds its worker in libexec.
into = $(DESTDIR)$(PREFIX)

install: build ## into PREFIX: both programs, completions, man pages, systemd units
	install -d $(into)/bin $(into)/libexec/feedmill $(into)/share/man/man1 $(into)/lib/systemd/user \
		$(into)/share/bash-completion/completions $(into)/share/zsh/site-functions $(into)/share/fish/vendor_completions.d
	install bin/coordinator $(into)/bin/coordinator
	install bin/worker $(into)/libexec/feedmill/worker
	ln -sf coordinator $(into)/bin/feedmill
	go run $(flags) -tags man ./cmd/coordinator man $(into)/share/man/man1
	for name in coordinator feedmill; do \
		bin/coordinator completion bash | sed "s/coordinator/$$name/g" >$(into)/share/bash-completion/completions/$$name && \
		bin/coordinator completion zsh | sed "s/coordinator/$$name/g" >$(into)/share/zsh/site-functions/_$$name && \
		bin/coordinator completion fish | sed "s/coordinator/$$name/g" >$(into)/share/fish/vendor_completions.d/$$name.fish || exit 1; done
	sed 's|@PREFIX@|$(PREFIX)|' dist/feedmill.service >$(into)/lib/systemd/user/feedmill.service
	install -m 644 dist/feedmill.timer $(into)/lib/systemd/user/feedmill.timer

uninstall: ## what install put into PREFIX
	rm -rf $(into)/libexec/feedmill
	rm -f $(into)/bin/coordinator $(into)/bin/feedmill $(into)/share/man/man1/coordinator*.1 \
		$(into)/lib/systemd/user/feedmill.service $(into)/lib/systemd/user/feedmill.timer \
		$(foreach n,coordinator feedmill,$(into)/share/bash-completion/completions/$(n) $(into)/share/zsh/site-functions/_$(n) $(into)/share/fish/vendor_completions.d/$(n).fish)

# The first of these that the machine has are the certificates that it trusts.
certificates = $(firstword $(wildcard /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/ca-bundle.pem /etc/ssl/cert.pem))
BUILDER ?= $(firstword $(foreach b,podman buildah docker,$(shell command -v $(b))))

image-root: ## what the image has, into bin/image
	@test -n "$(certificates)" || { echo "no certificates of authorities here: make image certificates=FILE"; exit 1; }
	rm -rf bin/image
	install -d bin/image/system/usr/bin bin/image/system/usr/libexec/feedmill bin/image/system/etc/ssl/certs bin/image/user/data
	install -d -m 1777 bin/image/user/tmp
	CGO_ENABLED=0 GOOS=linux go build $(flags) -o bin/image/system/usr/bin/ ./cmd/coordinator
	CGO_ENABLED=0 GOOS=linux go build $(flags) -o bin/image/system/usr/libexec/feedmill/ ./cmd/worker
	install -m 644 $(certificates) bin/image/system/etc/ssl/certs/ca-certificates.crt

image: image-root ## a container image named feedmill, by BUILDER: podman, buildah or docker
	@test -n "$(BUILDER)" || { echo "no podman, buildah or docker here: make image BUILDER=..."; exit 1; }
	$(BUILDER) build -t feedmill -f Containerfile bin/image

run: build ## the main job: generated feeds, or FEEDS=list.opml
ifeq ($(FEEDS),)
	./bin/coordinator demo
else
	./bin/coordinator --db "$(DB)" feeds import "$(FEEDS)"
	./bin/coordinator --db "$(DB)" refresh
endif

test: ## every test
	go test ./...

# Simulations and documents that one goroutine computes for ten seconds and more,
# and that have no race.
alone = TestTheSameAgainstItselfStaysSilent|TestATenthMoreIsFound|TestAVerdictRepeats|TestIntervalsCoverTheTruth|TestOddDatesAreAllRead|TestGuardStopsBombsAtOnce

race: ## every test under the race detector (needs a C compiler)
	@# Each program would sleep for a second before it exits, and the tests start hundreds.
	GORACE=atexit_sleep_ms=10 CGO_ENABLED=1 go test -race -timeout 30m -skip '^($(alone))$$' ./...

lint: ## formatting, vet, staticcheck, module file
	@test -z "$$(gofmt -l .)" || { echo "gofmt would change:"; gofmt -l .; exit 1; }
	go vet ./...
	go vet -tags crashpoints,man ./internal/... ./cmd/...
	go mod tidy -diff
	go run $(STATICCHECK) ./...

cross: ## it builds for the other systems
	GOOS=darwin GOARCH=arm64 go build -o /dev/null ./cmd/coordinator
	GOOS=darwin GOARCH=arm64 go vet ./...
	GOOS=windows GOARCH=amd64 go build -o /dev/null ./cmd/coordinator
	GOOS=windows GOARCH=amd64 go vet ./...

fuzz: ## every fuzz target for FUZZTIME
	.ci/fuzz $(FUZZTIME)

chaos: ## kill processes at random for CHAOS, on one machine and on three, and compare the stores (SEED=N repeats what a failure named)
	FEEDMILL_CHAOS=$(CHAOS) FEEDMILL_SEED=$(SEED) go test -count 1 -timeout 0 -v -run '^TestChaos$$|^TestFleetChaos$$' ./cmd/coordinator

bench: ## Go benchmarks of every package
	go test -run '^$$' -bench . -benchmem ./...

bench-docs: build ## docs/bench and the tables of README.md and docs/benchmark.md, from a full run: some thirty minutes
	bin/coordinator bench --full --out docs/bench >/dev/null
	bin/coordinator bench report --into README.md,docs/benchmark.md docs/bench/run.json >/dev/null

bench-round: ## whole rounds against bare clients, each ratio beside its target (LARGE=1: 100,000 feeds too, some minutes)
	FEEDMILL_LARGE=$(LARGE) go test -run '^$$' -bench '^BenchmarkRound' -benchtime $(ROUNDS) -timeout 1h ./cmd/coordinator

profile: ## CPU and allocation profiles of coordinator and worker into PROFILES
	FEEDMILL_PROFILE=$(abspath $(PROFILES)) go test -count 1 -run '^TestProfiles$$' ./cmd/coordinator
	@for p in $(PROFILES)/*/; do for what in coordinator worker; do \
		echo "== $$p$$what"; go tool pprof -top -nodecount 15 $$p$$what-*.cpu 2>/dev/null | tail -n +5; \
	done; done

clean: ## what build left; never a store
	rm -rf bin profiles

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14
