// contended: several goroutines at one channel or one context, and select.

#include <weft/channel.h>
#include <weft/context.h>
#include <weft/go.h>
#include <weft/select.h>
#include <weft/wait_group.h>

#include <array>
#include <cstddef>
#include <utility>
#include <vector>

#include "weft/rows.h"

namespace bench {
namespace {

// many: n senders, one receiver.
void many(const char* name, const shape& s, std::ptrdiff_t capacity) {
  const auto each = s.each();
  const weft::channel<int> numbers(capacity);
  const auto start = clock_type::now();
  for (std::int64_t g = 0; g < s.n; ++g)
    weft::go([numbers, each] {
      for (std::int64_t i = 0; i < each; ++i) numbers.send(1);
    });
  std::int64_t sum = 0;
  for (std::int64_t i = 0; i < s.n * each; ++i) sum += *numbers.recv();
  require(sum == s.n * each, "lost an item");
  say(name, ns_each(start, sum), "ns");
}

template <std::size_t... I>
auto channels(std::ptrdiff_t capacity, std::index_sequence<I...>) {
  return std::array<weft::channel<int>, sizeof...(I)>{((void)I, weft::channel<int>(capacity))...};
}

// ready: one of the channels has a value; with the send that put it there. n goroutines do so, each
// with channels of its own.
template <std::size_t... I>
void ready(const char* name, const shape& s, std::index_sequence<I...> ways) {
  const auto each = s.each();
  weft::wait_group done;
  const auto start = clock_type::now();
  for (std::int64_t g = 0; g < s.n; ++g)
    done.go([each, ways] {
      const auto all = channels(1, ways);
      std::int64_t sum = 0;
      for (std::int64_t i = 0; i < each; ++i) {
        all[static_cast<std::size_t>(i) % all.size()].send(1);
        weft::select(weft::recv(all[I], [&](int n) { sum += n; })...);
      }
      require(sum == each, "a select lost a value");
    });
  done.wait();
  say(name, ns_each(start, s.n * each), "ns");
}

// blocking: the one who selects waits, the one who sends waits for it. n such pairs.
template <std::size_t... I>
void blocking(const char* name, const shape& s, std::index_sequence<I...> ways) {
  const auto each = s.each();
  weft::wait_group done;
  const auto start = clock_type::now();
  for (std::int64_t g = 0; g < s.n; ++g) {
    const auto all = channels(0, ways);
    weft::go([all, each] {
      for (std::int64_t i = 0; i < each; ++i) all[static_cast<std::size_t>(i) % all.size()].send(1);
    });
    done.go([all, each] {
      std::int64_t sum = 0;
      for (std::int64_t i = 0; i < each; ++i)
        weft::select(weft::recv(all[I], [&](int n) { sum += n; })...);
      require(sum == each, "a select lost a value");
    });
  }
  done.wait();
  say(name, ns_each(start, s.n * each), "ns");
}

// stop: n goroutines wait in a select for a channel of their own or for the word to stop, which is
// one context for all of them or one each. One goroutine sends to each in turn.
void stop(const char* name, const shape& s, bool shared) {
  const auto rounds = s.each();
  const auto one = weft::with_cancel(weft::context::background());
  std::vector<weft::channel<int>> inboxes;
  std::vector<weft::cancellable> words;
  weft::wait_group done;
  for (std::int64_t g = 0; g < s.n; ++g) {
    inboxes.emplace_back(0);
    words.push_back(shared ? one : weft::with_cancel(weft::context::background()));
    done.go([inbox = inboxes.back(), word = words.back().ctx] {
      for (bool stopped = false; !stopped;)
        weft::select(weft::recv(inbox, [](int) {}), weft::done(word, [&] { stopped = true; }));
    });
  }
  for (const auto& inbox : inboxes) inbox.send(0);  // all have begun
  const auto start = clock_type::now();
  for (std::int64_t r = 0; r < rounds; ++r)
    for (const auto& inbox : inboxes) inbox.send(1);
  const double each_ns = ns_each(start, s.n * rounds);
  for (const auto& word : words) word.cancel();
  done.wait();
  say(name, each_ns, "ns");
}

}  // namespace

void channel_many(const shape& s) { many("channel_many", s, 0); }
void channel_many_128(const shape& s) { many("channel_many_128", s, 128); }
void select_ready_2(const shape& s) { ready("select_ready_2", s, std::make_index_sequence<2>()); }
void select_ready_4(const shape& s) { ready("select_ready_4", s, std::make_index_sequence<4>()); }
void select_blocking_2(const shape& s) {
  blocking("select_blocking_2", s, std::make_index_sequence<2>());
}
void select_blocking_4(const shape& s) {
  blocking("select_blocking_4", s, std::make_index_sequence<4>());
}
void select_stop_private(const shape& s) { stop("select_stop_private", s, false); }
void select_stop_shared(const shape& s) { stop("select_stop_shared", s, true); }

}  // namespace bench
