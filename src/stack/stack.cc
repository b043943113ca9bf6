// stack: the allocator of goroutine stacks.
//
// Memory. Stacks are slots of a power of two bytes in slabs of 64 MiB (a larger slot is a slab of
// its own). A slab is address space only: the kernel commits a page when it is first touched. Slots
// are taken from a slab in order, and the guard is placed when a slot is taken for the first time,
// so that a program with ten goroutines pays for ten guards.
//
//   slot                low                                                     high
//   | guard, 64 KiB     | usable ...                                 grows down | colour |
//
// Colour. Tops at the same distance from a power of two would all fall into the same few sets of
// the first-level cache; each is lowered by 64 bytes more than the one before, up to half a page: a
// goroutine that waits in less than the other half then needs one page and not two.
//
// Guards. 64 KiB, so that a frame must be large, and compiled without -fstack-clash-protection, to
// jump over one. Three kinds, the weaker where the stronger is not to be had, each slot for itself:
// - install: costs no mapping. A kernel that does not know it says so, but an emulator may answer 0
//   and do nothing, so the process tries it once and believes only an access that fails.
// - mprotect: every guard splits the slab's mapping, two mappings a stack. vm.max_map_count bounds
//   them for the process, and a process that has spent them all cannot even free memory; so we take
//   half of what is left when the first one is placed, and never change a protection afterwards:
//   giving a stack back must not be able to fail.
// - canary: the slot keeps its 64 KiB as a ditch, whose uppermost 256 bytes must stay zero. Zero
//   and not a pattern, because an untouched page reads as zero from the kernel's one shared zero
//   page: checking a million stacks costs no memory and stays in the cache, and giving pages back
//   does not break it.
//
// Caches. The scheduler keeps a few stacks per processor; what it returns comes here, under one
// lock, to a list per size, newest first because its pages are the warmest. Stacks whose pages are
// committed are warm up to a bound, and surplus beyond it. Whoever has nothing else to do gives the
// pages of surplus stacks back to the kernel (trim), which makes them cold: only as many as nobody
// needed for a whole period, so that waves of goroutines do not pay for it at each low tide. A slab
// whose stacks are all cold is unmapped, records and all.
//
// Invariants.
// I1  a record is in exactly one of: a slab's untaken slots, in use, a warm, surplus or cold list;
//     or on its way between them, held by one thread.
// I2  a stack's geometry and guard never change after its slot was first taken.
// I3  warm_bytes is the sum of slot sizes on the warm lists, and at most warm_bytes_max. surplus is
//     the number of stacks on the surplus lists, unneeded the least it was in this period.
// I4  a slab is on its size's list of those with cold stacks iff it has some. One whose stacks are
//     all cold leaves all lists before its memory goes.
// I5  no system call and no malloc under the lock: slots are taken under it and mapped outside.
//
// Locks: allocator::lock_ (rank stacks), which nests inside all scheduler locks, and takes none.
//
// Rejected: one mapping per stack (2 mappings each, and munmap is slow); a pattern as canary
// (commits a page in every stack); growing stacks by copying (C++ frames hold addresses of
// themselves); giving pages back at release, beyond a bound or always (a system call, a fault and a
// zeroed page for each goroutine: waking and ending a million took four times as long).
//
// Tests: stack_test.cc, overflow_test.cc.

#include "stack/stack.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <string_view>

#include "arch/sanitizer.h"
#include "base/assert.h"
#include "base/atomic.h"
#include "base/list.h"
#include "base/lock.h"
#include "stack/pages.h"

namespace weft::stack {

namespace sanitizer = arch::sanitizer;

// slab: one mapping cut into slots of one size, with their records behind them.
struct slab : base::list_node {
  // Constant once published.
  char* pages = nullptr;
  std::size_t bytes = 0;  // of the slots
  std::size_t slots = 0;
  stack* records = nullptr;

  // Guarded by the allocator's lock.
  slab* next_all = nullptr;
  slab* previous_all = nullptr;
  slab* next_untaken = nullptr;
  std::size_t taken = 0;
  stack* cold = nullptr;  // without pages
  std::size_t cold_count = 0;

