package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"time"
)

func readUpTo(from io.Reader, most int) string {
	buffer := make([]byte, most)
	n, err := from.Read(buffer)
	return or(string(buffer[:n]), err)
}

// wrote: how much, and why no more.
func wrote[N int | int64](n N, err error) string {
	if err != nil {
		return text(n) + " " + text(err)
	}
	return text(n)
}

func writePipe(c net.Conn, s string) string { return wrote(c.Write([]byte(s))) }

// --- the pipe

var _ = scenario("net_pipe_read_waits_for_a_write", func() {
	near, far := net.Pipe()
	got := ""
	reader := start(func() { got = readUpTo(far, 100) })
	say(reader.blocks())
	say(writePipe(near, "hello"))
	say(reader.join(), got)
})

var _ = scenario("net_pipe_write_waits_until_all_is_read", func() {
	near, far := net.Pipe()
	done := ""
	writer := start(func() { done = writePipe(near, "hello") })
	say(writer.blocks())
	say(readUpTo(far, 2))
	say(writer.blocks())
	say(readUpTo(far, 2), readUpTo(far, 2))
	say(writer.join(), done)
})

var _ = scenario("net_pipe_a_read_takes_of_one_write_only", func() {
	near, far := net.Pipe()
	first := start(func() { writePipe(near, "one") })
	second := start(func() { writePipe(near, "two") })
	say(readUpTo(far, 100), readUpTo(far, 100))
	say(first.join(), second.join())
})

var _ = scenario("net_pipe_writes_are_not_mixed", func() {
	near, far := net.Pipe()
	first := start(func() { writePipe(near, "abcd") })
	second := start(func() { writePipe(near, "efgh") })
	all := ""
	for range 8 {
		all += readUpTo(far, 1)
	}
	say(all)
	say(first.join(), second.join())
})

var _ = scenario("net_pipe_directions_are_independent", func() {
	near, far := net.Pipe()
	forth := start(func() { writePipe(near, "forth") })
	back := start(func() { writePipe(far, "back") })
	say(forth.blocks(), back.blocks())
	say(readUpTo(near, 100), readUpTo(far, 100))
	say(forth.join(), back.join())
})

var _ = scenario("net_pipe_end_of_stream", func() {
	near, far := net.Pipe()
	say(ok(near.Close()))
	say(readUpTo(far, 100), readUpTo(far, 100))
})

var _ = scenario("net_pipe_close_ends_the_others_read", func() {
	near, far := net.Pipe()
	reader := start(func() { say(readUpTo(far, 100)) })
	say(reader.blocks())
	near.Close()
	say(reader.join())
})

var _ = scenario("net_pipe_close_ends_its_own_read", func() {
	near, _ := net.Pipe()
	reader := start(func() { say(readUpTo(near, 100)) })
	say(reader.blocks())
	near.Close()
	say(reader.join(), readUpTo(near, 100))
})

var _ = scenario("net_pipe_close_ends_its_own_write", func() {
	near, far := net.Pipe()
	writer := start(func() { say(writePipe(near, "hello")) })
	say(readUpTo(far, 2))
	near.Close()
	say(writer.join(), writePipe(near, "more"))
})

var _ = scenario("net_pipe_nobody_reads_any_more", func() {
	near, far := net.Pipe()
	writer := start(func() { say(writePipe(near, "hello")) })
	say(readUpTo(far, 2))
	far.Close()
	say(writer.join(), writePipe(near, "more"))
})

var _ = scenario("net_pipe_close_twice", func() {
	near, _ := net.Pipe()
	near.Close()
	say(ok(near.Close()))
})

var _ = scenario("net_pipe_read_deadline_in_the_past", func() {
	near, far := net.Pipe()
	far.SetReadDeadline(past)
	say(readUpTo(far, 100))
	writer := start(func() { writePipe(near, "hello") })
	say(readUpTo(far, 100), writer.blocks())
	far.SetReadDeadline(noDeadline)
	say(readUpTo(far, 100), writer.join())
})

