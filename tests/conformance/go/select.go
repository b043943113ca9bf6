package main

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// --- choosing

var _ = scenario("select_takes_the_one_that_can_receive", func() {
	a, b := make(chan int, 1), make(chan int, 1)
	b <- 7
	select {
	case v, open := <-a:
		say("a", received(v, open))
	case v, open := <-b:
		say("b", received(v, open))
	}
})

var _ = scenario("select_takes_the_one_that_can_send", func() {
	full, empty := make(chan int, 1), make(chan int, 1)
	full <- 1
	select {
	case full <- 2:
		say("full")
	case empty <- 3:
		say("empty")
	}
	say(len(full), recv(empty))
})

var _ = scenario("select_default_when_none_can_go_on", func() {
	a, b := make(chan int), make(chan int)
	select {
	case <-a:
		say("a")
	case b <- 1:
	default:
		say("default")
	}
})

func receiveOrDefault(a chan int) {
	select {
	case v, open := <-a:
		say("a", received(v, open))
	default:
		say("default")
	}
}

var _ = scenario("select_no_default_when_one_can_receive", func() {
	a := make(chan int, 1)
	a <- 1
	receiveOrDefault(a)
	receiveOrDefault(a)
})

var _ = scenario("select_no_default_when_one_can_send", func() {
	a := make(chan int, 1)
	for i := 0; i < 2; i++ {
		select {
		case a <- 1:
			say("sent")
		default:
			say("default")
		}
	}
})

var _ = scenario("select_default_stands_anywhere", func() {
	a := make(chan int, 1)
	a <- 1
	for i := 0; i < 2; i++ {
		select {
		default:
			say("default")
		case v, open := <-a:
			say("a", received(v, open))
		}
	}
})

var _ = scenario("select_closed_can_be_received_from", func() {
	a := make(chan int)
	close(a)
	receiveOrDefault(a)
})

var _ = scenario("select_receives_what_a_closed_one_still_holds", func() {
	a := make(chan int, 1)
	a <- 7
	close(a)
	receiveOrDefault(a)
	receiveOrDefault(a)
})

// receiveEither waits for two channels and says what came.
func receiveEither(a, b chan int) {
	select {
	case v, open := <-a:
		say("a", received(v, open))
	case v, open := <-b:
		say("b", received(v, open))
	}
}

var _ = scenario("select_takes_from_a_sender_that_waits", func() {
	a, b := make(chan int), make(chan int)
	sender := start(func() { b <- 7 })
	receiveEither(a, b)
	say(sender.join())
})

var _ = scenario("select_gives_to_a_receiver_that_waits", func() {
	a, b := make(chan int), make(chan int)
	receiver := start(func() { say(recv(b)) })
	index := -1
	select {
	case a <- 1:
		index = 0
	case b <- 2:
		index = 1
	}
	receiver.join()
	say(index)
})

var _ = scenario("select_choice_is_even", func() {
	a, b := make(chan int, 1), make(chan int, 1)
	a <- 1
	b <- 1
	var chosen [2]int
	for i := 0; i < 4000; i++ {
		select {
		case v := <-a:
			chosen[0]++
			a <- v
		case v := <-b:
			chosen[1]++
			b <- v
		}
	}
	say(chosen[0] > 1700, chosen[1] > 1700)
})

var _ = scenario("select_choice_is_even_among_the_ready", func() {
	closed, never := make(chan int), make(chan int)
	close(closed)
	var chosen [3]int
	for i := 0; i < 6000; i++ {
		select {
		case <-closed:
			chosen[0]++
		case <-never:
		case <-closed:
			chosen[1]++
		case never <- 1:
		case <-closed:
			chosen[2]++
		}
	}
	say(chosen[0] > 1700, chosen[1] > 1700, chosen[2] > 1700)
})

var _ = scenario("select_choice_is_even_between_directions", func() {
	a := make(chan int, 2)
	a <- 1
	sends, receives := 0, 0
	for i := 0; i < 4000; i++ {
		select {
		case a <- 1:
			sends++
			<-a
		case v := <-a:
			receives++
			a <- v
		}
	}
	say(sends > 1700, receives > 1700)
})

