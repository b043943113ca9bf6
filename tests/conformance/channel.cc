// Channels: Go spec (Channel types, Send statements, Receive operator, Close, For statements with a
// range clause), the memory model, runtime/chan.go.

#include <weft/channel.h>
#include <weft/select.h>
#include <weft/wait_group.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "conformance/scenario.h"

namespace weft::conformance {
namespace {

// --- without a buffer ----------------------------------------------------------------------------

SCENARIO(chan_send_waits_for_a_receiver, "Go spec, Channel types") {
  const channel<int> c(0);
  const task sender([=] { c.send(7); });
  say{sender.state()};
  say{c.recv()};
  say{sender.join()};
}

SCENARIO(chan_recv_waits_for_a_sender, "Go spec, Receive operator") {
  const channel<int> c(0);
  const task receiver([=] { say{c.recv()}; });
  say{receiver.state()};
  c.send(7);
  say{receiver.join()};
}

SCENARIO(chan_blocked_senders_are_served_in_order, "runtime/chan.go, sendq") {
  const channel<int> c(0);
  const task a([=] { c.send(1); }), b([=] { c.send(2); }), d([=] { c.send(3); });
  say{c.recv(), c.recv(), c.recv()};
}

SCENARIO(chan_blocked_receivers_are_served_in_order, "runtime/chan.go, recvq") {
  const channel<int> c(0);
  const task a([=] { say{"first", c.recv()}; });
  const task b([=] { say{"second", c.recv()}; });
  const task d([=] { say{"third", c.recv()}; });
  for (int i = 1; i <= 3; ++i) {
    c.send(i);
    (i == 1 ? a : i == 2 ? b : d).join();
  }
}

SCENARIO(chan_a_woken_receiver_already_has_its_value, "runtime/chan.go, send") {
  const channel<int> c(0);
  const task receiver([=] { say{"receiver", c.recv()}; });
  c.send(1);
  const auto newcomer = c.try_recv();
  receiver.join();
  say{"newcomer", newcomer};
}

SCENARIO(chan_a_woken_sender_has_sent, "runtime/chan.go, recv") {
  const channel<int> c(0);
  const task sender([=] { c.send(1); });
  say{c.recv()};
  say{c.try_recv()};
  say{sender.join()};
}

SCENARIO(chan_unbuffered_try_send_needs_a_receiver, "Go spec, Select statements") {
  const channel<int> c(0);
  say{c.try_send(1)};
  const task receiver([=] { say{c.recv()}; });
  const bool sent = c.try_send(2);
  receiver.join();
  say{sent};
  say{c.try_send(3)};
}

SCENARIO(chan_unbuffered_try_recv_needs_a_sender, "Go spec, Select statements") {
  const channel<int> c(0);
  say{c.try_recv()};
  const task sender([=] { c.send(1); });
  say{c.try_recv()};
  sender.join();
  say{c.try_recv()};
}

// --- with a buffer -------------------------------------------------------------------------------

SCENARIO(chan_buffered_send_waits_when_full, "Go spec, Send statements") {
  const channel<int> c(2);
  c.send(1);
  c.send(2);
  const task sender([=] { c.send(3); });
  say{sender.state()};
  say{c.recv()};
  say{sender.join()};
}

SCENARIO(chan_buffered_recv_waits_when_empty, "Go spec, Receive operator") {
  const channel<int> c(2);
  const task receiver([=] { say{c.recv()}; });
  say{receiver.state()};
  c.send(1);
  say{receiver.join()};
}

SCENARIO(chan_buffer_is_first_in_first_out, "Go spec, Channel types: channels act as FIFO queues") {
  const channel<int> c(3);
  for (int i = 1; i <= 3; ++i) c.send(i);
  say{c.recv(), c.recv()};
  c.send(4);
  c.send(5);
  say{c.recv(), c.recv(), c.recv()};
}

SCENARIO(chan_blocked_sender_goes_to_the_tail, "runtime/chan.go, recv: queue is full") {
  const channel<int> c(2);
  c.send(1);
  c.send(2);
  const task a([=] { c.send(3); }), b([=] { c.send(4); });
  say{c.recv(), c.recv(), c.recv(), c.recv()};
}

SCENARIO(chan_stays_full_while_senders_wait, "runtime/chan.go, recv: queue is full") {
  const channel<int> c(1);
  c.send(1);
  const task a([=] { c.send(2); });
  say{c.recv(), c.size(), c.try_send(9)};
  say{c.recv(), c.size(), c.try_send(9)};
}

SCENARIO(chan_waiting_receiver_bypasses_the_buffer, "runtime/chan.go, send") {
  const channel<int> c(4);
  const task receiver([=] { say{c.recv()}; });
  c.send(7);
  const auto queued = c.size();
  receiver.join();
  say{queued};
}

SCENARIO(chan_buffered_try_send_until_full, "Go spec, Select statements") {
  const channel<int> c(2);
  say{c.try_send(1), c.try_send(2), c.try_send(3)};
  say{c.recv(), c.try_send(4), c.recv(), c.recv()};
}

SCENARIO(chan_buffered_try_recv_until_empty, "Go spec, Select statements") {
  const channel<int> c(2);
  c.send(1);
  c.send(2);
  say{c.try_recv(), c.try_recv()};
  say{c.try_recv()};
}

SCENARIO(chan_order_holds_through_a_small_buffer,
         "Go spec, Channel types: channels act as FIFO queues") {
  const channel<int> c(3);
  const task sender([=] {
    for (int i = 0; i < 1000; ++i) c.send(i);
    c.close();
  });
  int expected = 0;
  bool in_order = true;
  for (const int i : c) in_order = in_order && i == expected++;
  say{in_order, expected};
}

SCENARIO(chan_each_sender_keeps_its_own_order,
         "Go spec, Channel types: channels act as FIFO queues") {
  const channel<int> c(2);
  wait_group senders;
  for (int s = 0; s < 4; ++s) {
    senders.go([=] {
      for (int i = 0; i < 100; ++i) c.send(s * 100 + i);
    });
  }
  std::array<int, 4> next{};
  bool in_order = true;
  for (int n = 0; n < 400; ++n) {
    const int i = c.recv().value();
    in_order = in_order && next[static_cast<std::size_t>(i / 100)]++ == i % 100;
  }
  say{in_order};
  senders.wait().value();
}

// --- len and cap ---------------------------------------------------------------------------------

SCENARIO(chan_len_and_cap_of_unbuffered, "Go spec, Length and capacity") {
  const channel<int> c(0);
  say{c.size(), c.capacity()};
}

SCENARIO(chan_len_counts_what_is_queued, "Go spec, Length and capacity") {
  const channel<int> c(3);
  say{c.size(), c.capacity()};
  c.send(1);
  c.send(2);
  say{c.size(), c.capacity()};
  say{c.recv(), c.size(), c.capacity()};
}

SCENARIO(chan_len_does_not_count_blocked_senders, "Go spec, Length and capacity") {
  const channel<int> c(1), none(0);
  c.send(1);
  const task a([=] { c.send(2); }), b([=] { none.send(1); });
  say{c.size(), none.size()};
}

SCENARIO(chan_len_and_cap_after_close, "Go spec, Length and capacity") {
  const channel<int> c(3);
  c.send(1);
  c.close();
  say{c.size(), c.capacity()};
  say{c.recv(), c.size(), c.capacity()};
}

SCENARIO(chan_len_and_cap_of_nil, "Go spec, Length and capacity") {
  const channel<int> c;
  say{c.size(), c.capacity()};
}

// --- nil -----------------------------------------------------------------------------------------

SCENARIO(chan_nil_send_blocks_for_ever, "Go spec, Send statements") {
  say{task([] { channel<int>().send(1); }).state()};
}

SCENARIO(chan_nil_recv_blocks_for_ever, "Go spec, Receive operator") {
  say{task([] { say{channel<int>().recv()}; }).state()};
}

SCENARIO(chan_nil_range_blocks_for_ever, "Go spec, For statements with range clause") {
  say{task([] {
        for (const int i : channel<int>()) say{i};
      }).state()};
}

SCENARIO(chan_nil_close_panics, "Go spec, Close") {
  say{attempt([] { channel<int>().close(); })};
}

SCENARIO(chan_nil_try_send_would_block, "Go spec, Select statements") {
  say{channel<int>().try_send(1)};
}

SCENARIO(chan_nil_try_recv_would_block, "Go spec, Select statements") {
  say{channel<int>().try_recv()};
}

SCENARIO(chan_nil_compares_equal_to_nil, "Go spec, Comparison operators") {
  const channel<int> nil, c(0);
  say{nil == channel<int>(), c == nil, static_cast<bool>(nil), static_cast<bool>(c)};
}

// --- closed --------------------------------------------------------------------------------------

SCENARIO(chan_closed_recv_drains_first, "Go spec, Close") {
  const channel<int> c(3);
  c.send(1);
  c.send(2);
  c.close();
  say{c.recv(), c.recv(), c.recv()};
}

SCENARIO(chan_closed_recv_never_blocks, "Go spec, Receive operator") {
  const channel<int> c(0);
  c.close();
  say{c.recv(), c.recv(), c.recv()};
}

SCENARIO(chan_closed_try_recv_is_ready, "runtime/chan.go, chanrecv: empty checks") {
  const channel<int> c(1);
  c.send(1);
  c.close();
  say{c.try_recv(), c.try_recv(), c.try_recv()};
}

SCENARIO(chan_a_zero_that_was_sent_is_no_close, "Go spec, Receive operator: x, ok") {
  const channel<int> c(1);
  c.send(0);
  c.close();
  say{c.recv(), c.recv()};
}

SCENARIO(chan_closed_send_panics, "Go spec, Send statements") {
  const channel<int> c(0);
  c.close();
  say{attempt([=] { c.send(1); })};
}

SCENARIO(chan_closed_send_panics_though_there_is_room, "Go spec, Send statements") {
  const channel<int> c(1);
  c.close();
  say{attempt([=] { c.send(1); })};
  say{c.size()};
}

SCENARIO(chan_closed_send_panics_though_it_is_full, "Go spec, Send statements") {
  const channel<int> c(1);
  c.send(1);
  c.close();
  say{attempt([=] { c.send(2); })};
  say{c.recv(), c.recv()};
}

SCENARIO(chan_closed_try_send_panics, "Go spec, Select statements; runtime/chan.go, chansend") {
  const channel<int> c(0);
  c.close();
  say{attempt([=] { say{c.try_send(1)}; })};
}

SCENARIO(chan_closed_full_try_send_panics,
         "Go spec, Select statements; runtime/chan.go, chansend") {
  const channel<int> c(1);
  c.send(1);
  c.close();
  say{attempt([=] { say{c.try_send(2)}; })};
}

SCENARIO(chan_close_twice_panics, "Go spec, Close") {
  const channel<int> c(0);
  c.close();
  say{attempt([=] { c.close(); })};
}

SCENARIO(chan_close_wakes_all_receivers, "runtime/chan.go, closechan") {
  const channel<int> c(0);
  std::vector<task> receivers;
  for (int i = 0; i < 3; ++i) receivers.emplace_back([=] { say{c.recv()}; });
  c.close();
  for (const auto& r : receivers) r.join();
}

SCENARIO(chan_close_makes_blocked_senders_panic, "runtime/chan.go, chansend") {
  const channel<int> c(0);
  const task a([=] { c.send(1); }), b([=] { c.send(2); });
  c.close();
  say{a.join()};
  say{b.join()};
  say{c.recv()};
}

SCENARIO(chan_close_of_a_full_one_with_a_blocked_sender, "runtime/chan.go, closechan") {
  const channel<int> c(2);
  c.send(1);
  c.send(2);
  const task sender([=] { c.send(3); });
  c.close();
  say{sender.join()};
  say{c.recv(), c.recv(), c.recv()};
}

SCENARIO(chan_close_does_not_wait, "Go spec, Close") {
  const channel<int> c(1);
  c.send(1);
  const task closer([=] { c.close(); });
  say{closer.state()};
  say{c.recv(), c.recv()};
}

SCENARIO(chan_copies_are_the_same_channel, "Go spec, Channel types") {
  const channel<int> a(1);
  const channel<int> b = a;
  a.send(1);
  say{a == b, b.recv()};
  b.close();
  say{a.recv()};
}

SCENARIO(chan_two_made_alike_are_different, "Go spec, Comparison operators") {
  const channel<int> a(1), b(1);
  say{a == b};
}

// --- range ---------------------------------------------------------------------------------------

SCENARIO(chan_range_ends_when_closed_and_drained, "Go spec, For statements with range clause") {
  const channel<int> c(3);
  for (int i = 1; i <= 3; ++i) c.send(i);
  c.close();
  for (const int i : c) say{i};
  say{"end"};
}

SCENARIO(chan_range_waits_for_the_next, "Go spec, For statements with range clause") {
  const channel<int> c(0);
  const task ranging([=] {
    for (const int i : c) say{i};
  });
  say{ranging.state()};
  c.send(1);
  say{ranging.state()};
  c.close();
  say{ranging.join()};
}

SCENARIO(chan_range_over_closed_does_nothing, "Go spec, For statements with range clause") {
  const channel<int> c(0);
  c.close();
  for (const int i : c) say{i};
  say{"end"};
}

SCENARIO(chan_range_left_early_leaves_the_rest, "Go spec, For statements with range clause") {
  const channel<int> c(3);
  for (int i = 1; i <= 3; ++i) c.send(i);
  for (const int i : c) {
    say{i};
    break;
  }
  say{c.size()};
}

SCENARIO(chan_ranges_share_what_comes, "Go spec, Receive operator") {
  const channel<int> c(2), sums(3);
  for (int worker = 0; worker < 3; ++worker) {
    go([=] {
      int sum = 0;
      for (const int i : c) sum += i;
      sums.send(sum);
    });
  }
  for (int i = 1; i <= 100; ++i) c.send(i);
  c.close();
  say{sums.recv().value() + sums.recv().value() + sums.recv().value()};
}

// --- making --------------------------------------------------------------------------------------

SCENARIO(chan_make_with_a_negative_size_panics, "Go spec, Making slices, maps and channels") {
  say{attempt([] { const channel<int> c(-1); })};
}

SCENARIO(chan_make_with_a_huge_size_panics, "runtime/chan.go, makechan") {
  say{attempt([] { const channel<std::int64_t> c(std::numeric_limits<std::ptrdiff_t>::max()); })};
}

SCENARIO(chan_of_empty_values_only_counts,
         "runtime/chan.go, makechan: queue or element size is zero") {
  struct empty {};
  const channel<empty> c(3);
  c.send({});
  c.send({});
  say{c.size(), c.capacity()};
  say{c.recv().has_value(), c.size()};
  c.close();
  say{c.recv().has_value(), c.recv().has_value()};
}

SCENARIO(chan_of_empty_values_needs_no_memory,
         "runtime/chan.go, makechan: queue or element size is zero") {
  struct empty {};
  say{attempt([] {
    const channel<empty> c(std::ptrdiff_t{1} << 40);
    c.send({});
    say{c.size(), c.capacity()};
  })};
}

SCENARIO(chan_of_large_values, "Go spec, Channel types") {
  struct large {
    std::array<std::int64_t, 500> words{};
  };
  const channel<large> c(1), direct(0);
  large value;
  value.words[499] = 7;
  c.send(value);
  value.words[499] = 8;
  const task sender([=] { direct.send(value); });
  say{c.recv()->words[499], direct.recv()->words[499]};
}

SCENARIO(chan_of_text, "Go spec, Channel types") {
  const channel<std::string> c(2);
  c.send("");
  c.send(std::string(1000, 'x'));
  say{c.recv()->size(), c.recv()->size()};
}

SCENARIO(chan_of_pointers_hands_over_the_thing, "Go spec, Channel types") {
  const channel<std::shared_ptr<int>> c(1);
  const auto sent = std::make_shared<int>(7);
  c.send(sent);
  say{*c.recv().value() == 7, sent != nullptr};
}

SCENARIO(chan_of_channels_carries_the_reply, "Go spec, Channel types") {
  struct request {
    int n;
    channel<int> reply;
  };
  const channel<request> requests(0);
  go([=] {
    for (const auto& r : requests) r.reply.send(r.n * r.n);
  });
  const channel<int> reply(0);
  for (int i = 1; i <= 3; ++i) {
    requests.send({i, reply});
    say{reply.recv()};
  }
  requests.close();
}

SCENARIO(chan_value_is_copied_when_sent, "Go spec, Send statements") {
  const channel<int> c(1);
  int value = 1;
  c.send(value);
  value = 2;
  say{c.recv(), value};
}

SCENARIO(chan_directions_share_one_channel, "Go spec, Channel types: direction") {
  const channel<int> c(1);
  const sender<int> in = c;
  const receiver<int> out = c;
  in.send(7);
  say{out.size(), in.capacity(), out.recv()};
  in.close();
  say{out.recv()};
}

SCENARIO(chan_nil_of_one_direction, "Go spec, Channel types: direction") {
  say{task([] { sender<int>().send(1); }).state()};
  say{task([] { say{receiver<int>().recv()}; }).state()};
}

// --- what is seen (memory model) -----------------------------------------------------------------

SCENARIO(memory_a_send_is_seen_by_its_receive, "The Go memory model, Channel communication") {
  const channel<int> c(1);
  int data = 0;
  go([&data, c] {
    data = 7;
    c.send(0);
  });
  c.recv().value();
  say{data};
}

SCENARIO(memory_a_close_is_seen_by_the_receive_it_ends,
         "The Go memory model, Channel communication") {
  const channel<int> c(1);
  int data = 0;
  go([&data, c] {
    data = 7;
    c.close();
  });
  say{c.recv(), data};
}

SCENARIO(memory_an_unbuffered_receive_is_seen_by_the_end_of_its_send,
         "The Go memory model, Channel communication") {
  const channel<int> c(0);
  int data = 0;
  go([&data, c] {
    data = 7;
    c.recv().value();
  });
  c.send(0);
  say{data};
}

SCENARIO(memory_a_receive_is_seen_by_the_send_that_takes_its_place,
         "The Go memory model: k-th receive before completion of (k+C)-th send") {
  const channel<int> limit_of_two(2);
  std::atomic<int> now{0}, worst{0};
  wait_group all;
  for (int i = 0; i < 20; ++i) {
    all.go([&, limit_of_two] {
      limit_of_two.send(1);
      const int n = now.fetch_add(1) + 1;
      int seen = worst.load();
      while (n > seen && !worst.compare_exchange_weak(seen, n)) {
      }
      yield();
      now.fetch_sub(1);
      limit_of_two.recv().value();
    });
  }
  all.wait().value();
  say{now.load(), worst.load() <= 2};
}

SCENARIO(memory_go_is_seen_by_what_it_starts, "The Go memory model, Goroutine creation") {
  int data = 7;
  const channel<int> c(0);
  go([&data, c] { c.send(data); });
  say{c.recv()};
}

SCENARIO(memory_a_channel_of_one_is_a_lock, "The Go memory model, Channel communication") {
  const channel<int> lock(1);
  int count = 0;
  wait_group all;
  for (int i = 0; i < 8; ++i) {
    all.go([&count, lock] {
      for (int n = 0; n < 100; ++n) {
        lock.send(1);
        ++count;
        lock.recv().value();
      }
    });
  }
  all.wait().value();
  say{count};
}

// --- at work -------------------------------------------------------------------------------------

SCENARIO(chan_prime_sieve, "Go's tests, test/chan/sieve1.go") {
  channel<int> source(0);
  go([source] {
    for (int i = 2;; ++i) source.send(i);
  });
  for (int i = 0; i < 10; ++i) {
    const int prime = source.recv().value();
    say{prime};
    channel<int> filtered(0);
    go([source, filtered, prime] {
      for (;;) {
        const int n = source.recv().value();
        if (n % prime != 0) filtered.send(n);
      }
    });
    source = filtered;
  }
}

SCENARIO(chan_daisy_chain, "Go spec, Channel types") {
  const channel<int> first(0);
  channel<int> right = first;
  for (int i = 0; i < 200; ++i) {
    const channel<int> left = right, next(0);
    go([=] { left.send(1 + next.recv().value()); });
    right = next;
  }
  right.send(0);
  say{first.recv()};
}

SCENARIO(chan_ping_pong, "Go spec, Channel types") {
  const channel<int> ping(0), pong(0);
  go([=] {
    for (const int i : ping) pong.send(i + 1);
    pong.close();
  });
  int n = 0;
  while (n < 1000) {
    ping.send(n);
    n = pong.recv().value();
  }
  ping.close();
  say{n, pong.recv()};
}

SCENARIO(chan_pipeline_closes_through_its_stages, "Go blog, Pipelines and cancellation") {
  const channel<int> numbers(0), squares(0);
  go([=] {
    for (int i = 1; i <= 5; ++i) numbers.send(i);
    numbers.close();
  });
  go([=] {
    for (const int i : numbers) squares.send(i * i);
    squares.close();
  });
  for (const int i : squares) say{i};
}

SCENARIO(chan_many_senders_many_receivers_lose_nothing, "Go spec, Channel types") {
  const channel<int> c(5);
  std::atomic<long> sum{0};
  wait_group senders, receivers;
  for (int s = 0; s < 5; ++s) {
    senders.go([=] {
      for (int i = 1; i <= 100; ++i) c.send(i);
    });
    receivers.go([&sum, c] {
      for (const int i : c) sum += i;
    });
  }
  senders.wait().value();
  c.close();
  receivers.wait().value();
  say{sum.load()};
}

}  // namespace
}  // namespace weft::conformance
