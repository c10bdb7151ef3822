package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// tab is a page in a real browser that a test works with as a person would, by
// keys and at a width. It speaks the DevTools protocol over a pipe:
// https://chromedevtools.github.io/devtools-protocol/.
type tab struct {
	t       *testing.T
	in      *os.File
	out     *bufio.Reader
	last    int
	session string
	loaded  int      // pages
	errors  []string // of scripts, and of the page's policy
}

// openTab starts chromium. Without one the test is skipped.
func openTab(t *testing.T) *tab {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a browser")
	}
	program, err := exec.LookPath("chromium")
	if err != nil {
		t.Skipf("no browser to look at a contact sheet with: %v (Debian package chromium)", err)
	}
	theirIn, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, theirOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
		"--no-first-run", "--user-data-dir="+filepath.Join(t.TempDir(), "profile"), "--remote-debugging-pipe", "about:blank")
	cmd.ExtraFiles = []*os.File{theirIn, theirOut} // 3 and 4
	cmd.Stderr = &said
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		t.Skipf("the browser does not start here: %v", err)
	}
	_ = theirIn.Close()
	_ = theirOut.Close()
	t.Cleanup(func() {
		_ = in.Close() // then it ends
		cancel()
		_ = cmd.Wait()
		_ = out.Close()
	})
	b := &tab{t: t, in: in, out: bufio.NewReader(out)}
	var target struct{ TargetID, SessionID string }
	if err := b.try("Target.createTarget", map[string]any{"url": "about:blank"}, &target); err != nil {
		t.Skipf("the browser does not start here: %v\n%s", err, said.String())
	}
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &target)
	b.session = target.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log"} {
		b.call(domain+".enable", nil, nil)
	}
	return b
}

// message is what the browser sends: an answer, or an event.
type message struct {
	ID     int
	Method string
	Params json.RawMessage
	Result json.RawMessage
	Error  *struct{ Message string }
}

// read takes in the next message.
func (b *tab) read() (message, error) {
	var m message
	line, err := b.out.ReadBytes(0)
	if err != nil {
		return m, fmt.Errorf("the browser has gone: %w", err)
	}
	if err := json.Unmarshal(line[:len(line)-1], &m); err != nil {
		return m, err
	}
	switch m.Method {
	case "Page.loadEventFired":
		b.loaded++
	case "Log.entryAdded", "Runtime.exceptionThrown":
		b.errors = append(b.errors, string(m.Params))
	}
	return m, nil
}

func (b *tab) try(method string, params, result any) error {
	if params == nil {
		params = struct{}{}
	}
	b.last++
	line, err := json.Marshal(struct {
		ID        int    `json:"id"`
		Method    string `json:"method"`
		Params    any    `json:"params"`
		SessionID string `json:"sessionId,omitempty"`
	}{b.last, method, params, b.session})
	if err != nil {
		return err
	}
	if _, err := b.in.Write(append(line, 0)); err != nil {
		return err
	}
	for {
		m, err := b.read()
		if err != nil {
			return err
		}
		if m.ID != b.last {
			continue
		}
		if m.Error != nil {
			return errors.New(method + ": " + m.Error.Message)
		}
		if result == nil {
			return nil
		}
		return json.Unmarshal(m.Result, result)
	}
}

func (b *tab) call(method string, params, result any) {
	b.t.Helper()
	if err := b.try(method, params, result); err != nil {
		b.t.Fatal(err)
	}
}

// wait reads until one more page is loaded than there were.
func (b *tab) wait(pages int) {
	b.t.Helper()
	for b.loaded <= pages {
		if _, err := b.read(); err != nil {
			b.t.Fatal(err)
		}
	}
}

// show opens a file at a width.
func (b *tab) show(name string, width int) {
	b.t.Helper()
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false}, nil)
	abs, err := filepath.Abs(name)
	if err != nil {
		b.t.Fatal(err)
	}
	before := b.loaded
	b.call("Page.navigate", map[string]any{"url": "file://" + abs}, nil)
	want, err := json.Marshal(abs + " complete")
	if err != nil {
		b.t.Fatal(err)
	}
	for { // the page before it may have been loaded only now
		b.wait(before)
		if b.eval(`decodeURIComponent(location.pathname) + " " + document.readyState`) == string(want) {
			return
		}
		before++
	}
}

// eval is the value of an expression on the page, as JSON.
func (b *tab) eval(expression string) string {
	b.t.Helper()
	var r struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails json.RawMessage
	}
	b.call("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true}, &r)
	if r.ExceptionDetails != nil {
		b.t.Fatalf("%s: %s", expression, r.ExceptionDetails)
	}
	return string(r.Result.Value)
}

// expect evaluates expressions and compares their values.
func (b *tab) expect(what string, want map[string]string) {
	b.t.Helper()
	for expression, value := range want {
		if got := b.eval(expression); got != value {
			b.t.Errorf("%s: %s is %s, expected %s", what, expression, got, value)
		}
	}
}

// press presses keys, one after another: characters, or a key's name.
func (b *tab) press(keys ...string) {
	b.t.Helper()
	for _, key := range keys {
		down := map[string]any{"type": "keyDown", "key": key}
		if len(key) == 1 {
			down["text"] = key
		}
		b.call("Input.dispatchKeyEvent", down, nil)
		b.call("Input.dispatchKeyEvent", map[string]any{"type": "keyUp", "key": key}, nil)
	}
}

// follow presses a key that leads to another page.
func (b *tab) follow(key string) {
	b.t.Helper()
	before := b.loaded
	b.press(key)
	b.wait(before)
}

// shot is what is shown. With FACEREC_TEST_KEEP=DIR it is kept there too.
func (b *tab) shot(name string) image.Image {
	b.t.Helper()
	var r struct{ Data []byte }
	b.call("Page.captureScreenshot", map[string]any{"format": "png"}, &r)
	if keep := os.Getenv("FACEREC_TEST_KEEP"); keep != "" {
		if err := os.WriteFile(filepath.Join(keep, name+".png"), r.Data, 0o666); err != nil {
			b.t.Fatal(err)
		}
	}
	img, err := png.Decode(bytes.NewReader(r.Data))
	if err != nil {
		b.t.Fatal(err)
	}
	return img
}
