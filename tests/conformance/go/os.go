package main

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// --- goexit

var _ = scenario("goexit_runs_what_was_deferred", func() {
	var all sync.WaitGroup
	all.Go(func() {
		defer say("first")
		defer say("second")
		runtime.Goexit()
	})
	all.Wait()
})

var _ = scenario("goexit_leaves_the_calls_between", func() {
	var all sync.WaitGroup
	all.Go(func() {
		inner := func() {
			defer say("inner")
			runtime.Goexit()
		}
		inner()
		say("not here")
	})
	all.Wait()
})

var _ = scenario("goexit_is_no_panic", func() {
	var all sync.WaitGroup
	all.Go(func() {
		defer func() {
			if recover() != nil {
				say("recovered")
			}
		}()
		runtime.Goexit()
		say("not here")
	})
	all.Wait()
	say("ended")
})

var _ = scenario("goexit_leaves_others_alone", func() {
	c := make(chan int)
	other := start(func() { say(recv(c)) })
	go runtime.Goexit()
	c <- 7
	say(other.join())
})

var _ = scenario("goexit_counts_as_done_for_a_once", func() {
	var o sync.Once
	var all sync.WaitGroup
	all.Go(func() { o.Do(runtime.Goexit) })
	all.Wait()
	o.Do(func() { say("not called") })
	say("ended")
})

var _ = scenario("goexit_waits_while_it_unwinds", func() {
	c := make(chan int)
	var all sync.WaitGroup
	all.Go(func() {
		defer func() { say(recv(c)) }()
		runtime.Goexit()
	})
	c <- 7
	all.Wait()
})

var _ = program("goexit_in_main_alone", func() {
	defer say("deferred")
	runtime.Goexit()
})

var _ = program("goexit_in_main_lets_others_go_on", func() {
	c := make(chan int)
	go func() {
		<-c
		say("other")
	}()
	go func() { c <- 1 }()
	runtime.Goexit()
})

// --- signals

func raise(number syscall.Signal) { syscall.Kill(os.Getpid(), number) }

// hears: a channel with room for what a scenario raises.
func hears(signals ...os.Signal) chan os.Signal {
	c := make(chan os.Signal, 8)
	signal.Notify(c, signals...)
	return c
}

var _ = scenario("signal_arrives", func() {
	c := hears(syscall.SIGUSR1)
	defer signal.Stop(c)
	raise(syscall.SIGUSR1)
	say(<-c == syscall.SIGUSR1)
})

var _ = scenario("signal_notify_adds", func() {
	c := hears(syscall.SIGUSR1)
	defer signal.Stop(c)
	signal.Notify(c, syscall.SIGUSR2)
	raise(syscall.SIGUSR1)
	say(<-c == syscall.SIGUSR1)
	raise(syscall.SIGUSR2)
	say(<-c == syscall.SIGUSR2)
})

var _ = scenario("signal_reaches_every_channel", func() {
	a, b := hears(syscall.SIGUSR1), hears(syscall.SIGUSR1, syscall.SIGUSR2)
	defer signal.Stop(a)
	defer signal.Stop(b)
	raise(syscall.SIGUSR1)
	say(<-a == syscall.SIGUSR1, <-b == syscall.SIGUSR1)
})

var _ = scenario("signal_full_channel_misses_it", func() {
	full := make(chan os.Signal, 1)
	signal.Notify(full, syscall.SIGUSR1, syscall.SIGUSR2)
	defer signal.Stop(full)
	c := hears(syscall.SIGUSR1, syscall.SIGUSR2)
	defer signal.Stop(c)
	for _, number := range []syscall.Signal{syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGUSR1} {
		raise(number)
		<-c
	}
	say(<-full == syscall.SIGUSR1)
})

var _ = scenario("signal_none_after_stop", func() {
	stopped, c := hears(syscall.SIGUSR1), hears(syscall.SIGUSR1)
	defer signal.Stop(c)
	signal.Stop(stopped)
	raise(syscall.SIGUSR1)
	say(<-c == syscall.SIGUSR1, tryRecv(stopped))
})

var _ = scenario("signal_ignored_does_nothing", func() {
	c := hears(syscall.SIGUSR1)
	signal.Ignore(syscall.SIGUSR1)
	say(signal.Ignored(syscall.SIGUSR1), signal.Ignored(syscall.SIGUSR2))
	raise(syscall.SIGUSR1)
	say(tryRecv(c))
	signal.Reset(syscall.SIGUSR1)
})

var _ = scenario("signal_reset_of_an_ignored_one", func() {
	signal.Ignore(syscall.SIGUSR1)
	signal.Reset(syscall.SIGUSR1)
	say(signal.Ignored(syscall.SIGUSR1))
})

