#pragma once

// verdict: whether a chat delivered what was said: to everybody, once, in the order of each member,
// and in one order for all.

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lab::chat {

// delivery: message `number` (from 0) of `sender`.
struct delivery {
  std::uint32_t sender = 0;
  std::uint32_t number = 0;
  auto operator<=>(const delivery&) const = default;
};

// delivery_text, parse_delivery: as a line says it, without its end. `run` tells those of this run
// from older ones, which the chat may replay.
std::string delivery_text(std::uint64_t run, const delivery& d);
std::optional<delivery> parse_delivery(std::string_view line, std::uint64_t run,
                                       std::size_t senders);

struct verdict {
  std::uint64_t deliveries = 0;
  std::uint64_t lost = 0;
  std::uint64_t doubled = 0;    // or never sent
  std::uint64_t reordered = 0;  // steps back within what one member said
  std::uint64_t disagreed = 0;  // steps back in the order in which the first receiver saw them
  [[nodiscard]] bool right() const { return lost + doubled + reordered + disagreed == 0; }
};

// judge_deliveries: `sent[i]` is how many messages member i sent, `received[j]` what member j got.
verdict judge_deliveries(const std::vector<std::uint32_t>& sent,
                         const std::vector<std::vector<delivery>>& received);

// gap_watch: notices while it happens that one receiver does not get each sender's numbers in a
// row.
class gap_watch {
 public:
  explicit gap_watch(std::size_t senders) : next_(senders) {}
  // next: false if `d` is not the one that follows.
  bool next(const delivery& d);

 private:
  std::vector<std::uint32_t> next_;
};

}  // namespace lab::chat
