package main

import (
	"sync"
	"sync/atomic"
)

// --- without a buffer

var _ = scenario("chan_send_waits_for_a_receiver", func() {
	c := make(chan int)
	sender := start(func() { c <- 7 })
	say(sender.state())
	say(recv(c))
	say(sender.join())
})

var _ = scenario("chan_recv_waits_for_a_sender", func() {
	c := make(chan int)
	receiver := start(func() { say(recv(c)) })
	say(receiver.state())
	c <- 7
	say(receiver.join())
})

var _ = scenario("chan_blocked_senders_are_served_in_order", func() {
	c := make(chan int)
	for i := 1; i <= 3; i++ {
		start(func() { c <- i })
	}
	say(recv(c), recv(c), recv(c))
})

var _ = scenario("chan_blocked_receivers_are_served_in_order", func() {
	c := make(chan int)
	tasks := []*task{}
	for _, name := range []string{"first", "second", "third"} {
		tasks = append(tasks, start(func() { say(name, recv(c)) }))
	}
	for i, t := range tasks {
		c <- i + 1
		t.join()
	}
})

var _ = scenario("chan_a_woken_receiver_already_has_its_value", func() {
	c := make(chan int)
	receiver := start(func() { say("receiver", recv(c)) })
	c <- 1
	newcomer := tryRecv(c)
	receiver.join()
	say("newcomer", newcomer)
})

var _ = scenario("chan_a_woken_sender_has_sent", func() {
	c := make(chan int)
	sender := start(func() { c <- 1 })
	say(recv(c))
	say(tryRecv(c))
	say(sender.join())
})

var _ = scenario("chan_unbuffered_try_send_needs_a_receiver", func() {
	c := make(chan int)
	say(trySend(c, 1))
	receiver := start(func() { say(recv(c)) })
	sent := trySend(c, 2)
	receiver.join()
	say(sent)
	say(trySend(c, 3))
})

var _ = scenario("chan_unbuffered_try_recv_needs_a_sender", func() {
	c := make(chan int)
	say(tryRecv(c))
	sender := start(func() { c <- 1 })
	say(tryRecv(c))
	sender.join()
	say(tryRecv(c))
})

// --- with a buffer

var _ = scenario("chan_buffered_send_waits_when_full", func() {
	c := make(chan int, 2)
	c <- 1
	c <- 2
	sender := start(func() { c <- 3 })
	say(sender.state())
	say(recv(c))
	say(sender.join())
})

var _ = scenario("chan_buffered_recv_waits_when_empty", func() {
	c := make(chan int, 2)
	receiver := start(func() { say(recv(c)) })
	say(receiver.state())
	c <- 1
	say(receiver.join())
})

var _ = scenario("chan_buffer_is_first_in_first_out", func() {
	c := make(chan int, 3)
	for i := 1; i <= 3; i++ {
		c <- i
	}
	say(recv(c), recv(c))
	c <- 4
	c <- 5
	say(recv(c), recv(c), recv(c))
})

var _ = scenario("chan_blocked_sender_goes_to_the_tail", func() {
	c := make(chan int, 2)
	c <- 1
	c <- 2
	start(func() { c <- 3 })
	start(func() { c <- 4 })
	say(recv(c), recv(c), recv(c), recv(c))
})

var _ = scenario("chan_stays_full_while_senders_wait", func() {
	c := make(chan int, 1)
	c <- 1
	start(func() { c <- 2 })
	say(recv(c), len(c), trySend(c, 9))
	say(recv(c), len(c), trySend(c, 9))
})

var _ = scenario("chan_waiting_receiver_bypasses_the_buffer", func() {
	c := make(chan int, 4)
	receiver := start(func() { say(recv(c)) })
	c <- 7
	queued := len(c)
	receiver.join()
	say(queued)
})

var _ = scenario("chan_buffered_try_send_until_full", func() {
	c := make(chan int, 2)
	say(trySend(c, 1), trySend(c, 2), trySend(c, 3))
	say(recv(c), trySend(c, 4), recv(c), recv(c))
})

var _ = scenario("chan_buffered_try_recv_until_empty", func() {
	c := make(chan int, 2)
	c <- 1
	c <- 2
	say(tryRecv(c), tryRecv(c))
	say(tryRecv(c))
})

var _ = scenario("chan_order_holds_through_a_small_buffer", func() {
	c := make(chan int, 3)
	start(func() {
		for i := 0; i < 1000; i++ {
			c <- i
		}
		close(c)
	})
	expected, inOrder := 0, true
	for i := range c {
		inOrder = inOrder && i == expected
		expected++
	}
	say(inOrder, expected)
})

