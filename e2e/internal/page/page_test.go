package page

import (
	"bytes"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/net/html"
	"gotest.tools/v3/assert"
	"gotest.tools/v3/golden"

	"procns/e2e/internal/probe"
	"procns/e2e/internal/report"
	"procns/e2e/internal/suite"
)

func written(t testing.TB, d report.Document) string {
	t.Helper()
	var b bytes.Buffer
	assert.NilError(t, Write(&b, d))
	return b.String()
}

// without leaves out the style sheet, the script and their digests, which have tests of their own.
func without(page string) string {
	return strings.NewReplacer(style, "…", script, "…", strings.ReplaceAll(policy, "'", "&#39;"), "…").Replace(page)
}

func TestGolden(t *testing.T) {
	page := written(t, sample())
	golden.Assert(t, without(page), "sample.html")
	golden.Assert(t, without(written(t, report.Document{Run: report.Run{Problem: "cannot reach the API server"}})), "nothing.html")
	if os.Getenv("PROCNS_PAGES") != "" { // to be looked at
		assert.NilError(t, os.WriteFile(os.Getenv("PROCNS_PAGES"), []byte(page), 0o644))
	}
}

// elements are the page's, each with its attributes.
func elements(t testing.TB, page string) []html.Token {
	t.Helper()
	var all []html.Token
	tokens := html.NewTokenizer(strings.NewReader(page))
	for {
		switch tokens.Next() {
		case html.ErrorToken:
			return all
		case html.CommentToken:
			t.Error("the page has a comment")
		case html.StartTagToken, html.SelfClosingTagToken, html.EndTagToken:
			token := tokens.Token()
			all = append(all, token)
		}
	}
}

func attribute(e html.Token, name string) string {
	for _, a := range e.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// TestNothingElseRuns: the policy names the script and the style sheet that are there, and the page
// asks for nothing else.
func TestNothingElseRuns(t *testing.T) {
	page := written(t, sample())
	inside := func(tag string) string {
		found := regexp.MustCompile(`(?s)<`+tag+`>(.*?)</`+tag+`>`).FindAllStringSubmatch(page, -1)
		assert.Equal(t, len(found), 1, tag)
		return found[0][1]
	}
	assert.Equal(t, inside("style"), style)
	assert.Equal(t, inside("script"), script)
	for _, r := range style + script {
		assert.Assert(t, r == '\n' || r == '\t' || r >= ' ' && r < 0x7f, "%q", r)
	}
	allowed := []string{"html", "head", "meta", "link", "title", "style", "body", "a", "header", "p", "code", "h1", "h2", "h3", "h4", "h5", "span", "dl", "div", "dt", "dd",
		"nav", "ul", "li", "main", "section", "table", "caption", "thead", "tbody", "tr", "th", "td", "svg", "rect", "details", "summary", "pre", "form", "label", "input",
		"select", "option", "button", "output", "abbr", "b", "footer", "script"}
	policies := 0
	for _, e := range elements(t, page) {
		assert.Assert(t, slices.Contains(allowed, e.Data), e.Data)
		if attribute(e, "http-equiv") == "Content-Security-Policy" {
			policies++
			assert.Equal(t, attribute(e, "content"), policy)
		}
		for _, a := range e.Attr {
			switch {
			case a.Key == "style", strings.HasPrefix(a.Key, "on"), a.Key == "src", a.Key == "action":
				t.Errorf("%s has the attribute %s", e.Data, a.Key)
			case a.Key == "href" && !strings.HasPrefix(a.Val, "#") && a.Val != "data:," && a.Val != "https://example.com/issues/1":
				t.Errorf("a link to %q", a.Val)
			}
		}
	}
	assert.Equal(t, policies, 1)
}

// TestLinksLeadSomewhere: what is linked to is there, once.
func TestLinksLeadSomewhere(t *testing.T) {
	ids, links := map[string]int{}, map[string]bool{}
	for _, e := range elements(t, written(t, sample())) {
		if id := attribute(e, "id"); id != "" {
			ids[id]++
		}
		if to, ok := strings.CutPrefix(attribute(e, "href"), "#"); ok {
			links[to] = true
		}
		for id := range strings.FieldsSeq(attribute(e, "aria-labelledby")) {
			links[id] = true
		}
	}
	for to := range links {
		assert.Equal(t, ids[to], 1, to)
	}
	for id, n := range ids {
		assert.Equal(t, n, 1, id)
	}
}

// TestForThoseWhoDoNotSee: each table says what it is and heads its columns, headings leave no
// level out, and each control has a label.
func TestForThoseWhoDoNotSee(t *testing.T) {
	level, inLabel := 0, false
	tables, captions, heads := 0, 0, 0
	for _, e := range elements(t, written(t, sample())) {
		start := e.Type != html.EndTagToken
		switch {
		case e.Data == "label":
			inLabel = start
		case !start:
		case len(e.Data) == 2 && e.Data[0] == 'h' && e.Data[1] >= '1' && e.Data[1] <= '6':
			is := int(e.Data[1] - '0')
			assert.Assert(t, is <= level+1, "h%d behind h%d", is, level)
			level = is
		case e.Data == "table":
			tables++
		case e.Data == "caption":
			captions++
		case e.Data == "thead":
			heads++
		case e.Data == "th":
			assert.Assert(t, attribute(e, "scope") != "")
		case e.Data == "input", e.Data == "select":
			assert.Assert(t, inLabel, "%v has no label", e)
		case e.Data == "svg":
			assert.Assert(t, attribute(e, "aria-label") != "" && attribute(e, "role") == "img")
		case attribute(e, "tabindex") != "":
			assert.Assert(t, attribute(e, "role") == "region" && attribute(e, "aria-label")+attribute(e, "aria-labelledby") != "")
		}
	}
	assert.Assert(t, tables > 0)
	assert.Equal(t, captions, tables)
	assert.Equal(t, heads, tables)
}

// filledWith is the sample with a text in place of every text that does not choose what is shown.
func filledWith(text string) report.Document {
	d := sample()
	d.Schema = text
	fill(reflect.ValueOf(&d).Elem(), text)
	d.Changes = sample().Changes
	for i := range d.Results {
		d.Results[i].Evidence = d.Observed[0].Folder
	}
	return d
}

func fill(v reflect.Value, text string) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			fill(v.Elem(), text)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(v.Field(i), text)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			fill(v.Index(i), text)
		}
	case reflect.Map:
		if v.Type().Elem().Kind() == reflect.String && v.Type().Key().Kind() == reflect.String && v.Len() > 0 {
			v.Set(reflect.MakeMap(v.Type()))
			v.SetMapIndex(reflect.ValueOf(text).Convert(v.Type().Key()), reflect.ValueOf(text+"2").Convert(v.Type().Elem()))
		}
	case reflect.String:
		v.SetString(text)
	}
}

