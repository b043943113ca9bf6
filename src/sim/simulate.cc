// simulate, explore: one schedule, and many.
//
// A session is a runtime of its own for each schedule, so nothing of one is left for the next. What
// is still there when the function has returned gets to its end, or to where it waits, before the
// session judges: who waits then, with no timer armed, is a leak.

#include <weft/error.h>
#include <weft/goroutine.h>
#include <weft/runtime.h>
#include <weft/test.h>
#include <weft/test_network.h>

#include <algorithm>
#include <cstdio>
#include <stdexcept>
#include <utility>

#include "sched/environment.h"
#include "sched/gate.h"
#include "sched/scheduler.h"
#include "sched/simulation.h"
#include "sched/wait.h"
#include "sim/network.h"
#include "sim/strategy.h"

namespace weft::test {
namespace {

constexpr std::size_t preemptions = 2;
constexpr std::size_t changes_max = 3;
constexpr std::int64_t start_ns = 1'000'000'000'000;  // of the clock: any time but none

const char* text_of(verdict v) noexcept {
  switch (v) {
    case verdict::passed: return "passed";
    case verdict::failed: return "failed";
    case verdict::deadlocked: return "deadlock";
    case verdict::leaked: return "leak";
    case verdict::endless: return "no end";
  }
  return "";
}

class session final : public sched::simulation {
 public:
  session(sim::strategy& by, bool traces, std::size_t steps_max)
      : by_(by), traces_(traces), steps_max_(steps_max) {
    seed = by.seed();
    now_ns = start_ns;
  }

  void run(const std::function<void()>& f) {
    sched::scheduler_options options;
    options.simulated = this;
    auto s = std::make_unique<sched::scheduler>(options);
    scheduler_ = s.get();
    struct call {
      session* self;
      const std::function<void()>* f;
    } c{this, &f};
    sched::spawn_request request;
    request.name = "main";
    s->run(
        [](void* raw) {
          const auto& made = *static_cast<call*>(raw);
          made.self->body(*made.f);
        },
        &c, request);
    if (s->out_count() != 0) s.release()->leave_behind();
  }

  std::size_t decide(const situation& now) noexcept override {
    if (decisions > steps_max_ && !over_) {
      conclude(verdict::endless, "after " + std::to_string(steps_max_) + " steps\n" + list());
      scheduler_->end_simulated();
    }
    if (over_) return now.current != nullptr ? stay : 0;
    who_.clear();
    if (now.current != nullptr) who_.push_back(now.current->id);
    for (const auto* g : now.ready) who_.push_back(g->id);
    const auto decided = by_.decide({who_, now.current != nullptr, now.timer_armed});
    note(now, decided);
    if (decided == who_.size()) return time_passes;
    if (now.current == nullptr) return decided;
    return decided == 0 ? stay : decided - 1;
  }

  bool settled(bool timer_armed) noexcept override {
    if (over_) return false;
    if (returned_) {
      if (!timer_armed) end();
      return false;
    }
    if (settler_.who == nullptr) return false;
    sched::wake_list woken;
    const auto waiting = std::exchange(settler_, {});
    woken.claim(*waiting.who, waiting.at, sched::token_ready);
    woken.fire();
    return true;
  }

  void dead() noexcept override {
    if (!over_) conclude(verdict::deadlocked, list());
  }

  bool stuck(const std::string& text) noexcept override {
    if (!over_) conclude(verdict::deadlocked, text);
    return true;
  }

  bool panicked(const sched::goroutine& g, const std::string& what) noexcept override {
    if (!over_) conclude(verdict::failed, "goroutine " + title(g) + ": " + what);
    return true;
  }

