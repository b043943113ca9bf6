package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

var past = time.Now().Add(-time.Second)

var noDeadline time.Time

// socketPath: of a Unix socket that only this process uses.
func socketPath() string { return fmt.Sprintf("/tmp/weft-conformance-go-%d", os.Getpid()) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func listen(network string) net.Listener {
	if network == "unix" {
		return must(net.Listen(network, socketPath()))
	}
	return must(net.Listen(network, "127.0.0.1:0"))
}

func dial(l net.Listener) net.Conn {
	return must(net.Dial(l.Addr().Network(), l.Addr().String()))
}

// pair: both ends of a connection.
func pair(network string) (near, far net.Conn) {
	l := listen(network)
	defer l.Close()
	near = dial(l)
	return near, must(l.Accept())
}

// read: what comes, up to 100 bytes, or why nothing does.
func read(c net.Conn) string {
	buffer := make([]byte, 100)
	n, err := c.Read(buffer)
	return operation(string(buffer[:n]), err)
}

func count(n int, err error) string { return or(n, err) }

func write(c net.Conn, s string) string { return or(c.Write([]byte(s))) }

func writeFails(c net.Conn, s string) string { return operation(c.Write([]byte(s))) }

func closed(c interface{ Close() error }) string { return operation("ok", c.Close()) }

var large = strings.Repeat("x", 16<<20)

func drain(c net.Conn) int {
	buffer, total := make([]byte, 1<<16), 0
	for {
		n, err := c.Read(buffer)
		if err != nil {
			return total
		}
		total += n
	}
}

// --- reading and writing

var _ = scenario("net_read_waits_for_bytes", func() {
	near, far := pair("tcp")
	reader := start(func() { say(read(far)) })
	say(reader.blocks())
	write(near, "hello")
	reader.join()
})

var _ = scenario("net_read_takes_what_is_there", func() {
	near, far := pair("tcp")
	write(near, "hello")
	say(count(far.Read(make([]byte, 3))), read(far))
})

var _ = scenario("net_read_into_nothing", func() {
	_, far := pair("tcp")
	say(count(far.Read(nil)))
})

var _ = scenario("net_write_of_nothing", func() {
	near, _ := pair("tcp")
	say(write(near, ""))
})

var _ = scenario("net_write_waits_until_all_is_taken", func() {
	near, far := pair("tcp")
	writer := start(func() {
		say(write(near, large))
		near.Close()
	})
	say(writer.blocks())
	got := drain(far)
	writer.join()
	say(got)
})

var _ = scenario("net_read_and_write_do_not_wait_for_each_other", func() {
	near, far := pair("tcp")
	reader := start(func() { say(read(near)) })
	say(reader.blocks(), write(near, "ping"), read(far))
	write(far, "pong")
	reader.join()
})

var _ = scenario("net_writes_are_not_mixed", func() {
	near, far := pair("tcp")
	var writers sync.WaitGroup
	for _, c := range []string{"a", "b", "c", "d"} {
		writers.Go(func() { write(near, strings.Repeat(c, 1<<20)) })
	}
	go func() {
		writers.Wait()
		near.Close()
	}()
	buffer, changes, total, last := make([]byte, 1<<16), 0, 0, byte(0)
	for {
		n, err := far.Read(buffer)
		if err != nil {
			break
		}
		for _, b := range buffer[:n] {
			if b != last {
				changes++
			}
			last = b
		}
		total += n
	}
	say(changes, total)
})

var _ = scenario("net_many_clients_are_echoed", func() {
	l := listen("tcp")
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				buffer := make([]byte, 64)
				for {
					n, err := c.Read(buffer)
					if err != nil {
						return
					}
					c.Write(buffer[:n])
				}
			}()
		}
	}()
	var right atomic.Int64
	var clients sync.WaitGroup
	for i := range 30 {
		clients.Go(func() {
			c := dial(l)
			write(c, fmt.Sprint(i))
			if read(c) == fmt.Sprint(i) {
				right.Add(1)
			}
		})
	}
	clients.Wait()
	say(right.Load())
})

var _ = scenario("net_addresses_of_both_ends", func() {
	near, far := pair("tcp")
	say(near.LocalAddr().String() == far.RemoteAddr().String(),
		near.RemoteAddr().String() == far.LocalAddr().String())
})

// --- the end of a stream

func endOfStream(network string) {
	near, far := pair(network)
	write(near, "bye")
	near.Close()
	say(read(far))
	buffer := make([]byte, 8)
	say(count(far.Read(buffer)), count(far.Read(buffer)))
}