// shape is the page's elements with the names of their attributes.
func shape(t testing.TB, page string) []string {
	var all []string
	for _, e := range elements(t, page) {
		text := e.Type.String() + " " + e.Data
		for _, a := range e.Attr {
			text += " " + a.Key
		}
		all = append(all, text)
	}
	return all
}

// FuzzHostileText: whatever stands in the report, the page has the elements that it has of
// harmless text, shows what stands there, and no character of it that is not to be seen.
func FuzzHostileText(f *testing.F) {
	for _, text := range []string{
		hostile, "<b>&amp;</b>", "--><!--", "</style>", "]]>", `" onmouseover="x`, "' style='x", "javascript:x", "data:text/html,x", "{{.}}", "\xff\xfe\x00\u0085\u2028",
		"</textarea></title></noscript><svg onload=x>", "a\nb\r\nc\td", "&#x3c;script>", "CALLER  TARGET  mem\nroot  worker  ok\n",
	} {
		f.Add(text)
	}
	want := shape(f, written(f, filledWith("x")))
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "/") {
			text = strings.ReplaceAll(text, "/", "<\\")
		}
		text = "x" + text
		page := written(t, filledWith(text))
		if got := shape(t, page); !slices.Equal(got, want) {
			assert.DeepEqual(t, got, want)
		}
		for _, r := range page {
			if r != '\n' && r != '\t' && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
				t.Fatalf("the page holds %q", r)
			}
		}
		var shown strings.Builder
		tokens := html.NewTokenizer(strings.NewReader(page))
		for tokens.Next() != html.ErrorToken {
			if token := tokens.Token(); token.Type == html.TextToken {
				shown.WriteString(token.Data)
			}
		}
		if !strings.ContainsAny(text, "\x00\r") {
			assert.Assert(t, strings.Contains(shown.String(), probe.Visible(text, true)), "%q is not shown", text)
		}
	})
}

// TestLargeReport: the page of a report grows with the cases, and hardly with the targets.
func TestLargeReport(t *testing.T) {
	small, big := written(t, large(50, 20)), written(t, large(5000, 20))
	t.Logf("50 targets: %d bytes, 5000: %d", len(small), len(big))
	assert.Assert(t, len(big) < 2*len(small), len(big))
	assert.Assert(t, strings.Contains(big, "node-0.example.internal and others, of which the same is to be said"))
}

// TestColoursCanBeRead: each text has a contrast of 4.5 to 1 at least with what is behind it (WCAG 2, 1.4.3),
// in the light and in the dark.
func TestColoursCanBeRead(t *testing.T) {
	schemes := regexp.MustCompile(`(?s):root \{([^}]*--back:.*?)\}`).FindAllStringSubmatch(style, -1)
	assert.Equal(t, len(schemes), 2)
	for _, scheme := range schemes {
		colours := map[string]float64{}
		for _, found := range regexp.MustCompile(`--([a-z-]+): #([0-9a-f]{6});`).FindAllStringSubmatch(scheme[1], -1) {
			colours[found[1]] = luminance(t, found[2])
		}
		pairs := [][2]string{{"text", "back"}, {"text", "soft"}, {"quiet", "back"}, {"quiet", "soft"}, {"link", "back"}, {"link", "soft"}, {"unsure", "back"}, {"text", "info-back"}, {"text", "unsure-back"}, {"unsure", "info-back"}}
		for _, name := range []string{"yes", "no", "unsure", "skip", "info"} {
			pairs = append(pairs, [2]string{name, name + "-back"})
		}
		for _, pair := range pairs {
			a, b := colours[pair[0]], colours[pair[1]]
			ratio := (max(a, b) + .05) / (min(a, b) + .05)
			assert.Assert(t, ratio >= 4.5, "%v: %.2f", pair, ratio)
		}
	}
}

// TestMarksAreWords: no outcome is told by its colour alone.
func TestMarksAreWords(t *testing.T) {
	for _, level := range []suite.Level{suite.Core, suite.Informational} {
		seen := map[string]bool{}
		for _, outcome := range []suite.Outcome{suite.Conformant, suite.NonConformant, suite.Inconclusive, suite.Skipped, suite.Exempted, suite.Planned, "of-a-later-suite"} {
			m := markOf(outcome, level)
			assert.Assert(t, m.Class != "" && m.Sign != "" && m.Word != "" && !seen[m.Word], "%s: %v", outcome, m)
			seen[m.Word] = true
		}
	}
	assert.Equal(t, markOf("of-a-later-suite", suite.Core).Class, "unsure")
}
