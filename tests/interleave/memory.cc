#include "memory.h"

#include <algorithm>

namespace interleave {

void memory::reset(rules r) noexcept {
  rules_ = r;
  for (std::uint32_t l = 0; l < locations_; ++l) stores_[l].clear();
  locations_ = 0;
  seq_cst_seen_ = {};
  threads_[0] = {};
  threads_[0].now.clock[0] = 1;
  fences_ = {};
}

std::uint32_t memory::add_location(std::uint64_t initial) {
  if (locations_ == locations_max) fail("the program has too many atomics");
  stores_[locations_].push_back({initial, {}});
  return locations_++;
}

void memory::add_thread(std::uint32_t t, std::uint32_t parent) noexcept {
  threads_[t] = {};
  threads_[t].now = threads_[parent].now;
  threads_[t].now.clock[t] = 1;
  ++threads_[parent].now.clock[parent];
}

void memory::join(std::uint32_t t, std::uint32_t ended) noexcept {
  threads_[t].now.join(threads_[ended].now);
}

void memory::see_all(std::uint32_t t) noexcept {
  for (std::uint32_t l = 0; l < locations_; ++l) {
    threads_[t].now.seen[l] = static_cast<std::uint16_t>(newest(l));
  }
}

std::uint32_t memory::oldest(std::uint32_t t, std::uint32_t l, order o) noexcept {
  view& now = threads_[t].now;
  if (!is_seq_cst(o)) return now.seen[l];
  if (rules_ == rules::hardware) {
    for (std::uint32_t i = 0; i < locations_; ++i) {
      now.seen[i] = std::max(now.seen[i], fences_.seen[i]);
    }
  }
  return std::max(now.seen[l], seq_cst_seen_[l]);
}

std::uint64_t memory::read(std::uint32_t t, std::uint32_t l, std::uint32_t number,
                           order o) noexcept {
  thread& self = threads_[t];
  const message& m = stores_[l][number];
  self.now.seen[l] = std::max(self.now.seen[l], static_cast<std::uint16_t>(number));
  (acquires(o) ? self.now : self.acquired).join(m.carried);
  if (is_seq_cst(o)) {
    seq_cst_seen_[l] = std::max(seq_cst_seen_[l], static_cast<std::uint16_t>(number));
  }
  return m.value;
}

void memory::append(std::uint32_t t, std::uint32_t l, message m, order o) {
  thread& self = threads_[t];
  const auto number = static_cast<std::uint16_t>(stores_[l].size());
  self.now.seen[l] = number;
  m.carried.join(releases(o) ? self.now : self.fenced);
  m.carried.seen[l] = number;
  stores_[l].push_back(m);
  if (is_seq_cst(o)) seq_cst_seen_[l] = number;
  if (releases(o) && rules_ == rules::hardware) fences_.join(self.now);
  ++self.now.clock[t];
}

void memory::write(std::uint32_t t, std::uint32_t l, std::uint64_t value, order o) {
  append(t, l, {value, {}}, o);
}

std::uint64_t memory::replace(std::uint32_t t, std::uint32_t l, std::uint64_t value, order o) {
  const auto last = newest(l);
  const auto old = read(t, l, last, o);
  append(t, l, {value, stores_[l][last].carried}, o);
  return old;
}

void memory::fence(std::uint32_t t, order o) noexcept {
  thread& self = threads_[t];
  if (acquires(o)) self.now.join(self.acquired);
  if (is_seq_cst(o)) {
    // What is seen, not what is ordered: fences synchronise only by what is read between them.
    const auto clock = self.now.clock;
    self.now.join(fences_);
    self.now.clock = clock;
    fences_.join(self.now);
  }
  if (releases(o)) self.fenced = self.now;
  ++self.now.clock[t];
}

}  // namespace interleave
