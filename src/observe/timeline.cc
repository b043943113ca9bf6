// timeline: from happenings to what can be seen: three groups of tracks.
//
//   goroutines  one each: what it does: runs, is ready, or what it waits for; blocking() within
//   machines    one each: which goroutine runs there
//   processors  one each: which goroutine it is used for; no longer when it was taken
//
// Arrows lead from where a goroutine was started or readied to where it goes on. Who readied it is
// who runs on the machine that noted it; the network and timers on that machine's track.
//
// The rings begin in the middle, each somewhere else, and clocks of CPUs may differ by a little: a
// happening that does not fit ends what was, and begins what is.
//
// I1  On each track every slice that begins ends, at no earlier time, and slices nest.
//
// A million goroutines make a file that nobody can open. flight_recorder::tracks_max of them get
// tracks, those of which most happened; all others are seen where they ran.

#include "observe/timeline.h"

#include <unistd.h>
#include <weft/trace.h>

#include <algorithm>
#include <cerrno>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "observe/perfetto.h"

namespace weft::observe {
namespace {

using sched::trace::event;
using sched::trace::source;

// key: a goroutine in all runtimes.
using key = std::uint64_t;
key key_of(std::uint32_t runtime, std::uint64_t goroutine) noexcept {
  return std::uint64_t{runtime} << 44 | goroutine;
}

// uuids of tracks: what they are of, in the highest bits.
enum class kind : std::uint64_t { process = 1, group, goroutine, machine, processor };
perfetto_file::uuid uuid_of(kind k, std::uint64_t which) noexcept {
  return static_cast<std::uint64_t>(k) << 56 | which;
}

constexpr std::uint64_t goroutines_group = 1;
constexpr std::uint64_t machines_group = 2;
constexpr std::uint64_t processors_group = 3;

std::string_view base_name(std::string_view path) noexcept {
  return path.substr(path.rfind('/') + 1);
}

class timeline {
 public:
  explicit timeline(const recording& from) : from_(from), machines_(from.threads.size()) {}

  std::string draw() {
    learn_names();
    choose_tracks();
    describe();
    for (const happening& h : from_.events) add(h);
    end_all();
    return file_.take();
  }

 private:
  struct life {
    std::string name;                   // "goroutine 7 name"
    std::string place;                  // "file.cc:12"
    bool track = false;                 // it has one
    int depth = 0;                      // open slices there
    std::uint64_t flow = 0;             // that ends where it goes on
    std::uint32_t thread = UINT32_MAX;  // where it runs
  };
  // machine_state: what its track shows.
  struct machine_state {
    bool running = false;
    key goroutine = 0;
    int depth = 0;
    std::uint64_t processor = 0;  // uuid; 0: none
  };

  // -- names --

  life& life_of(key k) {
    const auto [at, made] = lives_.try_emplace(k);
    if (made) at->second.name = "goroutine " + std::to_string(k & ((key{1} << 44) - 1));
    return at->second;
  }

  void learn_names() {
    for (const birth& b : from_.births) {
      life& l = life_of(key_of(b.runtime, b.goroutine));
      if (!l.place.empty()) continue;
      l.place = std::string(base_name(b.file)) + ':' + std::to_string(b.line);
      if (!b.name.empty()) l.name += ' ' + b.name;
    }
  }

  void choose_tracks() {
    std::unordered_map<key, std::size_t> counts;
    for (const happening& h : from_.events) ++counts[key_of(h.runtime, h.goroutine)];
    std::vector<std::pair<std::size_t, key>> most;
    most.reserve(counts.size());
    for (const auto& [k, n] : counts) most.emplace_back(n, k);
    const auto kept = std::min(most.size(), flight_recorder::tracks_max);
    const auto more = [](const auto& a, const auto& b) {
      return a.first != b.first ? a.first > b.first : a.second < b.second;
    };
    std::ranges::partial_sort(most, most.begin() + static_cast<std::ptrdiff_t>(kept), more);
    for (std::size_t i = 0; i < kept; ++i) life_of(most[i].second).track = true;
    seen_ = most.size();
    shown_ = kept;
  }

