package page

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gotest.tools/v3/assert"
	"gotest.tools/v3/skip"

	"procns/e2e/internal/report"
)

// What scripts/report-page.sh, which `make report-e2e` runs, says of itself.
var (
	chromium = os.Getenv("PROCNS_CHROMIUM") // the program
	shots    = os.Getenv("PROCNS_SHOTS")    // a folder for pictures, or empty
	reports  = os.Getenv("PROCNS_REPORTS")  // report.json files of real runs, behind colons, or empty
)

// pageOf writes the page of a report to a file.
func pageOf(t *testing.T, d report.Document) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "report.html")
	assert.NilError(t, os.WriteFile(file, []byte(written(t, d)), 0o600))
	return file
}

// visible counts the cases that are shown.
const visible = `Array.from(document.querySelectorAll("details.case")).filter(c => c.offsetParent !== null).length`

// TestInBrowser tries the page in a real browser.
func TestInBrowser(t *testing.T) {
	skip.If(t, chromium == "", "PROCNS_CHROMIUM is not set: make report-e2e")
	file := pageOf(t, sample())
	b := startBrowser(t, chromium)
	// Subtests share the browser: each loads the page anew.
	run := func(name string, test func()) {
		t.Run(name, func(t *testing.T) {
			outer := b.t
			b.t, b.said, b.asked = t, nil, nil
			defer func() { b.t = outer }()
			b.size(1400, 1000)
			b.scheme("screen", "light")
			b.open("about:blank")
			b.asked = nil
			b.open(fragment(file, ""))
			test()
			b.quiet()
		})
	}

	run("hostile text stays text", func() {
		assert.Equal(b.t, b.text(`document.title`), "non-conformant – procns report")
		assert.Equal(b.t, b.number(`document.querySelectorAll("img, iframe, object, embed, base").length`), 0)
		assert.Equal(b.t, b.number(`document.scripts.length`), 1)
		assert.Assert(b.t, b.holds(`Array.from(document.querySelectorAll(".ps td")).some(c => c.textContent.includes("</script><script>document.title"))`))
		// The policy is in force: what gets into the page in spite of all does not run.
		b.eval(`{ const s = document.createElement("script"); s.textContent = "document.title = 'owned'"; document.body.append(s); s.remove(); }`, nil)
		assert.Equal(b.t, b.text(`document.title`), "non-conformant – procns report")
		assert.Assert(b.t, len(b.said) > 0 && strings.Contains(b.said[0], "Content Security Policy"), b.said)
		b.said = nil
	})

	run("filters", func() {
		all := b.number(visible)
		assert.Equal(b.t, all, 5)
		set := func(name, value string) {
			b.t.Helper()
			b.eval(`{ const e = document.forms.filter.elements.`+name+`; e.value = "`+value+`"; e.dispatchEvent(new Event("input", {bubbles: true})); }`, nil)
		}
		reset := func() {
			b.t.Helper()
			b.eval(`document.querySelector("button[type=reset]").click(); new Promise(done => setTimeout(done, 20))`, nil)
			assert.Equal(b.t, b.number(visible), all)
			assert.Equal(b.t, b.text(`document.getElementById("shown").textContent`), "5 cases")
		}
		for _, row := range []struct {
			name, value string
			cases       int
		}{
			{"words", "hup", 1}, {"words", "the CLAIM of", 5}, {"words", "kernel boot", 1}, {"words", "nowhere to be found", 0}, {"words", "document.title='owned'", 1},
			{"outcome", "!", 1}, {"outcome", "conformant", 3}, {"outcome", "skipped", 1}, {"outcome", "exempted", 1}, {"outcome", "planned", 0},
			{"level", "Core", 2}, {"level", "Extended", 2}, {"level", "Informational", 1},
			{"area", "secrets", 2}, {"target", "0", 5}, {"target", "1", 4},
		} {
			set(row.name, row.value)
			assert.Equal(b.t, b.number(visible), row.cases, "%s %s", row.name, row.value)
			if row.cases < all {
				assert.Assert(b.t, strings.HasSuffix(b.text(`document.getElementById("shown").textContent`), " of 5 cases are shown"))
			}
			reset()
		}
		set("outcome", "conformant")
		set("target", "1")
		assert.Equal(b.t, b.number(visible), 1, "both hold of the same result")
		set("area", "pid1")
		assert.Equal(b.t, b.number(visible), 1)
		set("level", "Extended")
		assert.Equal(b.t, b.number(visible), 0)
		assert.Equal(b.t, b.number(`Array.from(document.querySelectorAll("section.area")).filter(s => s.offsetParent !== null).length`), 0, "no heading without a case")
		reset()
		set("target", "1")
		assert.Equal(b.t, b.number(`document.querySelector("details.case:has(#case-signals-hup)").querySelectorAll(".group:not([hidden])").length`), 1, "what was found elsewhere is hidden")
		reset()
		b.eval(`document.getElementById("open").click()`, nil)
		assert.Equal(b.t, b.number(`document.querySelectorAll("details.case[open]").length`), 5)
		b.eval(`document.getElementById("close").click()`, nil)
		assert.Equal(b.t, b.number(`document.querySelectorAll("details.case[open]").length`), 0)
		// A link to a case that a filter hides leads there all the same.
		set("words", "nowhere to be found")
		b.eval(`location.hash = "#case-pid1-is-the-sandbox"; new Promise(done => setTimeout(done, 50))`, nil)
		assert.Equal(b.t, b.number(visible), all)
		assert.Assert(b.t, b.holds(`document.querySelector("details.case:has(#case-pid1-is-the-sandbox)").open`))
	})

	run("keyboard", func() {
		b.tab()
		assert.Equal(b.t, b.text(`document.activeElement.textContent`), "Skip to the cases")
		b.enter()
		assert.Equal(b.t, b.text(`location.hash`), "#cases")
		b.tab()
		assert.Equal(b.t, b.text(`document.activeElement.name`), "words", "the first that can be used behind it")
		b.call("Input.insertText", map[string]any{"text": "environ"}, nil)
		assert.Equal(b.t, b.number(visible), 1)
		b.enter() // sends nothing, and goes nowhere
		assert.Equal(b.t, b.number(visible), 1)
		for range 20 {
			b.tab()
			if b.holds(`document.activeElement.matches("details.case > summary")`) {
				break
			}
		}
		assert.Assert(b.t, b.holds(`document.activeElement.matches("details.case > summary")`), "the case is reached by Tab")
		assert.Assert(b.t, b.holds(`getComputedStyle(document.activeElement).outlineStyle !== "none"`), "what has the focus is to be seen")
		b.enter()
		assert.Assert(b.t, b.holds(`document.activeElement.parentElement.open`))
	})

	run("screen reader", func() {
		var tree struct {
			Nodes []struct {
				Ignored    bool
				Role, Name struct{ Value any }
			}
		}
		b.call("Accessibility.getFullAXTree", nil, &tree)
		roles := map[string]int{}
		for _, n := range tree.Nodes {
			role, _ := n.Role.Value.(string)
			name, _ := n.Name.Value.(string)
			if n.Ignored {
				continue
			}
			roles[role]++
			if slices.Contains([]string{"button", "link", "searchbox", "combobox", "table", "heading", "region", "image", "navigation", "search", "DisclosureTriangle"}, role) {
				assert.Assert(b.t, strings.TrimSpace(name) != "", "a %s has no name", role)
			}
		}
		for _, role := range []string{"main", "banner", "contentinfo", "navigation", "search", "searchbox", "table", "columnheader", "rowheader", "heading", "image", "status"} {
			assert.Assert(b.t, roles[role] > 0, "nothing is a %s: %v", role, roles)
		}
	})

	run("without JavaScript", func() {
		b.call("Emulation.setScriptExecutionDisabled", map[string]any{"value": true}, nil)
		defer b.call("Emulation.setScriptExecutionDisabled", map[string]any{"value": false}, nil)
		b.open("about:blank")
		b.open(fragment(file, "case-pid1-is-the-sandbox"))
		assert.Equal(b.t, b.number(visible), 5)
		assert.Assert(b.t, b.holds(`getComputedStyle(document.getElementById("filter")).display === "none"`), "filters that would do nothing are not shown")
		assert.Assert(b.t, b.holds(`document.querySelector("details.case:has(#case-pid1-is-the-sandbox)").open`), "a link opens the case that it leads to")
		b.shoot(shots, "no-javascript")
	})

	run("looks", func() {
		back := `getComputedStyle(document.body).backgroundColor`
		light := b.text(back)
		b.shoot(shots, "light")
		b.fits()
		b.scheme("screen", "dark")
		assert.Assert(b.t, b.text(back) != light, "the dark has another background than the light: %s", light)
		b.shoot(shots, "dark")
		for _, place := range []string{"matrix", "permissions", "case-signals-hup"} {
			b.eval(`document.getElementById("`+place+`").scrollIntoView()`, nil)
			b.shoot(shots, "dark-"+place)
			b.scheme("screen", "light")
			b.shoot(shots, "light-"+place)
			b.scheme("screen", "dark")
		}
		b.scheme("screen", "light")
		b.size(1400, 1000)
		// Two pods stand beside each other where there is room, and below each other where not.
		beside := `(() => { const p = document.querySelectorAll(".pods .pod"); return p[0].getBoundingClientRect().top === p[1].getBoundingClientRect().top; })()`
		assert.Assert(b.t, b.holds(beside), "the control's pod stands beside the fixture's")
		b.size(360, 800)
		b.fits()
		assert.Assert(b.t, !b.holds(beside))
		b.eval(`document.getElementById("case-signals-hup").scrollIntoView()`, nil)
		b.shoot(shots, "narrow")
	})

	run("print", func() {
		b.scheme("print", "dark")
		assert.Equal(b.t, b.text(`getComputedStyle(document.body).backgroundColor`), "rgb(255, 255, 255)", "paper is white")
		assert.Equal(b.t, b.text(`getComputedStyle(document.getElementById("filter")).display`), "none")
		b.shoot(shots, "print")
		var printed struct{ Data string }
		b.call("Page.printToPDF", map[string]any{"printBackground": true, "landscape": true}, &printed)
		pdf, err := base64.StdEncoding.DecodeString(printed.Data)
		assert.NilError(b.t, err)
		assert.Assert(b.t, strings.HasPrefix(string(pdf), "%PDF-"))
		if shots != "" {
			b.keep(shots, "print.pdf", printed.Data)
		}
	})
}

