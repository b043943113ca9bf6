// recorder: the flight recorder's rings, and who hears of what.
//
// A machine gets its ring at the first event it makes while somebody records, and keeps it. It
// alone writes there (ring.h). Threads that are no machines share one, under a lock: plain threads
// that start or wake goroutines, and the monitor. Rings stay when their machine goes, for what they
// hold. A machine that needs one takes over what holds nothing of this recording, gets a new one
// while there are fewer than threads_max, and then takes over what was given back the longest ago:
// what that held is counted as missed.
//
// Time is counted in ticks of the CPU where they are steady, else by the monotonic clock. What a
// tick is worth is measured over the recording itself: both are read at its start, and when it is
// read. A dispatch follows what the goroutine before did last without a look at the clock: it is
// noted at the same time, for half the price of a switch.
//
// I1  A recording is what the rings got since start_recording(): each has where that was (begins).
//     Nothing is cleared, and a writer that was told before stop_recording() may come after it.
// I2  A ring is taken by at most one machine; `machine::ring` is its owner's, or the destructor's
//     of a runtime whose machines have ended.
//
// Locks: lock, outside_lock: of rank leaf; no allocation under them.
//
// Rejected. A ring for each processor, as Go has: who runs without one makes events too. Stopping
// the machines to read: a recorder that changes what it records.
//
// Tests: recorder_test.cc, trace_test.cc; ./dev bench observe.

#include "observe/recorder.h"

#include <weft/go.h>
#include <weft/trace.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "arch/ticks.h"
#include "base/lock.h"
#include "observe/ring.h"
#include "sched/environment.h"
#include "sched/scheduler.h"

