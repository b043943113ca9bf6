#pragma once

// scheduler: the runtime of one weft::run: its processors, machines, goroutines, poller. An object:
// tests build many.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/futex.h"
#include "base/lock.h"
#include "poll/poller.h"
#include "sched/cancel.h"
#include "sched/file_slots.h"
#include "sched/goroutine_pool.h"
#include "sched/machine.h"
#include "sched/trace.h"
#include "sched/wake_list.h"

namespace weft {
struct metrics;
}

namespace weft::sched {

class io_home;
class simulation;

struct scheduler_options {
  unsigned max_procs = 0;           // 0: WEFT_MAXPROCS, else usable_cpus()
  unsigned max_threads = 0;         // 0: default_max_threads
  simulation* simulated = nullptr;  // a loan, until run() has returned
};

// test_modes: WEFT_TEST_MODE, a comma list; they force what is rare.
struct test_modes {
  bool migrate = false;  // every park resumes on another processor
  bool shuffle = false;  // queues are taken from at random ends
  bool yield = false;    // who may wait gives way, every few operations
  bool retake = false;   // the monitor takes every processor it can
};

inline constexpr unsigned max_procs_limit = 1024;
inline constexpr unsigned default_max_threads = 10'000;
inline constexpr std::size_t default_stack_size = stack::default_size;

// spawn_request: what `go` knows of a new goroutine besides its closure.
struct spawn_request {
  std::string_view name;
  std::size_t stack_size = 0;
  const char* file = "";
  const char* function = "";
  std::uint32_t line = 0;
  weft::priority priority{};
};

class scheduler {
 public:
  explicit scheduler(const scheduler_options& options);
  ~scheduler();
  scheduler(const scheduler&) = delete;
  scheduler& operator=(const scheduler&) = delete;

  // run: starts `invoke(closure)` as goroutine 1 and returns when it has returned; afterwards no
  // goroutine of this scheduler runs again. The calling thread only waits: it is no machine.
  void run(void (*invoke)(void*), void* closure, const spawn_request& request);

  // out_count: machines that did not come back from user code when run() ended. They and the memory
  // they may touch stay.
  [[nodiscard]] std::size_t out_count() const noexcept { return out_after_stop_; }

  // leave_behind: gives this object up, machines out and all: what they may touch stays for ever.
  void leave_behind() noexcept;

  // -- spawning (spawn.cc) --
  // make: a record for a new goroutine of this scheduler; the caller puts the closure in and calls
  // start.
  [[nodiscard]] goroutine* make(const spawn_request& request);
  void start(goroutine& g) noexcept;

  // -- of the current goroutine, inside the gate --
  static void park_current(machine& m) noexcept;
  // leave_for_good: the current goroutine never goes on; nor is it unwound.
  [[noreturn]] static void leave_for_good(machine& m) noexcept;
  static void yield_current(machine& m) noexcept;
  static void give_way_current(machine& m) noexcept;
  static void begin_blocking(machine& m) noexcept;
  static void end_blocking(machine& m) noexcept;
  static void lock_current(machine& m) noexcept;
  static void unlock_current(machine& m) noexcept;

  // -- anybody --
  // make_runnable: queues a goroutine that was claimed parked; wakes a processor if one idles.
  void make_runnable(goroutine& g) noexcept;
  // arm_timer: arms `t` and sees to it that somebody wakes in time.
  void arm_timer(timer& t, std::int64_t when_ns) noexcept;
  // ensure_watched: after a wait for a descriptor was started: somebody must be looking while a
  // processor idles.
  void ensure_watched() noexcept;

  // visit: a thread that is no machine of this scheduler begins and ends to use it. run() does not
  // return in between.
  void begin_visit() noexcept {
    // seq_cst: before the visitor's look at stopping_; pairs with await_visitors().
    visitors_.fetch_add(1, base::seq_cst);
  }
  void end_visit() noexcept {
    // release: all of the visit is done when run() sees it gone. The last touch.
    visitors_.fetch_sub(1, base::release);
  }