var _ = scenario("chan_each_sender_keeps_its_own_order", func() {
	c := make(chan int, 2)
	for s := 0; s < 4; s++ {
		go func() {
			for i := 0; i < 100; i++ {
				c <- s*100 + i
			}
		}()
	}
	var next [4]int
	inOrder := true
	for n := 0; n < 400; n++ {
		i := <-c
		inOrder = inOrder && next[i/100] == i%100
		next[i/100]++
	}
	say(inOrder)
})

// --- len and cap

var _ = scenario("chan_len_and_cap_of_unbuffered", func() {
	c := make(chan int)
	say(len(c), cap(c))
})

var _ = scenario("chan_len_counts_what_is_queued", func() {
	c := make(chan int, 3)
	say(len(c), cap(c))
	c <- 1
	c <- 2
	say(len(c), cap(c))
	say(recv(c), len(c), cap(c))
})

var _ = scenario("chan_len_does_not_count_blocked_senders", func() {
	c, none := make(chan int, 1), make(chan int)
	c <- 1
	start(func() { c <- 2 })
	start(func() { none <- 1 })
	say(len(c), len(none))
})

var _ = scenario("chan_len_and_cap_after_close", func() {
	c := make(chan int, 3)
	c <- 1
	close(c)
	say(len(c), cap(c))
	say(recv(c), len(c), cap(c))
})

var _ = scenario("chan_len_and_cap_of_nil", func() {
	var c chan int
	say(len(c), cap(c))
})

// --- nil

var _ = scenario("chan_nil_send_blocks_for_ever", func() {
	var c chan int
	say(start(func() { c <- 1 }).state())
})

var _ = scenario("chan_nil_recv_blocks_for_ever", func() {
	var c chan int
	say(start(func() { say(recv(c)) }).state())
})

var _ = scenario("chan_nil_range_blocks_for_ever", func() {
	var c chan int
	say(start(func() {
		for i := range c {
			say(i)
		}
	}).state())
})

var _ = scenario("chan_nil_close_panics", func() {
	var c chan int
	say(attempt(func() { close(c) }))
})

var _ = scenario("chan_nil_try_send_would_block", func() {
	var c chan int
	say(trySend(c, 1))
})

var _ = scenario("chan_nil_try_recv_would_block", func() {
	var c chan int
	say(tryRecv(c))
})

var _ = scenario("chan_nil_compares_equal_to_nil", func() {
	var null, other chan int
	c := make(chan int)
	say(null == other, c == null, null != nil, c != nil)
})

// --- closed

var _ = scenario("chan_closed_recv_drains_first", func() {
	c := make(chan int, 3)
	c <- 1
	c <- 2
	close(c)
	say(recv(c), recv(c), recv(c))
})

var _ = scenario("chan_closed_recv_never_blocks", func() {
	c := make(chan int)
	close(c)
	say(recv(c), recv(c), recv(c))
})

var _ = scenario("chan_closed_try_recv_is_ready", func() {
	c := make(chan int, 1)
	c <- 1
	close(c)
	say(tryRecv(c), tryRecv(c), tryRecv(c))
})

var _ = scenario("chan_a_zero_that_was_sent_is_no_close", func() {
	c := make(chan int, 1)
	c <- 0
	close(c)
	say(recv(c), recv(c))
})

var _ = scenario("chan_closed_send_panics", func() {
	c := make(chan int)
	close(c)
	say(attempt(func() { c <- 1 }))
})

var _ = scenario("chan_closed_send_panics_though_there_is_room", func() {
	c := make(chan int, 1)
	close(c)
	say(attempt(func() { c <- 1 }))
	say(len(c))
})

var _ = scenario("chan_closed_send_panics_though_it_is_full", func() {
	c := make(chan int, 1)
	c <- 1
	close(c)
	say(attempt(func() { c <- 2 }))
	say(recv(c), recv(c))
})

var _ = scenario("chan_closed_try_send_panics", func() {
	c := make(chan int)
	close(c)
	say(attempt(func() { say(trySend(c, 1)) }))
})

var _ = scenario("chan_closed_full_try_send_panics", func() {
	c := make(chan int, 1)
	c <- 1
	close(c)
	say(attempt(func() { say(trySend(c, 2)) }))
})

var _ = scenario("chan_close_twice_panics", func() {
	c := make(chan int)
	close(c)
	say(attempt(func() { close(c) }))
})

var _ = scenario("chan_close_wakes_all_receivers", func() {
	c := make(chan int)
	receivers := []*task{}
	for i := 0; i < 3; i++ {
		receivers = append(receivers, start(func() { say(recv(c)) }))
	}
	close(c)
	for _, r := range receivers {
		r.join()
	}
})