// --- waiting

var _ = scenario("select_waits_when_none_can_go_on", func() {
	a, b := make(chan int), make(chan int)
	waiting := start(func() { receiveEither(a, b) })
	say(waiting.state())
	b <- 7
	say(waiting.join())
})

var _ = scenario("select_is_woken_by_a_receiver", func() {
	a, b := make(chan int), make(chan int)
	waiting := start(func() {
		select {
		case a <- 1:
			say("a")
		case b <- 2:
			say("b")
		}
	})
	say(waiting.state())
	got := recv(b)
	say(waiting.join(), got)
})

var _ = scenario("select_is_woken_by_a_buffer_with_room", func() {
	a, b := make(chan int, 1), make(chan int)
	a <- 1
	waiting := start(func() {
		select {
		case a <- 2:
			say("a")
		case <-b:
		}
	})
	before := waiting.state()
	first := recv(a)
	end := waiting.join()
	say(before, first)
	say(end, recv(a))
})

var _ = scenario("select_is_woken_by_a_close", func() {
	a, b := make(chan int), make(chan int)
	waiting := start(func() { receiveEither(a, b) })
	close(a)
	say(waiting.join())
})

var _ = scenario("select_close_wakes_all_who_wait", func() {
	a, b := make(chan int), make(chan int)
	waiting := []*task{}
	for i := 0; i < 3; i++ {
		waiting = append(waiting, start(func() { receiveEither(a, b) }))
	}
	close(b)
	for _, w := range waiting {
		w.join()
	}
})

var _ = scenario("select_of_nothing_blocks_for_ever", func() {
	say(start(func() { select {} }).state())
})

var _ = scenario("select_of_default_alone_takes_it", func() {
	select {
	default:
		say("default")
	}
})

var _ = scenario("select_of_one_receive_waits_like_it", func() {
	a := make(chan int)
	waiting := start(func() {
		select {
		case v, open := <-a:
			say("a", received(v, open))
		}
	})
	say(waiting.blocks())
	a <- 1
	say(waiting.join())
})

var _ = scenario("select_of_one_send_waits_like_it", func() {
	a := make(chan int)
	waiting := start(func() {
		select {
		case a <- 7:
		}
	})
	say(waiting.blocks(), recv(a))
	say(waiting.join())
})

// receiveAs waits for two channels and calls the first by a name.
func receiveAs(name string, a, b chan int) {
	select {
	case v, open := <-a:
		say(name, received(v, open))
	case v, open := <-b:
		say("b", received(v, open))
	}
}

var _ = scenario("select_waiters_stand_in_line_with_receivers", func() {
	a, b := make(chan int), make(chan int)
	first := start(func() { receiveAs("select", a, b) })
	second := start(func() { say("receiver", recv(a)) })
	a <- 1
	first.join()
	a <- 2
	second.join()
})

var _ = scenario("select_waits_behind_receivers_that_came_first", func() {
	a, b := make(chan int), make(chan int)
	first := start(func() { say("receiver", recv(a)) })
	second := start(func() { receiveAs("select", a, b) })
	a <- 1
	first.join()
	a <- 2
	second.join()
})

func sendEither(a, b chan int, v int) {
	select {
	case a <- v:
	case b <- v:
	}
}

var _ = scenario("select_two_waiting_are_served_in_order", func() {
	a, b := make(chan int), make(chan int)
	start(func() { sendEither(a, b, 1) })
	start(func() { sendEither(a, b, 2) })
	say(recv(b), recv(a))
})

var _ = scenario("select_two_meet_each_other", func() {
	a, b := make(chan int), make(chan int)
	left := start(func() {
		select {
		case a <- 1:
		case <-b:
		}
	})
	select {
	case v, open := <-a:
		say("a", received(v, open))
	}
	say(left.join())
})

