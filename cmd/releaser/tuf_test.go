package main

import (
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/theupdateframework/go-tuf/v2/metadata"

	"facerec/internal/loopback"
)

// tufRepository is a real TUF repository on loopback, at $TUF.
//
//	tuf start FILE      publish FILE as trusted_root.json, and the first root as root.json
//	tuf put FILE        publish another trusted_root.json
//	tuf rotate          give root and timestamp other keys
//	tuf expire ROLE     publish a timestamp, or targets, that has expired
//	tuf rollback        publish a snapshot of an earlier version
//	tuf tamper FILE     serve FILE in place of the target that was signed
//	tuf oversize        serve a timestamp of a megabyte
//	tuf break SUFFIX    answer 500 to paths that end so; none: be whole again
//	tuf cut SUFFIX      cut answers to paths that end so
//	tuf hang SUFFIX     do not answer to paths that end so
//	tuf await           wait until one of those was asked for
func tufRepository(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: tuf VERB [ARG]")
	}
	arg := strings.Join(args[1:], " ")
	if args[0] == "start" {
		r, err := loopback.NewTUF(time.Now().Add(90 * 24 * time.Hour))
		ts.Check(err)
		ts.Defer(r.Close)
		ts.Check(r.Put("trusted_root.json", []byte(ts.ReadFile(arg))))
		root, err := r.PublishRoot()
		ts.Check(err)
		ts.Check(r.Publish())
		ts.Check(os.WriteFile(ts.MkAbs("root.json"), root, 0o600))
		ts.Setenv("TUF", r.URL)
		ts.Value("tuf").(*tufServer).TUF = r
		return
	}
	r := ts.Value("tuf").(*tufServer).TUF
	past := time.Now().Add(-time.Hour)
	switch args[0] {
	case "put":
		ts.Check(r.Put("trusted_root.json", []byte(ts.ReadFile(arg))))
		ts.Check(r.Next())
	case "rotate":
		for _, role := range []string{metadata.ROOT, metadata.TIMESTAMP} {
			ts.Check(r.AddKey(role))
			ts.Check(r.DropKey(role))
		}
		_, err := r.PublishRoot()
		ts.Check(err)
		ts.Check(r.Next())
	case "expire":
		old := r.Timestamp.Signed.Expires
		switch arg {
		case metadata.TIMESTAMP:
			r.Timestamp.Signed.Expires = past
		case metadata.TARGETS:
			r.Targets.Signed.Expires = past
		}
		ts.Check(r.Next())
		r.Timestamp.Signed.Expires, r.Targets.Signed.Expires = old, old
	case "rollback":
		r.Timestamp.Signed.Version++
		r.Snapshot.Signed.Version--
		ts.Check(r.Publish())
		r.Snapshot.Signed.Version++
	case "tamper":
		for path := range r.Files() {
			if strings.HasPrefix(path, "targets/") {
				r.Serve(path, []byte(ts.ReadFile(arg)))
			}
		}
	case "oversize":
		r.Serve("timestamp.json", make([]byte, 1<<20))
	case "break", "cut":
		if arg == "" {
			r.Front(nil)
			return
		}
		cut := args[0] == "cut"
		r.Front(func(w http.ResponseWriter, path string) bool {
			if !strings.HasSuffix(path, arg) {
				return false
			}
			if !cut {
				w.WriteHeader(http.StatusInternalServerError)
				return true
			}
			data := r.Files()[path]
			w.Header().Set("Content-Length", strconv.Itoa(len(data)))
			_, _ = w.Write(data[:len(data)/2])
			return true
		})
	case "hang":
		asked, ended := make(chan struct{}, 10), make(chan struct{})
		ts.Defer(func() { close(ended) })
		ts.Value("tuf").(*tufServer).asked = asked
		r.Front(func(w http.ResponseWriter, path string) bool {
			if !strings.HasSuffix(path, arg) {
				return false
			}
			asked <- struct{}{}
			<-ended
			return true
		})
	case "await":
		select {
		case <-ts.Value("tuf").(*tufServer).asked:
		case <-time.After(longest):
			ts.Fatalf("tuf await: nobody asked")
		}
	default:
		ts.Fatalf("tuf: %q: no such verb", args[0])
	}
}

// tufServer is the repository of a script, once it has started one.
type tufServer struct {
	*loopback.TUF
	asked <-chan struct{}
}
