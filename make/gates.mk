# What a change and a release must pass. docs/pipeline.md says which gate is for what.

# DATABASE is a directory of vulnerability databases, for machines without network.
DATABASE ?=
GATES := $(GO) run ./tools/gates $(if $(DATABASE),--database $(DATABASE))
CELL  ?= dlib19/linux/amd64
LAYOUT ?= build/oci
DIST  ?= dist
# PURE are the packages whose tests need nothing but Go.
PURE  := ./internal/text ./internal/atomicfile ./internal/sums ./internal/executable ./internal/release ./internal/checksum ./internal/inflate ./internal/sbom ./internal/models ./internal/retry ./internal/dial ./internal/cache ./internal/rebuild ./internal/kit ./internal/packages ./internal/app/...
# What ci-test, lint and race look at: all. `make test-workflows` narrows it.
CHECKED ?= ./...
NATIVE  ?= ./internal/dlib/... ./cmd/facerec/... ./toolchain/...
RACED   ?=
# The gates of a release, for the one in LAYOUT and DIST.
ON_RELEASE := --layout $(LAYOUT) --dist $(DIST)

##@ Gates

.PHONY: gates
gates: gates-source vulncheck race coverage ## every gate of the sources

.PHONY: gates-source
gates-source: ## the quick ones: format, tidy modules, Dockerfile, workflows, secrets, commit subjects, licences
	$(INPUTS) packages lint
	$(GATES) format dockerfile workflows history subjects licences

.PHONY: gates-image
gates-image: releaser ## gates of the images in LAYOUT: structure, smoke, secrets
	$(INPUTS) packages cross
	$(GATES) $(ON_RELEASE) structure smoke images

.PHONY: gates-dist
gates-dist: releaser ## gates of the assets in DIST: known vulnerabilities, SBOMs compared with syft's
	$(GATES) $(ON_RELEASE) vulns sbom

.PHONY: race
race: ## go test -race
	$(INPUTS) packages build
	$(GATES) $(if $(RACED),--packages "$(RACED)") race

.PHONY: coverage
coverage: ## no package is covered less than coverage.floor says
	$(GATES) coverage

.PHONY: coverage-floor
coverage-floor: ## raise coverage.floor to what is covered now; it never falls
	$(GATES) --write --packages "$$($(GO) list $(PURE) | tr '\n' ' ')" coverage

.PHONY: secrets
secrets: ## gitleaks over the history
	$(GATES) history

.PHONY: vulncheck
vulncheck: facerec ## govulncheck for both programs
	$(GATES) vulncheck

.PHONY: licences
licences: ## every component that is linked in has a licence that licences.json accepts
	$(GATES) licences

.PHONY: licences-table
licences-table: ## renew the tables in licences/
	$(GATES) --write licences

.PHONY: cell
cell: packages models samples releaser ## build one cell and run its gates (CELL=dlib19/linux/amd64)
	bin/releaser build --cells $(CELL) --out $(LAYOUT)
	$(INPUTS) packages cross
	$(GATES) $(ON_RELEASE) --cells $(CELL) structure smoke images
	mkdir -p build/verdicts
	echo ok > build/verdicts/$(subst /,-,$(CELL))

##@ CI

.PHONY: ci
ci: ## the whole check, as .ci/run does it
	.ci/run

.PHONY: ci-plan
ci-plan: releaser ## the cells and the container of CI jobs, for GITHUB_OUTPUT
	bin/releaser matrix $(if $(GITHUB_OUTPUT),--github,--oneline)
	printf 'container=%s\n' "$${CI_CONTAINER-$$(sed -n 's/^ARG BASE=//p' Dockerfile)}" >> "$${GITHUB_OUTPUT:-/dev/stdout}"

.PHONY: second-opinions
second-opinions: packages ## build what tests compare with, cosigns and scanners, into the tool cache (once, half an hour of CPU)
	$(GO) run ./tools/loopback-tool $$($(GO) run ./tools/loopback-tool)

.PHONY: ci-test
ci-test: packages models samples second-opinions ## every test, each skip with its reason, none that .ci/skips does not allow
	$(GO) vet $(CHECKED)
	$(INPUTS) test --lineage dlib19 $(NATIVE)
	BUILD_COSIGN=1 BUILD_TOOLS=1 $(GO) test -timeout 40m -json $(CHECKED) | $(GO) run ./tools/skips --allow .ci/skips

.PHONY: test-workflows
test-workflows: packages gitea ## run the workflows with act, without containers, up to a published page, on loopback
	$(GO) run ./tools/workflows

.PHONY: ci-pass
ci-pass: ## the verdict over all jobs of CI; NEEDS has their results
	$(GO) run ./tools/cipass --verdicts build/verdicts

