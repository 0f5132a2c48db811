// Command registry runs a registry with images of an OCI layout, to see what becomes of a run
// that pulls them:
//
//	registry -host 10.89.0.1 -layout FOLDER -push NAME=REPOSITORY:TAG [-user NAME:PASSWORD] BEHAVIOUR ...
//
// There is one store, into which the images are pushed, and an address for each behaviour:
//
//	open             answers everybody
//	password         answers who knows -user, and asks the others for it
//	status=403       answers every request with that status
//	throttle=45s     answers 429 for so long, from the first request on, and then as open does
//	stall            takes each request, and never answers
//
// On standard output it says, a line each with tabs between, of what it pushed "image",
// REPOSITORY:TAG and the digest, and of what it listens on "at", the behaviour and the address.
// It serves until it is asked to end.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
)

// asked is the command line.
type asked struct {
	Host, Layout string
	Pushes       []push
	Behaviours   []behaviour
}

func parse(arguments []string) (asked, error) {
	var a asked
	var who login
	flags := flag.NewFlagSet("registry", flag.ContinueOnError)
	flags.StringVar(&a.Host, "host", "127.0.0.1", "the `address` of this machine to listen on")
	flags.StringVar(&a.Layout, "layout", "", "the `folder` of an OCI layout")
	flags.Func("user", "who may pull where a password is asked for, `NAME:PASSWORD`", who.set)
	flags.Func("push", "an image of the layout by its name there, and where it goes to, `NAME=REPOSITORY:TAG` (repeatable)", func(text string) error {
		p, err := parsePush(text)
		a.Pushes = append(a.Pushes, p)
		return err
	})
	if err := flags.Parse(arguments); err != nil {
		return a, err
	}
	for _, text := range flags.Args() {
		b, err := parseBehaviour(text, who)
		if err != nil {
			return a, err
		}
		a.Behaviours = append(a.Behaviours, b)
	}
	switch {
	case len(a.Behaviours) == 0:
		return a, errors.New("name a behaviour: open, password, status=403, throttle=45s or stall")
	case len(a.Pushes) > 0 && a.Layout == "":
		return a, errors.New("-push needs -layout")
	}
	return a, nil
}

// run serves until ctx is done.
func run(ctx context.Context, a asked, tell, logs io.Writer) error {
	store := registry.New(registry.Logger(log.New(logs, "", log.LstdFlags)))
	if len(a.Pushes) > 0 {
		if err := fill(store, a, tell); err != nil {
			return err
		}
	}
	failed := make(chan error, len(a.Behaviours))
	for _, b := range a.Behaviours {
		address, stop, err := serve(b.on(store, time.Now), a.Host, failed)
		if err != nil {
			return err
		}
		defer stop()
		if _, err := fmt.Fprintf(tell, "at\t%s\t%s\n", b.Name, address); err != nil {
			return err
		}
	}
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return nil
	}
}

// serve listens on a free port, and returns its address, and how to end it: requests that are
// under way are cut off.
func serve(handler http.Handler, host string, failed chan<- error) (address string, stop func(), err error) {
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			failed <- err
		}
	}()
	return listener.Addr().String(), func() { _ = server.Close() }, nil
}

func main() {
	a, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(0)
	}
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		err = run(ctx, a, os.Stdout, os.Stderr)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "registry: %s\n", strings.Join(strings.Fields(err.Error()), " "))
		os.Exit(3)
	}
}