  [[nodiscard]] poll::poller& poller() noexcept { return *poller_; }
  // share_home: for descriptors, which may outlive the runtime they were opened in.
  [[nodiscard]] std::shared_ptr<io_home> share_home() const noexcept { return home_; }
  [[nodiscard]] unsigned max_procs() const noexcept {
    return static_cast<unsigned>(processors_.size());
  }
  [[nodiscard]] std::int64_t goroutine_count() const noexcept;
  [[nodiscard]] stack::allocator& stacks() noexcept { return *stacks_; }
  [[nodiscard]] file_slots& files() noexcept { return files_; }
  [[nodiscard]] simulation* simulated() const noexcept { return simulation_; }
  // end_simulated: run() returns, and nobody goes on.
  void end_simulated() noexcept;
  // main_returns: the first goroutine's function has returned: what was its is gone.
  void main_returns() noexcept {
    main_returned_.store(true, base::release);  // release: pairs with the load below
  }
  [[nodiscard]] bool main_returned() const noexcept {
    return main_returned_.load(base::acquire);  // acquire: nothing is read of what is gone before
  }
  // end_stuck: some wait for each other for ever, as `text` says. True if that ends a simulation,
  // once the caller has parked; else it should end the process.
  [[nodiscard]] bool end_stuck(const std::string& text) noexcept;
  // serial: tells the runtimes of a process apart.
  [[nodiscard]] std::uint32_t serial() const noexcept { return serial_; }
  // measure: what has been counted; from any thread.
  [[nodiscard]] metrics measure() const;
  // monitor_sleeps: whether the monitor rests, or sleeps in the poller, until somebody wakes it.
  [[nodiscard]] bool monitor_sleeps() const noexcept {
    // relaxed: tests look at it, and read nothing else by it.
    const auto state = monitor_state_.load(base::relaxed);
    return state == monitor_resting || state == monitor_attending;
  }

  // for_each_goroutine: calls `f(goroutine&)` for every live record. What parked ones show
  // holds still; the rest is a glance.
  template <class F>
  void for_each_goroutine(F&& f) const {
    for (std::size_t i = 0; i < pool_.slab_count(); ++i) {
      goroutine* records = pool_.slab(i);
      for (std::size_t j = 0; j < goroutine_pool::slab_records; ++j) {
        if (records[j].current_phase() != phase::idle) f(records[j]);
      }
    }
  }

  // has_ended: whether the record with that number is one of this scheduler's, and nobody's. A
  // glance.
  [[nodiscard]] bool has_ended(std::uint32_t number) const noexcept {
    const goroutine* g = pool_.find(number);
    return g != nullptr && g->current_phase() == phase::idle;
  }

 private:
  friend struct debug_access;  // debugger.cc
  friend void entered_revoked(machine& m) noexcept;
  friend void give_way(machine& m) noexcept;
  friend void finish_switch() noexcept;

  // spawn.cc
  goroutine* take_record(machine* m);
  std::uint64_t take_id(machine* m) noexcept;

  // dispatch.cc
  // destination: a stack to go on upon.
  struct destination {
    arch::context context;
    const void* low;
    std::size_t size;
    void* fiber;
    bool begins = false;  // nothing has run there yet
  };
  static destination arrive_at(machine& m, goroutine& g) noexcept;
  static destination arrive_home(machine& m) noexcept;
  static void leave(arch::context& from, const destination& to, bool dying) noexcept;
  void run_from_home(machine& m, goroutine& g) noexcept;
  static void switch_away(machine& m, goroutine& from, goroutine* next, bool dying) noexcept;
  static void goroutine_entry(void*);
  void bind(machine& m, goroutine& g) noexcept;
  [[nodiscard]] static bool home_is_due(machine& m) noexcept;
  goroutine* pick_local(machine& m) noexcept;
  goroutine* pick_for(machine& m) noexcept;
  goroutine* pick_queued(machine& m) noexcept;
  [[nodiscard]] static bool fair_turn_due(const processor& p) noexcept;
  void demote_young(machine& m) noexcept;
  [[nodiscard]] static std::uint32_t operations_of_turn(machine& m) noexcept;
  void release_ended(machine& m, goroutine& g) noexcept;
  stack::stack* take_stack(machine& m, std::size_t size) noexcept;
  void give_stack(machine& m, stack::stack* s) noexcept;

