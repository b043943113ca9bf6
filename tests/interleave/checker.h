#pragma once

// interleave: runs a small concurrent program in every way it can go: in every order of its atomic
// operations, and with every value that the memory model lets its loads return. The programs are
// the runtime's own sources, unchanged: the folder stands before src/ on their include path, so
// that base::atomic (base/atomic.h) is the type here, each operation of which is a choice.
//
// What is explored. Threads are stacks that the checker switches between at their atomic operations
// and nowhere else. An execution is a row of choices (who goes next; what a load returns; whom a
// wake-up reaches); a depth-first search runs the program again for each (Godefroid, POPL 1997).
// Sleep sets (Godefroid, LNCS 1032) leave out orders that differ only in operations that commute.
//
// The memory model (memory.h) is a machine with views, as ORC11 (Dang and others, POPL 2020) and
// loom have it: a location keeps all its stores, each with what its storer had seen when it
// released; a load may return any store that the loader, by coherence and happens-before, has not
// seen to be overwritten. Release sequences, fences and seq_cst are C++20's. Plain memory is
// watched as well: the sources are compiled with the compiler's instrumentation for
// ThreadSanitizer, whose calls end in plain.cc; vector clocks tell whether two accesses are ordered
// by what was acquired and released (not by the order in which they were run here), and accesses
// to freed memory are found.
//
// What is proven, if explore() completes: no such execution of this program, of these few threads
// and operations, breaks an assertion or a require(), has a data race, touches freed memory, or
// stops with a thread that waits for ever. For plain code that is enough: what has no race behaves
// as its synchronisation orders it.
//
// What is not. Larger programs. Executions in which a load takes its value from a store that comes
// after it (load buffering), or in which the modification order of a location contradicts the order
// in which the stores were executed (2+2W): stores are appended. So an acquire that only keeps a
// store behind an earlier load (the owner's look at top in try_push) is not shown to be needed.
// compare_exchange_weak fails only where the strong one does. Who spins (cpu_relax) goes on after
// somebody else has done something, and locks spin once; a store is seen in the end. Timeouts,
// signals and the scheduler's own code are not here (tests/model has models of these).
//
// Two sets of rules. `standard` is C++20. `hardware` adds what x86-64 and AArch64 give besides: a
// seq_cst load does not pass a release by the same thread (ldar behind stlr; a locked exchange on
// x86), and what one thread sees all see. It takes no account of a relaxed load that is done after
// a later seq_cst one. Code that needs it says so at its operation, and its check shows both.
//
// Mutations. A check is worth what it finds when the code is wrong. A mutation makes it wrong in
// here, at the operations whose file, function and kind it names: weaker orders, a compare-exchange
// in two steps, an operation left out. The sources have no hooks.
//
// Sources: Norris and Demsky, CDSChecker (OOPSLA 2013); Luo and Demsky, C11Tester (ASPLOS 2021),
// for instrumented plain accesses; Kokologiannakis and Vafeiadis, GenMC (CAV 2021); loom
// (tokio-rs); Flanagan and Freund, FastTrack (PLDI 2009); Lahav and others, RC11 (PLDI 2017).
//
// Rejected: dynamic partial order reduction (Abdulla and others, POPL 2014): fewer executions, but
// sleep sets are ten lines, and the programs are small. A preemption bound: it proves nothing.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <source_location>
#include <string>
#include <utility>
#include <vector>

