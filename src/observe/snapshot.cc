#include "observe/snapshot.h"

#include <execinfo.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <span>
#include <tuple>
#include <unordered_map>

#include "arch/walk.h"
#include "base/atomic.h"
#include "sched/environment.h"
#include "sched/inspect.h"
#include "sched/scheduler.h"
#include "stack/stack.h"
#include "sync/outlook.h"
#include "sync/owner.h"

namespace weft::observe {
namespace {

// ahead: how many goroutines before its turn memory is asked for, which no cache has: records, then
// the part of stacks that most of them use.
constexpr std::size_t ahead_record = 8;
constexpr std::size_t ahead_stack = 3;
constexpr int stack_lines = 24;
constexpr std::size_t record_lines = (sizeof(sched::goroutine) + 63) / 64;

const char* or_none(const char* text) noexcept { return text != nullptr ? text : ""; }

// holder_of: who keeps `g` waiting, which is held.
std::uint32_t holder_of(const sched::goroutine& g) noexcept {
  const void* object = g.object;
  if (object == nullptr) return 0;
  switch (g.reason.get()) {
    case sched::wait_reason::mutex_lock: return sync::owner_of_mutex(object);
    case sched::wait_reason::rwmutex_lock:
    case sched::wait_reason::rwmutex_rlock: return sync::owner_of_rwmutex(object);
    default: return 0;
  }
}

// note_holder: who keeps `g` waiting, which is held.
void note_holder(const sched::scheduler& of, const sched::goroutine& g, seen& s) noexcept {
  s.holder = holder_of(g);
  if (s.holder == 0) return;
  // Whoever has ended without unlocking has it still.
  const bool ended = of.has_ended(s.holder) && holder_of(g) == s.holder;
  s.held_by = ended ? holder_is::ended : holder_is::somebody;
}

// note_outlook: of `g`, which is held and has a holder noted.
void note_outlook(const sched::goroutine& g, seen& s) noexcept {
  const auto [prospect, why] = sync::outlook_of(g);
  s.limited = prospect == sync::prospect::open;
  s.why = why;
  switch (prospect) {
    case sync::prospect::never: s.judged = verdict::proven; return;
    case sync::prospect::doubtful: s.judged = verdict::suspect; return;
    case sync::prospect::open: return;
    case sync::prospect::others: break;
  }
  if (s.held_by != holder_is::ended) return;
  s.judged = verdict::suspect;
  s.why = "who has locked it has ended";
}

// in_memory: bytes from the lowest page of [low, high) that is in memory to `high`.
std::size_t in_memory(const char* low, const char* high) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const auto from = reinterpret_cast<std::uintptr_t>(low) & ~(page - 1);
  const auto pages = (reinterpret_cast<std::uintptr_t>(high) - from + page - 1) / page;
  std::vector<unsigned char> there(pages);
  if (::mincore(reinterpret_cast<void*>(from), pages * page, there.data()) != 0) return 0;
  const auto lowest = std::find_if(there.begin(), there.end(), [](auto b) { return (b & 1) != 0; });
  const auto start = from + static_cast<std::size_t>(lowest - there.begin()) * page;
  const auto top = reinterpret_cast<std::uintptr_t>(high);
  return start < top ? top - start : 0;
}

std::uint64_t mixed(std::uint64_t hash, std::uint64_t word) noexcept {
  hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
  return hash ^ hash >> 29;
}

// collector: of one snapshot.
class collector {
 public:
  collector(snapshot& to, bool sizes) noexcept : to_(to), sizes_(sizes) {}

  void add(const sched::scheduler& s);
  void finish();

 private:
  struct span_of_stack {
    const char* low = nullptr;
    const char* high = nullptr;
  };
  using frames = std::span<const std::uintptr_t>;

  void look(sched::goroutine& g);
  bool look_held(sched::goroutine& g, seen& s);
  void look_running(sched::goroutine& g, seen& s, sched::phase at);
  void note_labels(const sched::goroutine& g, seen& s);
  void put(seen& s, frames stack);
  [[nodiscard]] bool same(const kind& k, frames stack) const noexcept;

