#include "sched/lock_wait.h"

#include <execinfo.h>

#include <array>
#include <cstddef>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "arch/code_place.h"
#include "sched/environment.h"
#include "sched/labels.h"
#include "sched/scheduler.h"
#include "sched/simulation.h"

namespace weft::sched {
namespace {

// chain_max: who waits for more than so many, one behind the other, does not look further.
constexpr std::size_t chain_max = 1000;
constexpr int frames_max = 64;

struct alignas(64) bucket {
  base::lock<base::rank::lock_waits> lock;
  base::list<lock_wait> waits;           // guarded by lock
  base::atomic<std::uint32_t> count{0};  // of waits; written under lock
};

constexpr std::size_t bucket_count = 4096;
constinit std::array<bucket, bucket_count> buckets{};

bucket& bucket_of(std::uint32_t number) noexcept { return buckets[number % bucket_count]; }

// reported: somebody has proved a cycle, and the process ends.
base::atomic<bool> reported{false};

std::string trace_text() {
  void* frames[frames_max];
  const int n = ::backtrace(frames, frames_max);
  std::string text;
  for (int i = 0; i < n; ++i)
    text += std::string("  ") + arch::text_of_place(frames[i]).data() + '\n';
  return text;
}

}  // namespace

void lock_wait::enter() noexcept {
  if (numbers_repeat()) return;
  who_ = current_goroutine();
  if (who_ == nullptr) thread_id_ = thread_id();
  bucket& b = bucket_of(number_);
  const base::locked hold(b.lock);
  entered_ = true;
  b.waits.push_back(*this);
  // seq_cst: before our look at the others; pairs with the load in lock_chain::find().
  b.count.store(b.count.load(base::relaxed) + 1, base::seq_cst);
}

void lock_wait::leave() noexcept {
  bucket& b = bucket_of(number_);
  const base::locked hold(b.lock);
  if (!linked()) return;  // a lock of static storage was destroyed while it was used (forget)
  b.waits.remove(*this);
  // relaxed: who sees the larger one finds nobody.
  b.count.store(b.count.load(base::relaxed) - 1, base::relaxed);
}

bool lock_wait::stands() const noexcept { return who_ == nullptr || !who_->owner->main_returned(); }

// forget: of those for whom `which` holds, who entered before, as the caller has seen.
template <class F>
void lock_wait::forget(F&& which) noexcept {
  for (bucket& b : buckets) {
    if (b.count.load(base::relaxed) == 0) continue;  // relaxed: the caller has seen it
    const base::locked hold(b.lock);
    for (lock_wait* w = b.waits.front(); w != nullptr;) {
      lock_wait* next = b.waits.next(*w);
      if (which(*w)) {
        b.waits.remove(*w);
        // relaxed: as in leave().
        b.count.store(b.count.load(base::relaxed) - 1, base::relaxed);
      }
      w = next;
    }
  }
}

// Dumps look into what is waited for, while they hold who waits: so we hold him as well, once, and
// from then on there is nothing to look into.
void forget_waits_for(const void* lock) noexcept {
  lock_wait::forget([=](const lock_wait& w) {
    if (w.lock_ != lock) return false;
    goroutine* g = w.who_;
    while (g != nullptr && g->current_phase() == phase::parked) {
      if (!g->try_hold()) {
        base::cpu_relax();  // a dump has it, which takes no lock meanwhile
        continue;
      }
      if (g->object == lock) g->object = nullptr;
      g->drop_hold();
      break;
    }
    return true;
  });
}

// Its goroutines entered before its machines ended.
void forget_lock_waits(const scheduler& of) noexcept {
  lock_wait::forget([&](const lock_wait& w) { return w.who_ != nullptr && w.who_->owner == &of; });
}

// lock_chain: who waits for whom, as it was found and then proved.
class lock_chain {
 public:
  // holder_behind: whose lock `number` waits for; 0: it does not wait, or for nobody's.
  static std::uint32_t holder_behind(std::uint32_t number) noexcept {
    return find(number, [](const lock_wait& w) { return w.holder_(w.lock_, w.node_); });
  }

  // lock_chain: from `first`, whom the caller is, to whoever waits for it; empty if the chain does
  // not lead back.
  lock_chain(std::uint32_t first, std::uint32_t holder) {
    links_.push_back({.number = first});
    for (auto at = holder; at != first; at = holder_behind(at)) {
      if (at == 0 || links_.size() == chain_max) {
        links_.clear();
        return;
      }
      links_.push_back({.number = at});
    }
  }