var _ = scenario("chan_close_makes_blocked_senders_panic", func() {
	c := make(chan int)
	a, b := start(func() { c <- 1 }), start(func() { c <- 2 })
	close(c)
	say(a.join())
	say(b.join())
	say(recv(c))
})

var _ = scenario("chan_close_of_a_full_one_with_a_blocked_sender", func() {
	c := make(chan int, 2)
	c <- 1
	c <- 2
	sender := start(func() { c <- 3 })
	close(c)
	say(sender.join())
	say(recv(c), recv(c), recv(c))
})

var _ = scenario("chan_close_does_not_wait", func() {
	c := make(chan int, 1)
	c <- 1
	closer := start(func() { close(c) })
	say(closer.state())
	say(recv(c), recv(c))
})

var _ = scenario("chan_copies_are_the_same_channel", func() {
	a := make(chan int, 1)
	b := a
	a <- 1
	say(a == b, recv(b))
	close(b)
	say(recv(a))
})

var _ = scenario("chan_two_made_alike_are_different", func() {
	a, b := make(chan int, 1), make(chan int, 1)
	say(a == b)
})

// --- range

var _ = scenario("chan_range_ends_when_closed_and_drained", func() {
	c := make(chan int, 3)
	for i := 1; i <= 3; i++ {
		c <- i
	}
	close(c)
	for i := range c {
		say(i)
	}
	say("end")
})

var _ = scenario("chan_range_waits_for_the_next", func() {
	c := make(chan int)
	ranging := start(func() {
		for i := range c {
			say(i)
		}
	})
	say(ranging.state())
	c <- 1
	say(ranging.state())
	close(c)
	say(ranging.join())
})

var _ = scenario("chan_range_over_closed_does_nothing", func() {
	c := make(chan int)
	close(c)
	for i := range c {
		say(i)
	}
	say("end")
})

var _ = scenario("chan_range_left_early_leaves_the_rest", func() {
	c := make(chan int, 3)
	for i := 1; i <= 3; i++ {
		c <- i
	}
	for i := range c {
		say(i)
		break
	}
	say(len(c))
})

var _ = scenario("chan_ranges_share_what_comes", func() {
	c, sums := make(chan int, 2), make(chan int, 3)
	for worker := 0; worker < 3; worker++ {
		go func() {
			sum := 0
			for i := range c {
				sum += i
			}
			sums <- sum
		}()
	}
	for i := 1; i <= 100; i++ {
		c <- i
	}
	close(c)
	say(<-sums + <-sums + <-sums)
})

// --- making

var _ = scenario("chan_make_with_a_negative_size_panics", func() {
	n := -1
	say(attempt(func() { _ = make(chan int, n) }))
})

var _ = scenario("chan_make_with_a_huge_size_panics", func() {
	n := int64(1<<63 - 1)
	say(attempt(func() { _ = make(chan int64, n) }))
})

var _ = scenario("chan_of_empty_values_only_counts", func() {
	type empty struct{}
	has := func(_ empty, open bool) bool { return open }
	receive := func(c chan empty) bool { v, open := <-c; return has(v, open) }
	c := make(chan empty, 3)
	c <- empty{}
	c <- empty{}
	say(len(c), cap(c))
	say(receive(c), len(c))
	close(c)
	say(receive(c), receive(c))
})

var _ = scenario("chan_of_empty_values_needs_no_memory", func() {
	say(attempt(func() {
		c := make(chan struct{}, 1<<40)
		c <- struct{}{}
		say(len(c), cap(c))
	}))
})

var _ = scenario("chan_of_large_values", func() {
	type large struct{ words [500]int64 }
	c, direct := make(chan large, 1), make(chan large)
	var value large
	value.words[499] = 7
	c <- value
	value.words[499] = 8
	start(func() { direct <- value })
	say((<-c).words[499], (<-direct).words[499])
})

var _ = scenario("chan_of_text", func() {
	c := make(chan string, 2)
	c <- ""
	c <- string(make([]byte, 1000))
	say(len(<-c), len(<-c))
})

var _ = scenario("chan_of_pointers_hands_over_the_thing", func() {
	c := make(chan *int, 1)
	sent := new(int)
	*sent = 7
	c <- sent
	say(*<-c == 7, sent != nil)
})

var _ = scenario("chan_of_channels_carries_the_reply", func() {
	type request struct {
		n     int
		reply chan int
	}
	requests := make(chan request)
	go func() {
		for r := range requests {
			r.reply <- r.n * r.n
		}
	}()
	reply := make(chan int)
	for i := 1; i <= 3; i++ {
		requests <- request{i, reply}
		say(recv(reply))
	}
	close(requests)
})

