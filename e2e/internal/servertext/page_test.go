package servertext

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestWithoutPage(t *testing.T) {
	const proxy = ", which no API server sends: is there a proxy on the way?"
	for name, row := range map[string]struct{ text, want string }{
		"no page":         {"unable to upgrade connection: container not found", "unable to upgrade connection: container not found"},
		"angle brackets":  {"expected <string>, got <nil>", "expected <string>, got <nil>"},
		"nginx's":         {"unable to upgrade connection: <html>\r\n<head><title>403 Forbidden</title></head>\r\n<body>\r\n<hr></body>\r\n</html>\r\n", "unable to upgrade connection: a page of HTML titled “403 Forbidden”" + proxy + "\r\n"},
		"with a doctype":  {"<!DOCTYPE html><html lang=en><title>\n  Sign in\n</title><script>a<b</script></html>", "a page of HTML titled “Sign in”" + proxy},
		"quoted":          {`an error on the server ("<HTML><TITLE>502 Bad Gateway</TITLE></HTML>") has prevented the request from succeeding`, `an error on the server ("a page of HTML titled “502 Bad Gateway”` + proxy + `") has prevented the request from succeeding`},
		"cut":             {"<html><head><title>Atten", "a page of HTML titled “Atten”" + proxy},
		"without a title": {"<html><body>no</body></html>", "a page of HTML without a title" + proxy},
		"an empty title":  {"<html><title> </title>", "a page of HTML without a title" + proxy},
		"a long title":    {"<html><title>" + strings.Repeat("x", 500) + "</title>", "a page of HTML titled “" + strings.Repeat("x", 120) + "…”" + proxy},
	} {
		t.Run(name, func(t *testing.T) {
			if got := WithoutPage(row.text); got != row.want {
				t.Errorf("%q, expected %q", got, row.want)
			}
		})
	}
}

// FuzzWithoutPage: whatever is answered, what is left of a page is short and legible, and what is none stays.
func FuzzWithoutPage(f *testing.F) {
	f.Add("a ", "<html><title>b</title></html>", " c")
	f.Add("", "<!doctype html><title>\xff\n", "")
	f.Fuzz(func(t *testing.T, before, page, after string) {
		text := before + page + after
		got := WithoutPage(text)
		if !pageBegins.MatchString(text) {
			if got != text {
				t.Errorf("%q became %q", text, got)
			}
			return
		}
		if utf8.ValidString(text) && !utf8.ValidString(got) {
			t.Errorf("%q became illegible: %q", text, got)
		}
		if len(got) > len(text)+600 {
			t.Errorf("%q grew to %q", text, got)
		}
	})
}
