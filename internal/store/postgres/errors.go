package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"feedmill/internal/store"
)

// faults are the server's codes whose cure somebody else than this program has
// (PostgreSQL, appendix A).
var faults = map[string]store.Fault{
	"3D000": store.NoDatabase,
	"28000": store.Denied, "28P01": store.Denied,
	"42501": store.Forbidden,
	"25006": store.Standby,
	"57P03": store.Starting,
	"53300": store.TooMany,
	"53100": store.DiskFull,
	"25P03": store.Lost, // idle_in_transaction_session_timeout
	"57P01": store.Lost, "57P02": store.Lost, "57P05": store.Lost, "08000": store.Lost, "08003": store.Lost, "08006": store.Lost,
}

// fault gives an error of the server, or of the way to it, the type that callers
// decide by, and others back as they are.
func fault(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	if _, done := errors.AsType[*store.ServerError](err); done {
		return err
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		if f, ok := faults[pg.Code]; ok {
			return &store.ServerError{Fault: f, Err: err, Text: "the server says: " + pg.Message}
		}
		return err
	}
	if c, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		f, why := reason(c)
		return &store.ServerError{Fault: f, Err: err, Text: fmt.Sprintf("%s cannot be reached: %s", nameOf(c.Config), why)}
	}
	if _, ok := errors.AsType[net.Error](err); ok || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, pgconn.ErrConnClosed) {
		return &store.ServerError{Fault: store.Lost, Err: err, Text: "the connection to the server was lost: " + oneLine(err)}
	}
	return err
}

// reason says why nobody could be reached, without what is said already. What is
// wrong where TLS is wanted, and is wrong neither with the network nor with the
// server's answer, is wrong with TLS.
func reason(c *pgconn.ConnectError) (store.Fault, string) {
	if op, ok := errors.AsType[*net.OpError](c); ok {
		return store.Unreachable, op.Err.Error()
	}
	if dns, ok := errors.AsType[*net.DNSError](c); ok {
		return store.Unreachable, dns.Error()
	}
	plain := func(f *pgconn.FallbackConfig) bool { return f.TLSConfig == nil }
	if c.Config.TLSConfig != nil && !slices.ContainsFunc(c.Config.Fallbacks, plain) && !errors.Is(c, io.ErrUnexpectedEOF) {
		return store.Untrusted, oneLine(errors.Unwrap(c))
	}
	return store.Unreachable, oneLine(errors.Unwrap(c))
}

// badAddress says why a connection string cannot be read, without the string, which
// may have a password.
func badAddress(err error) error {
	text := err.Error()
	if _, why, ok := strings.Cut(text, "`: "); ok {
		text = why
	}
	return &store.ServerError{Fault: store.BadAddress, Err: errors.Unwrap(err), Text: "the server's address: " + text}
}

// oneLine returns what an error says: of several addresses that were tried the
// driver says it on a line each.
func oneLine(err error) string {
	return strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\t' }), "; ")
}
