package main

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"facerec/internal/app"
	"facerec/internal/app/apptest"
)

// sheet makes a contact sheet, all.html, of these pictures in a new directory,
// with a verb and its arguments.
func sheet(t *testing.T, pictures map[string][]apptest.Patch, args ...string) {
	t.Helper()
	t.Chdir(t.TempDir())
	if err := errors.Join(os.Mkdir("models", 0o777), os.WriteFile("models/fake.dat", []byte(fakeModel), 0o666)); err != nil {
		t.Fatal(err)
	}
	for name, patches := range pictures {
		var b bytes.Buffer
		if err := errors.Join(app.Encode(&b, name, apptest.Paint(400, 300, patches...)), os.MkdirAll(filepath.Dir(name), 0o777), os.WriteFile(name, b.Bytes(), 0o666)); err != nil {
			t.Fatal(err)
		}
	}
	env := fakeEnvironment()
	var stderr bytes.Buffer
	env.stdin, env.stdout, env.stderr = strings.NewReader(""), &bytes.Buffer{}, &stderr
	if code := run(append(args, "--no-cache", "--report", "all.html"), env); code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr.String())
	}
}

func face(name string) apptest.Patch {
	return apptest.Patch{Box: image.Rect(100, 80, 250, 230), Color: paintColors[name]}
}

// TestReportInABrowser opens a contact sheet in a real browser: its pictures
// are shown under its own policy, and its filters work without a script.
func TestReportInABrowser(t *testing.T) {
	b := openTab(t)
	sheet(t, map[string][]apptest.Patch{
		"persons/Rose/1.png": {face("red")}, "in/known.png": {face("red")}, "in/unknown.png": {face("blue")}, "in/none.png": nil,
	}, "recognize", "in")
	b.call("Emulation.setScriptExecutionDisabled", map[string]any{"value": true}, nil)
	b.show("all.html", 1280)
	for _, tt := range []struct {
		checked   string // the filter
		red, blue bool   // whether that face is shown
	}{
		{"show-all", true, true},
		{"show-doubt", false, true},
		{"show-none", false, false},
	} {
		if tt.checked == "show-all" {
			b.expect("at first", map[string]string{`document.getElementById("show-all").checked`: "true"})
		} else {
			b.eval(`document.getElementById("` + tt.checked + `").click()`)
		}
		img := b.shot("filter-" + tt.checked)
		n := map[bool]string{true: "is shown", false: "is not shown"}
		if got := count(img, 230, 20, 20) > 2000; got != tt.red {
			t.Errorf("%s: the known face %s", tt.checked, n[got])
		}
		if got := count(img, 20, 20, 230) > 2000; got != tt.blue {
			t.Errorf("%s: the unknown face %s", tt.checked, n[got])
		}
	}
	// Without the script there is nothing that does nothing.
	b.expect("without a script", map[string]string{`document.getElementById("search").offsetParent === null`: "true"})
}

// visible counts the pictures that are shown.
const visible = `Array.from(document.querySelectorAll("main > article")).filter(c => c.offsetParent !== null).length`

