package verify_test

import (
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"strings"
	"testing"

	"facerec/internal/verify"
)

// browse opens a page in a real browser and gives the document as it stands
// once everything has been loaded and run.
func browse(t *testing.T, page []byte) string {
	t.Helper()
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("chromium is not installed (Debian package chromium)")
	}
	dir := t.TempDir()
	file := write(t, dir, "report.html", page)
	// Root may not use the sandbox; the page is our own.
	cmd := exec.CommandContext(t.Context(), chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
		"--user-data-dir="+dir+"/profile", "--dump-dom", (&url.URL{Scheme: "file", Path: file}).String())
	cmd.Env = append(cmd.Environ(), "HOME="+dir)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("chromium: %v", err)
	}
	return string(out)
}

// TestPageInABrowser looks at the page as a browser builds it.
func TestPageInABrowser(t *testing.T) {
	s := newSmall(t)
	s.put(assetA, []byte("x"))
	r := s.verify(t)
	page, err := r.HTML()
	if err != nil {
		t.Fatal(err)
	}
	dom := browse(t, page)
	for _, want := range []string{
		`<h1 id="verdict" class="fail">Not verified: differs</h1>`,
		"<title>facerec 1.2.3: differs</title>",
		`<li><span class="fail">` + cellA + `, ` + verify.LinkTarball + `</span>: `,
		`<tr><th scope="row">` + cellB + `</th><td class="short pass">ok</td>`,
	} {
		if !strings.Contains(dom, want) {
			t.Errorf("the browser shows no %q:\n%s", want, dom)
		}
	}
	if got, want := strings.Count(dom, "<tr>"), len(r.Results)+len(r.Chains)+2; got != want {
		t.Errorf("rows: got %d, want two heads, %d chains and %d steps", got, len(r.Chains), len(r.Results))
	}
}

// TestHostilePageInABrowser has every text of the report try to run a script and
// to fetch something: the browser shows it and does neither.
func TestHostilePageInABrowser(t *testing.T) {
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked = append(asked, r.URL.Path) }))
	defer server.Close()
	r := hostile()
	evil := fmt.Sprintf(`"><script>document.title="owned"</script><img src="%s/x"><style>@import "%s/y"</style>`, server.URL, server.URL)
	r.Project, r.Results[0].Subject, r.Results[0].Detail = evil, evil, evil
	page, err := r.HTML()
	if err != nil {
		t.Fatal(err)
	}
	dom := browse(t, page)
	if strings.Contains(dom, "<title>owned") || len(asked) > 0 {
		t.Errorf("the page ran or fetched something (%v):\n%s", asked, dom)
	}
	if !strings.Contains(html.UnescapeString(dom), evil) {
		t.Errorf("the page does not show the text:\n%s", dom)
	}
}
