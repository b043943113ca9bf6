#pragma once

// io: what the layers above need of a runtime to wait for descriptors: its poller, somebody who
// looks at it, and word when the runtime ends. The wait itself is an ordinary one (wait.h): the
// cookie of a pending operation is {&w.who(), w.at()}, and its completion claims the wait with
// token_ready.
//
// Descriptors may outlive their runtime, and threads may wait for them when it ends. So each enters
// itself as a tenant of the runtime's io_home, which all of them share, and hears of the end at the
// one moment when no goroutine runs any more and all their records and stacks still stand.
//
// I1  ended_ is set once, before the scheduler waits for its visitors: who begins a visit under
//     lock_ finds a scheduler that stays until the visit is over.
//     Who claims a goroutine of the home from outside does so within a visit: else the record it
//     holds may be gone before it is queued.
// I2  A tenant is in tenants_ from enlist() to delist(); runtime_ended() is called once for each
//     that was in at the end, and nobody enlists afterwards.
//
// Locks: lock_, outside of those of the tenants: of the outermost rank.

#include <cstdint>
#include <memory>
#include <utility>

#include "base/list.h"
#include "base/lock.h"
#include "poll/poller.h"

namespace weft::sched {

class scheduler;
class wake_list;
struct machine;

// tenant: what belongs to a runtime and may outlive it.
class tenant : public base::list_node {
 public:
  tenant() = default;
  tenant(const tenant&) = delete;
  tenant& operator=(const tenant&) = delete;

  // runtime_ended: the runtime's goroutines are no more: forget those that wait, and claim the
  // threads that do. `all_in`: no machine is out that might still be in a call. Under the home's
  // lock: no system call. True: call settle() when the lock is dropped; the tenant stays until
  // then.
  [[nodiscard]] virtual bool runtime_ended(bool all_in, wake_list& woken) noexcept = 0;
  virtual void settle() noexcept = 0;

 protected:
  ~tenant() = default;

 private:
  friend class io_home;
  tenant* next_to_settle_ = nullptr;  // of end()
};

// caller_kind: whose code calls.
enum class caller_kind : std::uint8_t {
  own,       // a goroutine of the home's runtime
  thread,    // of no runtime
  stranger,  // a goroutine of another runtime
};

class io_home {
 public:
  io_home(scheduler& owner, std::unique_ptr<poll::poller> poller) noexcept
      : owner_(&owner), poller_(std::move(poller)) {}
  io_home(const io_home&) = delete;
  io_home& operator=(const io_home&) = delete;

  [[nodiscard]] poll::poller& poller() const noexcept { return *poller_; }

  // kind_of: who the code on machine `m` is to this home; null for a thread.
  [[nodiscard]] caller_kind kind_of(const machine* m) const noexcept;

  // ensure_watched: after an operation was left pending in the poller, before the park; inside the
  // gate.
  void ensure_watched() noexcept;

  // enlist: false if the runtime has ended. delist: takes it out, if it is in.
  [[nodiscard]] bool enlist(tenant& t) noexcept;
  void delist(tenant& t) noexcept;

  // -- of the scheduler --
  // close_doors: the runtime is about to end: nobody begins a visit any more.
  void close_doors() noexcept;
  // end: it has ended; `all_in` if no machine is out.
  void end(bool all_in) noexcept;

 private:
  friend class home_visit;

  scheduler* const owner_;  // to be compared; to be used inside a visit alone
  const std::unique_ptr<poll::poller> poller_;

  base::lock<base::rank::scope> lock_;
  bool ended_ = false;          // guarded by lock_
  base::list<tenant> tenants_;  // guarded by lock_
};

// home_visit: of a caller that is about to claim goroutines of the home: as long as it lasts, the
// runtime does. Begun before any lock is taken. Own goroutines need none: they are waited for.
class [[nodiscard]] home_visit {
 public:
  home_visit(io_home& home, caller_kind who) noexcept;
  ~home_visit();
  home_visit(const home_visit&) = delete;
  home_visit& operator=(const home_visit&) = delete;

  // over: the runtime ends: its goroutines are not to be claimed, and whoever else waits hears of
  // it by runtime_ended().
  [[nodiscard]] bool over() const noexcept { return over_; }

 private:
  scheduler* visited_ = nullptr;
  bool over_ = false;
};

// current_home: of the caller's runtime, or of the only one; null without a runtime.
[[nodiscard]] std::shared_ptr<io_home> current_home() noexcept;

}  // namespace weft::sched
