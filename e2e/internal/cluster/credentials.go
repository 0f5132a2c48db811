package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// patience is how long what comes before the first answer is waited for.
type patience struct{ said, plugin, answer time.Duration }

const (
	patienceUntilSaid = 3 * time.Second // until it is said what is waited for
	patienceForLogin  = 5 * time.Minute // a login in a browser
	patienceForAnswer = 10 * time.Second
)

// Reach sends the first request. The credential plugin of the kubeconfig, if it has
// one, is waited for as long as a person needs for a login, and say is told so; the
// server has ten seconds to answer. Its error is one that a user can act on, and quotes what
// the plugin said, where the client was made with plugins.
func Reach(ctx context.Context, client kubernetes.Interface, config *rest.Config, plugins *Plugins, say func(format string, args ...any)) (Server, error) {
	return reach(ctx, client, config, plugins, say, patience{patienceUntilSaid, patienceForLogin, patienceForAnswer})
}

func reach(ctx context.Context, client kubernetes.Interface, config *rest.Config, plugins *Plugins, say func(format string, args ...any), patience patience) (Server, error) {
	plugins.forget()
	asking, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	// Credentials come before the connection.
	var once sync.Once
	had := make(chan struct{})
	traced := httptrace.WithClientTrace(asking, &httptrace.ClientTrace{GetConn: func(string) { once.Do(func() { close(had) }) }})
	type answer struct {
		server Server
		err    error
	}
	answers := make(chan answer, 1)
	go func() {
		server, err := Identify(traced, client)
		answers <- answer{server, err}
	}()
	fails := func(err error) (Server, error) { return Server{}, Unreached(config, plugins, err) }
	late := time.After(patience.answer)
	var slow, never <-chan time.Time
	var credentials <-chan struct{}
	if config.ExecProvider != nil {
		late, slow, never, credentials = nil, time.After(patience.said), time.After(patience.plugin), had
	}
	for {
		select {
		case a := <-answers:
			if a.err != nil {
				return fails(a.err)
			}
			return a.server, nil
		case <-credentials:
			credentials, slow, never = nil, nil, nil
			late = time.After(patience.answer)
		case <-slow:
			say("==> waiting for the credential plugin %s; it may want you to log in somewhere. At most %s", describePlugin(config.ExecProvider), patience.plugin)
		case <-never:
			// The plugin itself cannot be stopped: client-go runs it.
			return fails(fmt.Errorf("the credential plugin %s did not end within %s", describePlugin(config.ExecProvider), patience.plugin))
		case <-late:
			return fails(fmt.Errorf("no answer within %s", patience.answer))
		case <-ctx.Done():
			return fails(context.Cause(ctx))
		}
	}
}

// describePlugin names a plugin and what it is called with, in one short line.
func describePlugin(plugin *clientcmdapi.ExecConfig) string {
	name := filepath.Base(plugin.Command)
	if len(plugin.Args) == 0 {
		return name
	}
	const most = 80
	arguments := strings.Join(plugin.Args, " ")
	if len(arguments) > most {
		arguments = strings.ToValidUTF8(arguments[:most], "") + "…"
	}
	return fmt.Sprintf("%s (%s)", name, arguments)
}

// noCredentials says why a credential plugin gave none: client-go's words, and the
// plugin's last ones.
func noCredentials(config *rest.Config, plugins *Plugins, err error) error {
	_, why, _ := strings.Cut(err.Error(), "getting credentials: ")
	why, _, _ = strings.Cut(why, "\n") // client-go's general advice follows
	if config.ExecProvider == nil {
		return fmt.Errorf("there are no credentials for the API server %s: %w", config.Host, err)
	}
	said := ""
	if last := plugins.lastWords(); last != "" {
		said = ": " + last
	}
	if hint := oneLine(config.ExecProvider.InstallHint); hint != "" && (strings.Contains(why, "not found") || strings.Contains(why, "no such file")) {
		said += ": " + hint
	}
	return &credentialsError{fmt.Sprintf("there are no credentials for the API server %s: the credential plugin %s failed: %s%s",
		config.Host, describePlugin(config.ExecProvider), why, said), err}
}

type credentialsError struct {
	text  string
	cause error
}

func (e *credentialsError) Error() string { return e.text }
func (e *credentialsError) Unwrap() error { return e.cause }

// Plugins is the standard error of credential plugins: it passes on what they write, and
// remembers the end of it. Its zero value passes it on to the process's own.
type Plugins struct {
	once   sync.Once
	writer *os.File
	mu     sync.Mutex
	shown  io.Writer // where it is passed on to; nil: standard error
	last   []byte
	seen   chan struct{} // told when a mark has come through
}

// mark is written by Plugins itself, to learn that what came before has been read.
const mark = 0

// with runs do while the process's own standard error is this one: client-go gives a
// plugin what that is when the client is made.
func (p *Plugins) with(do func()) {
	p.once.Do(func() {
		reader, writer, err := os.Pipe()
		if err != nil {
			return // the plugin writes to the terminal itself
		}
		p.writer, p.seen = writer, make(chan struct{}, 1)
		go p.pass(reader, os.Stderr)
	})
	if p.writer != nil {
		terminal := os.Stderr
		os.Stderr = p.writer
		defer func() { os.Stderr = terminal }()
	}
	do()
}

func (p *Plugins) pass(from io.Reader, to io.Writer) {
	const kept = 4096
	buffer := make([]byte, kept)
	for {
		n, err := from.Read(buffer)
		text := bytes.ReplaceAll(buffer[:n], []byte{mark}, nil)
		p.mu.Lock()
		shown := p.shown
		p.mu.Unlock()
		if shown == nil {
			shown = to
		}
		_, _ = shown.Write(text)
		p.mu.Lock()
		p.last = append(p.last, text...)
		p.last = p.last[max(0, len(p.last)-kept):]
		p.mu.Unlock()
		if len(text) < n {
			select {
			case p.seen <- struct{}{}:
			default:
			}
		}
		if err != nil {
			return
		}
	}
}

// Show says where their standard error is shown; nil: on the process's own.
func (p *Plugins) Show(on io.Writer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shown = on
}

// forget drops what plugins have said so far.
func (p *Plugins) forget() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = nil
}

// lastWords is the end of what plugins have said so far, in one line.
func (p *Plugins) lastWords() string {
	if p == nil || p.writer == nil {
		return ""
	}
	if _, err := p.writer.Write([]byte{mark}); err == nil {
		select {
		case <-p.seen:
		case <-time.After(time.Second): // nobody reads any more
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	const most = 300
	text := []rune(oneLine(strings.ToValidUTF8(string(p.last), "")))
	return string(text[max(0, len(text)-most):])
}

// gettingCredentials tells that a request failed before it was sent, for want of
// credentials.
func gettingCredentials(err error) bool {
	var already *credentialsError
	return errors.As(err, &already) || strings.Contains(err.Error(), "getting credentials: ")
}