var _ = scenario("select_two_opposite_pass_exactly_one_value", func() {
	for round := 0; round < 100; round++ {
		a, b := make(chan int), make(chan int)
		var sent, got atomic.Int32
		var both sync.WaitGroup
		both.Go(func() {
			select {
			case a <- 1:
				sent.Add(1)
			case <-b:
				got.Add(1)
			}
		})
		both.Go(func() {
			select {
			case <-a:
				got.Add(1)
			case b <- 1:
				sent.Add(1)
			}
		})
		both.Wait()
		if sent.Load() != 1 || got.Load() != 1 {
			say("sent", sent.Load(), "received", got.Load())
		}
	}
	say("end")
})

// --- losers

var _ = scenario("select_losers_send_nothing", func() {
	a, b := make(chan int, 1), make(chan int)
	receiver := start(func() { say("b", recv(b)) })
	a <- 1
	select {
	case a <- 2:
	case b <- 3:
	}
	receiver.join()
	say(recv(a), tryRecv(a))
})

var _ = scenario("select_losers_take_nothing", func() {
	a, b := make(chan int, 1), make(chan int, 1)
	a <- 1
	b <- 1
	select {
	case <-a:
	case <-b:
	}
	say(len(a) + len(b))
})

var _ = scenario("select_losers_leave_the_queues", func() {
	a, b := make(chan int), make(chan int)
	waiting := start(func() { receiveEither(a, b) })
	a <- 1
	waiting.join()
	say(trySend(b, 2))
})

var _ = scenario("select_losers_leave_the_queues_of_senders", func() {
	a, b := make(chan int), make(chan int)
	waiting := start(func() {
		select {
		case a <- 1:
		case b <- 2:
		}
	})
	say(recv(b))
	waiting.join()
	say(tryRecv(a))
})

var _ = scenario("select_loser_is_not_hurt_by_a_close", func() {
	a, b := make(chan int), make(chan int)
	waiting := start(func() {
		select {
		case v, open := <-a:
			say("a", received(v, open))
		case b <- 2:
		}
	})
	a <- 1
	close(b)
	say(waiting.join())
})

// --- nil and closed

var _ = scenario("select_never_chooses_nil", func() {
	var null chan int
	select {
	case <-null:
		say("nil")
	case null <- 1:
	default:
		say("default")
	}
})

var _ = scenario("select_of_nil_alone_blocks_for_ever", func() {
	var null chan int
	say(start(func() {
		select {
		case <-null:
		case null <- 1:
		}
	}).blocks())
})

var _ = scenario("select_beside_nil_another_is_chosen", func() {
	var null chan int
	a := make(chan int)
	waiting := start(func() {
		select {
		case <-null:
			say("nil")
		case v, open := <-a:
			say("a", received(v, open))
		}
	})
	say(waiting.state())
	a <- 7
	say(waiting.join())
})

var _ = scenario("select_nil_switches_a_case_off", func() {
	a, b := make(chan int, 2), make(chan int, 2)
	for i := 1; i <= 2; i++ {
		a <- i
		b <- 10 * i
	}
	close(a)
	close(b)
	sum := 0
	for a != nil || b != nil {
		select {
		case v, open := <-a:
			if sum += v; !open {
				a = nil
			}
		case v, open := <-b:
			if sum += v; !open {
				b = nil
			}
		}
	}
	say(sum)
})

var _ = scenario("select_send_on_closed_panics", func() {
	a, b := make(chan int), make(chan int)
	close(a)
	say(attempt(func() {
		select {
		case a <- 1:
		case <-b:
		}
	}))
})

var _ = scenario("select_send_on_closed_counts_as_ready", func() {
	a := make(chan int)
	close(a)
	say(attempt(func() {
		select {
		case a <- 1:
		default:
			say("default")
		}
	}))
})

var _ = scenario("select_send_on_closed_panics_only_if_chosen", func() {
	closed, ready := make(chan int), make(chan int, 1)
	close(closed)
	panicked, got := false, false
	for i := 0; i < 1000; i++ {
		ready <- i
		end := attempt(func() {
			select {
			case closed <- 1:
			case <-ready:
			}
		})
		if end == "returned" {
			got = true
		} else {
			panicked = true
			<-ready
		}
	}
	say(panicked, got, len(ready))
})

