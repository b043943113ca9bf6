// What many share: sync.OnceFunc, sync.OnceValue, sync.Pool, sync.Map; and errgroup and
// singleflight of golang.org/x/sync.

#include <weft/channel.h>
#include <weft/concurrent_map.h>
#include <weft/context.h>
#include <weft/error.h>
#include <weft/error_group.h>
#include <weft/once.h>
#include <weft/pool.h>
#include <weft/singleflight.h>
#include <weft/wait_group.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "conformance/scenario.h"

namespace weft::conformance {
namespace {

// --- once_func, once_value -----------------------------------------------------------------------

SCENARIO(once_func_calls_it_once, "sync.OnceFunc") {
  int calls = 0;
  once_func f([&] { ++calls; });
  say{calls};
  f().value();
  f().value();
  say{calls};
}

SCENARIO(once_func_panics_each_time_alike, "sync.OnceFunc: panics with the same value") {
  int calls = 0;
  once_func f([&] {
    ++calls;
    throw std::runtime_error("boom");
  });
  say{attempt([&] { static_cast<void>(f()); })};
  say{attempt([&] { static_cast<void>(f()); })};
  say{calls};
}

SCENARIO(once_func_others_wait_until_it_has_returned, "sync.OnceFunc") {
  const channel<int> go_on(0);
  once_func f([&] { go_on.recv().value(); });
  const task first([&] { f().value(); }), second([&] { f().value(); });
  say{first.blocks(), second.blocks()};
  go_on.send(1);
  say{first.join(), second.join()};
}

SCENARIO(once_value_is_made_once, "sync.OnceValue") {
  int calls = 0;
  once_value f([&] { return ++calls; });
  say{f(), f(), calls};
}

SCENARIO(once_value_panics_each_time_alike, "sync.OnceValue: panics with the same value") {
  int calls = 0;
  once_value f([&]() -> int {
    ++calls;
    throw std::runtime_error("boom");
  });
  say{attempt([&] { f(); }), attempt([&] { f(); }), calls};
}

SCENARIO(once_value_of_many_goroutines, "sync.OnceValue: may be called concurrently") {
  std::atomic<int> calls{0}, sum{0};
  once_value f([&] { return ++calls; });
  wait_group all;
  for (int i = 0; i < 100; ++i) all.go([&] { sum += f(); });
  all.wait().value();
  say{calls.load(), sum.load()};
}

// --- pool ----------------------------------------------------------------------------------------

SCENARIO(pool_that_is_empty_makes_one, "sync.Pool, Get") {
  int made = 0;
  pool<int> p([&] { return ++made; });
  const int first = p.get(), second = p.get();
  say{first, second, made};
}

SCENARIO(pool_gives_nothing_to_two_at_once, "sync.Pool: safe for use by multiple goroutines") {
  struct thing {
    std::atomic<int> users{0};
  };
  std::atomic<int> together{0};
  pool<std::shared_ptr<thing>> p([] { return std::make_shared<thing>(); });
  wait_group all;
  for (int i = 0; i < 50; ++i) {
    all.go([&] {
      for (int n = 0; n < 20; ++n) {
        auto mine = p.get();
        if (++mine->users != 1) ++together;
        yield();
        --mine->users;
        p.put(std::move(mine));
      }
    });
  }
  all.wait().value();
  say{together.load()};
}

// --- concurrent_map ------------------------------------------------------------------------------

using scores = concurrent_map<std::string, int>;

SCENARIO(map_load_of_what_is_not_there, "sync.Map, Load") {
  scores m;
  say{m.load("ann")};
}

SCENARIO(map_store_replaces, "sync.Map, Store") {
  scores m;
  m.store("ann", 1);
  m.store("ann", 2);
  say{m.load("ann"), m.load("bob")};
}

SCENARIO(map_load_or_store, "sync.Map, LoadOrStore") {
  scores m;
  const auto first = m.load_or_store("ann", 1), second = m.load_or_store("ann", 2);
  say{first.value, first.loaded, second.value, second.loaded, m.load("ann")};
}

SCENARIO(map_load_and_delete, "sync.Map, LoadAndDelete") {
  scores m;
  m.store("ann", 1);
  say{m.load_and_delete("ann"), m.load_and_delete("ann"), m.load("ann")};
}

SCENARIO(map_delete, "sync.Map, Delete") {
  scores m;
  m.store("ann", 1);
  m.erase("ann");
  m.erase("ann");
  say{m.load("ann")};
}

SCENARIO(map_swap, "sync.Map, Swap") {
  scores m;
  say{m.swap("ann", 1), m.swap("ann", 2), m.load("ann")};
}

SCENARIO(map_compare_and_swap, "sync.Map, CompareAndSwap") {
  scores m;
  say{m.compare_and_swap("ann", 0, 1)};
  m.store("ann", 1);
  say{m.compare_and_swap("ann", 2, 3), m.load("ann")};
  say{m.compare_and_swap("ann", 1, 3), m.load("ann")};
}

SCENARIO(map_compare_and_delete, "sync.Map, CompareAndDelete") {
  scores m;
  say{m.compare_and_delete("ann", 1)};
  m.store("ann", 1);
  say{m.compare_and_delete("ann", 2), m.load("ann")};
  say{m.compare_and_delete("ann", 1), m.load("ann")};
}

// fill: with ten values.
void fill(scores& m) {
  for (int i = 0; i < 10; ++i) m.store("key " + std::to_string(i), i);
}

SCENARIO(map_range_sees_each_once, "sync.Map, Range") {
  scores m;
  fill(m);
  int seen = 0, sum = 0;
  m.range([&](const std::string&, int value) {
    ++seen;
    sum += value;
    return true;
  });
  say{seen, sum};
}

SCENARIO(map_range_ends_when_told, "sync.Map, Range: if f returns false") {
  scores m;
  fill(m);
  int seen = 0;
  m.range([&](const std::string&, int) { return ++seen < 3; });
  say{seen};
}

SCENARIO(map_range_may_use_the_map, "sync.Map, Range: f itself may call any method on m") {
  scores m;
  fill(m);
  int seen = 0;
  m.range([&](const std::string& key, int value) {
    ++seen;
    say{m.load(key) == value ? "there" : "not there"};
    m.erase(key);
    return true;
  });
  int left = 0;
  m.range([&](const std::string&, int) { return ++left > 0; });
  say{seen, left};
}

SCENARIO(map_clear, "sync.Map, Clear") {
  scores m;
  fill(m);
  m.clear();
  say{m.load("key 1"), m.load_or_store("key 1", 5).loaded};
}

SCENARIO(map_one_of_many_stores_first, "sync.Map, LoadOrStore: atomic") {
  scores m;
  std::atomic<int> stored{0}, different{0};
  wait_group all;
  for (int i = 0; i < 50; ++i) {
    all.go([&, i] {
      const auto [value, loaded] = m.load_or_store("ann", i);
      if (!loaded) ++stored;
      if (m.load("ann") != value) ++different;
    });
  }
  all.wait().value();
  say{stored.load(), different.load()};
}

// --- error_group ---------------------------------------------------------------------------------

using failure = std::unexpected<error>;
result<void> timeout() { return failure(errc::timeout); }
result<void> eof() { return failure(errc::eof); }

SCENARIO(error_group_of_nothing, "errgroup, Wait") {
  error_group all;
  say{all.wait()};
}

SCENARIO(error_group_waits_for_all, "errgroup, Wait") {
  error_group all;
  const channel<int> go_on(0);
  int ran = 0;
  all.go([&] {
    go_on.recv().value();
    ++ran;
  });
  const task waiter([&] { say{all.wait()}; });
  say{waiter.blocks()};
  go_on.send(1);
  say{waiter.join(), ran};
}

SCENARIO(error_group_returns_the_first_error, "errgroup, Wait: the first non-nil error") {
  error_group all;
  const channel<int> failed(0);
  all.go([&]() -> result<void> {
    failed.recv().value();
    return eof();
  });
  all.go([] { return timeout(); });
  all.context().wait().value();
  failed.send(1);
  say{all.wait()};
}

SCENARIO(error_group_error_cancels_the_others, "errgroup, WithContext") {
  error_group all;
  all.go([&]() -> result<void> {
    all.context().wait().value();
    say{all.context().err(), all.context().cause()};
    return {};
  });
  all.go([] { return eof(); });
  say{all.wait()};
}

SCENARIO(error_group_wait_cancels, "errgroup, WithContext: or the first time Wait returns") {
  error_group all;
  all.go([] {});
  say{all.context().err()};
  say{all.wait()};
  say{all.context().err()};
}

SCENARIO(error_group_parent_is_cancelled, "errgroup, WithContext") {
  const auto [ctx, cancel] = with_cancel(context::background());
  error_group all(ctx);
  all.go([&] { all.context().wait().value(); });
  cancel();
  say{all.wait(), all.context().err()};
}

SCENARIO(error_group_runs_those_that_come_after_a_failure, "errgroup, Go") {
  error_group all;
  all.go([] { return timeout(); });
  all.context().wait().value();
  int ran = 0;
  all.go([&] { ++ran; });
  say{all.wait()};
  say{ran};
}

SCENARIO(error_group_wait_again_says_the_same, "errgroup, Wait") {
  error_group all;
  all.go([] { return timeout(); });
  say{all.wait()};
  say{all.wait()};
}

SCENARIO(error_group_limit_holds, "errgroup, SetLimit") {
  error_group all;
  all.set_limit(3);
  std::atomic<int> at_once{0}, most{0};
  for (int i = 0; i < 30; ++i) {
    all.go([&] {
      const int now = ++at_once;
      for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) continue;
      yield();
      --at_once;
    });
  }
  say{all.wait(), most <= 3};
}

SCENARIO(error_group_go_waits_at_the_limit, "errgroup, Go: blocks until") {
  error_group all;
  all.set_limit(1);
  const channel<int> go_on(0);
  all.go([&] { go_on.recv().value(); });
  const task second([&] { all.go([] { say{"second"}; }); });
  say{second.blocks()};
  go_on.send(1);
  second.join();
  say{all.wait()};
}

SCENARIO(error_group_try_go_at_the_limit, "errgroup, TryGo") {
  error_group all;
  all.set_limit(1);
  const channel<int> go_on(0);
  say{all.try_go([&] { go_on.recv().value(); })};
  say{all.try_go([] {})};
  go_on.send(1);
  say{all.wait()};
  say{all.try_go([] {})};
  say{all.wait()};
}

SCENARIO(error_group_limit_of_nothing, "errgroup, SetLimit: a limit of zero") {
  error_group all;
  all.set_limit(0);
  say{all.try_go([] {})};
  all.set_limit(-1);
  say{all.try_go([] {})};
  say{all.wait()};
}

SCENARIO(error_group_limit_is_not_moved_while_any_run, "errgroup, SetLimit: must not be modified") {
  error_group all;
  all.set_limit(2);
  const channel<int> go_on(0);
  all.go([&] { go_on.recv().value(); });
  say{attempt([&] { all.set_limit(3); })};
  go_on.send(1);
  say{all.wait()};
}

// --- singleflight --------------------------------------------------------------------------------

using flights = singleflight<std::string, int>;

std::string words(const flights::answer& a) {
  return text(a.value) + (a.shared ? " shared" : " alone");
}

SCENARIO(singleflight_alone, "singleflight, Do") {
  flights f;
  say{words(f.call("a", [] { return 1; })), words(f.call("a", [] { return 2; }))};
}

SCENARIO(singleflight_one_calls_the_others_wait, "singleflight, Do") {
  flights f;
  const channel<int> go_on(0);
  int calls = 0;
  const task first([&] {
    say{words(f.call("a", [&] {
      ++calls;
      return go_on.recv().value();
    }))};
  });
  const task second([&] { say{words(f.call("a", [] { return 2; }))}; });
  const task third([&] { say{words(f.call("a", [] { return 3; }))}; });
  say{first.blocks(), second.blocks(), third.blocks()};
  go_on.send(7);
  say{first.join(), second.join(), third.join(), calls};
}

SCENARIO(singleflight_shares_errors, "singleflight, Do") {
  flights f;
  const channel<int> go_on(0);
  const task first([&] {
    say{words(f.call("a", [&]() -> result<int> {
      go_on.recv().value();
      return failure(errc::timeout);
    }))};
  });
  const task second([&] { say{words(f.call("a", [] { return 2; }))}; });
  go_on.send(1);
  say{first.join(), second.join()};
}

SCENARIO(singleflight_keys_are_apart, "singleflight, Do") {
  flights f;
  const channel<int> go_on(0);
  const task first([&] { say{words(f.call("a", [&] { return go_on.recv().value(); }))}; });
  say{words(f.call("b", [] { return 2; }))};
  go_on.send(1);
  say{first.join()};
}

SCENARIO(singleflight_forgotten_begins_anew, "singleflight, Forget") {
  flights f;
  const channel<int> go_on(0);
  const task first([&] { say{words(f.call("a", [&] { return go_on.recv().value(); }))}; });
  f.forget("a");
  say{words(f.call("a", [] { return 2; }))};
  go_on.send(1);
  say{first.join()};
}

SCENARIO(singleflight_panic_reaches_all, "singleflight, Do") {
  flights f;
  const channel<int> go_on(0);
  // Lives until both have read it: ThreadSanitizer does not see how libstdc++ counts who has it.
  const auto boom = std::make_exception_ptr(std::runtime_error("boom"));
  const task first([&] {
    f.call("a", [&]() -> int {
      go_on.recv().value();
      std::rethrow_exception(boom);
    });
  });
  const task second([&] { f.call("a", [] { return 2; }); });
  say{second.blocks()};
  go_on.send(1);
  say{first.join(), second.join()};
  say{words(f.call("a", [] { return 3; }))};
}

}  // namespace
}  // namespace weft::conformance
