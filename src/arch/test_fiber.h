#pragma once

// test_fiber: the least scheduler there can be, for the tests of arch and stack: a function on a
// stack of its own, which its owner resumes and which yields back. Swaps the exception globals as
// the scheduler does.

#include <sys/mman.h>

#include <cstddef>
#include <functional>
#include <utility>

#include "arch/eh_globals.h"
#include "arch/sanitizer.h"
#include "arch/switch.h"
#include "base/assert.h"

namespace weft::arch {

class test_fiber {
 public:
  using body = std::function<void(test_fiber&)>;

  static constexpr std::size_t default_bytes = 256 * 1024;

  // Runs on memory of its own.
  explicit test_fiber(body f) : test_fiber(map(default_bytes), default_bytes, std::move(f)) {
    owned_ = true;
  }

  // Runs on [low, low + bytes), the caller's.
  test_fiber(char* low, std::size_t bytes, body f)
      : body_(std::move(f)), low_(low), bytes_(bytes), fiber_(sanitizer::create_fiber()) {
    self_ = make_context(low, low + bytes, entry);
  }

  ~test_fiber() {
    sanitizer::destroy_fiber(fiber_);
    sanitizer::forget_frames(low_, bytes_);
    if (owned_) ::munmap(low_, bytes_);
  }

  test_fiber(const test_fiber&) = delete;
  test_fiber& operator=(const test_fiber&) = delete;

  // resume: goes on in the body until it yields or ends; returns whether it is still alive.
  bool resume() {
    WEFT_ASSERT(!done_, "resumed a fibre that has ended");
    owner_range_ = owner_stack();
    owner_fiber_ = sanitizer::current_fiber();
    std::swap(*current_eh_globals(), globals_);
    sanitizer::fiber_save save;
    sanitizer::before_switch(save, low_, bytes_, fiber_, false, false);
    switch_context(&owner_, self_, this);
    sanitizer::after_switch(save);
    std::swap(*current_eh_globals(), globals_);
    return !done_;
  }

  // yield: called by the body; returns when the owner resumes, perhaps on another thread.
  void yield() { leave(false); }

  // left: where it goes on, while it is not running; [low, high) is its stack.
  [[nodiscard]] const context& left() const noexcept { return self_; }
  [[nodiscard]] const void* low() const noexcept { return low_; }
  [[nodiscard]] const void* high() const noexcept { return low_ + bytes_; }

 private:
  [[gnu::noinline]] void leave(bool dying) {
    sanitizer::fiber_save save;
    sanitizer::before_switch(save, owner_range_.low, owner_range_.size, owner_fiber_, false, dying);
    switch_context(&self_, owner_, nullptr);
    sanitizer::after_switch(save);
  }

  static void entry(void* transfer) {
    sanitizer::after_switch({});
    auto* self = static_cast<test_fiber*>(transfer);
    self->body_(*self);
    self->done_ = true;
    self->leave(true);
    WEFT_ASSERT(false, "a fibre that has ended was resumed");
  }

  [[gnu::noinline]] static sanitizer::stack_range owner_stack() {
    thread_local const sanitizer::stack_range range = sanitizer::thread_stack();
    return range;
  }

  static char* map(std::size_t bytes) {
    void* at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    WEFT_ASSERT(at != MAP_FAILED, "no memory for a stack");
    return static_cast<char*>(at);
  }

  const body body_;
  char* const low_;
  const std::size_t bytes_;
  void* const fiber_;
  bool owned_ = false;
  bool done_ = false;
  context self_;
  context owner_;
  eh_globals globals_;
  void* owner_fiber_ = nullptr;
  sanitizer::stack_range owner_range_;
};

}  // namespace weft::arch
