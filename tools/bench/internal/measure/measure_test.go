package measure

import (
	"context"
	"os"
	"strings"
	"testing"
)

func TestMain(m *testing.M) {
	Init()
	os.Exit(m.Run())
}

func TestRun(t *testing.T) {
	f, err := Run(context.Background(), Command{Args: []string{"sh", "-c", "cat; x=0; while [ $x -lt 20000 ]; do x=$((x+1)); done"}, Stdin: []byte("hello")})
	if err != nil {
		t.Fatal(err)
	}
	if f.Wall <= 0 || f.CPU <= 0 || f.Peak <= 0 {
		t.Errorf("figures %+v", f)
	}
	// The test itself is far larger than this; the shell must not inherit it.
	ballast := make([]byte, 256<<20)
	for i := 0; i < len(ballast); i += 4096 {
		ballast[i] = 1
	}
	f, err = Run(context.Background(), Command{Args: []string{"true"}})
	if err != nil {
		t.Fatal(err)
	}
	if f.Peak > 64 {
		t.Errorf("true is said to take %.0f MiB", f.Peak)
	}
	if ballast[4096] != 1 {
		t.Fatal("the ballast is gone")
	}
}

func TestRunTellsOfFailure(t *testing.T) {
	_, err := Run(context.Background(), Command{Args: []string{"sh", "-c", "echo why >&2; exit 3"}})
	if err == nil || !strings.Contains(err.Error(), "why") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("got %v", err)
	}
	if _, err := Run(context.Background(), Command{Args: []string{"/no/such/program"}}); err == nil {
		t.Error("a program that is not there ran")
	}
}
