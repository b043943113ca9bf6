#pragma once

// waiter: whoever can wait - a goroutine, or a plain thread through a proxy - and the one word that
// decides every wait.
//
// Purpose. A wait may be ended by several parties at once: a sender, a timer, a cancelled context,
// a close. Exactly one of them must win, the losers must not touch anything, and the winner must
// know whether the waiter has left its stack. All of that is one compare-exchange on `word`.
//
//   word = ticket (48 bits) | token (12) | scan (1) | phase (3)
//
//   idle ----> runnable ----> running ----> armed ----> parked
//                 ^              ^            |            |  scan bit: a dump reads the stack;
//                 |              |            v            v            the waker waits for
//                 microseconds |              +-------- claimed <-------+
//                 +----------------------- (queued by whoever claimed it parked)
//                             running ----> idle          the goroutine has ended
//
// armed    the waiter still runs, but its wait can be decided already: its nodes stand in queues.
// parked   its state is saved; whoever claims it from here owes it a ready().
// claimed  decided; `token` says by what. From armed: the waiter sees it before or while it parks
//          and goes on by itself.
//
// I1  A ticket names one wait and never repeats for a waiter; a claim with another ticket loses.
// I2  Of all claims with one ticket exactly one wins (it is a compare-exchange from armed or
//     parked).
// I3  Only the waiter itself moves running -> armed, armed -> parked, claimed -> running, so these
//     need no exchange except armed -> parked, which races with claims.
// I4  The scan bit is set only on parked, by one dump at a time; claims wait while it is set.
// I5  Records of waiters are type-stable: a stale pointer with an old ticket reaches a record, and
//     loses (I1). A record whose memory was given back reads as zeros: idle, and of no wait.
//
// Rejected. Holding the queue's lock over the switch (Go's way for channels): select would hold
// several, and timers and contexts have other locks. A separate "selectDone" word beside the state:
// two exchanges where one does.
//
// Tests: waiter_test.cc (claims race, one wins), tests/model/park.pml (verifies; fails without the
// exchange in try_park), tests/interleave/waiter_test.cc (this file in all interleavings; fails
// without its orders).

#include <cstdint>

#include "base/assert.h"
#include "base/atomic.h"

namespace weft::sched {

enum class phase : std::uint8_t { idle, runnable, running, armed, parked, claimed };

// ticket: names one wait of one waiter.
using ticket = std::uint64_t;

// token: by what a wait was decided: one of the fixed ones, or `token_first_case` + number of the
// case (select), with `token_closed` or-ed in when the case's channel was closed.
using token = std::uint16_t;
inline constexpr token token_none = 0;
inline constexpr token token_timeout = 1;
inline constexpr token token_cancelled = 2;
inline constexpr token token_ready = 3;
inline constexpr token token_first_case = 4;
inline constexpr token token_closed = 0x800;
inline constexpr token token_cases_max = 0x700;

// claim_outcome: what a claim found. Only `won_parked` obliges the caller to make the waiter
// runnable.
enum class [[nodiscard]] claim_outcome : std::uint8_t { lost, won_running, won_parked };

// take_numbers: the first of `count` numbers that nobody else has: 0 < number < numbers_end. They
// begin anew at the end: by then who had the first ones is long gone.
inline constexpr std::uint32_t numbers_end = 1U << 29;
[[nodiscard]] std::uint32_t take_numbers(std::uint32_t count) noexcept;
// numbers_repeat: whether they have begun anew: two that live may have one number.
[[nodiscard]] bool numbers_repeat() noexcept;
// exhaust_numbers: of tests: they begin anew at once.
void exhaust_numbers() noexcept;

class waiter {
 public:
  waiter() = default;
  waiter(const waiter&) = delete;
  waiter& operator=(const waiter&) = delete;

  // -- transitions of the waiter itself (or of the scheduler for it) --

  void to_runnable() noexcept {
    assert_phase(phase::idle, "only an idle record becomes runnable");
    set(phase::runnable);
  }

  // to_running: dispatched for the first time, or again after yield.
  void to_running() noexcept {
    assert_phase(phase::runnable, "only a runnable goroutine is dispatched");
    set(phase::running);
  }

  void running_to_runnable() noexcept {
    assert_phase(phase::running, "only a running goroutine yields");
    set(phase::runnable);
  }

  void to_idle() noexcept {
    assert_phase(phase::running, "only a running goroutine ends");
    set(phase::idle);
  }

  // arm: begins a wait. From here on whoever learns the ticket can decide it.
  [[nodiscard]] ticket arm() noexcept {
    // relaxed: only this waiter changes the word while it runs (I3).
    const auto old = word_.load(base::relaxed);
    WEFT_ASSERT(phase_of(old) == phase::running, "a waiter waits for one thing at a time");
    const ticket next = ticket_of(old) + 1;
    // relaxed: the ticket reaches others only through a queue's lock, which publishes this store
    // with it.
    word_.store(make(next, token_none, phase::armed), base::relaxed);
    return next;
  }

  // try_park: commits the park, from another stack; false if the wait is decided already.
  [[nodiscard]] bool try_park() noexcept {
    auto old = word_.load(base::relaxed);
    if (phase_of(old) != phase::armed) {
      assert_phase(phase::claimed, "a parking waiter is armed or claimed");
      return false;
    }
    // release: publishes the saved context to the claimer, whose acquire in claim() pairs with it.
    // acquire on failure: sees what the claimer wrote before it claimed.
    return word_.compare_exchange_strong(old, with_phase(old, phase::parked), base::release,
                                         base::acquire);
  }

