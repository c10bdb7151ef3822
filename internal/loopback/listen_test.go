package loopback

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// listeners are the addresses, as the kernel writes them, on which somebody listens at
// a port.
func listeners(t *testing.T, port int) (addresses []string) {
	t.Helper()
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		raw, err := os.ReadFile(table)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(raw)) {
			f := strings.Fields(line)
			if len(f) < 4 || f[3] != "0A" { // LISTEN
				continue
			}
			if address, ok := strings.CutSuffix(f[1], fmt.Sprintf(":%04X", port)); ok {
				addresses = append(addresses, address)
			}
		}
	}
	return addresses
}

// TestOnlyLoopback wants servers whose packages listen on every address otherwise to
// listen on 127.0.0.1 alone.
func TestOnlyLoopback(t *testing.T) {
	const loopback = "0100007F"
	check := func(t *testing.T, ports []string) {
		t.Helper()
		if len(ports) == 0 {
			t.Fatal("no ports")
		}
		for _, p := range ports {
			port, err := strconv.Atoi(p)
			if err != nil {
				t.Fatal(err)
			}
			if got := listeners(t, port); len(got) != 1 || got[0] != loopback {
				t.Errorf("port %d: listening on %v, expected %s", port, got, loopback)
			}
		}
	}
	t.Run("Slurm", func(t *testing.T) {
		s, err := NewSlurm(t.Context(), 1)
		if errors.Is(err, ErrNoSlurm) {
			t.Skip(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		config, err := os.ReadFile(s.config())
		if err != nil {
			t.Fatal(err)
		}
		var ports []string
		for _, m := range regexp.MustCompile(`(?:SlurmctldPort|Port)=(\d+)`).FindAllStringSubmatch(string(config), -1) {
			ports = append(ports, m[1])
		}
		check(t, ports)
	})
	t.Run("rebuilderd", func(t *testing.T) {
		if !Built("rebuilderd") && os.Getenv("BUILD_TOOLS") == "" {
			t.Skip("rebuilderd is not unpacked yet; BUILD_TOOLS=1 fetches it")
		}
		r, err := NewRebuilderd(t.Context(), t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		check(t, []string{r.URL[strings.LastIndex(r.URL, ":")+1:]})
	})
}