  [[nodiscard]] std::size_t mapped_bytes() const noexcept { return bytes + slots * sizeof(stack); }
};

namespace {

constexpr std::size_t slab_bytes = std::size_t{64} << 20;
constexpr std::size_t slot_bytes_min = 2 * guard_size;
constexpr std::size_t slot_bytes_max = std::size_t{64} << 30;
constexpr int classes = std::countr_zero(slot_bytes_max) - std::countr_zero(slot_bytes_min) + 1;
constexpr std::size_t colour_step = 64;
constexpr std::size_t colours = 32;  // half the sets of a first-level cache of 4 KiB ways

// warm_bytes_max: 1,024 default stacks, usually 4 to 8 MiB, and no more than this if all of them
// were used to the bottom.
constexpr std::size_t warm_bytes_max = std::size_t{256} << 20;

constexpr std::int64_t trim_period_ns = 1'000'000'000;
constexpr std::size_t trim_batch = 64;

// class_of: which power of two holds `size`; -1 if none.
int class_of(std::size_t size) noexcept {
  if (size > slot_bytes_max) return -1;
  const std::size_t slot = std::bit_ceil(std::max(size, slot_bytes_min));
  return std::countr_zero(slot) - std::countr_zero(slot_bytes_min);
}

constexpr std::size_t slot_bytes(int size_class) noexcept { return slot_bytes_min << size_class; }

// protect_budget: how many guards by protection the process may still place. They are shared by all
// allocators, as the kernel's limit is.
class protect_budget {
 public:
  [[nodiscard]] static bool take() noexcept {
    // relaxed: a count that publishes nothing.
    if (left().fetch_sub(1, base::relaxed) > 0) return true;
    give(1);
    return false;
  }

  static void give(std::size_t guards) noexcept {
    // relaxed: as in take().
    left().fetch_add(static_cast<std::ptrdiff_t>(guards), base::relaxed);
  }

 private:
  static base::atomic<std::ptrdiff_t>& left() noexcept {
    // Half of what is left, at two mappings a guard.
    static base::atomic<std::ptrdiff_t> count{static_cast<std::ptrdiff_t>(spare_mappings() / 4)};
    return count;
  }
};

// place_guard: the strongest kind, from `kind` on, that the kernel grants to this slot.
guard_kind place_guard(char* slot, guard_kind kind) noexcept {
  if (kind == guard_kind::install && install_guard(slot, guard_size)) return guard_kind::install;
  if (kind != guard_kind::canary && protect_budget::take()) {
    if (protect_guard(slot, guard_size)) return guard_kind::mprotect;
    protect_budget::give(1);
  }
  return guard_kind::canary;
}

void warn_unguarded() noexcept {
  static base::atomic<bool> warned{false};
  // relaxed: only one of the callers speaks; it publishes nothing.
  if (warned.exchange(true, base::relaxed)) return;
  base::write_stderr(
      "weft: no more stack guards: vm.max_map_count is nearly spent; further stacks have a canary "
      "that is checked when goroutines wait\n");
}

// guard_works: whether a guard of this kind really stops an access here.
bool guard_works(guard_kind kind) noexcept {
  if (kind == guard_kind::canary) return true;
  // It looks at what system calls are given, and crashes on a guard.
  if (sanitizer::on_valgrind()) return kind == guard_kind::mprotect;
  char* pages = map_pages(2 * guard_size);
  if (pages == nullptr) return false;
  const bool placed = kind == guard_kind::install ? install_guard(pages, guard_size)
                                                  : protect_guard(pages, guard_size);
  const bool works = placed && access_faults(pages) && access_faults(pages + guard_size - 1) &&
                     !access_faults(pages + guard_size);
  unmap_pages(pages, 2 * guard_size);
  return works;
}

guard_kind forced_guard(std::string_view name) noexcept {
  struct entry {
    std::string_view name;
    guard_kind kind;
  };
  constexpr entry known[] = {{"install", guard_kind::install},
                             {"mprotect", guard_kind::mprotect},
                             {"canary", guard_kind::canary}};
  for (const auto& k : known) {
    if (k.name != name) continue;
    if (!guard_works(k.kind)) {
      base::fatal("WEFT_STACK_GUARD: no guard of this kind works here: " + std::string(name));
    }
    return k.kind;
  }
  base::fatal("WEFT_STACK_GUARD=" + std::string(name) + ": use install, mprotect or canary");
}

guard_kind choose_guard() noexcept {
  if (const char* name = std::getenv("WEFT_STACK_GUARD"); name != nullptr && *name != '\0')
    return forced_guard(name);
  if (sanitizer::on_valgrind()) return guard_kind::canary;  // it has room for 15,000 others
  // The sanitizers' own looks at memory do not expect holes without a mapping.
  if (!sanitizer::present && guard_works(guard_kind::install)) return guard_kind::install;
  return guard_works(guard_kind::mprotect) ? guard_kind::mprotect : guard_kind::canary;
}

// map_slab: a slab with no slot taken; null when there is no memory.
slab* map_slab(int size_class) noexcept {
  std::unique_ptr<slab> made(new (std::nothrow) slab);
  if (made == nullptr) return nullptr;
  const std::size_t slot = slot_bytes(size_class);
  made->bytes = std::max(slab_bytes, slot);
  made->slots = made->bytes / slot;
  made->pages = map_pages(made->mapped_bytes());
  if (made->pages == nullptr) return nullptr;
  made->records = new (made->pages + made->bytes) stack[made->slots];
  return made.release();
}

void push(stack*& list, stack* s) noexcept {
  s->next = list;
  list = s;
}

stack* pop(stack*& list) noexcept {
  stack* s = list;
  if (s != nullptr) {
    list = s->next;
    s->next = nullptr;
  }
  return s;
}

void give_pages_back(const stack& s) noexcept {
  discard_pages(s.low, static_cast<std::size_t>(s.slot + s.slot_size - s.low));
}

}  // namespace

class allocator {
 public:
  explicit allocator(guard_kind guard) noexcept : guard_(guard) {}

