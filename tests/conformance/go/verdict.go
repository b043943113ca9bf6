package main

// verdict: the words in which a scenario says what happened; ../verdict.h has the table.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
)

func text(v any) string {
	switch v := v.(type) {
	case nil:
		return "nil"
	case error:
		return textOfError(v)
	case string:
		return v
	}
	return fmt.Sprint(v)
}

func textOfError(err error) string {
	var number syscall.Errno
	var dns *net.DNSError
	var address *net.AddrError
	var network net.UnknownNetworkError
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return "timeout"
	case errors.Is(err, context.Canceled):
		return "cancelled"
	case errors.Is(err, io.EOF):
		return "eof"
	case errors.Is(err, net.ErrClosed), errors.Is(err, os.ErrClosed), errors.Is(err, io.ErrClosedPipe):
		return "closed"
	case errors.As(err, &number):
		return number.Error()
	case errors.As(err, &dns) && dns.IsNotFound:
		return "no such host"
	case errors.As(err, &dns) && strings.Contains(dns.Err, "unknown port"), errors.As(err, &address):
		return "bad address"
	case errors.As(err, &network):
		return "unknown network"
	}
	return err.Error()
}

// say: a line of the verdict.
func say(parts ...any) {
	texts := make([]string, len(parts))
	for i, part := range parts {
		texts[i] = text(part)
	}
	fmt.Println(strings.Join(texts, " "))
}

// ok: "ok", or what went wrong.
func ok(err error) string {
	if err == nil {
		return "ok"
	}
	return text(err)
}

// or: the value, or what went wrong.
func or(v any, err error) string {
	if err != nil {
		return text(err)
	}
	return text(v)
}

// attempt: "returned" when f does, else the panic it ends with.
func attempt(f func()) (end string) {
	end = "returned"
	defer func() {
		if r := recover(); r != nil {
			if err, is := r.(error); is {
				end = "panic: " + err.Error()
			} else {
				end = fmt.Sprint("panic: ", r)
			}
		}
	}()
	f()
	return
}

// operation: what was tried and how it failed, without the addresses.
func operation(v any, err error) string {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Op + " " + op.Net + ": " + text(err)
	}
	return or(v, err)
}

// received: what came over a channel.
func received[T any](v T, open bool) string {
	if !open {
		return "closed"
	}
	return text(v)
}

func recv[T any](c <-chan T) string {
	v, open := <-c
	return received(v, open)
}

func tryRecv[T any](c <-chan T) string {
	select {
	case v, open := <-c:
		return received(v, open)
	default:
		return "would block"
	}
}

func trySend[T any](c chan<- T, v T) bool {
	select {
	case c <- v:
		return true
	default:
		return false
	}
}