  // -- descriptors --

  void describe() {
    const auto process = uuid_of(kind::process, 1);
    file_.process(process, ::getpid(), program_invocation_short_name);
    std::string title = "goroutines";
    if (shown_ < seen_)
      title += " (" + std::to_string(shown_) + " of " + std::to_string(seen_) +
               "; the others: where they ran)";
    file_.track(uuid_of(kind::group, goroutines_group), process, title, 1);
    title = "machines";
    if (from_.missed != 0) title += " (" + std::to_string(from_.missed) + " events of more missed)";
    file_.track(uuid_of(kind::group, machines_group), process, title, 2);
    file_.track(uuid_of(kind::group, processors_group), process, "processors", 3);
    for (const auto& [k, l] : lives_) {
      if (!l.track) continue;
      auto name = of_runtime(static_cast<std::uint32_t>(k >> 44)) + l.name;
      if (!l.place.empty()) name += " (" + l.place + ')';
      file_.track(uuid_of(kind::goroutine, k), uuid_of(kind::group, goroutines_group), name, k);
    }
    for (std::size_t i = 0; i < from_.threads.size(); ++i) describe_thread(i);
  }

  void describe_thread(std::size_t i) {
    const auto& t = from_.threads[i];
    std::string name = "other threads";
    if (t.runtime != 0) name = of_runtime(t.runtime) + "machine " + std::to_string(t.machine);
    if (t.lost) name += " (older events forgotten)";
    file_.track(uuid_of(kind::machine, i), uuid_of(kind::group, machines_group), name,
                std::uint64_t{t.runtime} << 32 | t.machine);
  }

  // of_runtime: what to say of it, where there are several.
  std::string of_runtime(std::uint32_t runtime) {
    if (runtimes_ == 0) {
      std::unordered_set<std::uint32_t> all;
      for (const happening& h : from_.events) all.insert(h.runtime);
      runtimes_ = std::max<std::size_t>(all.size(), 1);
    }
    return runtimes_ == 1 ? "" : "runtime " + std::to_string(runtime) + ", ";
  }

  perfetto_file::uuid processor_track(std::uint32_t runtime, std::uint32_t index) {
    const auto which = std::uint64_t{runtime} << 12 | index;
    const auto track = uuid_of(kind::processor, which);
    if (users_.try_emplace(track, UINT32_MAX).second) {
      file_.track(track, uuid_of(kind::group, processors_group),
                  of_runtime(runtime) + "processor " + std::to_string(index), which);
    }
    return track;
  }

  // -- slices --

  void end_slices(perfetto_file::uuid track, int& depth) {
    for (; depth > 0; --depth) file_.end(track, now_);
  }
  // turn: what goroutine `k` does from now on; nothing more: {}.
  void turn(key k, life& l, std::string_view to, flows f = {}) {
    if (!l.track) return;
    const auto track = uuid_of(kind::goroutine, k);
    end_slices(track, l.depth);
    if (to.empty()) return;
    file_.begin(track, now_, to, f);
    l.depth = 1;
  }
  void free_processor(machine_state& m) {
    if (m.processor == 0) return;
    auto& user = users_[m.processor];
    if (user != UINT32_MAX) file_.end(m.processor, now_);
    user = UINT32_MAX;
    m.processor = 0;
  }
  void leave(std::uint32_t thread) {
    machine_state& m = machines_[thread];
    end_slices(uuid_of(kind::machine, thread), m.depth);
    free_processor(m);
    m.running = false;
  }

  // -- events --

