#include "sim/strategy.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <stdexcept>
#include <utility>

namespace weft::sim {
namespace {

// path_max: decisions that are varied; what comes after them happens as it would.
constexpr std::size_t path_max = 400;
// patience: how often in a row one goroutine may go on before all others, though others are ready:
// one that waits for somebody by giving way would do so for ever.
constexpr int patience = 64;

class random_walk final : public strategy {
 public:
  explicit random_walk(std::uint64_t seed) noexcept : seed_(seed), random_(seed) {}

  // Each of them alike; time is one among them, but seldom: a timer is seldom that early.
  std::size_t decide(const decision& d) override {
    constexpr std::size_t time_odds = 16;
    if (d.time && random_.below(time_odds) == 0) return d.who.size();
    return random_.below(d.who.size());
  }
  std::uint64_t seed() const noexcept override { return random(seed_).next() | 1; }
  std::string name() const override { return "random:" + std::to_string(seed_); }

 private:
  const std::uint64_t seed_;
  random random_;
};

// priorities: PCT (Burckhardt et al., A randomized scheduler with probabilistic guarantees of
// finding bugs, 2010): a random priority each; at a few random steps the one that runs falls behind
// all. Finds what needs `changes` + 1 steps in an order with a known probability.
class priorities final : public strategy {
 public:
  priorities(std::uint64_t seed, std::size_t changes, std::size_t steps)
      : seed_(seed), changes_(changes), steps_(std::max<std::size_t>(steps, 1)), random_(seed) {
    for (std::size_t i = 0; i < changes_; ++i) change_at_.push_back(random_.below(steps_));
    std::ranges::sort(change_at_);
  }

  std::size_t decide(const decision& d) override {
    const auto step = step_++;
    while (next_change_ < change_at_.size() && change_at_[next_change_] <= step) {
      ++next_change_;
      if (d.time && random_.below(2) == 0) return d.who.size();
      if (d.current) lower(d.who[0]);
    }
    auto best = best_of(d);
    if (d.who.size() > 1 && d.who[best] == last_) {
      if (++in_a_row_ > patience) {
        in_a_row_ = 0;
        lower(last_);
        best = best_of(d);
      }
    } else {
      in_a_row_ = 0;
    }
    last_ = d.who[best];
    return best;
  }

  std::uint64_t seed() const noexcept override { return random(seed_).next() | 1; }
  std::string name() const override {
    return "pct:" + std::to_string(seed_) + ":" + std::to_string(changes_) + ":" +
           std::to_string(steps_);
  }

 private:
  std::int64_t priority_of(std::uint64_t who) {
    const auto [at, added] = priority_.try_emplace(who, 0);
    if (added) at->second = static_cast<std::int64_t>(random_.next() >> 2);
    return at->second;
  }
  void lower(std::uint64_t who) { priority_[who] = --lowest_; }
  std::size_t best_of(const decision& d) {
    std::size_t best = 0;
    for (std::size_t i = 1; i < d.who.size(); ++i) {
      if (priority_of(d.who[i]) > priority_of(d.who[best])) best = i;
    }
    return best;
  }

  const std::uint64_t seed_;
  const std::size_t changes_;
  const std::size_t steps_;
  random random_;
  std::vector<std::size_t> change_at_;
  std::size_t next_change_ = 0;
  std::size_t step_ = 0;
  std::unordered_map<std::uint64_t, std::int64_t> priority_;
  std::int64_t lowest_ = 0;
  std::uint64_t last_ = 0;
  int in_a_row_ = 0;
};

// rotation: what decisions that nobody made come to: the current one goes on, but not for ever.
class rotation {
 public:
  std::size_t decide(const decision& d) noexcept {
    if (!d.current || d.who.size() == 1) {
      in_a_row_ = 0;
      return 0;
    }
    in_a_row_ = d.who[0] == last_ ? in_a_row_ + 1 : 0;
    last_ = d.who[0];
    if (in_a_row_ < patience) return 0;
    in_a_row_ = 0;
    return 1;
  }