  snapshot& to_;
  const sched::scheduler* of_ = nullptr;  // whose goroutines are looked at
  const bool sizes_;
  const sched::goroutine* const self_ = sched::current_goroutine();
  arch::walker walker_;
  std::array<std::uintptr_t, frames_max> frames_{};
  kind now_;  // of the one being looked at, without its stack
  sched::label_set::text labels_{};
  bool has_labels_ = false;
  std::unordered_map<std::uint64_t, std::uint32_t> groups_;  // by hash
  std::vector<sched::goroutine*> found_;
};

void collector::add(const sched::scheduler& s) {
  of_ = &s;
  found_.clear();
  found_.reserve(static_cast<std::size_t>(std::max<std::int64_t>(s.goroutine_count(), 0)) + 64);
  s.for_each_goroutine([&](sched::goroutine& g) { found_.push_back(&g); });
  to_.goroutines.reserve(to_.goroutines.size() + found_.size());
  for (std::size_t i = 0; i < found_.size(); ++i) {
    if (i + ahead_record < found_.size()) {
      const auto* record = reinterpret_cast<const char*>(found_[i + ahead_record]);
      for (std::size_t line = 0; line < record_lines; ++line)
        __builtin_prefetch(record + 64 * line);
    }
    if (i + ahead_stack < found_.size()) {
      const auto* sp = static_cast<const char*>(base::glance(found_[i + ahead_stack]->context.sp));
      for (int line = 0; line < stack_lines; ++line) __builtin_prefetch(sp + 64 * line);
    }
    look(*found_[i]);
  }
}

void collector::look(sched::goroutine& g) {
  seen s;
  for (;;) {
    if (g.try_hold()) {
      if (look_held(g, s)) return;
      walker_.learn();
      continue;
    }
    const auto at = g.current_phase();
    if (at == sched::phase::idle) return;  // it has ended
    if (at != sched::phase::parked) return look_running(g, s, at);
    base::cpu_relax();  // another dump looks at it
  }
}

// look_held: drops the hold; false if the walker lacks something.
bool collector::look_held(sched::goroutine& g, seen& s) {
  const stack::stack* stack = g.stack;
  const auto [end, count] = walker_.walk(g.context, stack->low, stack->high, frames_);
  if (end == arch::walked::lacks) {
    g.drop_hold();
    return false;
  }
  const span_of_stack memory{stack->low, stack->high};
  s.stack_used = static_cast<std::size_t>(memory.high - static_cast<const char*>(g.context.sp));
  note_holder(*of_, g, s);
  note_outlook(g, s);
  s.id = g.id;
  s.number = g.number();
  s.name = g.name.get();
  s.locked = g.locked_to != nullptr;
  s.object = g.object;
  s.since_ns = g.since_ns;
  now_.state = sched::text_of(g.reason).data();
  now_.site_function = or_none(g.site_function);
  now_.site_file = or_none(g.site_file);
  now_.site_line = g.site_line;
  const sched::label_set* l = g.labels.get();
  has_labels_ = l != nullptr;
  if (has_labels_) labels_ = l->get();
  g.drop_hold();

  now_.waits = true;
  now_.cut = end == arch::walked::cut;
  if (sizes_) s.stack_touched = in_memory(memory.low, memory.high);
  put(s, frames(frames_).first(count));
  return true;
}

void collector::look_running(sched::goroutine& g, seen& s, sched::phase at) {
  const bool runs = at == sched::phase::running || at == sched::phase::armed;
  s.id = g.id;
  s.number = g.number();
  s.name = g.name.get();
  s.locked = g.locked_to != nullptr;
  now_.state = runs ? "running" : "runnable";
  now_.waits = now_.cut = false;
  now_.site_function = or_none(g.site_function);
  now_.site_file = or_none(g.site_file);
  now_.site_line = g.site_line;
  if (const sched::machine* m = g.last_machine; runs && m != nullptr) s.thread = m->thread_id;
  const sched::label_set* l = g.labels.get();
  has_labels_ = l != nullptr;
  if (has_labels_) labels_ = l->get();
  std::size_t count = 0;
  if (&g == self_) {
    void* own[frames_max];
    const int n = ::backtrace(own, static_cast<int>(frames_max));
    for (; count < static_cast<std::size_t>(n); ++count) {
      const auto pc = reinterpret_cast<std::uintptr_t>(own[count]);
      if (arch::rule_of(pc).is == arch::frame_rule::kind::base) break;
      frames_[count] = pc;
    }
  }
  put(s, frames(frames_).first(count));
}

bool collector::same(const kind& k, frames stack) const noexcept {
  return k.state == now_.state && k.site_line == now_.site_line &&
         k.site_function == now_.site_function && k.site_file == now_.site_file &&
         k.waits == now_.waits && k.cut == now_.cut &&
         std::equal(k.stack.begin(), k.stack.end(), stack.begin(), stack.end());
}

// put: into its group, which may be new.
void collector::put(seen& s, frames stack) {
  if (has_labels_ && labels_[0] != '\0') {
    s.labels = static_cast<std::uint32_t>(to_.labels.size());
    to_.labels.push_back(labels_);
  }
  auto hash = mixed(reinterpret_cast<std::uintptr_t>(now_.state), now_.site_line);
  hash = mixed(hash, reinterpret_cast<std::uintptr_t>(now_.site_function));
  for (const auto pc : stack) hash = mixed(hash, pc);
  for (;; ++hash) {
    const auto [at, fresh] =
        groups_.try_emplace(hash, static_cast<std::uint32_t>(to_.groups.size()));
    if (fresh) {
      to_.groups.push_back({now_, 0, 0});
      to_.groups.back().of.stack.assign(stack.begin(), stack.end());
    } else if (!same(to_.groups[at->second].of, stack)) {
      continue;
    }
    s.group = at->second;
    break;
  }
  ++to_.groups[s.group].count;
  to_.goroutines.push_back(s);
}

// finish: puts all in order.
void collector::finish() {
  auto& groups = to_.groups;
  std::vector<std::uint64_t> least(groups.size(), UINT64_MAX);
  for (const seen& s : to_.goroutines) least[s.group] = std::min(least[s.group], s.id);
  std::vector<std::uint32_t> order(groups.size());
  for (std::uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](auto a, auto b) {
    return std::tuple(groups[b].count, least[a]) < std::tuple(groups[a].count, least[b]);
  });
  std::vector<group> sorted;
  std::vector<std::uint32_t> place(order.size());
  std::size_t first = 0;
  for (const auto i : order) {
    place[i] = static_cast<std::uint32_t>(sorted.size());
    sorted.push_back(std::move(groups[i]));
    sorted.back().first = std::exchange(first, first + sorted.back().count);
  }
  groups = std::move(sorted);