var _ = scenario("net_pipe_deadline_ends_a_read", func() {
	_, far := net.Pipe()
	far.SetReadDeadline(time.Now().Add(2 * time.Millisecond))
	say(readUpTo(far, 100))
})

var _ = scenario("net_pipe_deadline_applies_to_a_read_that_waits", func() {
	_, far := net.Pipe()
	reader := start(func() { say(readUpTo(far, 100)) })
	say(reader.blocks())
	far.SetReadDeadline(past)
	say(reader.join())
})

var _ = scenario("net_pipe_deadline_applies_to_a_write_that_waits", func() {
	near, far := net.Pipe()
	writer := start(func() { say(writePipe(near, "hello")) })
	say(readUpTo(far, 3))
	near.SetWriteDeadline(past)
	say(writer.join(), writePipe(near, "more"))
})

var _ = scenario("net_pipe_read_deadline_leaves_writes_alone", func() {
	near, far := net.Pipe()
	near.SetReadDeadline(past)
	writer := start(func() { say(writePipe(near, "hello")) })
	say(readUpTo(far, 100), writer.join())
})

var _ = scenario("net_pipe_deadline_passed_and_set_again", func() {
	near, far := net.Pipe()
	far.SetDeadline(past)
	say(readUpTo(far, 100), writePipe(far, "x"))
	far.SetDeadline(time.Now().Add(time.Hour))
	writer := start(func() { writePipe(near, "hello") })
	say(readUpTo(far, 100), writer.join())
})

// --- copying and filling

// bytesOf: a reader of them; after them, ending.
type bytesOf struct {
	left    string
	atATime int
	ending  error
}

func (b *bytesOf) Read(buffer []byte) (int, error) {
	if b.left == "" {
		return 0, b.ending
	}
	n := copy(buffer[:min(len(buffer), b.atATime)], b.left)
	b.left = b.left[n:]
	return n, nil
}

// memory: a writer that has room for so much, and says each write if it is to.
type memory struct {
	room int
	says bool
	all  string
}

func (m *memory) Write(more []byte) (int, error) {
	n := min(len(more), m.room)
	m.room -= n
	m.all += string(more[:n])
	if m.says {
		say("writes", string(more[:n]))
	}
	if n < len(more) {
		return n, syscall.ENOSPC
	}
	return n, nil
}

var _ = scenario("copy_to_the_end", func() {
	to := &memory{room: 1000}
	say(wrote(io.Copy(to, &bytesOf{"hello, world", 5, io.EOF})))
	say(to.all)
})

var _ = scenario("copy_of_nothing", func() {
	say(wrote(io.Copy(&memory{room: 1000}, &bytesOf{"", 5, io.EOF})))
})

var _ = scenario("copy_reader_fails", func() {
	to := &memory{room: 1000}
	say(wrote(io.Copy(to, &bytesOf{"hello, world", 5, context.DeadlineExceeded})))
	say(to.all)
})

var _ = scenario("copy_writer_fails", func() {
	to := &memory{room: 7}
	say(wrote(io.Copy(to, &bytesOf{"hello, world", 5, io.EOF})))
	say(to.all)
})

var _ = scenario("copy_through_a_pipe", func() {
	near, far := net.Pipe()
	writer := start(func() {
		say(wrote(io.Copy(near, &bytesOf{"hello, world", 5, io.EOF})))
		near.Close()
	})
	to := &memory{room: 1000}
	n, err := io.Copy(to, far)
	writer.join()
	say(wrote(n, err) + " copied")
	say(to.all, writer.join())
})

// filled: what io.ReadFull got, and why no more.
func filled(from *bytesOf) string {
	n, err := io.ReadFull(from, make([]byte, 5))
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return text(n) + " unexpected EOF"
	}
	return wrote(n, err)
}

