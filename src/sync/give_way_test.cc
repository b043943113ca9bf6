// Operations that may wait but never have to: on one processor everybody else gets a turn all the
// same.

#include <gtest/gtest.h>
#include <weft/channel.h>
#include <weft/context.h>
#include <weft/go.h>
#include <weft/mutex.h>
#include <weft/once.h>
#include <weft/runtime.h>
#include <weft/scope.h>
#include <weft/select.h>
#include <weft/time.h>
#include <weft/wait_group.h>

#include <atomic>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <utility>

namespace weft {
namespace {

using namespace std::chrono_literals;

// greedy: an operation over and over, by a goroutine that does nothing else.
struct greedy {
  const char* name;
  std::function<std::function<void()>()> make;
};

std::ostream& operator<<(std::ostream& out, const greedy& g) { return out << g.name; }

const greedy operations[] = {
    {"mutex",
     [] {
       return [m = std::make_shared<mutex>()] {
         m->lock();
         m->unlock();
       };
     }},
    {"mutex_with_limit",
     [] {
       return [m = std::make_shared<mutex>()] {
         static_cast<void>(m->lock(1h));
         m->unlock();
       };
     }},
    {"buffered_channel",
     [] {
       return [c = channel<int>(1)]() mutable {
         c.send(1);
         static_cast<void>(c.recv());
       };
     }},
    {"closed_channel",
     [] {
       channel<int> c(0);
       c.close();
       return [c]() mutable { static_cast<void>(c.recv()); };
     }},
    {"select",
     [] {
       return [c = channel<int>(1)]() mutable {
         select(send(c, 1), after(1h));
         select(recv(c), after(1h));
       };
     }},
    {"wait_group",
     [] { return [w = std::make_shared<wait_group>()] { static_cast<void>(w->wait()); }; }},
    {"once", [] { return [o = std::make_shared<once>()] { o->call([] {}); }; }},
    {"context",
     [] {
       auto [done, cancel] = with_cancel({});
       cancel();
       return [ctx = done] { static_cast<void>(ctx.wait()); };
     }},
    {"sleep", [] { return [] { static_cast<void>(sleep_for(0s)); }; }},
    {"scope", [] { return [] { const scope empty; }; }},
};

template <class F>
void on_one_processor(F&& f) {
  weft::run(std::forward<F>(f), {.max_procs = 1});
}

class give_way : public testing::TestWithParam<greedy> {};

// ends_beside: one processor runs `f` to its end beside a goroutine that never stops operating.
template <class F>
void ends_beside(const greedy& operating, F&& f) {
  std::atomic<bool> stop{false};
  on_one_processor([&] {
    go([&] {
      f();
      stop = true;
    });
    const auto operation = operating.make();
    while (!stop) operation();
  });
}

TEST_P(give_way, to_whoever_is_ready) {
  ends_beside(GetParam(), [] {});
}

TEST_P(give_way, to_timers) {
  ends_beside(GetParam(), [] { static_cast<void>(sleep_for(1ms)); });
}

TEST_P(give_way, to_those_inside_blocking) {
  ends_beside(GetParam(), [] { blocking([] {}); });
}

INSTANTIATE_TEST_SUITE_P(of, give_way, testing::ValuesIn(operations),
                         [](const auto& p) { return std::string(p.param.name); });

}  // namespace
}  // namespace weft