  ~allocator() {
    while (slab* s = all_) {
      all_ = s->next_all;
      destroy(s);
    }
  }

  stack* allocate(std::size_t size) noexcept {
    const int size_class = class_of(size);
    if (size_class < 0) return nullptr;
    for (;;) {
      if (stack* s = take_cached(size_class)) {
        // Frames of a goroutine that was abandoned, or ended in the middle of a call.
        sanitizer::forget_frames(s->low, static_cast<std::size_t>(s->high - s->low));
        return s;
      }
      if (stack* s = take_new(size_class)) return s;
      slab* more = map_slab(size_class);
      if (more == nullptr) return nullptr;
      base::locked hold(lock_);
      more->next_all = all_;
      if (all_ != nullptr) all_->previous_all = more;
      all_ = more;
      more->next_untaken = classes_[size_class].untaken;
      classes_[size_class].untaken = more;
    }
  }

  void release(stack* s) noexcept {
    size_class_lists& lists = classes_[class_of(s->slot_size)];
    base::locked hold(lock_);
    WEFT_ASSERT(s->in_use, "I1: released a stack that is not in use");
    s->in_use = false;
    --in_use_;
    ++cached_;
    if (warm_bytes_ + s->slot_size <= warm_bytes_max) {
      push(lists.warm, s);
      warm_bytes_ += s->slot_size;
    } else {
      push(lists.surplus, s);
      // relaxed: guarded by lock_; trim() glances at it without.
      surplus_.store(surplus_.load(base::relaxed) + 1, base::relaxed);
    }
  }

  std::int64_t trim(std::int64_t now_ns) noexcept {
    // relaxed: who sees an older number trims later.
    if (surplus_.load(base::relaxed) == 0) return trim_never;
    stack* batch = nullptr;
    {
      base::locked hold(lock_);
      if (now_ns >= period_ends_ns_) {
        to_trim_ = period_ends_ns_ == 0 ? 0 : unneeded_;
        unneeded_ = surplus_.load(base::relaxed);
        period_ends_ns_ = now_ns + trim_period_ns;
      }
      for (std::size_t n = 0; n < trim_batch && to_trim_ > 0; ++n, --to_trim_) {
        stack* s = take_surplus();
        if (s == nullptr) break;
        --cached_;
        push(batch, s);
      }
      if (batch == nullptr) to_trim_ = 0;
    }
    while (stack* s = pop(batch)) {
      give_pages_back(*s);
      slab* over = nullptr;
      {
        base::locked hold(lock_);
        over = put_cold(*s);
      }
      if (over != nullptr) destroy(over);
    }
    base::locked hold(lock_);
    if (to_trim_ > 0) return now_ns;
    // relaxed: guarded by lock_.
    return surplus_.load(base::relaxed) == 0 ? trim_never : period_ends_ns_;
  }

  [[nodiscard]] statistics numbers() const noexcept {
    base::locked hold(lock_);
    return {.slots = slots_,
            .in_use = in_use_,
            .cached = cached_,
            .surplus = surplus_.load(base::relaxed),  // relaxed: guarded by lock_
            .unguarded = unguarded_};
  }

 private:
  struct size_class_lists {
    stack* warm = nullptr;  // newest first
    stack* surplus = nullptr;
    base::list<slab> with_cold;
    slab* untaken = nullptr;  // slabs with slots nobody has had yet
  };

  // pop_surplus: with lock_.
  stack* pop_surplus(size_class_lists& lists) noexcept {
    stack* s = pop(lists.surplus);
    if (s == nullptr) return nullptr;
    // relaxed: guarded by lock_, as in release().
    const auto left = surplus_.load(base::relaxed) - 1;
    surplus_.store(left, base::relaxed);
    unneeded_ = std::min(unneeded_, left);
    return s;
  }

  // put_cold: with lock_. The slab, which is nobody's then, if all of its stacks are cold.
  slab* put_cold(stack& s) noexcept {
    slab& of = *s.home;
    auto& with_cold = classes_[class_of(s.slot_size)].with_cold;
    push(of.cold, &s);
    ++cached_;
    if (of.cold_count++ == 0) with_cold.push_back(of);
    if (of.cold_count < of.slots) return nullptr;
    with_cold.remove(of);
    (of.previous_all != nullptr ? of.previous_all->next_all : all_) = of.next_all;
    if (of.next_all != nullptr) of.next_all->previous_all = of.previous_all;
    cached_ -= of.slots;
    return &of;
  }