namespace weft::observe {
namespace {

using sched::trace::board;
using sched::trace::entry;
using sched::trace::event;
using sched::trace::ring;

static_assert(flight_recorder::events_max == ring::capacity);

constexpr std::uint64_t time_mask = (std::uint64_t{1} << 56) - 1;
constexpr std::uint64_t id_mask = (std::uint64_t{1} << 44) - 1;
constexpr std::uint32_t runtimes_max = 255;
constexpr std::uint32_t detail_mask = 0xfff;
constexpr std::size_t name_head = 7;    // bytes of a name in an entry's first word,
constexpr std::size_t name_piece = 15;  // and in both

// moment: one instant on both clocks.
struct moment {
  std::uint64_t time = 0;
  std::int64_t at_ns = 0;
};

const bool steady = arch::ticks_are_steady();

std::uint64_t time_now() noexcept {
  return steady ? arch::ticks() & time_mask : static_cast<std::uint64_t>(sched::now_ns());
}

// now: of a few tries the one during which least time passed.
moment now() noexcept {
  moment best;
  std::uint64_t least = UINT64_MAX;
  for (int i = 0; i < 5; ++i) {
    const auto before = time_now();
    const auto at_ns = sched::now_ns();
    const auto took = (time_now() - before) & time_mask;
    if (took >= least) continue;
    least = took;
    best = {before + took / 2, at_ns};
  }
  return best;
}

base::lock<base::rank::leaf> lock;
// Guarded by lock.
std::array<ring*, flight_recorder::threads_max> rings{};
std::size_t ring_count = 0;
std::uint64_t given_back_count = 0;
std::uint64_t session = 0;
bool active = false;
moment began;

// began_time: of `began`, for writers. Set before they are told to write.
base::atomic<std::uint64_t> began_time{0};

base::lock<base::rank::leaf> outside_lock;
ring* outside = nullptr;  // set before the first recording; written under outside_lock
base::atomic<std::uint64_t> missed{0};

std::uint32_t runtime_of(const sched::scheduler& s) noexcept {
  return (s.serial() - 1) % runtimes_max + 1;
}

void put_birth(ring& r, const sched::goroutine& g) noexcept {
  const auto word = [](const void* p) { return reinterpret_cast<std::uintptr_t>(p); };
  const std::uint64_t line = std::min<std::uint32_t>(g.site_line, UINT16_MAX);
  r.put(word(g.site_file.get()) << 8 | sched::trace::kind_site,
        word(g.site_function.get()) << 16 | line);
  const auto name = g.name.get();
  for (std::size_t from = 0; from < name.size() && name[from] != '\0'; from += name_piece) {
    std::uint64_t first = 0;
    std::uint64_t second = 0;
    std::memcpy(&first, &name[from], std::min(name_head, name.size() - from));
    const auto rest = from + name_head;
    std::memcpy(&second, &name[rest], std::min(name_piece - name_head, name.size() - rest));
    r.put(first << 8 | sched::trace::kind_name, second);
  }
}

void put(ring& r, event what, const sched::goroutine& g, std::uint32_t detail,
         std::uint64_t time) noexcept {
  r.last_time = time;
  r.put(time << 8 | static_cast<std::uint8_t>(what), (g.id & id_mask) << 20 |
                                                         std::uint64_t{runtime_of(*g.owner)} << 12 |
                                                         (detail & detail_mask));
  if (what == event::spawned) [[unlikely]]
    put_birth(r, g);
  r.publish();
}

// choose_ring: of those that nobody has, one with nothing of this recording; else null if there may
// be more of them (`grows`); else the one that was given back first, or null. Under the lock.
ring* choose_ring(bool grows) noexcept {
  ring* found = nullptr;
  std::uint64_t least = UINT64_MAX;
  for (std::size_t i = 0; i < ring_count; ++i) {
    ring& r = *rings[i];
    if (r.taken || &r == outside) continue;
    const auto number = r.head() == r.begins ? 0 : r.given_back;
    if (number >= least) continue;
    found = &r;
    least = number;
  }
  return grows && least != 0 ? nullptr : found;
}

// find_ring: for a machine that has none: another's, or `fresh`, or nowhere. Null: there is room
// for a fresh one, unless memory was `refused`.
ring* find_ring(const sched::machine& m, std::unique_ptr<ring>& fresh, bool refused) noexcept {
  const base::locked hold(lock);
  const bool grows = ring_count < rings.size() && !refused;
  ring* found = choose_ring(grows);
  if (found == nullptr) {
    if (!grows) return &ring::nowhere();
    if (fresh == nullptr) return nullptr;
    found = rings[ring_count++] = fresh.release();
  }
  missed.fetch_add(found->count(found->begins), base::relaxed);  // relaxed: a count
  found->last_time = time_now();
  found->taken = true;
  found->begins = found->head();
  found->runtime = runtime_of(*m.owner);
  found->machine = m.index;
  return found;
}

// take_ring: for a machine that has none yet.
[[gnu::noinline]] ring* take_ring(sched::machine& m) noexcept {
  std::unique_ptr<ring> fresh;
  m.ring = find_ring(m, fresh, false);
  if (m.ring == nullptr) {
    fresh.reset(ring::make());
    m.ring = find_ring(m, fresh, fresh == nullptr);
  }
  return m.ring;
}

void give_back(ring& of) noexcept {
  if (&of == &ring::nowhere()) return;
  const base::locked hold(lock);
  of.taken = false;
  of.given_back = ++given_back_count;
}

// in_recording: whether something noted at `time` belongs to this recording.
bool in_recording(std::uint64_t time) noexcept {
  // relaxed: tell() has acquired what start_recording() set.
  return ((time - began_time.load(base::relaxed)) & time_mask) <= time_mask / 2;
}

void record(event what, const sched::goroutine& g, std::uint32_t detail) noexcept {
  sched::machine* m = sched::current_machine();
  if (m == nullptr || m->owner != g.owner) {
    const base::locked hold(outside_lock);
    put(*outside, what, g, detail, time_now());
    return;
  }
  ring* r = m->ring != nullptr ? m->ring : take_ring(*m);
  if (r == &ring::nowhere()) [[unlikely]] {
    missed.fetch_add(1, base::relaxed);  // relaxed: a count
    return;
  }
  // Who has high priority may have been readied elsewhere, after that; and what the one before did
  // last need not have been recorded.
  const bool follows = what == event::dispatched && m->current != nullptr &&
                       g.priority == weft::priority::normal && in_recording(r->last_time);
  put(*r, what, g, detail, follows ? r->last_time : time_now());
}

// reader: makes happenings of the entries of one ring.
class reader {
 public:
  reader(recording& to, const moment& first, const moment& last) noexcept
      : to_(to), began_(first), ns_of_tick_(rate(first, last)) {}

  // read: of thread number `thread`, from entry number `begins` on.
  void read(const ring& r, std::uint64_t begins, std::uint32_t thread) {
    to_.threads[thread].lost = r.copy(begins, entries_) > begins;
    bool born = false;
    for (const entry& e : entries_) {
      const auto kind = static_cast<std::uint8_t>(e.first);
      if (kind == sched::trace::kind_site) {
        if (born) add_site(e);
      } else if (kind == sched::trace::kind_name) {
        if (born) add_name(e);
      } else {
        born =
            add(e, static_cast<event>(kind), thread) && static_cast<event>(kind) == event::spawned;
      }
    }
  }