  // scheduler.cc
  void machine_loop(machine& m) noexcept;
  goroutine* find_runnable(machine& m) noexcept;
  goroutine* fair_turn(machine& m) noexcept;
  goroutine* look_outside(machine& m) noexcept;
  [[nodiscard]] bool may_steal(const machine& m) const noexcept;
  goroutine* steal(machine& m) noexcept;
  [[nodiscard]] static bool short_turns(const processor& p) noexcept;
  goroutine* steal_from(machine& m, processor& victim, bool& may_nap) noexcept;
  void go_idle(machine& m) noexcept;
  void rest(machine& m) noexcept;
  void sleep_in_poller(machine& m) noexcept;
  void sleep_machine(machine& m) noexcept;
  bool poll_now(machine& m) noexcept;
  void deliver(machine& m, std::span<poll::completion> done) noexcept;
  void run_timers(machine& m, processor& of, std::int64_t now) noexcept;
  void queue_here(machine& m, goroutine& g) noexcept;
  [[nodiscard]] bool may_go_first() noexcept;
  void queue_woken(machine& m, wake_list& woken, trace::source by) noexcept;
  void push_young(machine& m, goroutine& g) noexcept;
  void push_root(machine& m, goroutine& g) noexcept;
  void push_global(goroutine& g) noexcept;
  void push_global_list(waiter* first, waiter* last, std::size_t count) noexcept;
  goroutine* pop_global_locked(const machine* taker) noexcept;
  goroutine* take_global(machine& m, std::size_t max) noexcept;
  [[nodiscard]] bool work_visible() const noexcept;
  [[nodiscard]] bool shared_work_visible() const noexcept {
    return global_size_.load(base::seq_cst) > 0 || high_.size.load(base::seq_cst) > 0 ||
           background_.size.load(base::seq_cst) > 0;
  }
  [[nodiscard]] bool local_work_visible() const noexcept;
  [[nodiscard]] std::int64_t earliest_timer() const noexcept;
  void start_spinning(machine& m) noexcept;
  void stop_spinning(machine& m) noexcept;
  void wake_processor() noexcept;
  [[nodiscard]] processor* take_idle_processor() noexcept;
  void put_idle_processor(processor& p) noexcept;
  void wake_machine(machine& m) noexcept;
  void take_handed(machine& m) noexcept;
  // watched: whether nobody needs to go to the poller: somebody is there, or nothing is waited for.
  [[nodiscard]] bool watched() const noexcept {
    return polling_.load(base::seq_cst) || nothing_awaited();
  }
  [[nodiscard]] bool nothing_awaited() const noexcept;
  void start_machine(processor& p, bool spinning) noexcept;
  [[nodiscard]] std::int64_t living_locked() const noexcept;
  bool retire(machine& m) noexcept;
  std::int64_t trim(std::int64_t timeout) noexcept;

  // blocking.cc
  static void step_aside(machine& m) noexcept;
  [[nodiscard]] bool wanted(const processor& p) const noexcept;
  void hand_off(processor& p) noexcept;

