// signal: from handlers to channels.
//
// The handler notes the signal in a word of bits and writes a byte into a pipe; a thread reads the
// pipe, takes the bits and delivers. All else - who wants what, which handlers are installed - is
// under one lock, and so is a delivery: what stop() has removed gets nothing more. A child that was
// forked has the handlers, and nobody who delivers: its signals do what they did before weft.
//
// I1  A handler of ours is installed for exactly the signals that a listener wants, except while
//     the lock is held; `before` has what was there.
// I2  arrived holds a signal from its handler to its delivery; whoever removes a listener delivers
//     what has arrived first.
//
// The lock is std's: system calls are made and goroutines woken under it, both of which the
// runtime's own locks forbid; nobody waits or switches under it.
//
// Rejected: signalfd: it wants the signals blocked in every thread, in those of libraries too, and
// programs that are started would inherit that. A goroutine that reads the pipe: it would belong to
// one runtime, and end with it.
//
// Tests: signal_test.cc.

#include <weft/error.h>
#include <weft/signal.h>

#include <string.h>

#include <algorithm>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/atomic.h"
#include "sched/environment.h"
#include "sched/signal_pipe.h"

namespace weft::signal {
namespace {

// mask: bit n-1 for signal n.
using mask = std::uint64_t;
constexpr int signal_max = 64;

constexpr mask bit(int signal) noexcept { return mask{1} << (signal - 1); }

constexpr mask refused = bit(SIGKILL) | bit(SIGSTOP) | bit(SIGSEGV) | bit(SIGBUS) | bit(SIGFPE) |
                         bit(SIGILL) | bit(SIGTRAP) | bit(32) | bit(33);

// All that the handler touches. before: of a signal, constant while our handler is installed.
base::atomic<mask> arrived{0};
sched::signal_pipe wake_pipe;
struct sigaction before[signal_max + 1] = {};

void on_signal(int signal) {
  if (!wake_pipe.is_ours()) return sched::leave_to(before[signal], signal);
  // release: pairs with the exchange in deliver_locked().
  arrived.fetch_or(bit(signal), base::release);
  wake_pipe.wake();
}

// listener: a channel, or a context to cancel.
struct listener {
  mask wants = 0;
  channel<int> to;
  std::optional<cancel_function> cancel;
  std::uint64_t id = 0;  // of a context
};

class registry {
 public:
  // instance: never destroyed: the thread may deliver while static objects end.
  static registry& instance() {
    static auto* const it = new registry();
    return *it;
  }

  void notify(const channel<int>& to, mask wanted) {
    const std::lock_guard hold(lock_);
    const auto found = find(to);
    if (found != listeners_.end()) {
      found->wants |= wanted;
    } else {
      listeners_.push_back({wanted, to, std::nullopt, 0});
    }
    ignored_ &= ~wanted;
    settle();
  }

  std::uint64_t notify(const cancel_function& cancel, mask wanted) {
    const std::lock_guard hold(lock_);
    listeners_.push_back({wanted, {}, cancel, ++last_id_});
    ignored_ &= ~wanted;
    settle();
    return last_id_;
  }

  void stop(const channel<int>& to) {
    const std::lock_guard hold(lock_);
    deliver_locked();
    const auto found = find(to);
    if (found == listeners_.end()) return;
    listeners_.erase(found);
    settle();
  }

  void stop(std::uint64_t id) {
    const std::lock_guard hold(lock_);
    deliver_locked();
    std::erase_if(listeners_, [id](const listener& l) { return l.id == id && l.cancel; });
    settle();
  }

  // forget: nobody gets them; ignored from now on, or as they were before weft.
  void forget(mask which, bool ignore) {
    const std::lock_guard hold(lock_);
    deliver_locked();
    for (auto& l : listeners_) l.wants &= ~which;
    std::erase_if(listeners_, [](const listener& l) { return l.wants == 0; });
    ignored_ = ignore ? ignored_ | which : ignored_ & ~which;
    settle();
  }

  // deliver: of the thread.
  void deliver() {
    const std::lock_guard hold(lock_);
    deliver_locked();
  }

 private:
  registry() {
    if (!wake_pipe.open()) base::fatal("signal: no descriptors for a pipe");
    if (sched::start_thread(thread_main, this) != 0) base::fatal("signal: no thread");
  }

