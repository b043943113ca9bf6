#pragma once

// scenario: what the files of scenarios are written with. A scenario has a name, the rule it shows,
// and says lines (say) that hold for every schedule; go/ has one of the same name that prints
// what Go does. run compares them.
//
//   SCENARIO(chan_recv_blocks, "Go spec, Receive operator") {
//     const channel<int> c(0);
//     const task receiver([=] { say{c.recv()}; });
//     say{receiver.state()};                       // blocks: chan receive
//   }
//
// Nothing here looks at the clock: a task is seen to have ended or to be parked.

#include <weft/go.h>
#include <weft/runtime.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "conformance/verdict.h"
#include "sched/scheduler.h"

namespace weft::conformance {

// kind: `goroutine` scenarios are called in a goroutine, many in a process. A `program` is the main
// function of a process of its own, whose end is part of the verdict.
enum class kind : unsigned char { goroutine, program };

struct scenario {
  scenario(const char* its_name, kind its_kind, const char* its_rule, void (*f)());
  const char* name;
  kind what;
  const char* rule;
  void (*run)();
};

#define WEFT_SCENARIO_OF(name, what, rule)                                          \
  static void name();                                                               \
  static const ::weft::conformance::scenario name##_entry(#name, what, rule, name); \
  static void name()
#define SCENARIO(name, rule) WEFT_SCENARIO_OF(name, ::weft::conformance::kind::goroutine, rule)
#define PROGRAM(name, rule) WEFT_SCENARIO_OF(name, ::weft::conformance::kind::program, rule)

// task: a goroutine under observation. It may be left behind, blocked, when its scenario ends.
class task {
 public:
  // task: starts `f` and lets it run until it has ended or is parked.
  template <class F>
  explicit task(F f) : seen_(std::make_shared<observed>()) {
    go([seen = seen_, f = std::move(f)]() mutable {
      seen->id = sched::current_goroutine()->id.get();
      // release: whoever sees the record sees its number.
      seen->record.store(sched::current_goroutine(), std::memory_order_release);
      seen->end = attempt(f);
      seen->ended.store(true, std::memory_order_release);  // release: and how it ended
    });
    static_cast<void>(state());
  }

  // state: lets it run until it has ended or is parked: "returned", "panic: ...", "blocks: ...".
  [[nodiscard]] std::string state() const;

  // blocks: the same without the reason, where weft and Go are built differently.
  [[nodiscard]] std::string blocks() const {
    const auto now = state();
    return now.starts_with("blocks") ? "blocks" : now;
  }

  // join: how it ended, whatever it has to wait for before.
  std::string join() const {
    while (!seen_->ended.load(std::memory_order_acquire)) yield();
    return seen_->end;
  }

 private:
  struct observed {
    std::atomic<sched::goroutine*> record{nullptr};
    std::uint64_t id = 0;
    std::atomic<bool> ended{false};
    std::string end;
  };
  std::shared_ptr<observed> seen_;
};

}  // namespace weft::conformance
