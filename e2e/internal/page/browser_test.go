package page

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gotest.tools/v3/assert"
)

// browser is a headless Chromium that is spoken to through two pipes, in the DevTools
// protocol: messages of JSON, each ended by a NUL byte. Nothing listens on a port.
type browser struct {
	t       *testing.T
	to      *os.File
	from    *bufio.Reader
	last    int
	session string
	// said is what the page said: on the console, as an exception, of its policy. asked is
	// what it asked the network for.
	said, asked []string
	loaded      int
}

type message struct {
	ID     int             `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  *struct{ Message string }
}

// startBrowser starts the program, with a profile of its own, and ends it with the test.
func startBrowser(t *testing.T, program string) *browser {
	t.Helper()
	theirIn, ourOut, err := os.Pipe()
	assert.NilError(t, err)
	ourIn, theirOut, err := os.Pipe()
	assert.NilError(t, err)
	command := exec.Command(program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions", "--force-device-scale-factor=1",
		"--user-data-dir="+t.TempDir(), "--remote-debugging-pipe")
	command.ExtraFiles = []*os.File{theirIn, theirOut} // descriptors 3 and 4
	var log strings.Builder
	command.Stderr = &log
	assert.NilError(t, command.Start())
	_, _ = theirIn.Close(), theirOut.Close()
	const patience = 10 * time.Minute // for all that is asked of it, on a busy machine
	assert.NilError(t, ourIn.SetReadDeadline(time.Now().Add(patience)))
	b := &browser{t: t, to: ourOut, from: bufio.NewReaderSize(ourIn, 1<<20)}
	t.Cleanup(func() {
		_ = json.NewEncoder(ourOut).Encode(struct{}{})
		_, _ = ourOut.Close(), ourIn.Close() // which ends it
		ended := make(chan error, 1)
		go func() { ended <- command.Wait() }()
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			_ = command.Process.Kill()
			<-ended
		}
		if t.Failed() {
			t.Logf("%s said:\n%s", program, log.String())
		}
	})
	var made struct{ TargetID string }
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &made)
	var attached struct{ SessionID string }
	b.call("Target.attachToTarget", map[string]any{"targetId": made.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log", "Network", "Accessibility"} {
		b.call(domain+".enable", nil, nil)
	}
	return b
}

// call asks the browser for something, and waits for the answer.
func (b *browser) call(method string, params map[string]any, into any) {
	b.t.Helper()
	b.last++
	request := map[string]any{"id": b.last, "method": method}
	if params != nil {
		request["params"] = params
	}
	if b.session != "" {
		request["sessionId"] = b.session
	}
	text, err := json.Marshal(request)
	assert.NilError(b.t, err)
	_, err = b.to.Write(append(text, 0))
	assert.NilError(b.t, err)
	for {
		m := b.receive()
		if m.ID != b.last {
			continue
		}
		assert.Assert(b.t, m.Error == nil, "%s: %v", method, m.Error)
		if into != nil {
			assert.NilError(b.t, json.Unmarshal(m.Result, into), method)
		}
		return
	}
}

// receive reads one message, and notes what it says of the page.
func (b *browser) receive() message {
	b.t.Helper()
	text, err := b.from.ReadBytes(0)
	if errors.Is(err, io.EOF) {
		b.t.Fatal("the browser has ended")
	}
	assert.NilError(b.t, err)
	var m message
	assert.NilError(b.t, json.Unmarshal(text[:len(text)-1], &m))
	switch m.Method {
	case "Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded", "Page.javascriptDialogOpening":
		b.said = append(b.said, m.Method+": "+string(m.Params))
	case "Network.requestWillBeSent":
		var sent struct{ Request struct{ URL string } }
		assert.NilError(b.t, json.Unmarshal(m.Params, &sent))
		b.asked = append(b.asked, sent.Request.URL)
	case "Page.loadEventFired":
		b.loaded++
	}
	return m
}

// open loads a page and waits until it is there.
func (b *browser) open(url string) {
	b.t.Helper()
	loaded := b.loaded
	b.call("Page.navigate", map[string]any{"url": url}, nil)
	for b.loaded == loaded {
		b.receive()
	}
}

// eval is what an expression gives in the page.
func (b *browser) eval(expression string, into any) {
	b.t.Helper()
	var answer struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails json.RawMessage
	}
	b.call("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true, "awaitPromise": true}, &answer)
	assert.Assert(b.t, answer.ExceptionDetails == nil, "%s: %s", expression, answer.ExceptionDetails)
	if into != nil {
		assert.NilError(b.t, json.Unmarshal(answer.Result.Value, into), expression)
	}
}

func (b *browser) text(expression string) (text string) {
	b.t.Helper()
	b.eval(expression, &text)
	return text
}

func (b *browser) number(expression string) (n int) {
	b.t.Helper()
	b.eval(expression, &n)
	return n
}

func (b *browser) holds(expression string) (holds bool) {
	b.t.Helper()
	b.eval("!!("+expression+")", &holds)
	return holds
}

// press presses a key, as a user does.
func (b *browser) press(key string, code int, text string) {
	b.t.Helper()
	params := map[string]any{"type": "keyDown", "key": key, "code": key, "windowsVirtualKeyCode": code}
	if text != "" {
		params["text"] = text
	}
	b.call("Input.dispatchKeyEvent", params, nil)
	b.call("Input.dispatchKeyEvent", map[string]any{"type": "keyUp", "key": key, "code": key, "windowsVirtualKeyCode": code}, nil)
}

func (b *browser) tab()   { b.t.Helper(); b.press("Tab", 9, "") }
func (b *browser) enter() { b.t.Helper(); b.press("Enter", 13, "\r") }

// size is how wide and high the window is.
func (b *browser) size(wide, high int) {
	b.t.Helper()
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": wide, "height": high, "deviceScaleFactor": 1, "mobile": false}, nil)
}

// scheme is what the user has chosen, light or dark, for a screen or for print.
func (b *browser) scheme(media, scheme string) {
	b.t.Helper()
	b.call("Emulation.setEmulatedMedia", map[string]any{"media": media, "features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
}

// shoot keeps a picture of the window in the folder, if there is one.
func (b *browser) shoot(folder, name string) {
	b.t.Helper()
	if folder == "" {
		return
	}
	var shot struct{ Data string }
	b.call("Page.captureScreenshot", map[string]any{"format": "png"}, &shot)
	b.keep(folder, name+".png", shot.Data)
}

func (b *browser) keep(folder, name, encoded string) {
	b.t.Helper()
	picture, err := base64.StdEncoding.DecodeString(encoded)
	assert.NilError(b.t, err)
	assert.NilError(b.t, os.WriteFile(filepath.Join(folder, name), picture, 0o644))
}

// quiet demands that the page has said nothing, and has asked for nothing but itself.
func (b *browser) quiet() {
	b.t.Helper()
	assert.Equal(b.t, strings.Join(b.said, "\n"), "")
	for _, url := range b.asked {
		assert.Assert(b.t, strings.HasPrefix(url, "file:///") && strings.HasSuffix(strings.SplitN(url, "#", 2)[0], ".html") || url == "data:,", url)
	}
}

// fits demands that nobody has to scroll sideways, and says else for what.
func (b *browser) fits() {
	b.t.Helper()
	wider := b.text(`document.documentElement.scrollWidth <= innerWidth ? "" : Array.from(document.querySelectorAll("body *"))
		.filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth && !e.parentElement.closest(".scroll, .pod"))
		.map(e => e.tagName + "." + e.className + " " + e.getBoundingClientRect().right).slice(0, 8).join("; ") || "something"`)
	assert.Equal(b.t, wider, "", "these are wider than the window")
}

// fragment is the address of a place in a file.
func fragment(file, place string) string { return fmt.Sprintf("file://%s#%s", file, place) }
