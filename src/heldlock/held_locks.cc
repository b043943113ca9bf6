// held_locks: reports a goroutine that waits, or ends, while it holds a lock that belongs to a
// thread.
//
// Each lock that a goroutine holds has a record, with the trace of where it was locked. The
// scheduler tells us of every goroutine that leaves its stack (sched/trace.h); if it has records
// there is something to report. Who is locked to its thread (lock_thread) may wait: it unlocks
// where it locked.
//
// The records stand in a table by their owner's number, which no goroutine of another runtime has:
// what those held that a run() dropped unfinished is said of nobody. Others may unlock what a
// goroutine holds, and take its record out then; `marks` tells nearly everybody that there is none.
//
// What we have not seen, a shared library's unlock or the end of a locked mutex, must not make us
// say what is not true. So who has locked something alone knows that nobody else holds it, and that
// it held it before only if it can lock it once more.
//
// I1  A record is in its owner's shard, or nobody but who has taken it out has it; both change, and
//     its depth does, under the shard's lock.
// I2  A lock's mark is at least the number of its records.
// I3  What we call may lock in its turn: it is not listened to then. The lock may be that of the
//     program's own allocator, so to note one we allocate nothing.
//
// Tests: tests/heldlock.

#include "heldlock/held_locks.h"

#include <cxxabi.h>
#include <dlfcn.h>
#include <execinfo.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <utility>

#include "base/assert.h"
#include "base/lock.h"
#include "sched/scheduler.h"
#include "sched/trace.h"
#include "stack/stack.h"

namespace weft::heldlock {

namespace {

constexpr int frames_max = 24;
constexpr int own_frames_max = 8;  // above where a trace begins
constexpr std::size_t shards = 64;
constexpr std::size_t marks_count = 1024;
constexpr std::size_t chunk_bytes = 64 * 1024;
constexpr std::size_t reports_max = 64;

// trace: return addresses, the youngest first, from the function on that `from` returns into; all
// there are if that is not among them.
struct trace {
  [[gnu::noinline]] void take(const void* from) noexcept {
    void* all[frames_max + own_frames_max];
    const auto end = all + ::backtrace(all, frames_max + own_frames_max);
    auto begin = std::find(all, end, from);
    if (begin == end) begin = all;
    count = static_cast<int>(std::min<std::ptrdiff_t>(end - begin, frames_max));
    std::copy_n(begin, count, frames.begin());
  }

  std::array<void*, frames_max> frames{};
  int count = 0;
};

}  // namespace

struct record {
  // Constant while it is in the table.
  const void* lock = nullptr;
  kind what{};
  std::uint32_t owner = 0;  // a goroutine's number
  trace locked_at;