var _ = scenario("chan_value_is_copied_when_sent", func() {
	c := make(chan int, 1)
	value := 1
	c <- value
	value = 2
	say(recv(c), value)
})

var _ = scenario("chan_directions_share_one_channel", func() {
	c := make(chan int, 1)
	var in chan<- int = c
	var out <-chan int = c
	in <- 7
	say(len(out), cap(in), recv(out))
	close(in)
	say(recv(out))
})

var _ = scenario("chan_nil_of_one_direction", func() {
	var in chan<- int
	var out <-chan int
	say(start(func() { in <- 1 }).state())
	say(start(func() { say(recv(out)) }).state())
})

// --- what is seen (memory model)

var _ = scenario("memory_a_send_is_seen_by_its_receive", func() {
	c, data := make(chan int, 1), 0
	go func() {
		data = 7
		c <- 0
	}()
	<-c
	say(data)
})

var _ = scenario("memory_a_close_is_seen_by_the_receive_it_ends", func() {
	c, data := make(chan int, 1), 0
	go func() {
		data = 7
		close(c)
	}()
	say(recv(c), data)
})

var _ = scenario("memory_an_unbuffered_receive_is_seen_by_the_end_of_its_send", func() {
	c, data := make(chan int), 0
	go func() {
		data = 7
		<-c
	}()
	c <- 0
	say(data)
})

var _ = scenario("memory_a_receive_is_seen_by_the_send_that_takes_its_place", func() {
	limit := make(chan int, 2)
	var now, worst atomic.Int32
	var all sync.WaitGroup
	for i := 0; i < 20; i++ {
		all.Go(func() {
			limit <- 1
			n := now.Add(1)
			for seen := worst.Load(); n > seen && !worst.CompareAndSwap(seen, n); {
				seen = worst.Load()
			}
			now.Add(-1)
			<-limit
		})
	}
	all.Wait()
	say(now.Load(), worst.Load() <= 2)
})

var _ = scenario("memory_go_is_seen_by_what_it_starts", func() {
	data, c := 7, make(chan int)
	go func() { c <- data }()
	say(recv(c))
})

var _ = scenario("memory_a_channel_of_one_is_a_lock", func() {
	lock, count := make(chan int, 1), 0
	var all sync.WaitGroup
	for i := 0; i < 8; i++ {
		all.Go(func() {
			for n := 0; n < 100; n++ {
				lock <- 1
				count++
				<-lock
			}
		})
	}
	all.Wait()
	say(count)
})

// --- at work

var _ = scenario("chan_prime_sieve", func() {
	source := make(chan int)
	go func(source chan int) {
		for i := 2; ; i++ {
			source <- i
		}
	}(source)
	for i := 0; i < 10; i++ {
		prime := <-source
		say(prime)
		filtered := make(chan int)
		go func(source chan int) {
			for {
				if n := <-source; n%prime != 0 {
					filtered <- n
				}
			}
		}(source)
		source = filtered
	}
})

var _ = scenario("chan_daisy_chain", func() {
	first := make(chan int)
	right := first
	for i := 0; i < 200; i++ {
		left, next := right, make(chan int)
		go func() { left <- 1 + <-next }()
		right = next
	}
	right <- 0
	say(recv(first))
})

var _ = scenario("chan_ping_pong", func() {
	ping, pong := make(chan int), make(chan int)
	go func() {
		for i := range ping {
			pong <- i + 1
		}
		close(pong)
	}()
	n := 0
	for n < 1000 {
		ping <- n
		n = <-pong
	}
	close(ping)
	say(n, recv(pong))
})

var _ = scenario("chan_pipeline_closes_through_its_stages", func() {
	numbers, squares := make(chan int), make(chan int)
	go func() {
		for i := 1; i <= 5; i++ {
			numbers <- i
		}
		close(numbers)
	}()
	go func() {
		for i := range numbers {
			squares <- i * i
		}
		close(squares)
	}()
	for i := range squares {
		say(i)
	}
})

var _ = scenario("chan_many_senders_many_receivers_lose_nothing", func() {
	c := make(chan int, 5)
	var sum atomic.Int64
	var senders, receivers sync.WaitGroup
	for s := 0; s < 5; s++ {
		senders.Go(func() {
			for i := 1; i <= 100; i++ {
				c <- i
			}
		})
		receivers.Go(func() {
			for i := range c {
				sum.Add(int64(i))
			}
		})
	}
	senders.Wait()
	close(c)
	receivers.Wait()
	say(sum.Load())
})