 private:
  std::uint64_t last_ = 0;
  int in_a_row_ = 0;
};

class exact final : public strategy {
 public:
  explicit exact(std::vector<std::size_t> decisions) : decisions_(std::move(decisions)) {}
  std::size_t decide(const decision& d) override {
    const auto usual = rotation_.decide(d);
    if (at_ == decisions_.size()) return usual;
    return std::min(decisions_[at_++], d.who.size() - (d.time ? 0 : 1));
  }
  std::string name() const override {
    std::string text = "exact:";
    for (std::size_t i = 0; i < decisions_.size(); ++i)
      text += (i == 0 ? "" : ".") + std::to_string(decisions_[i]);
    return text;
  }

 private:
  const std::vector<std::size_t> decisions_;
  std::size_t at_ = 0;
  rotation rotation_;
};

template <class T>
T number_of(std::string_view text) {
  T value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size())
    throw std::invalid_argument("schedule: not a number: " + std::string(text));
  return value;
}

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const auto end = std::min(text.find(at), text.size());
    parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

}  // namespace

std::unique_ptr<strategy> strategy_of(std::string_view name) {
  const auto parts = split(name, ':');
  if (parts.size() == 2 && parts[0] == "random")
    return std::make_unique<random_walk>(number_of<std::uint64_t>(parts[1]));
  if (parts.size() == 4 && parts[0] == "pct") {
    return std::make_unique<priorities>(number_of<std::uint64_t>(parts[1]),
                                        number_of<std::size_t>(parts[2]),
                                        number_of<std::size_t>(parts[3]));
  }
  if (!parts.empty() && parts.size() <= 2 && parts[0] == "exact") {
    std::vector<std::size_t> decisions;
    for (const auto& d : split(parts.size() == 2 ? parts[1] : "", '.'))
      decisions.push_back(number_of<std::size_t>(d));
    return std::make_unique<exact>(std::move(decisions));
  }
  throw std::invalid_argument(
      "schedule: want random:SEED, pct:SEED:CHANGES:STEPS or exact:N.N.N, not " +
      std::string(name));
}

// walker: follows the path, and lengthens it.
class exhaustion::walker final : public strategy {
 public:
  explicit walker(exhaustion& of) noexcept : of_(of) {}
  std::size_t decide(const decision& d) override {
    const auto usual = rotation_.decide(d);
    const auto options = d.who.size() + (d.time ? 1 : 0);
    if (options == 1 && at_ < path_max) {
      taken_.push_back(0);
      // Nothing to decide: no branch, but a place in the name.
      return 0;
    }
    if (at_ >= path_max) return usual;
    if (at_ == of_.path_.size()) of_.path_.push_back({usual, options, d.current});
    branch& b = of_.path_[at_++];
    b.options = options;
    b.chosen = std::min(b.chosen, options - 1);
    taken_.push_back(b.chosen);
    return b.chosen;
  }
  std::string name() const override {
    auto last = taken_.size();
    std::string text = "exact:";
    for (std::size_t i = 0; i < last; ++i) text += (i == 0 ? "" : ".") + std::to_string(taken_[i]);
    return text;
  }

 private:
  exhaustion& of_;
  std::size_t at_ = 0;
  std::vector<std::size_t> taken_;
  rotation rotation_;
};

std::size_t exhaustion::spent_before(std::size_t depth) const noexcept {
  return static_cast<std::size_t>(
      std::count_if(path_.begin(), path_.begin() + static_cast<std::ptrdiff_t>(depth),
                    [](const branch& b) { return b.preempts && b.chosen != 0; }));
}

std::unique_ptr<strategy> exhaustion::next() {
  if (begun_) {
    for (;;) {
      if (path_.empty()) return nullptr;
      branch& last = path_.back();
      const bool allowed = !last.preempts || spent_before(path_.size() - 1) < preemptions_;
      if (allowed && last.chosen + 1 < last.options) {
        ++last.chosen;
        break;
      }
      path_.pop_back();
    }
  }
  begun_ = true;
  return std::make_unique<walker>(*this);
}

}  // namespace weft::sim