  // pop_cold: with lock_.
  static stack* pop_cold(size_class_lists& lists) noexcept {
    slab* of = lists.with_cold.front();
    if (of == nullptr) return nullptr;
    stack* s = pop(of->cold);
    if (--of->cold_count == 0) lists.with_cold.remove(*of);
    return s;
  }

  // take_surplus: of any size; with lock_.
  stack* take_surplus() noexcept {
    for (auto& lists : classes_) {
      if (stack* s = pop_surplus(lists)) return s;
    }
    return nullptr;
  }

  stack* take_cached(int size_class) noexcept {
    size_class_lists& lists = classes_[size_class];
    base::locked hold(lock_);
    stack* s = pop(lists.warm);
    if (s != nullptr) {
      WEFT_ASSERT(warm_bytes_ >= s->slot_size, "I3: more warm stacks than were counted");
      warm_bytes_ -= s->slot_size;
    } else {
      s = pop_surplus(lists);
      if (s == nullptr) s = pop_cold(lists);
      if (s == nullptr) return nullptr;
    }
    --cached_;
    ++in_use_;
    s->in_use = true;
    return s;
  }

  // take_new: the next slot nobody has had, made ready; null when every slab is spent.
  stack* take_new(int size_class) noexcept {
    size_class_lists& lists = classes_[size_class];
    const std::size_t bytes = slot_bytes(size_class);
    stack* s = nullptr;
    std::size_t colour = 0;
    {
      base::locked hold(lock_);
      slab* from = lists.untaken;
      if (from == nullptr) return nullptr;
      WEFT_ASSERT(from->taken < from->slots, "I1: a spent slab among those with untaken slots");
      s = &from->records[from->taken];
      s->home = from;
      s->slot = from->pages + from->taken * bytes;
      s->in_use = true;
      if (++from->taken == from->slots) lists.untaken = from->next_untaken;
      colour = slots_++ % colours;
      ++in_use_;
    }
    s->slot_size = bytes;
    s->low = s->slot + guard_size;
    s->high = s->slot + bytes - colour * colour_step;
    s->mark = sanitizer::register_stack(s->low, s->high - 1);
    s->guard = place_guard(s->slot, guard_);
    if (s->guard == guard_kind::canary && guard_ != guard_kind::canary) {
      {
        base::locked hold(lock_);
        ++unguarded_;
      }
      warn_unguarded();
    }
    return s;
  }

  // destroy: nobody stands on a stack of it, or will.
  static void destroy(const slab* of) noexcept {
    const slab& s = *of;
    std::size_t protections = 0;
    for (std::size_t i = 0; i < s.taken; ++i) {
      const stack& record = s.records[i];
      protections += record.guard == guard_kind::mprotect ? 1 : 0;
      sanitizer::destroy_fiber(record.fiber);
      sanitizer::deregister_stack(record.mark);
    }
    // The tool's own notes would outlive the mapping, and accuse whoever gets these addresses next.
    sanitizer::forget_frames(s.pages, s.bytes);
    unmap_pages(s.pages, s.mapped_bytes());
    protect_budget::give(protections);
    delete of;
  }

  // Constant after construction.
  const guard_kind guard_;

  // Guarded by lock_.
  mutable base::lock<base::rank::stacks> lock_;
  size_class_lists classes_[classes];
  slab* all_ = nullptr;
  std::size_t warm_bytes_ = 0;
  base::atomic<std::size_t> surplus_{0};
  std::size_t unneeded_ = 0;         // the least that surplus_ was in this period
  std::size_t to_trim_ = 0;          // of what was unneeded in the last period
  std::int64_t period_ends_ns_ = 0;  // 0: none has begun
  std::size_t slots_ = 0;
  std::size_t in_use_ = 0;
  std::size_t cached_ = 0;
  std::size_t unguarded_ = 0;
};

guard_kind chosen_guard() noexcept {
  static const guard_kind chosen = choose_guard();
  return chosen;
}

allocator* create(guard_kind guard) noexcept { return new (std::nothrow) allocator(guard); }

void destroy(allocator* a) noexcept { delete a; }

stack* allocate(allocator& a, std::size_t size) noexcept { return a.allocate(size); }

void release(allocator& a, stack* s) noexcept { a.release(s); }

std::int64_t trim(allocator& a, std::int64_t now_ns) noexcept { return a.trim(now_ns); }

bool canary_stands(const stack& s) noexcept {
  const char* strip = s.low - canary_size;
  return std::all_of(strip, strip + canary_size, [](char byte) { return byte == 0; });
}

statistics statistics_of(const allocator& a) noexcept { return a.numbers(); }

}  // namespace weft::stack
