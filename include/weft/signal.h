#pragma once

// signal: signals of the operating system as values in channels. Go's os/signal.
//
//   weft::channel<int> signals(1);
//   weft::signal::notify(signals, {SIGINT, SIGTERM});
//   const int first = signals.recv().value();
//
//   auto stopping = weft::signal::notify_context({}, {SIGINT, SIGTERM});
//   serve(stopping.context());            // cancelled by the first of them
//
// A handler is installed for a signal while somebody wants to hear of it; when nobody does any
// more, what was there before comes back. Deliveries never wait: a channel without room misses the
// signal (one for a signal that comes once, more for one that comes often). The same signal, raised
// twice before it is delivered, may arrive once.
//
// A thread of the library's delivers, from the first use on; so the channels may be those of any
// runtime, or of plain threads, and a program that has asked for signals is never reported as
// deadlocked. All of this is safe from any thread and goroutine, and never waits.
//
// In a child that was forked and has not executed a program nobody delivers: there the signals do
// what they did before they were asked for.
//
// Which signals: 1 to 64, except those that cannot be caught (SIGKILL, SIGSTOP), those that a fault
// raises (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP) and the C library's own (32, 33): for these the
// calls throw misuse_error and do nothing. An empty list means all that are left.

#include <weft/channel.h>
#include <weft/context.h>

#include <csignal>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <utility>

namespace weft::signal {

using list = std::initializer_list<int>;

// notify: from now on `to` gets each of `signals`, besides those it was given before. A channel
// that is closed must be stopped first: a signal for a closed one ends the process ("send on closed
// channel"). Throws misuse_error for the nil channel.
void notify(const channel<int>& to, list signals);
void notify(const channel<int>& to, std::span<const int> signals);

// stop: `to` gets no more, none at all after this has returned; signals that arrived before are
// delivered first.
void stop(const channel<int>& to);

// reset: nobody gets `signals` any more, channels and contexts; what was there before weft comes
// back, also after ignore().
void reset(list signals);

// ignore: nobody gets `signals` any more, and the process ignores them, until reset() or notify().
// Programs that it starts inherit that.
void ignore(list signals);

// ignored: whether the process ignores the signal now, by whosever wish.
[[nodiscard]] bool ignored(int signal);

// signal_context: a context that signals cancel, while this object lives.
class [[nodiscard]] signal_context {
 public:
  signal_context(signal_context&& other) noexcept
      : id_(std::exchange(other.id_, 0)), own_(std::move(other.own_)) {}
  signal_context& operator=(signal_context&&) = delete;
  // stop().
  ~signal_context() { stop(); }

  // context: cancelled by the first signal, with "signal 15 (Terminated)" as the operation of its
  // cause(), and by stop().
  [[nodiscard]] const weft::context& context() const noexcept { return own_.ctx; }

  // stop: signals have their former effect again, at once: a second SIGINT may end the process.
  // Cancels the context.
  void stop() noexcept;

 private:
  friend signal_context notify_context(const weft::context& parent, list signals);
  signal_context(std::uint64_t id, cancellable own) noexcept : id_(id), own_(std::move(own)) {}

  std::uint64_t id_;
  cancellable own_;
};

// notify_context: a context below `parent` that the first of `signals` cancels.
[[nodiscard]] signal_context notify_context(const weft::context& parent, list signals);

}  // namespace weft::signal