  // priority.cc
  struct priority_queue {
    waiter* first = nullptr;  // guarded by lock_
    waiter* last = nullptr;   // guarded by lock_
    base::atomic<std::size_t> size{0};
  };
  void push_by_priority(goroutine& g) noexcept;
  void push_first(goroutine& g) noexcept;
  void push_to(priority_queue& q, goroutine& g) noexcept;
  goroutine* take_from_queue(priority_queue& of) noexcept;
  [[nodiscard]] bool background_due() const noexcept;
  [[nodiscard]] bool pressing_work_visible() const noexcept;

  // simulation.cc
  void simulate_operation(machine& m) noexcept;
  void simulate_idle(machine& m) noexcept;
  goroutine* take_simulated() noexcept;
  [[nodiscard]] std::int64_t simulated_due() const noexcept;
  void run_network(machine& m) noexcept;
  std::size_t simulated_decision(machine& m, goroutine* current) noexcept;

  // monitor.cc
  // suspect: a processor, its machine, and why it should lose it.
  struct suspect;
  static void monitor_thread(void* raw) noexcept;
  void monitor_loop() noexcept;
  [[nodiscard]] bool monitor_needed() const noexcept;
  void monitor_rest() noexcept;
  void attend() noexcept;
  void wake_monitor() noexcept;
  void end_monitor() noexcept;
  void bring_due() noexcept;
  void take_from(std::span<suspect> suspects) noexcept;
  processor* take_marked() noexcept;
  void answer_revocation(machine& m) noexcept;
  static void take_again(machine& m) noexcept;
  static machine& leave_worn(machine& m) noexcept;
  void come_home(machine& m) noexcept;
  // tell_monitor: after something was left to wait that a busy processor has to see to.
  void tell_monitor() noexcept {
    // seq_cst: behind the caller's write; pairs with monitor_rest().
    if (monitor_state_.load(base::seq_cst) != monitor_awake) [[unlikely]]
      wake_monitor();
  }

  // goexit.cc
  friend void run_body(goroutine& g);
  void land_exit(goroutine& g) noexcept;

  // thread_lock.cc
  static void end_locked(machine& m) noexcept;
  goroutine* await_own(machine& m) noexcept;
  void hand_to_its_machine(machine& m, goroutine& g) noexcept;
  void leave_processor(machine& m) noexcept;

  // lifecycle.cc
  machine* new_machine();
  machine* renewed_machine_locked() noexcept;
  std::string calls_of_machines();
  static void machine_thread(void* raw) noexcept;
  void stop_all() noexcept;
  void await_visitors() noexcept;
  void keep_unfinished() const;
  // inspect.cc
  [[nodiscard]] bool looks_dead(std::uint64_t* taken = nullptr) const noexcept;
  // check_deadlock: ends the process if a deadlock is proved; true if it looks like one but threads
  // exist that we do not know.
  [[nodiscard]] std::size_t known_threads() const noexcept;
  [[nodiscard]] bool check_deadlock() noexcept;

  [[nodiscard]] bool stopping() const noexcept {
    // acquire: pairs with the store in stop_all().
    return stopping_.load(base::acquire);
  }

  // States of monitor_state_ (monitor.cc).
  static constexpr std::uint32_t monitor_awake = 0;
  static constexpr std::uint32_t monitor_resting = 1;
  static constexpr std::uint32_t monitor_attending = 2;
  static constexpr std::uint32_t monitor_ended = 3;  // asked to end
  static constexpr std::uint32_t monitor_gone = 4;

  // Constant after construction.
  simulation* const simulation_;
  const test_modes modes_;
  const std::uint32_t serial_;
  std::vector<std::unique_ptr<processor>> processors_;
  std::shared_ptr<io_home> home_;
  poll::poller* poller_ = nullptr;  // home_'s
  stack::allocator* stacks_ = nullptr;

  goroutine_pool pool_;
  file_slots files_{*this};

