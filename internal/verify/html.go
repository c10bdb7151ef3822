package verify

import (
	"html/template"
	"net/url"
	"strings"
)

// pathURI writes a file name as a relative URI.
func pathURI(name string) string { return (&url.URL{Path: name}).EscapedPath() }

// HTML is the report as one page that needs nothing from anywhere: no script, no
// font, no picture, no style but its own.
func (r Report) HTML() ([]byte, error) {
	var b strings.Builder
	if err := page.Execute(&b, pageData{r, r.Broken()}); err != nil {
		return nil, err
	}
	return []byte(b.String()), nil
}

type pageData struct {
	Report
	First []Step
}

var page = template.Must(template.New("report").Funcs(template.FuncMap{
	"cell":    func(s Step) string { return or(s.Cell, "release") },
	"explain": Step.explain,
}).Parse(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Project}} {{.Version}}: {{.Verdict}}</title>
<style>
:root { color-scheme: light dark; font-family: system-ui, sans-serif; line-height: 1.4; }
body { margin: 2rem auto; max-width: 70rem; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid #8886; padding: .3rem .6rem; text-align: left; vertical-align: top; }
td { overflow-wrap: anywhere; }
.pass { color: #18794e; } .fail { color: #cd2b31; font-weight: 600; } .skip { color: #946800; }
ul { margin: .2rem 0; }
</style>
</head>
<body>
<h1 id="verdict" class="{{if .Verified}}pass{{else}}fail{{end}}">{{if .Verified}}Verified{{else}}Not verified: {{.Verdict}}{{end}}</h1>
<p>{{.Project}} {{.Version}}{{with .Signature}}, {{.Text}}{{end}}. Exit code {{.ExitCode}}.</p>
<p>Expected signer: {{range $i, $e := .Expected}}{{if $i}} or {{end}}{{$e}}{{end}}.</p>
{{range .Unchecked}}<p class="skip">Note: {{.}}, as asked.</p>
{{end}}{{if .First}}<h2>First broken links</h2>
<ul id="broken">
{{range .First}}<li>{{cell .}}, {{.Link}}: {{explain .}}</li>
{{end}}</ul>
{{end}}<h2>Every step</h2>
<table id="steps">
<thead><tr><th scope="col">Result</th><th scope="col">Cell</th><th scope="col">Link</th><th scope="col">Subject</th><th scope="col">Seen</th></tr></thead>
<tbody>
{{range .Steps}}<tr><td class="{{.Status}}">{{.Status}}{{with .Grade}} ({{.}}){{end}}</td><td>{{cell .}}</td><td>{{.Link}}</td><td>{{.Subject}}</td><td>{{.Detail}}{{if or .Expected .Got}}<br>expected {{.Expected}}<br>got {{.Got}}{{end}}{{if .Differences}}<ul>{{range .Differences}}<li>{{.}}</li>{{end}}</ul>{{end}}</td></tr>
{{end}}</tbody>
</table>
</body>
</html>
`))