var _ = scenario("net_tcp_end_of_stream", func() { endOfStream("tcp") })
var _ = scenario("net_unix_end_of_stream", func() { endOfStream("unix") })

type halfCloser interface{ CloseWrite() error }

func halfClose(network string) {
	near, far := pair(network)
	write(near, "question")
	near.(halfCloser).CloseWrite()
	say(read(far))
	say(count(far.Read(make([]byte, 8))), write(far, "answer"))
	say(read(near))
}

var _ = scenario("net_tcp_half_close", func() { halfClose("tcp") })
var _ = scenario("net_unix_half_close", func() { halfClose("unix") })

var _ = scenario("net_write_after_close_write", func() {
	near, _ := pair("tcp")
	near.(halfCloser).CloseWrite()
	say(writeFails(near, "x"))
})

var _ = scenario("net_end_of_stream_wakes_a_reader", func() {
	near, far := pair("tcp")
	reader := start(func() { say(count(far.Read(make([]byte, 8)))) })
	near.Close()
	say(reader.join())
})

var _ = scenario("net_unread_bytes_reset_the_peer", func() {
	near, far := pair("tcp")
	write(near, "never read")
	far.Close()
	say(read(near))
})

// --- closing

func useAfterClose(network string) {
	near, _ := pair(network)
	say(closed(near))
	say(read(near))
	say(writeFails(near, "x"))
	say(closed(near))
	say(operation("ok", near.(halfCloser).CloseWrite()))
}

var _ = scenario("net_tcp_use_after_close", func() { useAfterClose("tcp") })
var _ = scenario("net_unix_use_after_close", func() { useAfterClose("unix") })

func closeEndsARead(network string) {
	near, _ := pair(network)
	reader := start(func() { say(read(near)) })
	say(reader.blocks())
	near.Close()
	say(reader.join())
}

var _ = scenario("net_tcp_close_ends_a_read", func() { closeEndsARead("tcp") })
var _ = scenario("net_unix_close_ends_a_read", func() { closeEndsARead("unix") })

var _ = scenario("net_close_ends_several_reads", func() {
	near, _ := pair("tcp")
	a, b := start(func() { say(read(near)) }), start(func() { say(read(near)) })
	near.Close()
	say(a.join(), b.join())
})

var _ = scenario("net_close_ends_a_write", func() {
	near, _ := pair("tcp")
	writer := start(func() { say(writeFails(near, large)) })
	say(writer.blocks())
	near.Close()
	say(writer.join())
})

func accepted(l net.Listener) string {
	_, err := l.Accept()
	return operation("accepted", err)
}

func closeEndsAccept(network string) {
	l := listen(network)
	acceptor := start(func() { say(accepted(l)) })
	say(acceptor.blocks())
	l.Close()
	say(acceptor.join())
	say(accepted(l))
	say(closed(l))
}

var _ = scenario("net_tcp_close_ends_accept", func() { closeEndsAccept("tcp") })
var _ = scenario("net_unix_close_ends_accept", func() { closeEndsAccept("unix") })

var _ = scenario("net_close_of_a_listener_keeps_what_it_accepted", func() {
	l := listen("tcp")
	near := dial(l)
	far := must(l.Accept())
	l.Close()
	write(near, "hello")
	say(read(far))
})

// --- deadlines

var _ = scenario("net_read_deadline_in_the_past", func() {
	near, _ := pair("tcp")
	near.SetReadDeadline(past)
	say(read(near), read(near))
})

var _ = scenario("net_read_deadline_fails_though_bytes_are_there", func() {
	near, far := pair("tcp")
	write(far, "hello")
	near.SetReadDeadline(past)
	say(read(near))
	near.SetReadDeadline(noDeadline)
	say(read(near))
})

var _ = scenario("net_write_deadline_in_the_past", func() {
	near, _ := pair("tcp")
	near.SetWriteDeadline(past)
	say(writeFails(near, "x"))
})

func deadlineEndsARead(network string) {
	near, _ := pair(network)
	near.SetReadDeadline(time.Now().Add(2 * time.Millisecond))
	say(read(near))
}

var _ = scenario("net_tcp_deadline_ends_a_read", func() { deadlineEndsARead("tcp") })
var _ = scenario("net_unix_deadline_ends_a_read", func() { deadlineEndsARead("unix") })

var _ = scenario("net_deadline_applies_to_a_read_that_waits", func() {
	near, _ := pair("tcp")
	reader := start(func() { say(read(near)) })
	near.SetReadDeadline(past)
	say(reader.join())
})