  // decided: whether the wait has been claimed.
  [[nodiscard]] bool decided() const noexcept {
    // acquire: sees what the claimer wrote before it claimed (the value received, for one).
    return phase_of(word_.load(base::acquire)) == phase::claimed;
  }

  // resume: the waiter goes on; returns what decided the wait.
  token resume() noexcept {
    // acquire: as in decided().
    const auto old = word_.load(base::acquire);
    WEFT_ASSERT(phase_of(old) == phase::claimed, "a waiter resumes only when its wait is decided");
    word_.store(with_phase(old, phase::running), base::relaxed);  // relaxed: I3
    return token_of(old);
  }

  // disarm: the waiter gives its wait up before it parked; false if somebody decided it meanwhile
  // (then resume()).
  [[nodiscard]] bool disarm() noexcept {
    auto old = word_.load(base::relaxed);
    if (phase_of(old) != phase::armed) return false;
    // acquire: as in decided(). Only the failure needs it; g++ refuses a weaker order for success.
    return word_.compare_exchange_strong(old, with_phase(old, phase::running), base::acquire,
                                         base::acquire);
  }

  // -- the other side --

  // claim: decides the wait `t` with `by`, if it is still open.
  claim_outcome claim(ticket t, token by) noexcept {
    auto old = word_.load(base::relaxed);
    for (;;) {
      if (ticket_of(old) != (t & ticket_mask)) return claim_outcome::lost;
      const auto at = phase_of(old);
      if (at != phase::armed && at != phase::parked) return claim_outcome::lost;
      if ((old & scan_bit) != 0) {
        base::cpu_relax();
        old = word_.load(base::relaxed);
        continue;
      }
      // acq_rel: release publishes the value handed over to resume(); acquire sees the context
      // saved before try_park().
      if (word_.compare_exchange_weak(old, make(t, by, phase::claimed), base::acq_rel,
                                      base::relaxed)) {
        return at == phase::parked ? claim_outcome::won_parked : claim_outcome::won_running;
      }
    }
  }

  // try_hold, drop_hold: a dump keeps a parked waiter where it is while it copies the stack (I4).
  [[nodiscard]] bool try_hold() noexcept {
    auto old = word_.load(base::relaxed);
    if (phase_of(old) != phase::parked || (old & scan_bit) != 0) return false;
    // acquire: sees the stack as it was parked; pairs with the release in try_park().
    return word_.compare_exchange_strong(old, old | scan_bit, base::acquire, base::relaxed);
  }
  void drop_hold() noexcept {
    // release: our reads of the stack end before the next owner writes to it; pairs with the
    // acquire in claim().
    word_.fetch_and(~scan_bit, base::release);
  }

  [[nodiscard]] phase current_phase() const noexcept { return phase_of(word_.load(base::relaxed)); }
  [[nodiscard]] bool is_thread() const noexcept { return is_thread_; }

  // number: of this record alone, among all that live; not 0. As what owns a lock it takes half the
  // room of an address.
  [[nodiscard]] std::uint32_t number() const noexcept {
    return number_.load(base::relaxed);  // relaxed: it changes only where nobody waits
  }

  // last_ticket, renew: of a record that lives on in memory that was given back (goroutine_pool.h):
  // `t` is no smaller than any it had, `number` what it had.
  [[nodiscard]] ticket last_ticket() const noexcept { return ticket_of(word_.load(base::relaxed)); }
  void renew(std::uint32_t number, ticket t) noexcept {
    // relaxed, twice: who gets the record gets it through a lock; others look at the ticket alone.
    number_.store(number, base::relaxed);
    word_.store(make(t, token_none, phase::idle), base::relaxed);
  }

  // link: free for whoever owns the waiter at the moment: its claimer's wake list, then the run
  // queue it stands in.
  waiter* link = nullptr;

 protected:
  waiter(bool is_thread, std::uint32_t number) noexcept : is_thread_(is_thread), number_(number) {}

 private:
  friend struct debug_access;  // debugger.cc

  static constexpr std::uint64_t phase_mask = 7;
  static constexpr std::uint64_t scan_bit = 8;
  static constexpr int token_shift = 4;
  static constexpr std::uint64_t token_mask = 0xfff;
  static constexpr int ticket_shift = 16;
  static constexpr std::uint64_t ticket_mask = (std::uint64_t{1} << 48) - 1;

  static constexpr phase phase_of(std::uint64_t w) noexcept {
    return static_cast<phase>(w & phase_mask);
  }
  static constexpr ticket ticket_of(std::uint64_t w) noexcept { return w >> ticket_shift; }
  static constexpr token token_of(std::uint64_t w) noexcept {
    return static_cast<token>((w >> token_shift) & token_mask);
  }
  static constexpr std::uint64_t with_phase(std::uint64_t w, phase p) noexcept {
    return (w & ~phase_mask) | static_cast<std::uint64_t>(p);
  }
  static constexpr std::uint64_t make(ticket t, token by, phase p) noexcept {
    return (t << ticket_shift) | (std::uint64_t{by} << token_shift) | static_cast<std::uint64_t>(p);
  }
  void set(phase p) noexcept {
    // relaxed: these states change hands only through a run queue, which publishes them.
    word_.store(with_phase(word_.load(base::relaxed), p), base::relaxed);
  }
  void assert_phase(phase expected, const char* text) const noexcept {
    WEFT_ASSERT(phase_of(word_.load(base::relaxed)) == expected, text);
  }

  base::atomic<std::uint64_t> word_{0};
  const bool is_thread_ = false;
  base::atomic<std::uint32_t> number_{0};
};

}  // namespace weft::sched
