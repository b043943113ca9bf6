// api: what the program under test calls, and what its compiler calls in it.

#include <malloc.h>

#include <cstdlib>
#include <new>

#include "explorer.h"

namespace interleave {

namespace {

explorer* running = nullptr;

}  // namespace

// inside: the checker's own code runs, whose memory is nobody's business.
bool inside = true;

namespace {

// entered: in the checker for a block. Switches happen inside only.
class [[nodiscard]] entered {
 public:
  entered() noexcept { inside = true; }
  ~entered() { inside = false; }
  entered(const entered&) = delete;
  entered& operator=(const entered&) = delete;
};

[[nodiscard]] bool does(const mutation* m, mutation::effect e) noexcept {
  return m != nullptr && m->what_happens == e;
}

[[nodiscard]] order weakened(const mutation* m, order o) noexcept {
  if (!does(m, mutation::effect::weaken)) return o;
  const bool acquires_still = acquires(o) && acquires(m->to);
  const bool releases_still = releases(o) && releases(m->to);
  if (acquires_still && releases_still) {
    return is_seq_cst(o) && is_seq_cst(m->to) ? std::memory_order_seq_cst
                                              : std::memory_order_acq_rel;
  }
  if (acquires_still) return std::memory_order_acquire;
  return releases_still ? std::memory_order_release : std::memory_order_relaxed;
}

[[nodiscard]] std::uint64_t read_any(std::uint32_t l, order o, site at) {
  explorer& e = *running;
  const auto newest = e.seen().newest(l);
  const auto oldest = e.seen().oldest(e.current(), l, o);
  const auto number = newest - e.choose(newest - oldest + 1);
  const auto v = e.seen().read(e.current(), l, number, o);
  e.note(number == newest ? "reads" : "reads old", l, v, at);
  return v;
}

[[nodiscard]] std::uint64_t modified(modification m, std::uint64_t v, std::uint64_t operand,
                                     std::uint64_t mask) noexcept {
  switch (m) {
    case modification::add: return (v + operand) & mask;
    case modification::sub: return (v - operand) & mask;
    case modification::bit_and: return v & operand;
    case modification::bit_or: return v | operand;
  }
  return v;
}

}  // namespace

findings explore(const std::function<void(program&)>& describe, const options& o) {
  explorer e(describe, o);
  running = &e;
  auto found = e.run();
  running = nullptr;
  return found;
}

program::~program() = default;

void program::keep(void* object, void (*destroy)(void*)) {
  if (kept_count_ == kept_max) interleave::fail("too many objects");
  kept_[kept_count_++] = {object, destroy};
}

void program::thread(std::function<void()> body) {
  if (body_count_ == bodies_max) interleave::fail("too many threads");
  bodies_[body_count_++] = std::move(body);
}

void program::after(std::function<void()> check) { check_ = std::move(check); }

void fail(const char* text) {
  inside = true;
  running->fail(text);
}

void require(bool holds, const char* text) {
  if (!holds) fail(text);
}

void observe(std::uint64_t n) {
  const entered here;
  running->observe(n);
}

std::uint32_t choose(std::uint32_t n) {
  const entered here;
  return running->choose(n);
}

std::uint32_t thread_number() { return running->current(); }

std::uint64_t load(const cell& c, order o, site at) {
  if (running == nullptr) return c.initial;
  const entered here;
  const auto l = running->location_of(c);
  const mutation* m = running->wrong_at(kind::load, at);
  if (does(m, mutation::effect::leave_out)) return c.initial;
  const auto how = weakened(m, o);
  running->stop({step::load, l, how});
  running->must_be_there(c);
  return read_any(l, how, at);
}

void store(cell& c, std::uint64_t value, order o, site at) {
  const entered here;
  const auto l = running->location_of(c);
  const mutation* m = running->wrong_at(kind::store, at);
  if (does(m, mutation::effect::leave_out)) return;
  const auto how = weakened(m, o);
  running->stop({step::write, l, how});
  running->must_be_there(c);
  running->seen().write(running->current(), l, value, how);
  running->note("writes", l, value, at);
}

namespace {

// replace: a read-modify-write to what `next` makes of the value; the old one.
template <class Next>
std::uint64_t replace(cell& c, kind k, order o, site at, Next next) {
  const entered here;
  const auto l = running->location_of(c);
  const mutation* m = running->wrong_at(k, at);
  const auto how = weakened(m, o);
  const auto me = running->current();
  if (does(m, mutation::effect::split) || does(m, mutation::effect::look_first) ||
      does(m, mutation::effect::leave_out)) {
    running->stop({step::load, l, how});
    const auto old = read_any(l, how, at);
    if (does(m, mutation::effect::leave_out)) return old;
    if (does(m, mutation::effect::look_first) && next(old) == old) return old;
    if (does(m, mutation::effect::split)) {
      running->stop({step::write, l, how});
      running->seen().write(me, l, next(old), how);
      running->note("writes", l, next(old), at);
      return old;
    }
  }
  running->stop({step::write, l, how});
  running->must_be_there(c);
  const auto old = running->seen().value(l, running->seen().newest(l));
  running->seen().replace(me, l, next(old), how);
  running->note("changes to", l, next(old), at);
  return old;
}

}  // namespace

std::uint64_t exchange(cell& c, std::uint64_t value, order o, site at) {
  return replace(c, kind::exchange, o, at, [value](std::uint64_t) { return value; });
}

std::uint64_t modify(cell& c, modification how, std::uint64_t operand, std::uint64_t mask, order o,
                     site at) {
  return replace(c, kind::modify, o, at,
                 [=](std::uint64_t v) { return modified(how, v, operand, mask); });
}

bool compare_exchange(cell& c, std::uint64_t& expected, std::uint64_t desired, order success,
                      order failure, site at) {
  const entered here;
  explorer& e = *running;
  const auto l = e.location_of(c);
  const mutation* m = e.wrong_at(kind::compare, at);
  const auto won = weakened(m, success);
  const auto lost = weakened(m, failure);
  const auto me = e.current();
  if (does(m, mutation::effect::leave_out)) return false;
  if (does(m, mutation::effect::split)) {
    e.stop({step::load, l, lost});
    const auto seen = read_any(l, lost, at);
    if (seen != expected) {
      expected = seen;
      return false;
    }
    e.stop({step::write, l, won});
    e.seen().write(me, l, desired, won);
    e.note("writes", l, desired, at);
    return true;
  }
  e.stop({step::write, l, won});
  e.must_be_there(c);
  const auto newest = e.seen().newest(l);
  // It may see an old value, and fail; where it sees what it expects, that is the newest.
  std::array<std::uint32_t, 64> candidates;
  std::uint32_t n = 0;
  candidates[n++] = newest;
  for (auto i = newest; i-- > e.seen().oldest(me, l, lost) && n < candidates.size();) {
    if (e.seen().value(l, i) != expected) candidates[n++] = i;
  }
  const auto number = candidates[e.choose(n)];
  if (number == newest && e.seen().value(l, newest) == expected) {
    e.seen().replace(me, l, desired, won);
    e.note("exchanges to", l, desired, at);
    return true;
  }
  expected = e.seen().read(me, l, number, lost);
  e.note("does not exchange", l, expected, at);
  return false;
}

void fence(order o, site at) {
  const entered here;
  const mutation* m = running->wrong_at(kind::fence, at);
  if (does(m, mutation::effect::leave_out)) return;
  const auto how = weakened(m, o);
  running->stop({step::fence, 0, how});
  running->seen().fence(running->current(), how);
  running->note("fences", 0, 0, at);
}

void relax(site at) {
  const entered here;
  running->stop({step::relax});
  running->note("relaxes", 0, 0, at);
}

void futex_wait(cell& c, std::uint64_t value, site at) {
  const entered here;
  const auto l = running->location_of(c);
  running->stop({step::write, l});
  const auto newest = running->seen().newest(l);
  const auto now = running->seen().read(running->current(), l, newest, std::memory_order_relaxed);
  running->note(now == value ? "sleeps" : "does not sleep", l, now, at);
  if (now == value) running->sleep_on(l);
}

void futex_wake(cell& c, int count, site at) {
  const entered here;
  const auto l = running->location_of(c);
  if (does(running->wrong_at(kind::futex, at), mutation::effect::leave_out)) return;
  running->stop({step::write, l});
  running->note("wakes", l, static_cast<std::uint64_t>(count), at);
  running->wake(l, count);
}

void take_when(cell& c, std::uint64_t wanted, std::uint64_t then, site at) {
  const entered here;
  const auto l = running->location_of(c);
  const mutation* m = running->wrong_at(kind::lock, at);
  if (does(m, mutation::effect::leave_out)) return;
  const auto how = weakened(m, std::memory_order_acquire);
  running->stop({step::take, l, how, wanted});
  running->must_be_there(c);
  running->seen().replace(running->current(), l, then, how);
  running->note("takes", l, then, at);
}

void plain(const void* at, std::size_t size, bool write) {
  if (inside || running == nullptr) return;
  const entered here;
  explorer& e = *running;
  const auto me = e.current();
  const char* wrong =
      e.plain().access(me, e.seen().of(me), reinterpret_cast<std::uintptr_t>(at), size, write);
  if (wrong != nullptr) e.fail(wrong);
}

namespace {

void* allocate(std::size_t size, std::size_t alignment) {
  void* p = nullptr;
  if (!inside && running != nullptr) {
    p = running->plain().allocate(size, alignment);
  } else {
    p = alignment <= alignof(std::max_align_t)
            ? std::malloc(size)
            : std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  }
  if (p == nullptr) throw std::bad_alloc();
  return p;
}

void give_back(void* p) noexcept {
  if (p == nullptr) return;
  if (running == nullptr || !running->plain().owns(p)) {
    std::free(p);
    return;
  }
  if (inside) return;  // the execution is over
  const entered here;
  const auto me = running->current();
  if (const char* wrong = running->plain().free(me, running->seen().of(me), p)) {
    running->fail(wrong);
  }
}

}  // namespace
}  // namespace interleave