  static void thread_main(void* self) {
    while (wake_pipe.wait()) static_cast<registry*>(self)->deliver();
  }

  std::vector<listener>::iterator find(const channel<int>& to) {
    return std::ranges::find_if(listeners_,
                                [&](const listener& l) { return !l.cancel && l.to == to; });
  }

  void deliver_locked() {
    // acquire: pairs with the handler.
    auto now = arrived.exchange(0, base::acquire);
    for (int s = 1; s <= signal_max; ++s) {
      if ((now & bit(s)) == 0) continue;
      for (const auto& l : listeners_) {
        if ((l.wants & bit(s)) == 0) continue;
        if (l.cancel) {
          (*l.cancel)(error(errc::cancelled, cause_of(s)));
        } else {
          static_cast<void>(l.to.try_send(s));
        }
      }
    }
  }

  // cause_of: a text that lives for ever, as an error's operation must.
  const char* cause_of(int s) {
    auto& text = causes_[s];
    if (text == nullptr) {
      const char* name = ::sigdescr_np(s);
      text = new std::string("signal " + std::to_string(s) +
                             (name != nullptr ? " (" + std::string(name) + ")" : ""));
    }
    return text->c_str();
  }

  // settle: makes I1 true again.
  void settle() {
    mask wanted = 0;
    for (const auto& l : listeners_) wanted |= l.wants;
    for (int s = 1; s <= signal_max; ++s) {
      const auto b = bit(s);
      if ((refused & b) != 0) continue;
      const bool ours = (wanted & b) != 0;
      const bool off = !ours && (ignored_ & b) != 0;
      if (ours == ((caught_ & b) != 0) && off == ((silenced_ & b) != 0)) continue;
      if (((caught_ | silenced_) & b) == 0) {
        ::sigaction(s, nullptr, &before[s]);
      }
      struct sigaction action{};
      action.sa_handler = ours ? on_signal : SIG_IGN;
      action.sa_flags = SA_RESTART | SA_ONSTACK;
      ::sigaction(s, &action, nullptr);
      // Behind SIG_IGN, which drops one that was sent while ours stood and has not come yet: it
      // must not end the process now.
      if (!ours && !off) ::sigaction(s, &before[s], nullptr);
      caught_ = ours ? caught_ | b : caught_ & ~b;
      silenced_ = off ? silenced_ | b : silenced_ & ~b;
    }
  }

  std::mutex lock_;
  // All guarded by lock_.
  std::vector<listener> listeners_;
  std::uint64_t last_id_ = 0;
  mask ignored_ = 0;   // what ignore() asked for, and nobody took back
  mask caught_ = 0;    // where our handler is
  mask silenced_ = 0;  // where SIG_IGN is, by us
  std::string* causes_[signal_max + 1] = {};
};

mask mask_of(std::span<const int> signals) {
  if (signals.empty()) return ~refused;
  mask m = 0;
  for (const int s : signals) {
    if (s < 1 || s > signal_max || (refused & bit(s)) != 0)
      throw misuse_error("signal: cannot be caught: " + std::to_string(s));
    m |= bit(s);
  }
  return m;
}

}  // namespace

void notify(const channel<int>& to, std::span<const int> signals) {
  if (!to) throw misuse_error("signal: Notify using nil channel");
  registry::instance().notify(to, mask_of(signals));
}

void notify(const channel<int>& to, list signals) {
  notify(to, std::span<const int>(signals.begin(), signals.size()));
}

void stop(const channel<int>& to) { registry::instance().stop(to); }

void reset(list signals) { registry::instance().forget(mask_of(signals), false); }

void ignore(list signals) { registry::instance().forget(mask_of(signals), true); }

bool ignored(int signal) {
  struct sigaction now{};
  return ::sigaction(signal, nullptr, &now) == 0 && (now.sa_flags & SA_SIGINFO) == 0 &&
         now.sa_handler == SIG_IGN;
}

signal_context notify_context(const weft::context& parent, list signals) {
  const auto wanted = mask_of(signals);
  auto own = with_cancel(parent);
  const auto id = registry::instance().notify(own.cancel, wanted);
  return {id, std::move(own)};
}

void signal_context::stop() noexcept {
  if (id_ == 0) return;
  registry::instance().stop(std::exchange(id_, 0));
  own_.cancel();
}

}  // namespace weft::signal
