# make          build coordinator and worker into bin/
# make run      build, then show the main job with generated feeds and no network
# make run FEEDS=list.opml
#               build, then refresh your own list (OPML, or one URL a line)
# make test     every test; needs nothing but Go and make
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

# Pure Go: one static binary, and a resolver that loads nothing.
export CGO_ENABLED ?= 0

.PHONY: all build run test race lint cross fuzz bench bench-round profile chaos clean help

all: build

build: ## coordinator and worker into bin/
	go build -trimpath -o bin/ ./cmd/coordinator ./cmd/worker

run: build ## the main job: generated feeds, or FEEDS=list.opml
ifeq ($(FEEDS),)
	./bin/coordinator demo
else
	./bin/coordinator --db "$(DB)" feeds import "$(FEEDS)"
	@# Of a real list some feeds always fail, which is no failure of make.
	./bin/coordinator --db "$(DB)" refresh || test $$? -eq 3
endif

test: ## every test
	go test ./...

race: ## the packages that have goroutines, under the race detector (needs a C compiler)
	CGO_ENABLED=1 go test -race -timeout 30m ./internal/... ./cmd/...

lint: ## formatting, vet, staticcheck, module file
	@test -z "$$(gofmt -l .)" || { echo "gofmt would change:"; gofmt -l .; exit 1; }
	go vet ./...
	go vet -tags crashpoints ./internal/... ./cmd/...
	go mod tidy -diff
	go run $(STATICCHECK) ./...

cross: ## it builds for the other systems
	GOOS=darwin GOARCH=arm64 go build -o /dev/null ./cmd/coordinator
	GOOS=darwin GOARCH=arm64 go vet ./...
	GOOS=windows GOARCH=amd64 go build -o /dev/null ./cmd/coordinator
	GOOS=windows GOARCH=amd64 go vet ./...

fuzz: ## every fuzz target for FUZZTIME
	.ci/fuzz $(FUZZTIME)

chaos: ## kill processes at random for CHAOS, and compare the stores (SEED=N repeats what a failure named)
	FEEDMILL_CHAOS=$(CHAOS) FEEDMILL_SEED=$(SEED) go test -count 1 -timeout 0 -v -run '^TestChaos$$' ./cmd/coordinator

bench: ## Go benchmarks of every package
	go test -run '^$$' -bench . -benchmem ./...

bench-round: ## whole rounds against bare clients, each ratio beside its target (LARGE=1: 100,000 feeds too, some minutes)
	FEEDMILL_LARGE=$(LARGE) go test -run '^$$' -bench '^BenchmarkRound' -benchtime $(ROUNDS) -timeout 1h ./cmd/coordinator

profile: ## CPU and allocation profiles of coordinator and worker into PROFILES
	FEEDMILL_PROFILE=$(abspath $(PROFILES)) go test -count 1 -run '^TestProfiles$$' ./cmd/coordinator
	@for p in $(PROFILES)/*/; do for what in coordinator worker; do \
		echo "== $$p$$what"; go tool pprof -top -nodecount 15 $$p$$what-*.cpu 2>/dev/null | tail -n +5; \
	done; done

clean: ## what build and run left
	rm -rf bin profiles $(DB) $(DB)-wal $(DB)-shm $(DB).lock

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14
