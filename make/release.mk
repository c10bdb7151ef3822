# A release, step by step; RELEASING.md says what each is for.

REGISTRY ?= ghcr.io
PAGE     ?=
TO       ?=
CRANE    := $(GO) run github.com/google/go-containerregistry/cmd/crane@v0.22.1

##@ Release

.PHONY: version
version: ## the version of config.json, and git's
	@$(GO) run ./tools/tag version

.PHONY: release
release: ## set the version, commit, tag, push: CI does the rest (VERSION=1.2.3)
	$(GO) run ./tools/tag create $(VERSION)

.PHONY: tag-check
tag-check: ## the tag is signed, unmoved and the version of config.json (TAG=v1.2.3)
	$(GO) run ./tools/tag check $(TAG)

.PHONY: tag-delete
tag-delete: ## delete a tag here and on the remote (TAG=v1.2.3)
	$(GO) run ./tools/tag delete $(TAG)

.PHONY: release-join
release-join: releaser ## one layout of what jobs built, build/cells/*, into LAYOUT
	bin/releaser join build/cells/* --out $(LAYOUT)

.PHONY: release-gates
release-gates: releaser ## every gate of the release in LAYOUT, before anything is pushed or signed
	bin/releaser pack --image oci-layout:$(LAYOUT) --out build/gates/dist
	$(MAKE) gates-image gates-dist DIST=build/gates/dist
	$(MAKE) reprotest CELLS=$(or $(CELLS),all) RELEASED=build/gates/dist

# Signs in where a job of CI has a token.
LOGIN = @test -z "$$REGISTRY_TOKEN" || printf '%s' "$$REGISTRY_TOKEN" | $(CRANE) auth login $(REGISTRY) --username "$$REGISTRY_USER" --password-stdin

.PHONY: release-publish
release-publish: releaser ## the images in LAYOUT become a published release; run it again after any failure (TO=STEP ends early)
	$(LOGIN)
	$(if $(RELEASER_SIGNING_CONFIG),,bin/releaser trust update)
	bin/releaser release --layout $(LAYOUT) --out $(DIST) --registry $(REGISTRY) $(if $(PAGE),--page $(PAGE)) $(if $(TO),--to $(TO))

# The last tag before HEAD, and the page that its release is on.
LAST = $(or $(TAG),$(shell git describe --tags --abbrev=0 --match 'v*' 2>/dev/null))
AT   = $(or $(PAGE),$(shell sed -n 's/^ *"page": "\(.*\)",*$$/\1/p' config.json))

.PHONY: rebuild
rebuild: packages releaser ## build the last release again from its tag and compare every level (TAG=v1.2.3; FLAGS for releaser rebuild)
	@test -n "$(LAST)" || { echo "rebuild: there is no tag v* before this commit"; exit 5; }
	rm -rf build/rebuild && git worktree prune && git worktree add --quiet --detach build/rebuild/source $(LAST)
	$(MAKE) -C build/rebuild/source packages models samples
	bin/releaser rebuild $(AT)@$(LAST:v%=%) --source build/rebuild/source $(FLAGS)

# Who signs what a rebuild came to, under which name, and who vouches for that: GitHub,
# for a workflow. Each run has a name of its own, as no statement is ever replaced.
REBUILDER ?= https://github.com/$(GITHUB_WORKFLOW_REF)
REBUILT_AS = $(if $(GITHUB_RUN_ID),--attest-as reproduce-$(GITHUB_RUN_ID)-$(or $(GITHUB_RUN_ATTEMPT),1))
SIGNER     = $(subst {tag},$(LAST),$(shell sed -n 's/^ *"san": "\(.*\)",*$$/\1/p' config.json))
ISSUER     = $(shell sed -n 's/^ *"issuer": "\(.*\)",*$$/\1/p' config.json)

.PHONY: rebuild-attest
rebuild-attest: releaser ## the same, signed by REBUILDER into build/attested; a signed "no" is told by rebuild-publish
	rm -rf build/attested && mkdir -p build/attested
	$(if $(RELEASER_SIGNING_CONFIG),,bin/releaser trust update)
	$(MAKE) rebuild FLAGS="$(FLAGS) --attest --attest-dir build/attested --attest-identity $(REBUILDER) --attest-oidc-issuer $(ISSUER) $(REBUILT_AS)" || { ls build/attested/*.rebuild.sigstore.json && touch build/attested/failed; }

.PHONY: rebuild-publish
rebuild-publish: releaser ## put what is in build/attested on the page of the last release and next to its images; fails if the rebuild did
	@test -n "$(LAST)" || { echo "rebuild-publish: there is no tag v* before this commit"; exit 5; }
	$(LOGIN)
	$(if $(RELEASER_SIGNING_CONFIG),,bin/releaser trust update)
	rm -rf build/rebuilt && bin/releaser fetch $(AT)@$(LAST:v%=%) build/rebuilt --all --certificate-identity $(SIGNER) --certificate-oidc-issuer $(ISSUER)
	cp build/attested/*.rebuild.sigstore.json build/rebuilt
	bin/releaser publish build/rebuilt $(if $(PAGE),--page $(PAGE)) --attach-rebuilds
	@test ! -e build/attested/failed || { echo "rebuild-publish: the rebuild differs or is incomplete, and that is published"; exit 3; }

.PHONY: cleanup
cleanup: ## delete old runs and dead caches of GitHub Actions (FLAGS=--dry-run lists them)
	$(GO) run ./tools/cleanup $(FLAGS)