  std::vector<seen> members(to_.goroutines.size());
  std::vector<std::size_t> next;
  for (const group& g : groups) next.push_back(g.first);
  for (seen& s : to_.goroutines) {
    s.group = place[s.group];
    members[next[s.group]++] = s;
  }
  for (const group& g : groups) {
    const auto begin = members.begin() + static_cast<std::ptrdiff_t>(g.first);
    const auto end = begin + static_cast<std::ptrdiff_t>(g.count);
    const auto by_id = [](const seen& a, const seen& b) { return a.id < b.id; };
    if (!std::is_sorted(begin, end, by_id)) std::sort(begin, end, by_id);
  }
  to_.goroutines = std::move(members);
}

}  // namespace

snapshot take(bool stack_sizes, bool crashed) {
  snapshot all;
  all.now_ns = sched::now_ns();
  all.crashed = crashed;
  collector c(all, stack_sizes);
  sched::for_each_scheduler(
      [](sched::scheduler& s, void* to) { static_cast<collector*>(to)->add(s); }, &c, crashed);
  c.finish();

  all.note_holders();
  all.judge_by_holders();
  return all;
}

// note_holders: whoever holds something is looked for by its record's number.
void snapshot::note_holders() {
  std::vector<std::uint32_t> wanted;
  for (const seen& s : goroutines) {
    if (s.held_by == holder_is::somebody) wanted.push_back(s.holder);
  }
  std::sort(wanted.begin(), wanted.end());
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  if (wanted.empty()) return;
  for (std::uint32_t i = 0; i < goroutines.size(); ++i) {
    if (std::binary_search(wanted.begin(), wanted.end(), goroutines[i].number))
      by_number_.push_back(i);
  }
  std::sort(by_number_.begin(), by_number_.end(),
            [&](auto a, auto b) { return goroutines[a].number < goroutines[b].number; });
}

const seen* snapshot::holder_of(const seen& s) const noexcept {
  if (s.held_by != holder_is::somebody) return nullptr;
  const auto at =
      std::lower_bound(by_number_.begin(), by_number_.end(), s.holder,
                       [&](std::uint32_t i, std::uint32_t n) { return goroutines[i].number < n; });
  if (at == by_number_.end() || goroutines[*at].number != s.holder) return nullptr;
  return &goroutines[*at];
}

std::size_t snapshot::count(verdict v) const noexcept {
  return static_cast<std::size_t>(
      std::ranges::count_if(goroutines, [v](const seen& s) { return s.judged == v; }));
}

// judge_by_holders: who waits for a lock of one that is judged is suspect as well.
void snapshot::judge_by_holders() {
  if (by_number_.empty()) return;
  std::vector<bool> walked(goroutines.size());
  std::vector<seen*> path;
  const auto index = [&](const seen* s) { return static_cast<std::size_t>(s - goroutines.data()); };
  for (seen& first : goroutines) {
    path.clear();
    // As far as one that is judged, or that a path has come to before: each step is made once.
    const seen* at = &first;
    while (at != nullptr && at->judged == verdict::unknown && !at->limited && !walked[index(at)]) {
      walked[index(at)] = true;
      path.push_back(&goroutines[index(at)]);
      at = holder_of(*at);
    }
    if (at == nullptr || at->judged == verdict::unknown) continue;
    for (seen* s : path) {
      s->judged = verdict::suspect;
      s->why = "who has locked it seems never to go on";
    }
  }
}

}  // namespace weft::observe