  // Guarded by the shard's lock (I1).
  int depth = 1;  // of a recursive one
  record* next = nullptr;
};

namespace {

struct shard {
  base::lock<base::rank::leaf> lock;
  record* first = nullptr;            // guarded by lock
  base::atomic<std::size_t> size{0};  // written under it
};

shard table[shards];

shard& shard_of(std::uint32_t owner) noexcept { return table[owner % shards]; }

// marks: how many records there are, by a hash of the lock.
base::atomic<std::uint32_t> marks[marks_count];

base::atomic<std::uint32_t>& mark_of(const void* lock) noexcept {
  const auto bits = reinterpret_cast<std::uintptr_t>(lock);
  return marks[(bits >> 3 ^ bits >> 13) % marks_count];
}

// any_record: whether somebody may hold that lock. relaxed: who unlocks for another, or locks what
// another has left, has heard from it.
bool any_record(const void* lock) noexcept { return mark_of(lock).load(base::relaxed) != 0; }

// -- the memory of records: never returned --

struct {
  base::lock<base::rank::leaf> lock;
  record* first = nullptr;  // guarded by lock
} spare;

record* take_spare() noexcept {
  const base::locked hold(spare.lock);
  record* r = spare.first;
  if (r != nullptr) spare.first = r->next;
  return r;
}

void give_spare(record& r) noexcept {
  const base::locked hold(spare.lock);
  r.next = std::exchange(spare.first, &r);
}

// new_record: null if the system has no memory: then that lock goes unseen.
record* new_record() noexcept {
  if (record* r = take_spare()) return r;
  void* chunk =
      ::mmap(nullptr, chunk_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (chunk == MAP_FAILED) return nullptr;
  auto* records = static_cast<record*>(chunk);
  for (std::size_t i = 0; i < chunk_bytes / sizeof(record); ++i) {
    auto* r = new (&records[i]) record();
    if (i != 0) give_spare(*r);
  }
  return records;
}

// -- the table --

// put: for `r.owner`.
void put(record& r) noexcept {
  mark_of(r.lock).fetch_add(1, base::relaxed);  // relaxed: as in any_record()
  shard& s = shard_of(r.owner);
  const base::locked hold(s.lock);
  r.next = std::exchange(s.first, &r);
  s.size.store(s.size.load(base::relaxed) + 1, base::relaxed);  // relaxed: read as a hint
}

// take_out: of a shard the first record for which `which` is true: the caller's then; or null.
template <class Which>
record* take_out(shard& s, Which&& which) noexcept {
  // relaxed: a hint; who was told of a record by its owner sees it counted.
  if (s.size.load(base::relaxed) == 0) return nullptr;
  const base::locked hold(s.lock);
  for (record** at = &s.first; *at != nullptr; at = &(*at)->next) {
    record* r = *at;
    if (!which(*r)) continue;
    *at = r->next;
    s.size.store(s.size.load(base::relaxed) - 1, base::relaxed);  // relaxed: as above
    mark_of(r->lock).fetch_sub(1, base::relaxed);                 // relaxed: as in any_record()
    return r;
  }
  return nullptr;
}

record* take_own(std::uint32_t owner, const void* lock) noexcept {
  return take_out(shard_of(owner),
                  [&](const record& r) { return r.owner == owner && r.lock == lock; });
}

// drop_one: forgets one record of that lock for which `which` is true, whoever has it; false if
// there is none.
template <class Which>
bool drop_one(const void* lock, Which&& which) noexcept {
  for (shard& s : table) {
    if (record* r = take_out(s, [&](const record& o) { return o.lock == lock && which(o); })) {
      give_spare(*r);
      return true;
    }
  }
  return false;
}

void drop_all(const void* lock) noexcept {
  while (drop_one(lock, [](const record&) { return true; })) {
  }
}

// copy_nth: the n-th record of that owner, counted from the youngest; false if there are fewer.
bool copy_nth(std::uint32_t owner, std::size_t n, record& to) noexcept {
  shard& s = shard_of(owner);
  const base::locked hold(s.lock);
  for (const record* r = s.first; r != nullptr; r = r->next) {
    if (r->owner != owner || n-- != 0) continue;
    to = *r;
    return true;
  }
  return false;
}

// deaf: inside of us (I3), where no goroutine is switched.
thread_local bool deaf = false;

class [[nodiscard]] attention {
 public:
  [[gnu::noinline]] attention() noexcept : got_(!std::exchange(deaf, true)) {}
  [[gnu::noinline]] ~attention() {
    if (got_) deaf = false;
  }
  attention(const attention&) = delete;
  attention& operator=(const attention&) = delete;
  explicit operator bool() const noexcept { return got_; }