  // prove: I1 and I2 of the header, from the last to the first.
  bool prove() noexcept {
    for (std::size_t i = links_.size(); i-- > 0;) {
      const auto behind = links_[(i + 1) % links_.size()].number;
      link& at = links_[i];
      const bool stuck = find(at.number, [&](const lock_wait& w) -> std::uint32_t {
        if (w.holder_(w.lock_, w.node_) != behind) return 0;
        at.note(w);
        return 1;
      });
      if (!stuck) return false;
    }
    return !links_.empty();
  }

  // text: of a cycle that is proved.
  [[nodiscard]] std::string text() const {
    std::string all = "a cycle of locks - deadlock!\n";
    for (std::size_t i = 0; i < links_.size(); ++i) {
      const link& at = links_[i];
      char line[512];
      all += "  " + at.title() + " [" + text_of(at.reason).data() + ']' + at.labels_text();
      std::snprintf(line, sizeof line, " waits for %p, which ", at.lock);
      all += line;
      all += links_.size() == 1 ? "it has locked itself"
                                : links_[(i + 1) % links_.size()].title() + " has locked";
      all += '\n';
      if (!at.is_goroutine) continue;
      std::snprintf(line, sizeof line, "    created by %s at %s:%u\n", at.site_function,
                    at.site_file, at.site_line);
      all += line;
    }
    return all;
  }

 private:
  struct link {
    std::uint32_t number;
    // From here on: when it is proved.
    wait_reason reason = wait_reason::none;
    const void* lock = nullptr;
    bool is_goroutine = false;
    int thread_id = 0;
    std::uint64_t id = 0;
    shown_name::text name{};
    label_set::text labels{};
    const char* site_function = "";
    const char* site_file = "";
    std::uint32_t site_line = 0;

    // note: under the bucket's lock. It stands still, so what its record shows belongs together.
    void note(const lock_wait& w) noexcept {
      reason = w.reason_;
      lock = w.lock_;
      thread_id = w.thread_id_;
      is_goroutine = w.who_ != nullptr;
      if (!is_goroutine) return;
      const goroutine& g = *w.who_;
      id = g.id;
      name = g.name.get();
      if (const label_set* l = g.labels.get()) labels = l->get();
      site_function = g.site_function;
      site_file = g.site_file;
      site_line = g.site_line;
    }

    [[nodiscard]] std::string title() const {
      if (!is_goroutine) return "thread " + std::to_string(thread_id);
      std::string text = "goroutine " + std::to_string(id);
      if (name[0] != '\0') text += std::string(" \"") + name.data() + '"';
      return text;
    }

    [[nodiscard]] std::string labels_text() const {
      std::string text;
      label_set::for_each(labels, [&](const char* key, const char* value) {
        text += std::string(text.empty() ? " {" : ", ") + key + ": " + value;
      });
      return text.empty() ? text : text + '}';
    }
  };

  // find: what `f` says of the entry of `number`, with its bucket's lock; 0 if it has none.
  template <class F>
  static std::uint32_t find(std::uint32_t number, F&& f) noexcept {
    bucket& b = bucket_of(number);
    // seq_cst: behind our own entry; pairs with the store in enter().
    if (b.count.load(base::seq_cst) == 0) return 0;
    const base::locked hold(b.lock);
    for (lock_wait* w = b.waits.front(); w != nullptr; w = b.waits.next(*w))
      if (w->number_ == number) return w->stands() ? f(*w) : 0;
    return 0;
  }

  std::vector<link> links_;
};

void lock_wait::follow(std::uint32_t holder) noexcept {
  std::size_t steps = 0;
  for (auto at = holder; at != number_; at = lock_chain::holder_behind(at))
    if (at == 0 || ++steps == chain_max) return;
  lock_chain chain(number_, holder);
  if (!chain.prove()) return;
  if (who_ != nullptr && who_->owner->end_stuck(chain.text())) return;
  // relaxed: who comes second has nothing to add.
  if (reported.exchange(true, base::relaxed)) return;
  base::fatal(chain.text() + "\nthe one that closed it stands at:\n" + trace_text());
}

}  // namespace weft::sched