  base::lock<base::rank::machine> handoff_lock_;  // gate.h
  mutable base::lock<base::rank::scheduler> lock_;
  waiter* global_first_ = nullptr;                  // guarded by lock_
  waiter* global_last_ = nullptr;                   // guarded by lock_
  processor* idle_processors_ = nullptr;            // guarded by lock_
  std::uint64_t processors_taken_ = 0;              // guarded by lock_: from the idle ones, so far
  machine* idle_machines_ = nullptr;                // guarded by lock_
  std::size_t machines_ended_ = 0;                  // guarded by lock_: before run() did
  std::vector<std::unique_ptr<machine>> machines_;  // guarded by lock_
  const std::size_t machines_max_;

  alignas(64) priority_queue high_;
  priority_queue background_;
  base::atomic<std::int64_t> background_since_{0};  // when it got its last turn, or was empty
  base::atomic<int> first_left_{0};                 // monitor.cc

  // Atomic; what they mean for sleeping and waking stands in scheduler.cc.
  alignas(64) base::atomic<std::size_t> global_size_{0};
  base::atomic<std::uint32_t> idle_count_{0};
  base::atomic<std::uint32_t> spinning_{0};
  base::atomic<std::uint32_t> monitor_state_{monitor_awake};  // a futex word
  base::atomic<bool> polling_{false};
  base::atomic<int> looks_{0};  // for a deadlock, since something ran
  base::atomic<std::int64_t> sleep_until_{0};
  base::atomic<std::uint32_t> visitors_{0};
  base::atomic<std::uint32_t> out_{0};        // goroutines that run without a processor; monitor.cc
  base::atomic<std::uint32_t> computing_{0};  // machines that do (machine.h)
  base::atomic<bool> stopping_{false};
  base::atomic<std::uint64_t> retakes_{0};  // by the monitor, or for what is in blocking()
  base::atomic<std::uint64_t> handoffs_{0};
  counter monitor_timers_;  // the monitor's own: due while all processors were busy
  base::atomic<std::uint32_t> next_heap_{0};
  base::atomic<std::uint64_t> next_id_{1};
  base::atomic<std::int64_t> spawned_outside_{0};
  base::atomic<std::uint32_t> main_done_{0};
  const goroutine* main_ = nullptr;        // until it calls goexit(); its own
  base::atomic<bool> main_exited_{false};  // it did
  base::atomic<bool> main_returned_{false};
  base::atomic<std::uint32_t> exits_{0};  // a futex word: grows when a machine exits
  std::size_t out_after_stop_ = 0;
  // Of the machine of a simulation: who is ready, and who of them goes on next.
  std::vector<goroutine*> simulated_ready_;
  goroutine* simulated_next_ = nullptr;
  scheduler* left_before_ = nullptr;  // the list of those left behind
};

// current_goroutine: the one the caller is, or null on a plain thread.
[[nodiscard]] goroutine* current_goroutine() noexcept;

// current_scheduler: the caller's, else null.
[[nodiscard]] scheduler* current_scheduler() noexcept;

// visit: the caller's scheduler, or from a plain thread the only one that runs, which stays while
// the visit lasts; null without one.
class [[nodiscard]] visit {
 public:
  visit() noexcept;
  ~visit() {
    if (counted_ != nullptr) counted_->end_visit();
  }
  visit(const visit&) = delete;
  visit& operator=(const visit&) = delete;
  [[nodiscard]] scheduler* target() const noexcept { return target_; }
  // keep: the visit goes on when this object ends; somebody calls end_visit(). True if there is one
  // to end.
  [[nodiscard]] bool keep() noexcept { return std::exchange(counted_, nullptr) != nullptr; }

 private:
  scheduler* target_;
  scheduler* counted_ = nullptr;  // target_, if it counts this visit
};

// choose_max_procs: `asked`, or for 0 WEFT_MAXPROCS, else usable_cpus().
[[nodiscard]] unsigned choose_max_procs(unsigned asked) noexcept;

// finish_switch: the first thing on a stack that goes on: does what the one before it deferred.
void finish_switch() noexcept;

}  // namespace weft::sched