var _ = scenario("net_deadline_applies_to_a_write_that_waits", func() {
	near, _ := pair("tcp")
	writer := start(func() {
		n, err := near.Write([]byte(large))
		say(operation(n, err), n > 0, n < len(large))
	})
	say(writer.blocks())
	near.SetWriteDeadline(past)
	say(writer.join())
})

var _ = scenario("net_deadline_taken_away", func() {
	near, far := pair("tcp")
	near.SetReadDeadline(time.Now().Add(time.Hour))
	near.SetReadDeadline(noDeadline)
	reader := start(func() { say(read(near)) })
	say(reader.blocks())
	write(far, "hello")
	reader.join()
})

var _ = scenario("net_deadline_moved_while_a_read_waits", func() {
	near, far := pair("tcp")
	near.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	reader := start(func() { say(read(near)) })
	near.SetReadDeadline(time.Now().Add(time.Hour))
	time.Sleep(310 * time.Millisecond)
	say(reader.blocks())
	write(far, "hello")
	reader.join()
})

var _ = scenario("net_deadline_passed_and_set_again", func() {
	near, far := pair("tcp")
	near.SetDeadline(past)
	say(read(near), writeFails(near, "x"))
	near.SetDeadline(time.Now().Add(time.Hour))
	write(far, "hello")
	say(read(near), write(near, "x"))
})

var _ = scenario("net_read_deadline_leaves_writes_alone", func() {
	near, far := pair("tcp")
	near.SetReadDeadline(past)
	say(write(near, "x"), read(far))
})

var _ = scenario("net_write_deadline_leaves_reads_alone", func() {
	near, far := pair("tcp")
	near.SetWriteDeadline(past)
	write(far, "hello")
	say(read(near))
})

func acceptDeadline(network string) {
	l := listen(network)
	defer l.Close()
	set := l.(interface{ SetDeadline(time.Time) error }).SetDeadline
	set(past)
	say(accepted(l))
	set(time.Now().Add(2 * time.Millisecond))
	say(accepted(l))
	set(noDeadline)
	dial(l)
	say(accepted(l))
}

var _ = scenario("net_tcp_accept_deadline", func() { acceptDeadline("tcp") })
var _ = scenario("net_unix_accept_deadline", func() { acceptDeadline("unix") })

// --- opening

func opened(network, address string) string {
	_, err := net.Dial(network, address)
	return operation("opened", err)
}

var _ = scenario("net_dial_before_accept", func() {
	l := listen("tcp")
	a, b := dial(l), dial(l)
	write(a, "a")
	write(b, "b")
	first, second := must(l.Accept()), must(l.Accept())
	say(read(first), read(second))
})

var _ = scenario("net_dial_refused", func() {
	l := listen("tcp")
	l.Close()
	say(opened("tcp", l.Addr().String()))
})

var _ = scenario("net_unix_dial_without_a_file", func() {
	say(opened("unix", "/tmp/weft-conformance-nobody"))
})

// deaf: somewhere to dial and wait: one connection fills its queue.
func deaf() (where string, end func()) {
	fd := must(syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0))
	syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	syscall.Listen(fd, 0)
	bound := must(syscall.Getsockname(fd)).(*syscall.SockaddrInet4)
	where = fmt.Sprintf("127.0.0.1:%d", bound.Port)
	queued := must(net.Dial("tcp", where))
	return where, func() {
		queued.Close()
		syscall.Close(fd)
	}
}

func dialled(d net.Dialer, ctx context.Context, where string) string {
	_, err := d.DialContext(ctx, "tcp", where)
	return operation("opened", err)
}

var _ = scenario("net_dial_timeout", func() {
	where, end := deaf()
	defer end()
	say(dialled(net.Dialer{Timeout: 2 * time.Millisecond}, background, where))
})

var _ = scenario("net_dial_is_cancelled_while_it_waits", func() {
	where, end := deaf()
	defer end()
	ctx, cancel := context.WithCancel(background)
	dialler := start(func() { say(dialled(net.Dialer{}, ctx, where)) })
	say(dialler.blocks())
	cancel()
	say(dialler.join())
})

var _ = scenario("net_dial_deadline_in_the_past", func() {
	where, end := deaf()
	defer end()
	say(dialled(net.Dialer{Deadline: past}, background, where))
})

var _ = scenario("net_dial_is_cancelled_before", func() {
	where, end := deaf()
	defer end()
	ctx, cancel := context.WithCancel(background)
	cancel()
	say(dialled(net.Dialer{}, ctx, where))
})