 private:
  const bool got_;
};

// -- reports --

// fatal_asked: read before main(), as a wish that is none should be heard of at once.
bool fatal_asked() noexcept {
  const char* text = std::getenv("WEFT_HELD_LOCKS");
  const std::string_view wish = text != nullptr ? text : "";
  if (!wish.empty() && wish != "report" && wish != "fatal")
    base::fatal("WEFT_HELD_LOCKS: want report or fatal");
  return wish == "fatal";
}

const bool fatal_wanted = fatal_asked();

// told: the pairs of traces that were reported, by hash.
struct {
  base::lock<base::rank::leaf> lock;
  std::array<std::size_t, reports_max> hashes;  // guarded by lock
  std::size_t count = 0;                        // guarded by lock
} told;

// is_news: true once for each pair, and for reports_max of them.
bool is_news(const trace& locked_at, const trace* waits_at) noexcept {
  std::size_t hash = 0;
  for (const trace* t : {&locked_at, waits_at}) {
    for (int i = 0; t != nullptr && i < t->count; ++i)
      hash = (hash ^ reinterpret_cast<std::uintptr_t>(t->frames[static_cast<unsigned>(i)])) *
             0x100000001b3U;  // FNV-1a's prime
  }
  const base::locked hold(told.lock);
  const auto end = told.hashes.begin() + static_cast<std::ptrdiff_t>(told.count);
  if (told.count == reports_max || std::find(told.hashes.begin(), end, hash) != end) return false;
  told.hashes[told.count++] = hash;
  return true;
}

std::string hex(std::uintptr_t n) {
  char text[2 + sizeof n * 2 + 1];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(n));
  return text;
}

// room_to_demangle: whether the stack has it: libiberty takes 72 bytes of it for every one of the
// name, and then recurses.
bool room_to_demangle(std::string_view name) noexcept {
  constexpr std::size_t rest = 24 * 1024;
  const auto here = static_cast<const char*>(__builtin_frame_address(0));
  const auto room = static_cast<std::size_t>(here - sched::current_goroutine()->stack->low);
  return room > rest + 72 * name.size();
}

// name_of: the function's, if it has one that is seen from outside of its file.
std::string name_of(const Dl_info& info) {
  if (info.dli_sname == nullptr) return {};
  if (!room_to_demangle(info.dli_sname)) return info.dli_sname;
  const std::unique_ptr<char, void (*)(void*)> plain(
      abi::__cxa_demangle(info.dli_sname, nullptr, nullptr, nullptr), std::free);
  return plain != nullptr ? plain.get() : info.dli_sname;
}

// is_runtimes: of functions that are no news to who waits.
bool is_runtimes(std::string_view name) noexcept {
  return name.starts_with("weft::sched::") || name.starts_with("weft::sync::");
}

// is_nameless_part: whether frame `i` stands in what g++ has moved out of one of these for being
// cold: it has no name, and its caller is the runtime's too.
bool is_nameless_part(const trace& t, int i) {
  if (i + 1 >= t.count) return false;
  Dl_info info{};
  const auto next = reinterpret_cast<std::uintptr_t>(t.frames[static_cast<unsigned>(i + 1)]) - 1;
  return ::dladdr(reinterpret_cast<const void*>(next), &info) != 0 && is_runtimes(name_of(info));
}

// text_of: a line a frame, without the runtime's above and below: its name, and what addr2line
// wants: the file and the address in it, of the call rather than of where that returns to.
std::string text_of(const trace& t) {
  std::string text;
  for (int i = 0; i < t.count; ++i) {
    const auto at = reinterpret_cast<std::uintptr_t>(t.frames[static_cast<unsigned>(i)]) - 1;
    Dl_info info{};
    if (::dladdr(reinterpret_cast<const void*>(at), &info) == 0) {
      text += "  " + hex(at) + '\n';
      continue;
    }
    const auto name = name_of(info);
    if (text.empty() && (is_runtimes(name) || (name.empty() && is_nameless_part(t, i)))) continue;
    if (name.starts_with("weft::sched::run_body(")) break;
    text += "  " + name + (name.empty() ? "" : "  ") + info.dli_fname + '+';
    text += hex(at - reinterpret_cast<std::uintptr_t>(info.dli_fbase)) + '\n';
  }
  return text;
}

std::string_view text_of(kind k) noexcept {
  switch (k) {
    case kind::mutex: return "mutex";
    case kind::rwlock_written: return "read-write lock";
    case kind::rwlock_read: return "read-write lock (shared)";
  }
  return {};
}

void report(const sched::goroutine& g, std::string_view does, const record& held,
            const trace* waits_at) noexcept {
  if (!is_news(held.locked_at, waits_at)) return;
  std::string text = "\ngoroutine " + std::to_string(g.id.get());
  const auto name = g.name.get();
  if (name[0] != '\0') text += std::string(" \"") + name.data() + '"';
  text += ' ';
  text += does;
  text += " while it holds the ";
  text += text_of(held.what);
  text += " at " + hex(reinterpret_cast<std::uintptr_t>(held.lock)) + "\nlocked at:\n";
  text += text_of(held.locked_at);
  if (waits_at != nullptr) text += "waits at:\n" + text_of(*waits_at);
  text += std::string("created by ") + g.site_function.get() + " at " + g.site_file.get() + ':' +
          std::to_string(g.site_line.get()) + '\n';
  text +=
      "The lock belongs to the thread that locked it. The goroutine may go on upon another, where "
      "unlocking is undefined, and whoever locks it meanwhile blocks a thread. Unlock it first, or "
      "use weft::mutex.\n";
  base::write_stderr(text);
  if (fatal_wanted) base::fatal("a goroutine waits or ends while it holds a lock of a thread");
}

// departs: `from` is where the traces it takes begin.
void departs(const sched::goroutine& g, sched::wait_reason why, const void* from) noexcept {
  if (g.locks != 0) return;
  const std::uint32_t owner = g.number();
  // relaxed: the goroutine's own records are counted wherever it is.
  if (shard_of(owner).size.load(base::relaxed) == 0) return;
  const attention here;
  if (!here) return;
  trace waits_at;
  record held;
  for (std::size_t n = 0; copy_nth(owner, n, held); ++n) {
    if (waits_at.count == 0) waits_at.take(from);
    std::string does = "waits [";
    does += why == sched::wait_reason::none ? "for its turn" : sched::text_of(why);
    report(g, does + ']', held, &waits_at);
  }
}

void ended(const sched::goroutine& g) noexcept {
  const attention here;
  const std::uint32_t owner = g.number();
  const auto is_own = [owner](const record& r) { return r.owner == owner; };
  while (record* r = take_out(shard_of(owner), is_own)) {
    report(g, "ends", *r, nullptr);
    give_spare(*r);
  }
}

void listen(sched::trace::event what, const sched::goroutine& g, std::uint32_t detail) noexcept {
  const void* from = __builtin_return_address(0);
  switch (what) {
    case sched::trace::event::parking:
      return departs(g, static_cast<sched::wait_reason>(detail), from);
    case sched::trace::event::yielding: return departs(g, sched::wait_reason::none, from);
    case sched::trace::event::ended: return ended(g);
    default: return;
  }
}

// installed: from before main(), where no goroutine runs. The first backtrace() loads the unwinder,
// for which it allocates.
const bool installed = [] {
  void* first[1];
  static_cast<void>(::backtrace(first, 1));
  sched::trace::listeners.locks = listen;
  sched::trace::listen(sched::trace::board::locks_bit);
  return true;
}();

// count: what `change` makes of the caller's record of that lock; 0 if it has none.
template <class Change>
int count(const void* lock, std::uint32_t owner, Change&& change) noexcept {
  shard& s = shard_of(owner);
  const base::locked hold(s.lock);
  for (record* r = s.first; r != nullptr; r = r->next) {
    if (r->owner == owner && r->lock == lock) return change(*r);
  }
  return 0;
}

// is_again: whether the caller, who has just locked it, had done so before: it is counted then.
bool is_again(const void* lock, kind k, std::uint32_t owner,
              bool (*is_recursive)(const void*)) noexcept {
  if (k == kind::rwlock_written) return false;
  const auto had = [k](const record& r) { return r.what == k ? r.depth : 0; };
  if (count(lock, owner, had) == 0) return false;
  if (k == kind::mutex && !is_recursive(lock)) return false;
  return count(lock, owner, [](record& r) { return ++r.depth; }) != 0;
}

}  // namespace

void note_locked(const void* lock, kind k, const void* called_from,
                 bool (*is_recursive)(const void* lock)) noexcept {
  const sched::goroutine* g = sched::current_goroutine();
  if (g == nullptr && !any_record(lock)) return;
  const attention here;
  if (!here) return;
  if (any_record(lock)) {
    if (g != nullptr && is_again(lock, k, g->number(), is_recursive)) return;
    if (k != kind::rwlock_read) drop_all(lock);
  }
  if (g == nullptr) return;
  record* r = new_record();
  if (r == nullptr) return;
  r->lock = lock;
  r->what = k;
  r->owner = g->number();
  r->depth = 1;
  r->locked_at.take(called_from);
  put(*r);
}

void note_unlocked(const void* lock) noexcept {
  if (!any_record(lock)) return;
  const attention here;
  if (!here) return;
  const sched::goroutine* g = sched::current_goroutine();
  if (g != nullptr) {
    if (count(lock, g->number(), [](record& r) { return --r.depth; }) > 0) return;
    if (record* own = take_own(g->number(), lock)) return give_spare(*own);
  }
  // A plain thread may unlock a read lock of its own, which we do not know.
  drop_one(lock, [g](const record& r) { return g != nullptr || r.what != kind::rwlock_read; });
}

void forget(const void* lock) noexcept {
  if (!any_record(lock)) return;
  const attention here;
  if (here) drop_all(lock);
}

void forget_reports() noexcept {
  const base::locked hold(told.lock);
  told.count = 0;
}

let_go::let_go(const void* lock) noexcept {
  const sched::goroutine* g = sched::current_goroutine();
  const attention here;
  if (here && g != nullptr) held_ = take_own(g->number(), lock);
}

let_go::~let_go() {
  const attention here;
  if (held_ != nullptr) put(*held_);
}

}  // namespace weft::heldlock