namespace interleave {

using order = std::memory_order;
using site = std::source_location;

// cell: what an atomic object is. `initial` is its value at the beginning of every execution that
// did not make the object itself.
struct cell {
  std::uint64_t initial = 0;
  std::uint32_t location = 0;
  std::uint32_t execution = 0;
};

// kind: of operations, for mutations. any is none.
enum class kind : std::uint8_t { any, load, store, exchange, compare, modify, futex, lock, fence };

enum class modification : std::uint8_t { add, sub, bit_and, bit_or };

// mutation: what is wrong with the operations of `what` in a function whose name contains
// `function`, in a file whose name ends in `file`.
struct mutation {
  enum class effect : std::uint8_t {
    none,
    weaken,      // its order is at most `to`
    split,       // a load, and a store later
    look_first,  // no operation at all where a load says that it would change nothing
    leave_out,   // it is not done
  };
  effect what_happens = effect::none;
  const char* file = "";
  const char* function = "";
  kind what = kind::any;
  order to = std::memory_order_relaxed;
};

enum class rules : std::uint8_t { standard, hardware };

struct options {
  mutation wrong = {};
  rules memory = rules::standard;
  std::uint64_t executions_max = 20'000'000;
};

struct findings {
  std::uint64_t executions = 0;  // that ran to their end
  std::uint64_t pruned = 0;      // cut short: the same as another one but for what commutes
  std::uint64_t steps = 0;
  bool complete = false;  // all of them
  std::string failure;    // of the first that failed, with its steps; then the search ends
  std::map<std::string, std::uint64_t> outcomes;  // what was observed, and how often
};

// program: what one execution consists of.
class program {
 public:
  program() = default;
  program(const program&) = delete;
  program& operator=(const program&) = delete;
  ~program();

  // make: an object that lives until the execution is over.
  template <class T, class... A>
  T& make(A&&... arguments) {
    auto* made = new T(std::forward<A>(arguments)...);
    keep(made, [](void* object) { delete static_cast<T*>(object); });
    return *made;
  }

  // thread: runs beside the others, from when the program has been described.
  void thread(std::function<void()> body);

  // after: runs when all threads have ended, as who has joined them.
  void after(std::function<void()> check);

 private:
  friend class explorer;
  void keep(void* object, void (*destroy)(void*));

  static constexpr std::size_t kept_max = 16;
  static constexpr std::size_t bodies_max = 4;
  struct kept_object {
    void* object;
    void (*destroy)(void*);
  };
  std::array<kept_object, kept_max> kept_{};
  std::size_t kept_count_ = 0;
  std::array<std::function<void()>, bodies_max> bodies_;
  std::size_t body_count_ = 0;
  std::function<void()> check_;
};

// explore: `describe` is called once for each execution.
[[nodiscard]] findings explore(const std::function<void(program&)>& describe,
                               const options& o = {});

// -- of the program, while it runs --

// require: ends the execution, and the search, with a failure unless `holds`.
void require(bool holds, const char* text);
[[noreturn]] void fail(const char* text);

// observe: adds a number to the outcome of the execution.
void observe(std::uint64_t n);

// choose: any of 0 to n - 1.
[[nodiscard]] std::uint32_t choose(std::uint32_t n);

// thread_number: 0 describes and checks, 1 and up are the program's threads.
[[nodiscard]] std::uint32_t thread_number();

// -- what base/atomic.h is made of --

[[nodiscard]] std::uint64_t load(const cell& c, order o, site at);
void store(cell& c, std::uint64_t value, order o, site at);
std::uint64_t exchange(cell& c, std::uint64_t value, order o, site at);
bool compare_exchange(cell& c, std::uint64_t& expected, std::uint64_t desired, order success,
                      order failure, site at);
std::uint64_t modify(cell& c, modification m, std::uint64_t operand, std::uint64_t mask, order o,
                     site at);
void fence(order o, site at);
void relax(site at);

// futex_wait, futex_wake: as base/futex.h has them, without timeouts.
void futex_wait(cell& c, std::uint64_t value, site at);
void futex_wake(cell& c, int count, site at);

// take_when: waits until the cell is `wanted`, and makes it `then`, in one acquiring step: a lock,
// or a wake-up, whose insides are somebody else's check.
void take_when(cell& c, std::uint64_t wanted, std::uint64_t then, site at);

// plain: an access to plain memory; what instrumented code calls.
void plain(const void* at, std::size_t size, bool write);

}  // namespace interleave
