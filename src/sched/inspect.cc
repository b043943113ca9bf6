#include "sched/inspect.h"

#include <cxxabi.h>
#include <execinfo.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <typeinfo>

#include "arch/code_place.h"
#include "sched/debugger.h"
#include "sched/environment.h"
#include "sched/labels.h"
#include "sched/scheduler.h"
#include "sched/signal_pipe.h"
#include "sched/simulation.h"
#include "sched/thread_lock.h"
#include "sched/throw_trace.h"
#include "stack/overflow.h"

namespace weft::sched {
namespace {

constexpr int trace_frames_max = 64;
// list_max: goroutines that a list shows; the rest is counted.
constexpr std::size_t list_max = 1000;

base::lock<base::rank::leaf> registry_lock;  // of who writes to the registry (debugger.h)
base::atomic<std::size_t> own_threads{0};
base::atomic<bool (*)(bool crashed) noexcept> reporter{nullptr};
base::atomic<bool> sigquit_exits{false};
base::atomic<bool> dropped_any{false};
base::atomic<void (*)(scheduler&)> end_watcher{nullptr};
signal_pipe sigquit_pipe;
std::terminate_handler previous_terminate = nullptr;

[[gnu::format(printf, 1, 2)]] void say(const char* format, ...) noexcept {
  char text[600];
  va_list arguments;
  va_start(arguments, format);
  const int n = std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  if (n > 0) base::write_stderr({text, std::min(static_cast<std::size_t>(n), sizeof text - 1)});
}

const char* state_text(const goroutine& g, phase at) noexcept {
  if (at == phase::runnable || at == phase::claimed) return "runnable";
  if (at == phase::parked) return text_of(g.reason).data();
  return "running";
}

// or_none: of a record that has ended since, and whose memory was given back.
const char* or_none(const char* text) noexcept { return text != nullptr ? text : ""; }

// glimpse: what a list says of one goroutine. Of a parked one it is read while the goroutine is
// held where it is; of others it is a glance that may be out of date.
struct glimpse {
  explicit glimpse(goroutine& g) noexcept {
    const bool held = g.try_hold();
    at = held ? phase::parked : g.current_phase();
    id = g.id;
    name = g.name.get();
    if (const label_set* l = g.labels.get()) labels = l->get();
    locked = g.locked_to != nullptr;
    state = state_text(g, at);
    object = g.object;
    since_ns = g.since_ns;
    site_function = or_none(g.site_function);
    site_file = or_none(g.site_file);
    site_line = g.site_line;
    if (held) g.drop_hold();
  }

  phase at;
  std::uint64_t id;
  shown_name::text name;
  label_set::text labels{};
  bool locked;
  const char* state;
  const void* object;
  std::int64_t since_ns;
  const char* site_function;
  const char* site_file;
  std::uint32_t site_line;
};

// say_labels: " {key: value, key: value}".
void say_labels(const label_set::text& labels) noexcept {
  const char* between = " {";
  label_set::for_each(labels, [&](const char* key, const char* value) {
    say("%s%s: %s", between, key, value);
    between = ", ";
  });
  if (labels[0] != '\0') say("}");
}

void say_goroutine(const glimpse& g, std::int64_t now) noexcept {
  say("\ngoroutine %llu", static_cast<unsigned long long>(g.id));
  if (g.name[0] != '\0') say(" \"%s\"", g.name.data());
  say(" [%s", g.state);
  const bool parked = g.at == phase::parked;
  const auto minutes = parked && g.since_ns > 0 ? (now - g.since_ns) / 60'000'000'000 : 0;
  if (minutes > 0) say(", %lld minutes", static_cast<long long>(minutes));
  if (g.locked) say(", locked to thread");
  say("]");
  say_labels(g.labels);
  say(":\n");
  if (parked && g.object != nullptr) say("  on %p\n", g.object);
  say("  created by %s at %s:%u\n", g.site_function, g.site_file, g.site_line);
}

// lister: writes a list.
class lister {
 public:
  void add(const scheduler& s) noexcept {
    s.for_each_goroutine([this](goroutine& g) {
      if (listed_ == list_max) {
        ++more_;
        return;
      }
      ++listed_;
      say_goroutine(glimpse(g), now_);
    });
  }
  void end() const noexcept {
    if (more_ > 0) say("\n... and %zu more\n", more_);
  }

