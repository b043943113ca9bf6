#pragma once

// file_slots: how many goroutines of a runtime are in calls on regular files at once. Each of them
// is a thread while its disk lets it wait, and no disk is quicker for more of them: who comes when
// all slots are taken waits for one, in order.
//
// A call that does not come back (a network file system whose server is gone, a fifo that nobody
// else opens) must not keep the others for ever. So a timer looks while somebody waits: if no call
// has come back since it last did, one more is let in, and there is room for one more until
// those that hang are back.
//
// I1  Somebody waits only while taken_ >= room_ >= slots, and then the timer is armed or about to
//     be.
// I2  Who is admitted is counted in taken_ before the lock is let go.
//
// Tests: fs/slots_test.cc.

#include <cstdint>

#include "base/lock.h"
#include "sched/timer.h"
#include "sched/wait.h"

namespace weft::sched {

class scheduler;

class file_slots {
 public:
  static constexpr std::uint32_t slots = 6;
  static constexpr std::int64_t stall_ns = 100'000'000;

  explicit file_slots(scheduler& owner, std::int64_t stall = stall_ns) noexcept
      : owner_(owner), stall_(stall), watch_(*this) {}

  // All three: inside the gate, of goroutines of the owner. enter waits.
  [[nodiscard]] bool try_enter() noexcept;
  void enter() noexcept;
  void leave() noexcept;

 private:
  struct watch : timer {
    explicit watch(file_slots& owner) noexcept
        : timer([](timer& t) noexcept { static_cast<watch&>(t).of.look(); }), of(owner) {}
    file_slots& of;
  };

  [[nodiscard]] bool take_locked() noexcept;
  void admit_locked(wake_list& woken) noexcept;
  void arm() noexcept;
  void look() noexcept;

  scheduler& owner_;
  const std::int64_t stall_;
  watch watch_;
  base::lock<base::rank::sync> lock_;
  wait_queue queue_;            // guarded by lock_
  std::uint32_t taken_ = 0;     // guarded by lock_
  std::uint32_t room_ = slots;  // guarded by lock_
  bool watched_ = false;        // guarded by lock_: the timer is armed, or about to be
  std::uint64_t returned_ = 0;  // guarded by lock_: calls, so far
  std::uint64_t seen_ = 0;      // guarded by lock_: of them, when the timer was armed
};

// file_call: a stay in a slot of the caller's runtime. A plain thread needs none.
class [[nodiscard]] file_call {
 public:
  // Waits for one.
  file_call() noexcept;
  // idle: has one only if it need not wait.
  enum class when : std::uint8_t { idle };
  explicit file_call(when) noexcept;
  ~file_call();
  file_call(const file_call&) = delete;
  file_call& operator=(const file_call&) = delete;

  [[nodiscard]] explicit operator bool() const noexcept { return entered_; }

 private:
  file_slots* slots_ = nullptr;  // null on a plain thread
  bool entered_ = true;
};

}  // namespace weft::sched