var _ = scenario("select_close_makes_a_waiting_send_panic", func() {
	a, b := make(chan int), make(chan int)
	waiting := start(func() {
		select {
		case a <- 1:
		case <-b:
			say("b")
		}
	})
	close(a)
	say(waiting.join())
	say(trySend(b, 1))
})

// --- one channel in several cases

var _ = scenario("select_same_channel_twice_fires_once", func() {
	a, fired := make(chan int), 0
	waiting := start(func() {
		select {
		case <-a:
			fired++
		case <-a:
			fired++
		}
	})
	say(waiting.state())
	a <- 1
	waiting.join()
	say(fired, trySend(a, 2))
})

var _ = scenario("select_same_channel_twice_both_are_chosen", func() {
	a := make(chan int, 1)
	var chosen [2]bool
	for i := 0; i < 200; i++ {
		a <- i
		select {
		case <-a:
			chosen[0] = true
		case <-a:
			chosen[1] = true
		}
	}
	say(chosen[0], chosen[1])
})

// bothDirections offers to send to and to receive from one channel.
func bothDirections(a chan int, v int) {
	select {
	case a <- v:
		say("sent")
	case v, open := <-a:
		say("received", received(v, open))
	}
}

var _ = scenario("select_does_not_talk_to_itself", func() {
	a := make(chan int)
	waiting := start(func() { bothDirections(a, 1) })
	say(waiting.state())
	got := tryRecv(a)
	end := waiting.join()
	say(got)
	say(end, tryRecv(a))
})

var _ = scenario("select_both_directions_wait_for_either", func() {
	a := make(chan int)
	waiting := start(func() { bothDirections(a, 1) })
	a <- 7
	say(waiting.join(), trySend(a, 8))
})

var _ = scenario("select_both_directions_of_a_buffer", func() {
	a := make(chan int, 1)
	for i := 1; i <= 3; i++ {
		bothDirections(a, i)
	}
})

// --- evaluation

var _ = scenario("select_evaluates_each_case_once", func() {
	a, b := make(chan int, 1), make(chan int)
	channels, values := 0, 0
	channel := func(c chan int) chan int { channels++; return c }
	value := func(v int) int { values++; return v }
	a <- 1
	select {
	case <-channel(a):
	case channel(b) <- value(2):
	case <-channel(b):
	}
	say(channels, values)
})

func at[T any](where string, what T) T {
	say(where)
	return what
}

var _ = scenario("select_evaluates_in_source_order", func() {
	a, b := make(chan int, 1), make(chan int, 1)
	b <- 0
	select {
	case at("channel 1", a) <- at("value 1", 1):
	case at("channel 2", b) <- at("value 2", 2):
	}
})

var _ = scenario("select_evaluates_what_default_makes_needless", func() {
	a, values := make(chan int), 0
	next := func() int { values++; return values }
	select {
	case a <- next():
	default:
		say("default")
	}
	say(values)
})

var _ = scenario("select_value_is_taken_before_it_waits", func() {
	a, b := make(chan int), make(chan int)
	value := 1
	start(func() {
		select {
		case a <- value:
		case <-b:
		}
	})
	value = 2
	say(recv(a), value)
})

var _ = scenario("select_body_runs_after_the_choice", func() {
	a := make(chan int, 1)
	select {
	case a <- 1:
		say(recv(a))
		trySend(a, 2)
		say(recv(a))
	}
})

var _ = scenario("select_body_may_panic", func() {
	a := make(chan int, 1)
	a <- 1
	say(attempt(func() {
		select {
		case <-a:
			panic(errors.New("in the body"))
		}
	}))
	say(tryRecv(a))
})

// --- with time and contexts

var _ = scenario("select_after_ends_the_wait", func() {
	a := make(chan int)
	select {
	case <-a:
		say("a")
	case <-time.After(time.Millisecond):
		say("after")
	}
})

