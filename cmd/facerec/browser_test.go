package main

import (
	"bytes"
	"context"
	"image"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"facerec/internal/app"
	"facerec/internal/app/apptest"
)

// TestReportInABrowser opens a contact sheet in a real browser: its pictures
// are shown under its own policy, and its filters work without a script.
func TestReportInABrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser")
	}
	browser, err := exec.LookPath("chromium")
	if err != nil {
		t.Skipf("no browser to look at a contact sheet with: %v (Debian package chromium)", err)
	}
	dir := t.TempDir()
	t.Chdir(dir)
	paintFile := func(name string, patches ...apptest.Patch) {
		var b bytes.Buffer
		if err := app.Encode(&b, name, apptest.Paint(400, 300, patches...)); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, b.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	red := apptest.Patch{Box: image.Rect(100, 80, 250, 230), Color: paintColors["red"]}
	blue := apptest.Patch{Box: image.Rect(100, 80, 250, 230), Color: paintColors["blue"]}
	paintFile("persons/Rose/1.png", red)
	paintFile("in/known.png", red)
	paintFile("in/unknown.png", blue)
	paintFile("in/none.png")
	if err := os.Mkdir("models", 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("models/fake.dat", []byte(fakeModel), 0o666); err != nil {
		t.Fatal(err)
	}
	env := fakeEnvironment()
	var stdout, stderr bytes.Buffer
	env.stdin, env.stdout, env.stderr = strings.NewReader(""), &stdout, &stderr
	if code := run([]string{"recognize", "in", "--cache", "off", "--report", "all.html"}, env); code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr.String())
	}
	page, err := os.ReadFile("all.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		checked   string // the filter
		red, blue bool   // whether that face is shown
	}{
		{"show-all", true, true},
		{"show-doubt", false, true},
		{"show-none", false, false},
	} {
		filtered := strings.Replace(string(page), ` id="show-all" checked`, ` id="show-all"`, 1)
		filtered = strings.Replace(filtered, ` id="`+tt.checked+`"`, ` id="`+tt.checked+`" checked`, 1)
		if tt.checked == "show-all" && filtered != string(page) {
			t.Fatal("at first everything is to be shown")
		}
		if err := os.WriteFile("page.html", []byte(filtered), 0o666); err != nil {
			t.Fatal(err)
		}
		img := screenshot(t, browser, dir)
		n := map[bool]string{true: "is shown", false: "is not shown"}
		if got := count(img, 230, 20, 20) > 2000; got != tt.red {
			t.Errorf("%s: the known face %s", tt.checked, n[got])
		}
		if got := count(img, 20, 20, 230) > 2000; got != tt.blue {
			t.Errorf("%s: the unknown face %s", tt.checked, n[got])
		}
	}
}

// screenshot is what the browser shows of page.html in dir.
func screenshot(t *testing.T, browser, dir string) image.Image {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	shot := filepath.Join(dir, "shot.png")
	cmd := exec.CommandContext(ctx, browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
		"--user-data-dir="+filepath.Join(dir, "profile"), "--window-size=1280,1000", "--screenshot="+shot, "file://"+filepath.Join(dir, "page.html"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("the browser does not start here: %v\n%s", err, out)
	}
	f, err := os.Open(shot)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	if keep := os.Getenv("FACEREC_TEST_KEEP"); keep != "" { // to look at it
		if err := os.Rename(shot, keep); err != nil {
			t.Fatal(err)
		}
	}
	return img
}

// count is how many pixels are about this colour.
func count(img image.Image, r, g, b int) int {
	near := func(a uint32, b int) bool { d := int(a>>8) - b; return d > -25 && d < 25 }
	n := 0
	for y := img.Bounds().Min.Y; y < img.Bounds().Max.Y; y++ {
		for x := img.Bounds().Min.X; x < img.Bounds().Max.X; x++ {
			if pr, pg, pb, _ := img.At(x, y).RGBA(); near(pr, r) && near(pg, g) && near(pb, b) {
				n++
			}
		}
	}
	return n
}
