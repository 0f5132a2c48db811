// Package page writes report.html: a report to be read, in one file that needs no
// network, and scripts only for its filters. It is pure: it is handed what report.json
// holds, and knows nothing besides.
//
// What a report holds may come from a container, or from whoever handed the report over.
// All of it is text: html/template escapes it, characters that are not to be seen are
// shown as escapes, and the page's own policy (Content-Security-Policy) lets nothing run
// or load but the one script and the one style sheet that it names by their digests.
package page

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"io"
	"strings"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/report"
)

var (
	//go:embed page.html
	layout string
	//go:embed page.css
	style string
	//go:embed page.js
	script string

	parsed = template.Must(template.New("page").Parse(layout))
	policy = strings.Join([]string{
		"default-src 'none'", "style-src '" + digest(style) + "'", "script-src '" + digest(script) + "'",
		"img-src data:", "base-uri 'none'", "form-action 'none'",
	}, "; ")
)

// digest is how a policy names a text that may be used.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// Write writes the page of a report.
func Write(w io.Writer, d report.Document) error {
	v := viewOf(d)
	v.Policy, v.Style, v.Script = policy, template.CSS(style), template.JS(script)
	var page bytes.Buffer
	if err := parsed.Execute(&page, v); err != nil {
		return err
	}
	_, err := io.WriteString(w, probe.Visible(page.String(), true))
	return err
}