// TestRealInBrowser loads the pages of real reports, and keeps pictures of them.
func TestRealInBrowser(t *testing.T) {
	skip.If(t, chromium == "" || reports == "", "PROCNS_CHROMIUM or PROCNS_REPORTS is not set: make report-e2e REPORTS=a/report.json:b/report.json")
	for i, file := range strings.Split(reports, ":") {
		t.Run(file, func(t *testing.T) {
			from, err := os.Open(file)
			assert.NilError(t, err)
			defer func() { _ = from.Close() }()
			d, err := report.ReadJSON(from)
			assert.NilError(t, err)
			b := startBrowser(t, chromium)
			b.size(1400, 1000)
			b.scheme("screen", "light")
			b.open(fragment(pageOf(t, d), ""))
			cases := map[string]bool{}
			for _, r := range d.Results {
				cases[r.ID] = true
			}
			assert.Equal(t, b.number(visible), len(cases))
			b.fits()
			name := "real-" + string(rune('a'+i%26))
			b.shoot(shots, name)
			for _, place := range []string{"failed", "matrix", "changes", "permissions", "cluster", "aside", "cases"} {
				if b.holds(`document.getElementById("` + place + `")`) {
					b.eval(`document.getElementById("`+place+`").scrollIntoView()`, nil)
					b.shoot(shots, name+"-"+place)
				}
			}
			b.quiet()
		})
	}
}
