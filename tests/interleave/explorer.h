#pragma once

// explorer: the search, and the stacks of the threads.
//
// E1  A thread stops before each of its operations and says which it is (`pending`). Whoever stops
//     decides who goes on, itself or another, and switches there.
// E2  Choices are replayed from row_ and appended at its end; everything else is a function of
//     them: addresses too, since memory comes from an arena that is begun anew.
// E3  sleeping_ are threads whose pending operation was explored from an earlier point, and
//     commutes with all that was done since: to do it now leads to what has been seen.
// E4  An execution that is cut short or has failed abandons its stacks: what lies on them has
//     nothing outside of the execution's own memory.

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "arch/sanitizer.h"
#include "arch/switch.h"
#include "checker.h"
#include "memory.h"
#include "plain.h"

namespace interleave {

// step: the kinds of operations as far as they commute.
enum class step : std::uint8_t { none, load, write, take, fence, relax, join };

struct operation {
  step what = step::none;
  std::uint32_t location = 0;
  order how = std::memory_order_relaxed;
  std::uint64_t wanted = 0;  // take
};

class explorer {
 public:
  explorer(const std::function<void(program&)>& describe, const options& o);
  ~explorer();
  explorer(const explorer&) = delete;
  explorer& operator=(const explorer&) = delete;

  findings run();

  // -- called from the threads' stacks --

  [[nodiscard]] std::uint32_t current() const noexcept { return current_; }
  [[nodiscard]] memory& seen() noexcept { return memory_; }
  [[nodiscard]] plain_memory& plain() noexcept { return plain_; }
  [[nodiscard]] std::uint32_t location_of(const cell& c);
  void must_be_there(const cell& c);
  [[nodiscard]] const mutation* wrong_at(kind k, site at);
  // stop: before an operation (E1). Returns when it is to be done.
  void stop(const operation& o);
  void note(const char* what, std::uint32_t location, std::uint64_t value, site at);
  [[nodiscard]] std::uint32_t choose(std::uint32_t n);
  [[noreturn]] void fail(const char* text);
  void observe(std::uint64_t n);
  void sleep_on(std::uint32_t location);
  void wake(std::uint32_t location, int count);

 private:
  enum class state : std::uint8_t { unborn, ready, asleep, ended };
  struct thread {
    state at = state::unborn;
    operation pending;
    std::uint32_t asleep_on = 0;
    std::uint64_t others_steps = 0;  // of the others, when it last relaxed
    std::uint64_t own_steps = 0;
    char* low = nullptr;
    weft::arch::context context;
  };
  // choice: threads has the candidates when it is of who goes next, else there are `count` of them.
  struct choice {
    std::uint8_t taken = 0;
    std::uint8_t count = 0;
    std::array<std::uint8_t, threads_max> threads{};
  };
  struct trace_line {
    std::uint32_t thread;
    const char* what;
    std::uint32_t location;
    std::uint64_t value;
    site at;
  };

  static void entry(void* self);
  void body();
  void describe_and_check();
  void run_once();
  bool next_row();
  void go_on();
  [[nodiscard]] bool enabled(std::uint32_t t) const noexcept;
  [[nodiscard]] bool independent(const operation& a, const operation& b) const noexcept;
  [[nodiscard]] std::uint32_t pick(std::uint32_t enabled_mask);
  [[nodiscard]] bool rescue_spinners() noexcept;
  void switch_to(std::uint32_t t);
  [[noreturn]] void abandon();
  void report(const char* text);

  const std::function<void(program&)>& describe_;
  const options options_;
  findings found_;
  std::vector<choice> row_;

  // Of the execution.
  std::size_t at_ = 0;
  std::array<thread, threads_max> threads_;
  std::uint32_t thread_count_ = 0;
  std::uint32_t current_ = 0;
  std::uint32_t sleeping_ = 0;
  std::uint32_t execution_ = 0;
  std::uint64_t steps_ = 0;
  std::uint32_t rescues_ = 0;
  bool starting_ = false;
  bool over_ = false;
  memory memory_;
  plain_memory plain_;
  std::unique_ptr<program> program_;
  std::vector<trace_line> trace_;
  std::string outcome_;
  weft::arch::context home_;
  weft::arch::sanitizer::stack_range home_stack_;
};

}  // namespace interleave