// TestAlbumInABrowser goes through a contact sheet of several pages, at the
// widths of a telephone, a tablet and a desk: nothing is cut off, names are found,
// and every key does what the page says.
func TestAlbumInABrowser(t *testing.T) {
	b := openTab(t)
	const n = 130
	pictures := map[string][]apptest.Patch{"persons/Rose/1.png": {face("red")}, "persons/Zoë with a Rather Long Name/1.png": {face("green")}}
	for i := range n {
		name := fmt.Sprintf("in/%03d.png", i)
		switch i % 10 {
		case 0:
			pictures[name] = []apptest.Patch{face("red")}
		case 1:
			pictures[name] = nil
		case 2:
			pictures[fmt.Sprintf("in/%03d-a_name_that_is_very_long_and_cannot_be_broken_at_a_blank_since_there_is_none.png", i)] = []apptest.Patch{face("green")}
		default:
			pictures[name] = []apptest.Patch{face("blue")}
		}
	}
	sheet(t, pictures, "recognize", "in")
	const (
		current  = `document.activeElement.id`
		columns  = `getComputedStyle(document.querySelector("main")).gridTemplateColumns.split(" ").length`
		overflow = `document.documentElement.scrollWidth > innerWidth`
		cut      = `Array.from(document.querySelectorAll("body *")).filter(e => e.checkVisibility() && (e.getBoundingClientRect().right > innerWidth + 1 || e.getBoundingClientRect().left < -1)).length`
		found    = `document.getElementById("found").textContent`
		page     = `location.pathname.split("/").pop()`
		lines    = `Array.from(document.querySelectorAll("#index li")).filter(e => e.offsetParent !== null).length`
	)
	for width, wide := range map[int]string{400: "1", 800: "2", 1280: "3"} {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			b.t = t
			b.show("all.html", width)
			b.expect("at first", map[string]string{
				`innerWidth`: fmt.Sprint(width), columns: wide, overflow: "false", cut: "0",
				visible: "100", found: `""`, `document.getElementById("search").checkVisibility()`: "true",
			})
			b.shot(fmt.Sprintf("album-%d", width))
			b.press("j")
			b.expect("j", map[string]string{current: `"p1"`})
			b.press("j", "j", "k")
			b.expect("j j k", map[string]string{current: `"p2"`})
			b.press("k", "k", "k")
			b.expect("k to the top", map[string]string{current: `"p1"`})
			b.press("/")
			b.expect("/", map[string]string{current: `"search"`, `document.getElementById("search").value`: `""`})
			b.press("r", "O", "s", "e")
			b.expect("a name", map[string]string{visible: "10", found: `"13 of 130"`, lines: "13", overflow: "false", cut: "0"})
			b.shot(fmt.Sprintf("search-%d", width))
			b.press("n", "j") // letters, in the field
			b.expect("letters in the field", map[string]string{page: `"all.html"`, visible: "0", found: `"0 of 130"`})
			b.press("Escape")
			b.expect("Escape", map[string]string{visible: "100", found: `""`, `document.activeElement.id !== "search"`: "true"})
			b.press("/", "z", "o", "e", " ", "l", "o", "n", "g")
			b.expect("words, without accents", map[string]string{visible: "10", found: `"13 of 130"`})
			b.press("Escape")
			b.follow("n")
			b.expect("n", map[string]string{page: `"all-2.html"`, visible: "30", overflow: "false", cut: "0"})
			b.press("n")
			b.shot(fmt.Sprintf("page2-%d", width))
			b.expect("n on the last page", map[string]string{page: `"all-2.html"`})
			b.follow("p")
			b.expect("p", map[string]string{page: `"all.html"`})
			if len(b.errors) > 0 {
				t.Errorf("the browser complains: %s", b.errors)
			}
		})
	}
	b.t = t
	const background = `getComputedStyle(document.body).backgroundColor`
	b.show("all.html", 800)
	light := b.eval(background)
	b.call("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": "dark"}}}, nil)
	if dark := b.eval(background); dark == light {
		t.Errorf("the background is %s, light and dark", dark)
	}
	b.shot("dark")
	b.call("Emulation.setEmulatedMedia", map[string]any{"media": "print"}, nil)
	b.expect("in print", map[string]string{
		background: `"rgb(255, 255, 255)"`, visible: "100",
		`document.querySelector(".find").checkVisibility() || document.querySelector("nav").checkVisibility()`: "false",
	})
	b.shot("print")
}

// TestGroupsInABrowser does the same with the sheet of group: 27 groups on two
// pages, the first of two pictures.
func TestGroupsInABrowser(t *testing.T) {
	b := openTab(t)
	pictures := map[string][]apptest.Patch{"in/again_with_a_name_that_is_very_long_and_cannot_be_broken_at_a_blank.png": {face("red"), {Box: image.Rect(300, 80, 340, 120), Color: color.RGBA{20, 20, 230, 255}}}}
	for i := range 26 {
		c := paintColors["red"]
		c.R -= uint8(2 * i)
		pictures[fmt.Sprintf("in/%02d.png", i)] = []apptest.Patch{{Box: face("red").Box, Color: c}}
	}
	sheet(t, pictures, "group", "in", "--persons", "", "--group-threshold", "0.001", "--min-faces", "1")
	const (
		page     = `location.pathname.split("/").pop()`
		heading  = `document.querySelector("main > article h2").textContent`
		faces    = `document.querySelectorAll("main > article:first-child li > img").length`
		loaded   = `Array.from(document.images).every(i => i.complete && i.naturalWidth > 0)`
		overflow = `document.documentElement.scrollWidth > innerWidth`
	)
	for _, width := range []int{400, 800, 1280} {
		b.show("all.html", width)
		b.expect("at first", map[string]string{
			heading: `"Group 1: seen 2 times"`, faces: "2", visible: "25", loaded: "true", overflow: "false",
			`document.querySelector("#show-all")`: "null", `document.getElementById("search").checkVisibility()`: "true",
		})
		b.shot(fmt.Sprintf("groups-%d", width))
		b.press("/", "a", "g", "a", "i", "n")
		b.expect("a name", map[string]string{visible: "2", overflow: "false"}) // both faces of that picture
		b.press("Escape")
		b.follow("n")
		b.expect("n", map[string]string{page: `"all-2.html"`, visible: "2", loaded: "true", overflow: "false"})
	}
	if len(b.errors) > 0 {
		t.Errorf("the browser complains: %s", b.errors)
	}
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
