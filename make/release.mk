# A release, step by step; RELEASING.md says what each is for.

REGISTRY ?= ghcr.io
PAGE     ?=
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
	$(MAKE) reprotest CELLS=$(or $(CELLS),all)

.PHONY: release-publish
release-publish: releaser ## push, sign, pack, sign, verify and publish the images in LAYOUT
	@test -z "$$REGISTRY_TOKEN" || printf '%s' "$$REGISTRY_TOKEN" | $(CRANE) auth login $(REGISTRY) --username "$$REGISTRY_USER" --password-stdin
	RELEASER_REGISTRY=$(REGISTRY) bin/releaser push $(LAYOUT) $(REGISTRY)/$$(sed -n 's/^    "repository": "\(.*\)",$$/\1/p' config.json)
	bin/releaser pack --registry $(REGISTRY) --out $(DIST)
	bin/releaser sign $(DIST)
	bin/releaser verify $(DIST)
	bin/releaser publish $(DIST) --rolling-tags $(if $(PAGE),--page $(PAGE))

.PHONY: image-verify
image-verify: test-image ## build the image, run it hardened in an engine, and check whom it recognises

.PHONY: e2e
e2e: demo-real ## the whole chain against a real registry and Sigstore, up to whom the released program recognises

.PHONY: update
update: relock relock-images trusted-root ## renew every pin: inputs, base images, trusted root, modules
	$(GO) get -u ./... && $(GO) mod tidy