var _ = scenario("signal_ends_a_context", func() {
	ctx, stop := signal.NotifyContext(background, syscall.SIGUSR1)
	defer stop()
	say(ctx.Err())
	raise(syscall.SIGUSR1)
	<-ctx.Done()
	say(ctx.Err())
})

var _ = scenario("signal_context_is_stopped", func() {
	ctx, stop := signal.NotifyContext(background, syscall.SIGUSR1)
	stop()
	say(ctx.Err())
})

var _ = program("signal_term_ends_the_process", func() {
	raise(syscall.SIGTERM)
	time.Sleep(time.Hour)
})

var _ = program("signal_has_its_default_again_after_reset", func() {
	c := hears(syscall.SIGTERM)
	raise(syscall.SIGTERM)
	say(<-c == syscall.SIGTERM)
	signal.Reset(syscall.SIGTERM)
	raise(syscall.SIGTERM)
	time.Sleep(time.Hour)
})

// --- pipes

func pipe() (r, w *os.File) {
	r, w, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	return r, w
}

func readFile(f io.Reader) string {
	buffer := make([]byte, 100)
	n, err := f.Read(buffer)
	return or(string(buffer[:n]), err)
}

var _ = scenario("pipe_read_waits_for_bytes", func() {
	r, w := pipe()
	reader := start(func() { say(readFile(r)) })
	say(reader.blocks())
	w.Write([]byte("hello"))
	say(reader.join())
})

var _ = scenario("pipe_end_of_stream", func() {
	r, w := pipe()
	w.Write([]byte("bye"))
	w.Close()
	say(readFile(r), readFile(r), readFile(r))
})

var _ = scenario("pipe_without_a_reader", func() {
	r, w := pipe()
	r.Close()
	say(or(w.Write([]byte("x"))))
})

var _ = scenario("pipe_close_ends_a_read", func() {
	r, _ := pipe()
	reader := start(func() { say(readFile(r)) })
	say(reader.blocks())
	r.Close()
	say(reader.join(), readFile(r), ok(r.Close()))
})

var _ = scenario("pipe_full_write_waits", func() {
	r, w := pipe()
	writer := start(func() {
		say(or(w.Write([]byte(strings.Repeat("x", 1<<20)))))
		w.Close()
	})
	say(writer.blocks())
	all, _ := io.ReadAll(r)
	writer.join()
	say(len(all))
})

var _ = scenario("file_that_is_not_there", func() {
	_, err := os.Open("/weft-conformance/nothing")
	say(err)
})

// --- child processes

// status: whether it succeeded, what it returned, and both in words.
func status(err error) []any {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return []any{exit.Success(), exit.ExitCode(), exit.String()}
	}
	return []any{err == nil}
}

var _ = scenario("process_output", func() {
	out, err := exec.Command("/bin/sh", "-c", "printf hello").Output()
	say(string(out), err == nil)
})

var _ = scenario("process_exit_status", func() {
	say(status(exec.Command("/bin/sh", "-c", "exit 3").Run())...)
})

var _ = scenario("process_ended_by_a_signal", func() {
	say(status(exec.Command("/bin/sh", "-c", "kill -TERM $$").Run())...)
})

var _ = scenario("process_that_cannot_start", func() {
	say(exec.Command("/weft-conformance/nothing").Run())
})

var _ = scenario("process_reads_its_input", func() {
	child := exec.Command("cat")
	in, out := must(child.StdinPipe()), must(child.StdoutPipe())
	child.Start()
	in.Write([]byte("through"))
	in.Close()
	say(readFile(out), readFile(out))
	say(child.Wait() == nil)
})

var _ = scenario("process_streams_are_apart", func() {
	var out, err strings.Builder
	child := exec.Command("/bin/sh", "-c", "printf out; printf err >&2")
	child.Stdout, child.Stderr = &out, &err
	child.Run()
	say(out.String(), err.String())
})

var _ = scenario("process_has_its_environment_and_place", func() {
	child := exec.Command("/bin/sh", "-c", "printf \"$WHO $PWD\"")
	child.Env, child.Dir = []string{"WHO=ada"}, "/"
	say(string(must(child.Output())))
})

var _ = scenario("process_wait_waits_for_its_end", func() {
	child := exec.Command("cat")
	in := must(child.StdinPipe())
	child.Start()
	ended := make(chan bool)
	go func() { ended <- child.Wait() == nil }()
	say(tryRecv(ended))
	in.Close()
	say(recv(ended))
})

var _ = scenario("process_is_signalled", func() {
	child := exec.Command("cat")
	must(child.StdinPipe())
	child.Start()
	child.Process.Signal(syscall.SIGKILL)
	say(status(child.Wait())[2])
})
