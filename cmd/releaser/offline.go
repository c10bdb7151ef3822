package main

import (
	"fmt"
	"net/http"

	"facerec/internal/oci"
)

// noNetwork is the transport of a run that was told to touch no network: whatever
// in the program should try all the same is refused here, by name.
type noNetwork struct{}

func (noNetwork) RoundTrip(r *http.Request) (*http.Response, error) {
	return nil, fmt.Errorf("--offline: refusing to reach %s", r.URL.Host)
}

// accessFor is access, cut off from the network with --offline.
func (a *app) accessFor(offline bool) oci.Access {
	access := a.access()
	if offline {
		access.Transport = noNetwork{}
	}
	return access
}