void* operator new(std::size_t size) {
  return interleave::allocate(size, __STDCPP_DEFAULT_NEW_ALIGNMENT__);
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  return interleave::allocate(size, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t size) { return ::operator new(size); }
void operator delete[](void* p) noexcept { interleave::give_back(p); }
void operator delete[](void* p, std::size_t) noexcept { interleave::give_back(p); }
void operator delete(void* p) noexcept { interleave::give_back(p); }
void operator delete(void* p, std::size_t) noexcept { interleave::give_back(p); }
void operator delete(void* p, std::align_val_t) noexcept { interleave::give_back(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { interleave::give_back(p); }

// What -fsanitize=thread has the compiler call. There is no other runtime of it in this program.
// NOLINTBEGIN(bugprone-reserved-identifier)
#define WEFT_ACCESS(name, size, write) \
  void name(void* at) { interleave::plain(at, size, write); }

extern "C" {
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_read(void* at) { interleave::plain(at, sizeof(void*), false); }
void __tsan_vptr_update(void* at, void*) { interleave::plain(at, sizeof(void*), true); }
void __tsan_read_range(void* at, std::size_t n) { interleave::plain(at, n, false); }
void __tsan_write_range(void* at, std::size_t n) { interleave::plain(at, n, true); }
WEFT_ACCESS(__tsan_read1, 1, false)
WEFT_ACCESS(__tsan_read2, 2, false)
WEFT_ACCESS(__tsan_read4, 4, false)
WEFT_ACCESS(__tsan_read8, 8, false)
WEFT_ACCESS(__tsan_read16, 16, false)
WEFT_ACCESS(__tsan_write1, 1, true)
WEFT_ACCESS(__tsan_write2, 2, true)
WEFT_ACCESS(__tsan_write4, 4, true)
WEFT_ACCESS(__tsan_write8, 8, true)
WEFT_ACCESS(__tsan_write16, 16, true)
WEFT_ACCESS(__tsan_unaligned_read2, 2, false)
WEFT_ACCESS(__tsan_unaligned_read4, 4, false)
WEFT_ACCESS(__tsan_unaligned_read8, 8, false)
WEFT_ACCESS(__tsan_unaligned_read16, 16, false)
WEFT_ACCESS(__tsan_unaligned_write2, 2, true)
WEFT_ACCESS(__tsan_unaligned_write4, 4, true)
WEFT_ACCESS(__tsan_unaligned_write8, 8, true)
WEFT_ACCESS(__tsan_unaligned_write16, 16, true)
// Of guards of static locals.
unsigned char __tsan_atomic8_load(const volatile unsigned char* at, int) {
  return __atomic_load_n(at, __ATOMIC_ACQUIRE);
}
void* __tsan_memcpy(void* to, const void* from, std::size_t n) {
  interleave::plain(from, n, false);
  interleave::plain(to, n, true);
  return __builtin_memcpy(to, from, n);
}
void* __tsan_memmove(void* to, const void* from, std::size_t n) {
  interleave::plain(from, n, false);
  interleave::plain(to, n, true);
  return __builtin_memmove(to, from, n);
}
void* __tsan_memset(void* to, int byte, std::size_t n) {
  interleave::plain(to, n, true);
  return __builtin_memset(to, byte, n);
}
}
#undef WEFT_ACCESS
// NOLINTEND(bugprone-reserved-identifier)
