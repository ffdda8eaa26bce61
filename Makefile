# What can be made is listed by "make help". Where a command is missing that a target needs,
# tools/need installs it with apt-get or says what to install.

SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
COMMIT ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
COMMIT_TIME ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)
# Where the vulnerability database is: empty for govulncheck's own, else an address, or file:///DIR.
GOVULNDB ?=
FUZZTIME ?= 20s
PLATFORMS := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64

# What the release tool builds with, so that its compiled packages are used again.
LDFLAGS := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)
# grpc's traces bring html/template, whose calls by name keep every method of every type in the program: 4 MiB.
TAGS := grpcnotrace
BUILD := CGO_ENABLED=0 go build -trimpath -buildvcs=false -tags $(TAGS) -ldflags '$(LDFLAGS)'
TOOL := go tool -modfile=tools/go.mod

.PHONY: help
help: ## list the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1\t\2/p' Makefile | expand -t 20

.PHONY: build
build: ## bin/modhaven: static, stripped
	$(BUILD) -o bin/modhaven ./cmd/modhaven

.PHONY: test
test: ## go vet and every test, with the race detector
	@tools/need git gcc
	go vet ./...
	CGO_ENABLED=1 go run -C tools ./tests -C .. -race ./...
	go run -C tools ./tests -count=1 ./... # its tests read files outside of their module, which the cache does not see

.PHONY: conformance
conformance: ## the go command's own script tests through Modhaven: cold and warm, and over TLS
	@tools/need git gcc
	go run ./conformance -times 2
	go run ./conformance -tls

.PHONY: conformance-vcs
conformance-vcs: ## the go command's scripts about version control, fetched by Modhaven; VCS=-quick without the one that takes minutes
	@tools/need git gcc
	go run ./conformance -vcs $(VCS)

.PHONY: conformance-long
conformance-long: ## with the scripts that use version control, cold and warm twice: takes long
	@tools/need git gcc
	go run ./conformance -mode long -times 2
	go run ./conformance -mode long -times 2
	go run ./conformance -mode long -tls

.PHONY: bench
bench: ## measure everything; BENCH="-quick -run hot" for less
	@tools/need wrk nginx
	go run ./bench $(BENCH)

.PHONY: bench-faults
bench-faults: ## the go command while upstreams fail: an hour and a half; FAULTS="-scale 0.1" for less
	go run ./bench -run faults $(FAULTS)

.PHONY: lab
lab: ## the doctor's laboratory, as root: every fault, 200 healthy runs, and the matrix for docs/doctor.md
	@tools/need ip iptables ethtool
	go test -count=1 -timeout 30m ./internal/doctor -healthy 15 -matrix "$(CURDIR)/bin/doctor-matrix.md"
	@cat bin/doctor-matrix.md

.PHONY: lint
lint: ## gofmt, go mod tidy, go vet for each system, golangci-lint
	@tools/need git gcc
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); \
		[ -z "$$unformatted" ] || { echo "not as gofmt writes it:" $$unformatted; exit 1; }
	go mod tidy -diff
	go mod verify
	for os in linux darwin windows; do echo "go vet for $$os"; CGO_ENABLED=0 GOOS=$$os go vet -trimpath ./...; done
	$(TOOL) golangci-lint run ./...
	cd tools && go tool golangci-lint run ./...

.PHONY: vuln
vuln: ## govulncheck; GOVULNDB=file:///DIR for a database of your own
	@tools/vuln "$(GOVULNDB)"

.PHONY: fuzz
fuzz: ## fuzz each parser for FUZZTIME
	@tools/fuzz "$(FUZZTIME)"

.PHONY: pcap-fixtures
pcap-fixtures: ## record internal/doctor/testdata/captures anew, in namespaces of the network: needs root, tcpdump, iptables, ethtool
	go test -count=1 -timeout 20m -run '^TestRecord$$' -v ./internal/doctor -record all

.PHONY: cross
cross: ## compile everything for each platform
	for p in $(PLATFORMS); do \
		echo "$$p"; \
		GOOS=$${p%/*} GOARCH=$${p#*/} $(BUILD) -o /dev/null ./cmd/modhaven; \
		GOOS=$${p%/*} GOARCH=$${p#*/} CGO_ENABLED=0 go build -trimpath -buildvcs=false -tags $(TAGS) ./...; \
	done

.PHONY: release
release: ## dist/: archives, SHA256SUMS and an SBOM; the same bytes each time
	go run -C tools ./release -root .. -out ../dist -version '$(VERSION)' -commit '$(COMMIT)' -time '$(COMMIT_TIME)'

.PHONY: generate
generate: ## what is made from the code: docs/configuration.md and the help of the flags
	go generate ./...

.PHONY: clean
clean: ## remove bin and dist
	rm -rf bin dist