 private:
  static double rate(const moment& first, const moment& last) noexcept {
    const auto ticks = (last.time - first.time) & time_mask;
    if (!steady || ticks == 0) return 1;
    return static_cast<double>(last.at_ns - first.at_ns) / static_cast<double>(ticks);
  }

  // add: false for what was written before the recording began.
  bool add(const entry& e, event what, std::uint32_t thread) {
    const auto ticks = ((e.first >> 8) - began_.time) & time_mask;
    if (ticks > time_mask / 2) return false;
    const auto since = static_cast<std::int64_t>(static_cast<double>(ticks) * ns_of_tick_);
    const auto low = static_cast<std::uint32_t>(e.second);
    to_.events.push_back({began_.at_ns + since, what, e.second >> 20, low >> 12 & 0xff,
                          low & detail_mask, thread, to_.events.size()});
    return true;
  }

  void add_site(const entry& e) {
    birth b;
    b.goroutine = to_.events.back().goroutine;
    b.runtime = to_.events.back().runtime;
    b.file = reinterpret_cast<const char*>(static_cast<std::uintptr_t>(e.first >> 8));
    b.function = reinterpret_cast<const char*>(static_cast<std::uintptr_t>(e.second >> 16));
    b.line = static_cast<std::uint32_t>(e.second & UINT16_MAX);
    to_.births.push_back(std::move(b));
  }

  void add_name(const entry& e) {
    std::array<char, name_piece + 2> bytes{};
    const std::uint64_t first = e.first >> 8;
    std::memcpy(bytes.data(), &first, name_head);
    std::memcpy(&bytes[name_head], &e.second, name_piece - name_head);
    if (!to_.births.empty()) to_.births.back().name += bytes.data();
  }

  recording& to_;
  const moment began_;
  const double ns_of_tick_;
  std::vector<entry> entries_;
};

// add_living: what is known of goroutines whose beginning nobody recorded.
void add_living(recording& to) {
  const sched::visit here;
  const sched::scheduler* s = here.target();
  if (s == nullptr) return;
  s->for_each_goroutine([&](const sched::goroutine& g) {
    if (g.site_file == nullptr || g.site_function == nullptr) return;  // it has ended meanwhile
    to.births.push_back({g.id & id_mask, runtime_of(*s), g.site_file, g.site_function, g.site_line,
                         g.name.get().data()});
  });
}

}  // namespace

std::uint64_t start_recording(int& error) noexcept {
  std::unique_ptr<ring> fresh(ring::make());
  if (fresh == nullptr) {
    error = ENOMEM;
    return 0;
  }
  const base::locked hold(lock);
  if (active) {
    error = EBUSY;
    return 0;
  }
  if (outside == nullptr) {
    outside = fresh.release();
    rings[ring_count++] = outside;
    auto& of = sched::trace::listeners;
    of.recorder = record;
    of.give_back = give_back;
  }
  for (std::size_t i = 0; i < ring_count; ++i) rings[i]->begins = rings[i]->head();
  missed.store(0, base::relaxed);  // relaxed: a count
  began = now();
  began_time.store(began.time, base::relaxed);  // relaxed: listen() publishes it
  active = true;
  sched::trace::listen(board::recorder_bit);
  return ++session;
}

void stop_recording(std::uint64_t of) noexcept {
  const base::locked hold(lock);
  if (session != of || !active) return;
  active = false;
  sched::trace::leave_off(board::recorder_bit);
}

recording read_recording(std::uint64_t of, bool living) {
  recording read;
  read.threads.reserve(flight_recorder::threads_max);  // here, where no lock is held
  std::array<ring*, flight_recorder::threads_max> all{};
  std::array<std::uint64_t, flight_recorder::threads_max> begins{};
  std::size_t count = 0;
  moment first;
  {
    const base::locked hold(lock);
    if (session != of || of == 0) return read;
    all = rings;
    count = ring_count;
    for (std::size_t i = 0; i < count; ++i) {
      begins[i] = rings[i]->begins;
      read.threads.push_back({rings[i]->runtime, rings[i]->machine, false});
    }
    first = began;
  }
  if (living) add_living(read);
  reader from(read, first, now());
  for (std::uint32_t i = 0; i < count; ++i) from.read(*all[i], begins[i], i);
  read.missed = missed.load(base::relaxed);  // relaxed: a count
  // Of the same time: as their thread made them.
  std::ranges::sort(read.events, {},
                    [](const happening& h) { return std::pair(h.at_ns, h.order); });
  return read;
}

}  // namespace weft::observe
