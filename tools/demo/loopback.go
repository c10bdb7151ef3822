package main

import (
	"fmt"
	"os"

	"facerec/internal/loopback"
)

// loopback starts distribution's registry and a whole Sigstore, and signs as
// the workflow that config.json names would, with a token from an identity
// provider that stands in for the forge's: the one part that is not available
// here.
func (d *demo) loopback() error {
	state := d.path("services")
	// A Sigstore's keys are made anew each time; an old one's log is useless.
	if err := os.RemoveAll(state); err != nil {
		return err
	}
	for _, name := range []string{"registry", "sigstore"} {
		if err := os.MkdirAll(d.path("services/"+name), 0o755); err != nil {
			return err
		}
	}
	fmt.Println("starting distribution's registry and a Sigstore on loopback (the first time, building them takes some minutes)")
	registry, err := loopback.NewRegistry(d.ctx, d.path("services/registry"))
	if err != nil {
		return err
	}
	sigstore, err := loopback.NewSigstore(d.ctx, d.path("services/sigstore"))
	if err != nil {
		registry.Close()
		return err
	}
	stop := func() {
		sigstore.Close()
		registry.Close()
	}
	identity := d.config.ExpectedIdentity(d.config.Version).SAN
	token, err := sigstore.Token(identity)
	if err == nil {
		err = os.WriteFile(d.path("services/token"), []byte(token), 0o600)
	}
	if err != nil {
		stop()
		return err
	}
	who := []string{
		"--trusted-root", sigstore.TrustedRoot,
		"--certificate-identity", identity,
		"--certificate-oidc-issuer", sigstore.URL(identity),
	}
	d.services = services{
		registry:   registry.Addr,
		what:       "keyless, logged, timestamped",
		signArgs:   append([]string{"--identity-token", d.path("services/token"), "--signing-config", sigstore.SigningConfig}, who...),
		verifyArgs: who,
		stop:       stop,
	}
	return nil
}
