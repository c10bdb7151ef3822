package verify

import (
	"html/template"
	"net/url"
	"strings"
	"sync"

	"facerec/internal/text"
)

// pathURI writes a file name as a relative URI.
func pathURI(name string) string { return (&url.URL{Path: name}).EscapedPath() }

// HTML is the report as one page that needs nothing from anywhere: no script, no
// font, no picture, no style but its own.
func (r Report) HTML() ([]byte, error) {
	var b strings.Builder
	if err := page().Execute(&b, pageData{r, r.Broken(), r.rows()}); err != nil {
		return nil, err
	}
	return []byte(b.String()), nil
}

type pageData struct {
	Report
	First []Result
	Table []pageRow
}

// pageRow is a chain as a row of cells.
type pageRow struct {
	Where string
	Links []pageLink
}

type pageLink struct {
	Word   string
	Status Status
}

func (r Report) rows() []pageRow {
	var out []pageRow
	links := r.links()
	for _, c := range r.Chains {
		row := pageRow{Where: owner{c.Dist, c.Cell}.String()}
		for _, link := range links {
			word, status := c.word(link)
			row.Links = append(row.Links, pageLink{or(word, "–"), status})
		}
		out = append(out, row)
	}
	return out
}

// page is put together when it is first used: most runs write none.
var page = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("report").Funcs(template.FuncMap{
		"where":   Result.where,
		"path":    Result.path,
		"why":     Result.why,
		"links":   Report.links,
		"verdict": verdictText,
		"cells":   func(n int) string { return text.Count(n, "cell") },
	}).Parse(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{with .Project}}{{.}} {{$.Version}}: {{end}}{{.Verdict}}</title>
<style>
:root { color-scheme: light dark; font-family: system-ui, sans-serif; line-height: 1.45; --ok: #18794e; --bad: #c62a2f; --open: #8a6100; }
@media (prefers-color-scheme: dark) { :root { --ok: #3fb57f; --bad: #ff6b6f; --open: #e2b340; } }
body { margin: 2rem auto; max-width: 84rem; padding: 0 1rem; }
h1 { margin-bottom: .2rem; }
h2 { margin-top: 2rem; font-size: 1.15rem; }
.scroll { overflow-x: auto; }
#chains { font-size: .85rem; } #chains th[scope=row] { font-weight: 400; white-space: normal; overflow-wrap: anywhere; min-width: 10rem; }
#chains th, #chains td { padding: .25rem .4rem; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid #8886; padding: .3rem .6rem; text-align: left; vertical-align: top; }
th { font-weight: 600; white-space: nowrap; }
td { overflow-wrap: anywhere; }
td.short { white-space: nowrap; overflow-wrap: normal; }
code { font-size: .9em; }
.pass { color: var(--ok); } .fail { color: var(--bad); font-weight: 600; } .skip { color: var(--open); }
dl { margin: .3rem 0; display: grid; grid-template-columns: max-content 1fr; gap: 0 .8rem; }
dt { opacity: .75; } dd { margin: 0; }
ul { margin: .3rem 0; padding-left: 1.2rem; }
</style>
</head>
<body>
<h1 id="verdict" class="{{if .Verified}}pass{{else}}fail{{end}}">{{if .Verified}}Verified{{else}}Not verified: {{.Verdict}}{{end}}</h1>
<p>{{with .Project}}{{.}} {{$.Version}}, {{end}}{{cells (len .Chains)}}{{with .Signature}}, {{.Text}}{{end}}. {{$v := verdict .Verdict}}{{if and $v (ne $v .Verdict)}}That is: {{$v}}. {{end}}Exit code {{.ExitCode}}.</p>
<p>Expected signer: {{range $i, $e := .Expected}}{{if $i}} or {{end}}{{$e}}{{else}}nobody was named{{end}}.</p>
{{with .TrustRoot}}<p>Trust root: {{.Text}}.</p>
{{end}}{{range .Unchecked}}<p class="skip">Note: {{.}}</p>
{{end}}{{with .Releases}}<h2>Requested</h2>
<ul id="releases">
{{range .}}<li>{{.Dist}}: <span class="{{if .ExitCode}}fail{{else}}pass{{end}}">{{.Verdict}}</span>{{with .Project}}, {{.}}{{end}}{{with .Version}} {{.}}{{end}}, {{cells .Cells}}{{with .Signature}}, {{.Text}}{{end}}</li>
{{end}}</ul>
{{end}}{{if .First}}<h2>First broken links</h2>
<ul id="broken">
{{range .First}}<li><span class="{{.Status}}">{{where .}}, {{.Link}}</span>: {{why .}}</li>
{{end}}</ul>
{{end}}{{if .Table}}<h2>The chain of each cell</h2>
<div class="scroll"><table id="chains">
<thead><tr><th scope="col">cell</th>{{range links .Report}}<th scope="col">{{.}}</th>{{end}}</tr></thead>
<tbody>
{{range .Table}}<tr><th scope="row">{{.Where}}</th>{{range .Links}}<td class="short {{.Status}}">{{.Word}}</td>{{end}}</tr>
{{end}}</tbody>
</table></div>
{{end}}<h2>Every step</h2>
<table id="steps">
<thead><tr><th scope="col">result</th><th scope="col">cell</th><th scope="col">link</th><th scope="col">subject</th><th scope="col">seen</th></tr></thead>
<tbody>
{{range .Results}}<tr><td class="{{.Status}}">{{.Status}}{{with .Grade}} ({{.}}){{end}}</td><td>{{where .}}</td><td class="short">{{.Link}}</td><td>{{path .}}</td><td>{{.Detail}}{{if or .Expected .Got}}
<dl><dt>expected</dt><dd><code>{{.Expected}}</code></dd><dt>got</dt><dd><code>{{.Got}}</code></dd></dl>{{end}}{{range .Notes}}<p>Note: {{.}}</p>{{end}}{{if .Causes}}<ul>{{range .Causes}}<li>cause {{.}}</li>{{end}}</ul>{{end}}{{if .Differences}}<ul>{{range .Differences}}<li>{{.}}</li>{{end}}</ul>{{end}}{{if .Output}}<pre>{{range .Output}}{{.}}
{{end}}</pre>{{end}}</td></tr>
{{end}}</tbody>
</table>
</body>
</html>
`))
})
