#include "chat/verdict.h"

#include <charconv>
#include <limits>

namespace lab::chat {

namespace {

constexpr std::string_view prefix = "id ";

template <class T>
bool take_number(std::string_view& text, T& into) {
  const auto [rest, problem] = std::from_chars(text.data(), text.data() + text.size(), into);
  if (problem != std::errc()) return false;
  text.remove_prefix(static_cast<std::size_t>(rest - text.data()));
  return true;
}

bool take_blank(std::string_view& text) {
  if (!text.starts_with(' ')) return false;
  text.remove_prefix(1);
  return true;
}

constexpr auto nowhere = std::numeric_limits<std::uint64_t>::max();
// places: of each sender's messages, where the first receiver had them.
using places = std::vector<std::vector<std::uint64_t>>;

// judge_one: one receiver.
void judge_one(const std::vector<delivery>& received, const places& first,
               const std::vector<std::uint32_t>& sent, verdict& v) {
  std::vector<std::vector<bool>> seen(sent.size());
  std::vector<std::uint32_t> last(sent.size(), 0);
  for (std::size_t s = 0; s < sent.size(); ++s) seen[s].resize(sent[s]);
  std::uint64_t last_place = 0;
  for (const auto& d : received) {
    if (d.number >= sent[d.sender] || seen[d.sender][d.number]) {
      ++v.doubled;
      continue;
    }
    seen[d.sender][d.number] = true;
    if (d.number < last[d.sender]) {
      ++v.reordered;
    } else {
      last[d.sender] = d.number;
    }
    const std::uint64_t place = first[d.sender][d.number];
    if (place == nowhere) continue;
    if (place < last_place) ++v.disagreed;
    last_place = place;
  }
  for (const auto& of_sender : seen) {
    for (const bool there : of_sender) v.lost += there ? 0 : 1;
  }
}

}  // namespace

std::string delivery_text(std::uint64_t run, const delivery& d) {
  return std::string(prefix) + std::to_string(run) + ' ' + std::to_string(d.sender) + ' ' +
         std::to_string(d.number);
}

std::optional<delivery> parse_delivery(std::string_view line, std::uint64_t run,
                                       std::size_t senders) {
  if (!line.starts_with(prefix)) return std::nullopt;
  line.remove_prefix(prefix.size());
  std::uint64_t of_run = 0;
  delivery d;
  if (!take_number(line, of_run) || of_run != run || !take_blank(line) ||
      !take_number(line, d.sender) || !take_blank(line) || !take_number(line, d.number) ||
      !line.empty() || d.sender >= senders)
    return std::nullopt;
  return d;
}

verdict judge_deliveries(const std::vector<std::uint32_t>& sent,
                         const std::vector<std::vector<delivery>>& received) {
  verdict v;
  places first(sent.size());
  for (std::size_t s = 0; s < sent.size(); ++s) first[s].resize(sent[s], nowhere);
  if (received.empty()) return v;
  std::uint64_t at = 0;
  for (const auto& d : received.front()) {
    if (d.number >= sent[d.sender]) continue;
    auto& place = first[d.sender][d.number];
    if (place == nowhere) place = at++;
  }
  for (const auto& one : received) {
    v.deliveries += one.size();
    judge_one(one, first, sent, v);
  }
  return v;
}

bool gap_watch::next(const delivery& d) {
  const bool follows = d.number == next_[d.sender];
  next_[d.sender] = d.number + 1;
  return follows;
}

}  // namespace lab::chat