var _ = scenario("net_dial_address_without_port", func() { say(opened("tcp", "127.0.0.1")) })

var _ = scenario("net_dial_address_with_too_many_colons", func() { say(opened("tcp", "::1:80")) })

var _ = scenario("net_dial_port_out_of_range", func() { say(opened("tcp", "127.0.0.1:70000")) })

var _ = scenario("net_listen_address_without_port", func() {
	_, err := net.Listen("tcp", "127.0.0.1")
	say(operation("listens", err))
})

var _ = scenario("net_dial_unknown_network", func() {
	_, err := net.Dial("carrier pigeon", "127.0.0.1:1")
	say(err)
})

var _ = scenario("net_listen_where_somebody_listens", func() {
	l := listen("tcp")
	_, err := net.Listen("tcp", l.Addr().String())
	say(operation("listens", err))
	l.Close()
})

var _ = scenario("net_listen_again_at_once", func() {
	l := listen("tcp")
	near := dial(l)
	must(l.Accept()).Close()
	near.Close()
	l.Close()
	_, err := net.Listen("tcp", l.Addr().String())
	say(err == nil)
})

var _ = scenario("net_listen_on_port_0_chooses_one", func() {
	a, b := listen("tcp").Addr().(*net.TCPAddr), listen("tcp").Addr().(*net.TCPAddr)
	say(a.Port != 0, a.Port != b.Port)
})

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

var _ = scenario("net_unix_close_removes_the_file", func() {
	l := listen("unix")
	say(exists(socketPath()))
	l.Close()
	say(exists(socketPath()))
})

var _ = scenario("net_unix_listen_where_a_file_was_left", func() {
	l := listen("unix").(*net.UnixListener)
	l.SetUnlinkOnClose(false)
	l.Close()
	_, err := net.Listen("unix", socketPath())
	say(operation("listens", err))
	os.Remove(socketPath())
})

var _ = scenario("net_tcp_options_by_default", func() {
	near, far := pair("tcp")
	for _, c := range []net.Conn{near, far} {
		raw := must(c.(*net.TCPConn).SyscallConn())
		raw.Control(func(fd uintptr) {
			option := func(level, name int) int { return must(syscall.GetsockoptInt(int(fd), level, name)) }
			say(option(syscall.IPPROTO_TCP, syscall.TCP_NODELAY), option(syscall.SOL_SOCKET, syscall.SO_KEEPALIVE),
				option(syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE), option(syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL),
				option(syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT))
		})
	}
})

// --- packets

// udp: takes packets on a port of its own, and one that exchanges them with it.
func udp() (server net.PacketConn, client net.Conn) {
	server = must(net.ListenPacket("udp", "127.0.0.1:0"))
	return server, must(net.Dial("udp", server.LocalAddr().String()))
}

func readFrom(c net.PacketConn, buffer []byte) string {
	n, _, err := c.ReadFrom(buffer)
	return operation(n, err)
}

var _ = scenario("net_udp_packets_stand_alone", func() {
	s, c := udp()
	for _, packet := range []string{"one", "", "three"} {
		write(c, packet)
	}
	buffer := make([]byte, 100)
	for range 3 {
		n, from, _ := s.ReadFrom(buffer)
		say(string(buffer[:n]), from.String() == c.LocalAddr().String())
	}
})

var _ = scenario("net_udp_answer", func() {
	s, c := udp()
	buffer := make([]byte, 100)
	write(c, "ping")
	n, from, _ := s.ReadFrom(buffer)
	say(count(s.WriteTo(buffer[:n], from)), count(c.Read(buffer)))
})

var _ = scenario("net_udp_what_does_not_fit_is_lost", func() {
	s, c := udp()
	write(c, "a long packet")
	write(c, "next")
	buffer := make([]byte, 6)
	say(readFrom(s, buffer), readFrom(s, buffer))
})

var _ = scenario("net_udp_deadline", func() {
	s, _ := udp()
	s.SetReadDeadline(past)
	say(readFrom(s, make([]byte, 6)))
})

var _ = scenario("net_udp_close_ends_a_read", func() {
	s, _ := udp()
	reader := start(func() { say(readFrom(s, make([]byte, 6))) })
	say(reader.blocks())
	s.Close()
	say(reader.join())
})

var _ = scenario("net_udp_nobody_there", func() {
	s, c := udp()
	s.Close()
	write(c, "ping")
	say(operation(c.Read(make([]byte, 6))))
})
