// Package hooks hands new items to a program or to a URL. It refuses to remember
// anything: who has had what is its caller's to keep, which it must move on only
// when a hook has returned nil, so that each item is given at least once.
package hooks

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

// Exec runs a command line in the system's shell and gives it input on its
// standard input; what it prints goes to stdout and stderr. It returns when the
// program has ended: nil when that was with status 0, whether it read all or not.
// The end of ctx ends it.
func Exec(ctx context.Context, command string, input io.Reader, stdout, stderr io.Writer) error {
	shell, flag := "sh", "-c"
	if runtime.GOOS == "windows" {
		shell, flag = "cmd", "/C"
	}
	cmd := exec.CommandContext(ctx, shell, flag, command)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = input, stdout, stderr
	cmd.WaitDelay = 5 * time.Second // for children of it that keep its output open
	if err := cmd.Run(); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return fmt.Errorf("run %s: %w", command, err)
	}
	return nil
}

// signatureHeader has the HMAC-SHA256 of a post's body with the key, in
// hexadecimal after "sha256=", as GitHub's webhooks have it.
const signatureHeader = "X-Feedmill-Signature"

// A Post sends to a URL.
type Post struct {
	URL    string
	Key    string        // signs what is sent; empty for no signature
	Agent  string        // User-Agent
	Client *http.Client  // nil means one that waits at most 30 s
	Pause  time.Duration // before the second try, doubled each time; 0 means a second
}

// tries is how often a post is sent at most.
const tries = 4

// Send posts body as JSON. It tries again when the server cannot be reached or
// answers 429 or 5xx, later where Retry-After says so, and returns nil when it has
// answered 2xx. Redirects are not followed: they would lose the body.
func (p *Post) Send(ctx context.Context, body []byte) error {
	client := p.Client
	if client == nil {
		client = &http.Client{Timeout: 30 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	pause := cmp.Or(p.Pause, time.Second)
	for try := 1; ; try++ {
		wait, err := p.once(ctx, client, body)
		if err == nil {
			return nil
		}
		if _, final := errors.AsType[*refusedError](err); final || try == tries || ctx.Err() != nil {
			return fmt.Errorf("post to %s: %w", p.URL, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("post to %s: %w", p.URL, context.Cause(ctx))
		case <-time.After(max(pause, min(wait, time.Minute))):
			pause *= 2
		}
	}
}

// A refusedError is an answer after which trying again is of no use.
type refusedError struct{ status string }

func (e *refusedError) Error() string { return "answered " + e.status }

// once posts once. wait is how long the server wants not to be asked.
func (p *Post) once(ctx context.Context, client *http.Client, body []byte) (wait time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL, bytes.NewReader(body))
	if err != nil {
		return 0, &refusedError{err.Error()}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", p.Agent)
	if p.Key != "" {
		mac := hmac.New(sha256.New, []byte(p.Key))
		mac.Write(body)
		req.Header.Set(signatureHeader, "sha256="+hex.EncodeToString(mac.Sum(nil)))
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, inWords(err)
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20)) // so that the connection serves again
	switch code := resp.StatusCode; {
	case code/100 == 2:
		return 0, nil
	case code == http.StatusTooManyRequests || code/100 == 5:
		seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After")) // a date or nothing counts as 0
		return time.Duration(seconds) * time.Second, errors.New("answered " + strconv.Itoa(code))
	default:
		return 0, &refusedError{strconv.Itoa(code)}
	}
}

// inWords says why there was no answer, without the calls of Go that found it out.
func inWords(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	if whole, ok := errors.AsType[*url.Error](err); ok && whole.Timeout() {
		return errors.New("no answer in time")
	}
	if name, ok := errors.AsType[*net.DNSError](err); ok {
		return errors.New("no address of " + name.Name)
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return errors.New("its certificate is not trusted")
	}
	if system, ok := errors.AsType[syscall.Errno](err); ok {
		return system // connection refused, and its like
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("it closed the connection and did not answer")
	}
	return err
}
