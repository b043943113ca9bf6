#pragma once

// strategy: how the decisions of a simulation are made. A decision is one of `options` numbers: 0
// is what would happen anyway (the current goroutine goes on, or the one that has been ready for
// longest), the last one may be that time passes.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace weft::sim {

// random: xorshift64*, Vigna 2016.
class random {
 public:
  explicit random(std::uint64_t seed) noexcept : state_(seed * 0x9e3779b97f4a7c15ULL | 1) {
    for (int i = 0; i < 4; ++i) next();
  }
  std::uint64_t next() noexcept {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545f4914f6cdd1dULL;
  }
  std::size_t below(std::size_t n) noexcept { return static_cast<std::size_t>((next() >> 11) % n); }

 private:
  std::uint64_t state_;
};

// decision: what there is to decide between.
struct decision {
  const std::vector<std::uint64_t>& who;  // numbers of goroutines; the current one first, if it can
  bool current = false;                   // who[0] is
  bool time = false;                      // or time passes: the number who.size()
};

class strategy {
 public:
  strategy() = default;
  strategy(const strategy&) = delete;
  strategy& operator=(const strategy&) = delete;
  virtual ~strategy() = default;

  [[nodiscard]] virtual std::size_t decide(const decision& d) = 0;
  // seed: of the random numbers that goroutines get (select, for one).
  [[nodiscard]] virtual std::uint64_t seed() const noexcept { return 1; }
  // name: what strategy_of() makes the same one of.
  [[nodiscard]] virtual std::string name() const = 0;
};

// strategy_of: by its name: "random:SEED", "pct:SEED:CHANGES:STEPS", "exact:N.N.N" (decisions, 0
// from their end on). Throws std::invalid_argument.
[[nodiscard]] std::unique_ptr<strategy> strategy_of(std::string_view name);

// exhaustion: all schedules of at most `preemptions` decisions against the one that goes on, as
// strategies one after the other. What each decision was between is learnt while it runs.
class exhaustion {
 public:
  explicit exhaustion(std::size_t preemptions) noexcept : preemptions_(preemptions) {}
  // next: the next one; null when all have been.
  [[nodiscard]] std::unique_ptr<strategy> next();

 private:
  class walker;
  struct branch {
    std::size_t chosen = 0;
    std::size_t options = 0;
    bool preempts = false;  // any but 0 does
  };
  [[nodiscard]] std::size_t spent_before(std::size_t depth) const noexcept;

  std::size_t preemptions_;
  std::vector<branch> path_;
  bool begun_ = false;
};

}  // namespace weft::sim