var _ = scenario("read_exactly_fills_the_buffer", func() { say(filled(&bytesOf{"hello, world", 2, io.EOF})) })
var _ = scenario("read_exactly_of_nothing", func() { say(filled(&bytesOf{"", 2, io.EOF})) })
var _ = scenario("read_exactly_of_too_little", func() { say(filled(&bytesOf{"hel", 2, io.EOF})) })
var _ = scenario("read_exactly_reader_fails", func() {
	say(filled(&bytesOf{"hel", 2, context.DeadlineExceeded}))
})

// --- lines

// lines: each between brackets, CR as ^, and what ended them.
func lines(of string, atATime int) {
	all := bufio.NewScanner(&bytesOf{of, atATime, io.EOF})
	all.Buffer(make([]byte, 0, 22), 22)
	said := ""
	for all.Scan() {
		said += "[" + all.Text() + "]"
	}
	said = strings.ReplaceAll(said, "\r", "^")
	if all.Err() != nil {
		say(said, all.Err())
	} else {
		say(said, "end")
	}
}

var _ = scenario("lines_end_with_lf", func() { lines("one\ntwo\nthree\n", 100) })
var _ = scenario("lines_end_with_cr_lf", func() { lines("one\r\ntwo\r\n", 100) })
var _ = scenario("lines_last_may_be_unended", func() { lines("one\ntwo", 100) })
var _ = scenario("lines_last_loses_its_cr", func() { lines("one\ntwo\r", 100) })
var _ = scenario("lines_may_be_empty", func() { lines("\n\none\n\n", 100) })
var _ = scenario("lines_of_nothing", func() { lines("", 100) })
var _ = scenario("lines_keep_a_cr_inside", func() { lines("a\rb\r\r\nc\n", 100) })
var _ = scenario("lines_arrive_byte_by_byte", func() { lines("one\r\ntwo\n\nfour", 1) })
var _ = scenario("lines_as_long_as_allowed", func() { lines("twelve bytes\nand twenty bytes...\n", 7) })

// --- buffered_reader, buffered_writer

var _ = scenario("buffered_reader_peeks", func() {
	in := bufio.NewReaderSize(&bytesOf{"hello, world", 3, io.EOF}, 16)
	ahead := must(in.Peek(5))
	say(string(ahead))
	first := readUpTo(in, 7)
	say(first, in.Buffered())
})

var _ = scenario("buffered_reader_reads_what_is_there", func() {
	in := bufio.NewReaderSize(&bytesOf{"hello, world", 5, io.EOF}, 16)
	var all []string
	for _, most := range []int{2, 10, 10, 100, 100} {
		all = append(all, readUpTo(in, most))
	}
	say(strings.Join(all, " "))
})

var _ = scenario("buffered_reader_reads_until", func() {
	in := bufio.NewReaderSize(&bytesOf{"a;bc;d", 2, io.EOF}, 16)
	for range 2 {
		say(string(must(in.ReadSlice(';'))))
	}
	say(readUpTo(in, 100))
})

var _ = scenario("buffered_writer_collects", func() {
	to := &memory{room: 1000, says: true}
	out := bufio.NewWriterSize(to, 4)
	out.WriteString("ab")
	say(out.Buffered())
	out.Write([]byte("cde"))
	say(out.Buffered())
	out.Flush()
	say(out.Buffered(), to.all)
})

var _ = scenario("buffered_writer_passes_large_ones_on", func() {
	to := &memory{room: 1000, says: true}
	out := bufio.NewWriterSize(to, 4)
	out.Write([]byte("hello, world"))
	out.Write([]byte("a"))
	out.Write([]byte("hello, world"))
	say(out.Buffered())
})

var _ = scenario("buffered_writer_writes_nothing_by_itself", func() {
	to := &memory{room: 1000}
	out := bufio.NewWriterSize(to, 4)
	out.Write([]byte("ab"))
	say(len(to.all))
})
