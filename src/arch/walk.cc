#include "arch/walk.h"

#include "base/atomic.h"

namespace weft::arch {
namespace {

// code_bits: of an address; what is above is the signature of a signed return address (aarch64).
constexpr std::uintptr_t code_bits = (std::uintptr_t{1} << 48) - 1;

// window: the memory that may be read.
struct window {
  std::uintptr_t low;
  std::uintptr_t high;

  [[nodiscard]] bool holds(std::uintptr_t at) const noexcept {
    return at >= low && at <= high - sizeof at && at % sizeof at == 0;
  }
  [[nodiscard]] static std::uintptr_t load(std::uintptr_t at) noexcept {
    return base::glance(*reinterpret_cast<const std::uintptr_t*>(at));
  }
};

// up: to the caller's frame; false if it cannot be there.
bool up(place& at, const frame_rule& rule, const window& stack) noexcept {
  const auto cfa =
      (rule.cfa_from_fp ? at.fp : at.sp) + static_cast<std::uintptr_t>(rule.cfa_offset);
  const auto link = cfa + static_cast<std::uintptr_t>(rule.link_offset);
  const auto fp = cfa + static_cast<std::uintptr_t>(rule.fp_offset);
  if (cfa <= at.sp || cfa > stack.high || !stack.holds(link)) return false;
  if (rule.fp_saved && !stack.holds(fp)) return false;
  at.pc = window::load(link) & code_bits;
  if (rule.fp_saved) at.fp = window::load(fp);
  at.sp = cfa;
  return true;
}

}  // namespace

walker::known* walker::find(std::uintptr_t pc) noexcept {
  const std::size_t mask = table_.size() - 1;
  std::size_t at = (pc * 0x9e3779b97f4a7c15ULL >> 32) & mask;
  while (table_[at].pc != 0 && table_[at].pc != pc) at = (at + 1) & mask;
  return &table_[at];
}

walker::result walker::walk(const context& at, const void* low, const void* high,
                            std::span<std::uintptr_t> frames) noexcept {
  const window stack{reinterpret_cast<std::uintptr_t>(low), reinterpret_cast<std::uintptr_t>(high)};
  const auto saved = reinterpret_cast<std::uintptr_t>(at.sp);
  if (!stack.holds(saved)) return {walked::cut, 0};
  place here = left_at(at);
  std::size_t count = 0;
  while (here.pc != 0) {
    const known* k = find(here.pc);
    if (k->pc == 0) {
      lacking_ = here.pc;
      return {walked::lacks, count};
    }
    if (k->rule.is == frame_rule::kind::base) return {walked::whole, count};
    if (count == frames.size()) return {walked::cut, count};
    frames[count++] = here.pc;
    if (k->rule.is == frame_rule::kind::unknown || !up(here, k->rule, stack)) break;
  }
  return {walked::cut, count};
}

void walker::learn() {
  if (2 * (used_ + 1) > table_.size()) grow();
  known* k = find(lacking_);
  if (k->pc != 0) return;
  *k = {lacking_, rule_of(lacking_)};
  ++used_;
}

void walker::grow() {
  std::vector<known> old(2 * table_.size());
  old.swap(table_);
  for (const known& k : old) {
    if (k.pc != 0) *find(k.pc) = k;
  }
}

}  // namespace weft::arch