var _ = scenario("select_after_does_not_matter_when_another_is_ready", func() {
	a := make(chan int, 1)
	a <- 7
	select {
	case v, open := <-a:
		say("a", received(v, open))
	case <-time.After(time.Hour):
		say("after")
	}
})

var _ = scenario("select_shortest_time_wins", func() {
	select {
	case <-time.After(time.Hour):
		say("an hour")
	case <-time.After(time.Millisecond):
		say("a millisecond")
	}
})

func receiveOrDone(a chan int, ctx context.Context) {
	select {
	case v, open := <-a:
		say("a", received(v, open))
	case <-ctx.Done():
		say("done", ctx.Err())
	}
}

var _ = scenario("select_done_is_chosen_when_cancelled_before", func() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	receiveOrDone(make(chan int), ctx)
})

var _ = scenario("select_done_wakes_the_wait", func() {
	ctx, cancel := context.WithCancel(context.Background())
	waiting := start(func() { receiveOrDone(make(chan int), ctx) })
	say(waiting.state())
	cancel()
	say(waiting.join())
})

var _ = scenario("select_done_of_background_is_never_chosen", func() {
	a := make(chan int)
	select {
	case <-context.Background().Done():
		say("done")
	case <-a:
	default:
		say("default")
	}
})

var _ = scenario("select_two_contexts_the_done_one_is_chosen", func() {
	one, cancelOne := context.WithCancel(context.Background())
	defer cancelOne()
	other, cancelOther := context.WithCancel(context.Background())
	waiting := start(func() {
		select {
		case <-one.Done():
			say("one")
		case <-other.Done():
			say("other")
		}
	})
	cancelOther()
	say(waiting.join())
})

// --- at work

var _ = scenario("select_many_lose_nothing", func() {
	a, b, c := make(chan int), make(chan int, 1), make(chan int, 5)
	var sum atomic.Int64
	var all sync.WaitGroup
	for n := 0; n < 4; n++ {
		all.Go(func() {
			for i := 1; i <= 100; i++ {
				select {
				case a <- i:
				case b <- i:
				case c <- i:
				}
			}
		})
		all.Go(func() {
			for i := 1; i <= 100; i++ {
				select {
				case v := <-a:
					sum.Add(int64(v))
				case v := <-b:
					sum.Add(int64(v))
				case v := <-c:
					sum.Add(int64(v))
				}
			}
		})
	}
	all.Wait()
	say(sum.Load(), len(b)+len(c))
})

var _ = scenario("select_eight_ways", func() {
	var c [8]chan int
	for i := range c {
		c[i] = make(chan int)
	}
	waiting := start(func() {
		index := 0
		select {
		case <-c[0]:
		case <-c[1]:
		case <-c[2]:
		case <-c[3]:
		case c[4] <- 1:
			index = 4
		case c[5] <- 1:
			index = 5
		case c[6] <- 1:
			index = 6
		case c[7] <- 1:
			index = 7
		}
		say(index)
	})
	got := recv(c[6])
	end := waiting.join()
	say(got)
	say(end)
})

var _ = scenario("select_prefers_with_two_in_a_row", func() {
	urgent, rest := make(chan int, 4), make(chan int, 4)
	for i := 0; i < 3; i++ {
		urgent <- i
		rest <- 10 + i
	}
	for i := 0; i < 6; i++ {
		select {
		case v := <-urgent:
			say("urgent", v)
		default:
			select {
			case v := <-urgent:
				say("urgent", v)
			case v := <-rest:
				say("rest", v)
			}
		}
	}
})

var _ = scenario("select_quit_channel_ends_a_loop", func() {
	fibonacci, quit := make(chan int), make(chan int)
	generator := start(func() {
		a, b := 0, 1
		for {
			select {
			case fibonacci <- a:
				a, b = b, a+b
			case <-quit:
				return
			}
		}
	})
	for i := 0; i < 10; i++ {
		say(recv(fibonacci))
	}
	close(quit)
	say(generator.join())
})
