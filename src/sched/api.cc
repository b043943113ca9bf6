// The public functions of go.h and runtime.h: the gate, and the scheduler behind it.

#include <weft/error.h>
#include <weft/go.h>
#include <weft/runtime.h>

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <thread>

#include "base/assert.h"
#include "sched/environment.h"
#include "sched/gate.h"
#include "sched/inspect.h"
#include "sched/run.h"
#include "sched/scheduler.h"
#include "sched/simulation.h"

namespace weft {
namespace {

static_assert(detail::closure_inline_size == sched::closure_size);

// stack_size_max: more than any stack may have; it is the allocator that refuses.
constexpr std::size_t stack_size_max = std::size_t{1} << 40;

std::size_t round_stack_size(std::size_t asked) noexcept {
  if (asked == 0) return sched::default_stack_size;
  std::size_t size = 2 * stack::guard_size;
  while (size < std::min(asked, stack_size_max)) size *= 2;
  return size;
}

sched::spawn_request request_of(const go_options& options,
                                const std::source_location& site) noexcept {
  return {options.name,     round_stack_size(options.stack_size),
          site.file_name(), site.function_name(),
          site.line(),      options.priority};
}

// seeded_by_environment: what WEFT_SEED asks for; null if it is not set.
std::unique_ptr<sched::seeded_simulation> seeded_by_environment() {
  const char* text = std::getenv("WEFT_SEED");
  if (text == nullptr || *text == '\0') return nullptr;
  char* end = nullptr;
  errno = 0;
  const auto seed = std::strtoull(text, &end, 10);
  if (*end != '\0' || errno != 0 || *text == '-')
    base::fatal("WEFT_SEED: want a number: runs with the same one decide alike");
  return std::make_unique<sched::seeded_simulation>(seed);
}

}  // namespace

namespace sched {

void run_here(const run_options& options, void (*invoke)(void*), void* closure,
              const std::source_location& site) {
  if (in_goroutine()) throw misuse_error("run: called from a goroutine");
  if (options.sigquit != sigquit_action::leave)
    watch_sigquit(options.sigquit == sigquit_action::list_and_exit);
  auto simulated = seeded_by_environment();
  auto s = std::make_unique<scheduler>(
      scheduler_options{options.max_procs, options.max_threads, simulated.get()});
  s->run(invoke, closure, request_of({}, site));
  if (simulated != nullptr && std::getenv("WEFT_REPORT") != nullptr) {
    std::fprintf(stderr, "weft: WEFT_SEED=%s: %zu decisions, hash %016llx\n",
                 std::getenv("WEFT_SEED"), simulated->decisions,
                 static_cast<unsigned long long>(simulated->trace_hash));
  }
  if (s->out_count() == 0) return;
  if (std::getenv("WEFT_REPORT") != nullptr) {
    std::fprintf(stderr, "weft: run returned while %zu threads are still in calls of the program\n",
                 s->out_count());
  }
  s.release()->leave_behind();
}

}  // namespace sched

namespace detail {

pending_goroutine make_goroutine(const go_options& options, const std::source_location& site) {
  sched::visit here;
  if (here.target() == nullptr)
    throw misuse_error("go: no runtime is running here (call it inside weft::run)");
  const sched::gate inside;
  sched::goroutine* g = here.target()->make(request_of(options, site));
  return {g, g->closure, here.keep()};
}

void start_goroutine(const pending_goroutine& pending, void (*invoke)(void*)) noexcept {
  const sched::gate inside;
  auto& g = *static_cast<sched::goroutine*>(pending.record);
  sched::scheduler& owner = *g.owner;
  g.invoke = invoke;
  owner.start(g);
  if (pending.visiting) owner.end_visit();
}

void exit_process(int status) noexcept {
  std::cout.flush();
  std::clog.flush();
  std::fflush(nullptr);
  ::_exit(status);
}

void go_of_nil() noexcept { base::fatal("go of nil func value"); }

}  // namespace detail

void checkpoint() noexcept {
  sched::machine* m = sched::current_machine();
  if (m == nullptr || m->asked_dispatch != m->dispatches) [[likely]]
    return;
  m->asked_dispatch = 0;
  const sched::gate inside;
  sched::scheduler::give_way_current(*sched::current_machine());
}

void yield() noexcept {
  if (!in_goroutine()) {
    std::this_thread::yield();
    return;
  }
  const sched::gate inside;
  sched::scheduler::yield_current(*sched::current_machine());
}

unsigned max_procs() noexcept {
  if (const sched::scheduler* s = sched::current_scheduler()) return s->max_procs();
  return sched::choose_max_procs(0);
}

std::size_t goroutine_count() noexcept {
  const sched::visit here;
  if (here.target() == nullptr) return 0;
  const sched::gate inside;
  return static_cast<std::size_t>(here.target()->goroutine_count());
}

bool in_goroutine() noexcept { return sched::current_goroutine() != nullptr; }

void list_goroutines() noexcept { sched::list_goroutines(); }

}  // namespace weft