  std::unique_ptr<poll::poller> make_poller() override {
    auto made = std::make_unique<sim::network>(
        now_ns, seed, [] { return find_label("host").value_or("localhost"); });
    network_ = made.get();
    return made;
  }
  poll::simulated_sockets* sockets() noexcept override { return network_; }
  [[nodiscard]] std::int64_t next_event() const noexcept override { return network_->next(); }
  bool run_events() noexcept override { return network_->run(); }
  [[nodiscard]] sim::network& network() const noexcept { return *network_; }

  void wait() {
    if (settler_.who != nullptr) throw misuse_error("test::wait: another goroutine waits already");
    park();
  }

  outcome take() {
    outcome_.schedule = by_.name();
    outcome_.trace_hash = trace_hash;
    outcome_.steps = decisions;
    return std::move(outcome_);
  }

 private:
  struct settler {
    sched::waiter* who = nullptr;
    sched::ticket at = 0;
  };

  void body(const std::function<void()>& f) {
    try {
      f();
    } catch (const std::exception& e) {
      return conclude(verdict::failed, e.what());
    }
    returned_ = true;
    scheduler_->main_returns();
    // Who has not ended gets to where it waits, however long it sleeps before (settled).
    if (scheduler_->goroutine_count() > 1) park();
  }

  // park: until all others wait.
  void park() {
    const sched::gate inside;
    sched::wait w(sched::wait_reason::sleep, this);
    settler_ = {&w.who(), w.at()};
    w.park();
  }

  // end: the function has returned, and nothing will happen any more.
  void end() noexcept {
    if (scheduler_->goroutine_count() > 1) conclude(verdict::leaked, list());
    over_ = true;
    scheduler_->end_simulated();
  }

  void conclude(verdict v, std::string why) {
    over_ = true;
    outcome_.what = v;
    outcome_.why = std::move(why);
  }

  static std::string title(const sched::goroutine& g) {
    std::string text = std::to_string(g.id.get());
    if (const auto name = g.name.get(); name[0] != '\0')
      text += std::string(" \"") + name.data() + '"';
    return text;
  }

  // list: who waits for what.
  [[nodiscard]] std::string list() const {
    std::string text;
    scheduler_->for_each_goroutine([&](const sched::goroutine& g) {
      if (g.current_phase() == sched::phase::parked && g.object.get() == this) return;  // wait()
      text += "goroutine " + title(g) + " [";
      text +=
          g.current_phase() == sched::phase::parked ? sched::text_of(g.reason).data() : "can go on";
      text += std::string("] created by ") + g.site_function.get() + " at " + g.site_file.get() +
              ":" + std::to_string(g.site_line.get()) + "\n";
    });
    return text;
  }

  void note(const situation& now, std::size_t decided) {
    if (!traces_) return;
    const sched::goroutine* next = nullptr;
    if (decided < who_.size())
      next = now.current == nullptr ? now.ready[decided]
                                    : (decided == 0 ? now.current : now.ready[decided - 1]);
    if (next != nullptr && next == last_) return;
    char at[32];
    std::snprintf(at, sizeof at, "%10.6f  ", static_cast<double>(now_ns - start_ns) / 1e9);
    outcome_.trace += at;
    if (next == nullptr) {
      outcome_.trace += "time passes\n";
      return;
    }
    if (last_ != nullptr) {
      outcome_.trace += last_title_;
      outcome_.trace +=
          now.current != nullptr ? " is interrupted; "
          : last_->id.get() == last_id_ && last_->current_phase() == sched::phase::parked
              ? std::string(" waits: ") + sched::text_of(last_->reason).data() + "; "
              : std::string(" leaves; ");
    }
    last_ = next;
    last_id_ = next->id;
    last_title_ = title(*next);
    outcome_.trace += last_title_ + " goes on\n";
  }

