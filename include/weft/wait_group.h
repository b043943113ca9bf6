#pragma once

// wait_group: waits until a number of things are done.
//
//   weft::wait_group all;
//   for (auto& part : parts) all.go([&part] { work(part); });
//   all.wait();
//
// It may be destroyed as soon as all its wait()s have returned, and one of them without an error.
// scope.h does the same with errors and cancellation. Usable from plain threads, and before main.

#include <weft/error.h>
#include <weft/go.h>
#include <weft/limit.h>

#include <cstddef>
#include <source_location>
#include <type_traits>
#include <utility>

namespace weft {

class wait_group {
 public:
  constexpr wait_group() noexcept = default;
  wait_group(const wait_group&) = delete;
  wait_group& operator=(const wait_group&) = delete;
  ~wait_group() = default;

  // add: `n` more things, or fewer if it is negative. At 0 all who wait go on. Call it before
  // starting what will call done(). Throws misuse_error ("sync: negative WaitGroup counter") if it
  // would leave 0 to 2^61, and changes nothing then. Never waits.
  void add(std::ptrdiff_t n);

  // done: one thing less. What was done before is seen by those whose wait it ends.
  void done() { add(-1); }

  // wait: until the count is 0. An error means that `l` ended the wait before.
  result<void> wait(const limit& l = {}) noexcept;

  // go: add(1), and a goroutine (weft::go) that calls `f` and then, when f and what it holds are
  // gone, done(). An exception that leaves f ends the process, and nobody's wait before.
  template <class F>
    requires std::is_invocable_v<std::decay_t<F>>
  void go(F&& f, const std::source_location& site = std::source_location::current()) {
    go({}, std::forward<F>(f), site);
  }
  template <class F>
    requires std::is_invocable_v<std::decay_t<F>>
  void go(const go_options& options, F&& f,
          const std::source_location& site = std::source_location::current()) {
    add(1);
    detail::spawn(options, child<std::decay_t<F>>{share(this), std::forward<F>(f)}, site);
  }

 private:
  // share: owes one done().
  class share {
   public:
    explicit share(wait_group* of) noexcept : of_(of) {}
    share(share&& other) noexcept : of_(std::exchange(other.of_, nullptr)) {}
    share& operator=(share&&) = delete;
    ~share() {
      if (of_ != nullptr) of_->done();
    }

   private:
    wait_group* of_;
  };

  // child: its members end in reverse: the share after the function. An exception that leaves it
  // ends the process where it is thrown, while the share is still owed.
  template <class F>
  struct child {
    share owed;
    F f;
    void operator()() { std::invoke(std::move(f)); }
  };

  alignas(8) std::byte core_[24] = {};
};

}  // namespace weft