  void add(const happening& h) {
    now_ = h.at_ns;
    const key k = key_of(h.runtime, h.goroutine);
    life& l = life_of(k);
    switch (h.what) {
      case event::none: return;
      case event::spawned: return made_ready(h, k, l, "go ");
      case event::readied: return made_ready(h, k, l, "readies ");
      case event::dispatched: return dispatched(h, k, l);
      case event::parking:
        leave(h.thread);
        return turn(k, l,
                    h.detail < static_cast<std::uint32_t>(sched::wait_reason::count_)
                        ? sched::text_of(sched::wait_reason{static_cast<std::uint8_t>(h.detail)})
                        : "waits");
      case event::yielding: leave(h.thread); return turn(k, l, "ready");
      case event::ended: leave(h.thread); return turn(k, l, {});
      case event::blocking_begins: return blocking(h, k, l, true);
      case event::blocking_ends: return blocking(h, k, l, false);
      case event::retaken: return retaken(h, l);
    }
  }

  void made_ready(const happening& h, key k, life& l, std::string_view verb) {
    const bool born = h.what == event::spawned;
    turn(k, l, "ready");
    const machine_state& m = machines_[h.thread];
    const auto by = born ? source::caller : source{h.detail};
    if (by == source::nobody) return;
    l.flow = l.track ? ++flows_ : 0;
    auto track = uuid_of(kind::machine, h.thread);
    if (m.running && by == source::caller && life_of(m.goroutine).track)
      track = uuid_of(kind::goroutine, m.goroutine);
    const std::string_view who = by == source::network ? "network "
                                 : by == source::timer ? "timer "
                                                       : "";
    file_.instant(track, now_, std::string(who) + std::string(verb) + l.name, {l.flow, 0});
  }

  void dispatched(const happening& h, key k, life& l) {
    leave(h.thread);
    turn(k, l, "running", {0, std::exchange(l.flow, 0)});
    machine_state& m = machines_[h.thread];
    m.running = true;
    m.goroutine = k;
    m.depth = 1;
    l.thread = h.thread;
    const auto name = l.place.empty() ? l.name : l.name + " (" + l.place + ')';
    file_.begin(uuid_of(kind::machine, h.thread), now_, name);
    if (h.detail == sched::trace::no_processor) return;
    m.processor = processor_track(h.runtime, h.detail);
    auto& user = users_[m.processor];
    if (user != UINT32_MAX) {
      file_.end(m.processor, now_);
      if (user != h.thread) machines_[user].processor = 0;
    }
    user = h.thread;
    file_.begin(m.processor, now_, name);
  }

  void blocking(const happening& h, key k, life& l, bool begins) {
    machine_state& m = machines_[h.thread];
    if (!m.running || m.goroutine != k) return;
    const auto change = [&](perfetto_file::uuid track, int& depth) {
      if (begins && depth == 1) {
        file_.begin(track, now_, "blocking call");
        ++depth;
      } else if (!begins && depth == 2) {
        file_.end(track, now_);
        --depth;
      }
    };
    change(uuid_of(kind::machine, h.thread), m.depth);
    if (l.track) change(uuid_of(kind::goroutine, k), l.depth);
  }

  void retaken(const happening& h, const life& l) {
    if (l.thread == UINT32_MAX) return;
    machine_state& m = machines_[l.thread];
    file_.instant(uuid_of(kind::machine, l.thread), now_,
                  "processor " + std::to_string(h.detail) + " is taken");
    if (m.processor == uuid_of(kind::processor, std::uint64_t{h.runtime} << 12 | h.detail))
      free_processor(m);
  }

  void end_all() {
    for (std::uint32_t i = 0; i < machines_.size(); ++i) leave(i);
    for (auto& [k, l] : lives_) end_slices(uuid_of(kind::goroutine, k), l.depth);
  }

  const recording& from_;
  perfetto_file file_;
  std::unordered_map<key, life> lives_;
  std::vector<machine_state> machines_;                           // by thread
  std::unordered_map<perfetto_file::uuid, std::uint32_t> users_;  // of processors: the thread
  std::size_t seen_ = 0;                                          // goroutines
  std::size_t shown_ = 0;
  std::size_t runtimes_ = 0;
  std::uint64_t flows_ = 0;
  std::int64_t now_ = 0;
};

}  // namespace

std::string draw(const recording& from) { return timeline(from).draw(); }

}  // namespace weft::observe