  sim::strategy& by_;
  const bool traces_;
  const std::size_t steps_max_;
  sched::scheduler* scheduler_ = nullptr;
  sim::network* network_ = nullptr;  // the scheduler's poller
  outcome outcome_;
  bool over_ = false;
  bool returned_ = false;
  settler settler_;
  std::vector<std::uint64_t> who_;
  const sched::goroutine* last_ = nullptr;
  std::uint64_t last_id_ = 0;
  std::string last_title_;
};

outcome run_once(const std::function<void()>& f, sim::strategy& by, bool traces,
                 std::size_t steps_max) {
  session s(by, traces, steps_max);
  s.run(f);
  return s.take();
}

session& session_here(const char* who) {
  const auto* s = sched::current_scheduler();
  auto* here = s != nullptr ? dynamic_cast<session*>(s->simulated()) : nullptr;
  if (here == nullptr) throw misuse_error(std::string("test::") + who + ": not in a simulation");
  return *here;
}

void refuse_goroutines(const char* who) {
  if (in_goroutine())
    throw misuse_error(std::string(who) + ": called from a goroutine (a simulation is a runtime)");
}

}  // namespace

std::string outcome::text() const {
  std::string all = text_of(what);
  if (!why.empty()) all += ": " + why;
  if (ok()) return all;
  if (!all.ends_with('\n')) all += '\n';
  all += "schedule " + std::to_string(schedules) + ": weft::test::simulate(f, {.schedule = \"" +
         schedule + "\"})\n";
  if (!trace.empty()) all += trace;
  return all;
}

outcome simulate(const std::function<void()>& f, const simulate_options& options) {
  refuse_goroutines("simulate");
  const auto by = sim::strategy_of(options.schedule);
  return run_once(f, *by, options.trace, options.steps_max);
}

outcome explore(const std::function<void()>& f, const explore_options& options) {
  refuse_goroutines("explore");
  sim::exhaustion all(preemptions);
  std::size_t steps = 100;  // of the last one
  bool exhausted = false;
  outcome last;
  for (std::size_t i = 0; i < options.schedules; ++i) {
    const auto seed = std::to_string(options.seed + i);
    std::unique_ptr<sim::strategy> by;
    if (i % 3 == 0 && !exhausted) {
      by = all.next();
      exhausted = by == nullptr;
    } else if (i % 3 == 1) {
      by = sim::strategy_of("pct:" + seed + ":" + std::to_string(1 + i / 3 % changes_max) + ":" +
                            std::to_string(steps));
    }
    if (by == nullptr) by = sim::strategy_of("random:" + seed);
    last = run_once(f, *by, false, options.steps_max);
    last.schedules = i + 1;
    steps = last.steps;
    if (last.ok()) continue;
    const auto again = sim::strategy_of(last.schedule);
    auto traced = run_once(f, *again, true, options.steps_max);
    if (traced.trace_hash == last.trace_hash) {
      last.trace = std::move(traced.trace);
    } else {
      last.why +=
          "\n(it went another way when it was tried again: what outside of the simulation "
          "does it depend on?)";
    }
    return last;
  }
  return last;
}

void wait() { session_here("wait").wait(); }

void set_network(const link& l) { session_here("set_network").network().set_default(l); }

void set_link(std::string_view a, std::string_view b, const link& l) {
  set_link_one_way(a, b, l);
  set_link_one_way(b, a, l);
}
void set_link_one_way(std::string_view from, std::string_view to, const link& l) {
  session_here("set_link").network().set_link(from, to, l);
}

void cut(std::string_view a, std::string_view b) {
  cut_one_way(a, b);
  cut_one_way(b, a);
}
void cut_one_way(std::string_view from, std::string_view to) {
  session_here("cut").network().cut(from, to);
}

void heal(std::string_view a, std::string_view b) {
  auto& of = session_here("heal").network();
  of.heal(a, b);
  of.heal(b, a);
}

void reset(std::string_view a, std::string_view b) { session_here("reset").network().reset(a, b); }

limit::clock::time_point now() noexcept {
  return limit::clock::time_point(std::chrono::nanoseconds(sched::now_ns()));
}

}  // namespace weft::test