 private:
  const std::int64_t now_ = now_ns();
  std::size_t listed_ = 0;
  std::size_t more_ = 0;
};

// end_recording: the last of it is what somebody will want to see.
void end_recording() noexcept {
  // acq_rel: taken once, however many threads die; pairs with the recorder's store.
  if (auto* write = trace::listeners.at_end.exchange(nullptr, base::acq_rel)) write();
}

// list: list_goroutines(), also for a process that dies.
void list(bool crashed) noexcept {
  lister all;
  for_each_scheduler([](scheduler& s, void* to) { static_cast<lister*>(to)->add(s); }, &all,
                     crashed);
  all.end();
}

void report(bool crashed) noexcept {
  // acquire: sees what the reporter was set up with.
  auto* by = reporter.load(base::acquire);
  if (by == nullptr || !by(crashed)) list(crashed);
}

void report_crashed() noexcept {
  report(true);
  end_recording();
}

void say_frames(void* const* frames, int count) noexcept {
  for (int i = 0; i < count; ++i) say("%s\n", arch::text_of_place(frames[i]).data());
}

void say_trace() noexcept {
  void* frames[trace_frames_max];
  say_frames(frames, ::backtrace(frames, trace_frames_max));
}

// say_exception: "panic: what" for the exception in flight.
void say_exception() noexcept {
  try {
    throw;
  } catch (const std::exception& e) {
    say("panic: %s\n", e.what());
  } catch (const char* text) {
    say("panic: %s\n", text);
  } catch (const std::string& text) {
    say("panic: %s\n", text.c_str());
  } catch (int number) {
    say("panic: %d\n", number);
  } catch (...) {
    const std::type_info* type = abi::__cxa_current_exception_type();
    say("panic: an exception of type %s\n", type != nullptr ? type->name() : "unknown");
  }
}

void say_origin(const goroutine& g, const char* indent) noexcept {
  say("%screated by %s at %s:%u\n", indent, g.site_function.get(), g.site_file.get(),
      g.site_line.get());
}

// say_first_throw: as text_of() has it, without allocating.
void say_first_throw(const throw_trace& t) noexcept {
  say("\nfrom goroutine %llu", static_cast<unsigned long long>(t.id));
  if (t.name[0] != '\0') say(" \"%s\"", t.name.data());
  say(" [failed]:\n");
  say_frames(t.frames, t.count);
  say("created by %s at %s:%u\n", t.site_function, t.site_file, t.site_line);
}

// end_panicked: in a simulation that wants to know, the goroutine stays where it is for ever.
void end_panicked(scheduler& s, const goroutine& g) {
  std::string what;
  try {
    throw;
  } catch (const std::exception& e) {
    what = e.what();
  } catch (const char* text) {
    what = text;
  } catch (const std::string& text) {
    what = text;
  } catch (...) {
    const std::type_info* type = abi::__cxa_current_exception_type();
    what = std::string("an exception of type ") + (type != nullptr ? type->name() : "unknown");
  }
  if (!s.simulated()->panicked(g, what)) return;
  s.end_simulated();
  enter_runtime(*current_machine());
  scheduler::leave_for_good(*current_machine());
}

// terminate_in_goroutine: an exception that nobody caught leaves a goroutine: Go's last words and
// status. On plain threads, and for calls of std::terminate without an exception, the handler
// before ours decides.
[[noreturn]] void terminate_in_goroutine() {
  const goroutine* g = current_goroutine();
  if (g != nullptr && std::current_exception() != nullptr) {
    if (g->owner->simulated() != nullptr) end_panicked(*g->owner, *g);
    base::begin_last_words();
    say_exception();
    say("\ngoroutine %llu [running]:\n", static_cast<unsigned long long>(g->id.get()));
    say_trace();
    say_origin(*g, "");
    if (g->rethrown != nullptr) say_first_throw(*g->rethrown);
    end_recording();
    ::_exit(2);
  }
  if (previous_terminate != nullptr) previous_terminate();
  std::abort();
}

// describe_overflow: runs in the signal handler, on the machine's signal stack.
bool describe_overflow(const void* address, void*) noexcept {
  const goroutine* g = current_goroutine();
  if (g == nullptr || g->stack == nullptr || !stack::guard_contains(*g->stack, address))
    return false;
  base::begin_last_words();
  say("fatal error: goroutine %llu: stack overflow\n",
      static_cast<unsigned long long>(g->id.get()));
  if (const auto name = g->name.get(); name[0] != '\0') say("  name: %s\n", name.data());
  say_origin(*g, "  ");
  say("  its stack has %zu KiB; go_options::stack_size raises it\n\n",
      (g->stack->slot_size - stack::guard_size) / 1024);
  say_trace();
  return true;
}

void install_once() noexcept {
  static const bool installed = [] {
    previous_terminate = std::set_terminate(terminate_in_goroutine);
    stack::install_overflow_handler();
    stack::set_overflow_describer(describe_overflow);
    base::set_crash_hook(report_crashed);
    // The first call of backtrace() loads a library and allocates: not in a signal handler.
    void* frame[1];
    ::backtrace(frame, 1);
    return true;
  }();
  static_cast<void>(installed);
}

// on_sigquit: in a child that was forked it does what SIGQUIT does to a process that asked for
// nothing.
void on_sigquit(int number) {
  if (sigquit_pipe.is_ours()) return sigquit_pipe.wake();
  const struct sigaction unasked{};
  leave_to(unasked, number);
}

void signal_thread(void*) {
  take_no_signals();
  while (sigquit_pipe.wait()) {
    base::write_stderr("SIGQUIT: quit\n");
    report(false);
    if (sigquit_exits.load(base::relaxed)) ::_exit(2);  // relaxed: a setting
  }
}

}  // namespace

void inspect_enter(scheduler& s) noexcept {
  install_once();
  base::locked hold(registry_lock);
  for (auto& slot : registry) {
    if (slot.load(base::relaxed) != nullptr) continue;
    slot.store(&s, base::release);  // release: a list sees a whole scheduler
    return;
  }
}

void inspect_leave(scheduler& s) noexcept {
  base::locked hold(registry_lock);
  for (auto& slot : registry) {
    if (slot.load(base::relaxed) == &s) slot.store(nullptr, base::relaxed);
  }
}

scheduler* visit_only_scheduler() noexcept {
  scheduler* found = nullptr;
  base::locked hold(registry_lock);
  for (auto& slot : registry) {
    scheduler* s = slot.load(base::relaxed);  // relaxed: under the lock
    if (s == nullptr) continue;
    if (found != nullptr) return nullptr;
    found = s;
  }
  // Under the lock, which inspect_leave() takes before run() waits for visitors.
  if (found != nullptr) found->begin_visit();
  return found;
}

bool goroutines_dropped() noexcept {
  return dropped_any.load(base::acquire);  // acquire: pairs with the store below
}
void note_dropped(bool any) noexcept {
  dropped_any.store(any, base::release);  // release: before their stacks go
}

void watch_ends(void (*f)(scheduler& s)) noexcept {
  end_watcher.store(f, base::release);  // release: publishes what it looks at
}

void watched_end(scheduler& s) {
  // acquire: pairs with the store in watch_ends().
  if (auto* f = end_watcher.load(base::acquire)) f(s);
}

void for_each_scheduler(void (*f)(scheduler& s, void* argument), void* argument, bool crashed) {
  for (auto& slot : registry) {
    if (crashed) {
      // acquire: pairs with inspect_enter().
      if (scheduler* s = slot.load(base::acquire)) f(*s, argument);
      continue;
    }
    scheduler* s = nullptr;
    {
      const base::locked hold(registry_lock);
      s = slot.load(base::relaxed);  // relaxed: under the lock
      // As in visit_only_scheduler(): its memory stays until we are through.
      if (s != nullptr) s->begin_visit();
    }
    if (s == nullptr) continue;
    f(*s, argument);
    s->end_visit();
  }
}

void list_goroutines() noexcept { list(false); }

void set_reporter(bool (*report)(bool crashed) noexcept) noexcept {
  reporter.store(report, base::release);  // release: pairs with the load in report()
}

// relaxed, twice: a count.
void thread_begins() noexcept { own_threads.fetch_add(1, base::relaxed); }
void thread_ends() noexcept { own_threads.fetch_sub(1, base::relaxed); }

void watch_sigquit(bool exits) {
  sigquit_exits.store(exits, base::relaxed);  // relaxed: a setting
  static const bool started = [] {
    if (!sigquit_pipe.open()) return false;
    thread_begins();
    if (start_thread(signal_thread, nullptr) == 0) return true;
    thread_ends();
    return false;
  }();
  if (!started) return;
  struct sigaction action{};
  action.sa_handler = on_sigquit;
  action.sa_flags = SA_RESTART | SA_ONSTACK;
  ::sigaction(SIGQUIT, &action, nullptr);
}

// looks_dead: nothing runs, nothing is queued, and neither a descriptor nor a timer nor a goroutine
// in blocking() could change that. With all processors idle, none can be taken while we hold the
// lock: who comes out of blocking() waits for it with out_ still counting, so what we read belongs
// together (scheduler.cc, I4). `taken`: how often a processor was taken from the idle ones so far.
bool scheduler::looks_dead(std::uint64_t* taken) const noexcept {
  // seq_cst: spares the lock to who goes to sleep while others are busy.
  if (idle_count_.load(base::seq_cst) != max_procs()) return false;
  const base::locked hold(lock_);
  if (taken != nullptr) *taken = processors_taken_;
  // seq_cst: as above; under the lock it stays what it is.
  if (idle_count_.load(base::seq_cst) != max_procs() || spinning_.load(base::seq_cst) != 0)
    return false;
  // acquire: pairs with the release in finish_switch(): who came out of blocking() is queued first.
  if (out_.load(base::acquire) != 0) return false;
  if (work_visible() || poller_->pending_count() != 0 || earliest_timer() != none_due) return false;
  // acquire: when main has returned nobody is waited for; it says so before its processor idles.
  if (stopping() || main_done_.load(base::acquire) != 0) return false;
  // acquire: pairs with the store in run(): then main's end is counted before the count is read.
  return living_locked() > 0 || main_exited_.load(base::acquire);
}

// known_threads: the caller of run(), the monitor, ThreadSanitizer's own, those that only look, who
// starts threads, the poller's, and the machines.
std::size_t scheduler::known_threads() const noexcept {
  std::size_t known = 2 + poller_->own_threads() + (WEFT_TSAN != 0 ? 1 : 0) +
                      own_threads.load(base::relaxed) +  // relaxed: a count
                      (thread_starter_runs() ? 1 : 0);
  const base::locked hold(lock_);
  for (const auto& m : machines_)
    known += m->exited.load(base::relaxed) ? 0 : 1;  // relaxed: a count
  return known;
}

// check_deadlock: only by the machine that is about to sleep in the poller: it alone could have
// events in its hands.
bool scheduler::check_deadlock() noexcept {
  std::uint64_t before = 0;
  if (!looks_dead(&before)) return false;
  // A thread we do not know may wake somebody: no verdict. One that did and is gone has left work;
  // or a processor was taken since, and what it ran may have started threads we did not count.
  // Counted twice: a machine that ends in between stands for a thread that it is not.
  std::uint64_t after = 0;
  const auto known = known_threads();
  if (thread_count() != known || known_threads() != known || !looks_dead(&after) || after != before)
    return true;
  if (goroutine_count() == 0) base::fatal("no goroutines (main called runtime.Goexit) - deadlock!");
  base::fatal("all goroutines are asleep - deadlock!");
}

}  // namespace weft::sched
