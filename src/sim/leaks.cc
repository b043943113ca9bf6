// leaks: who has not ended, and what can be said of him.
//
// A goroutine is judged while it is held where it is parked, by what can still end its wait
// (sync/outlook.h):
//
//   proven    nothing can;
//   suspect   only another goroutine or thread can, and this wait has lasted for `settle`;
//   unknown   the clock, the world or a limit may; or it does not wait.
//
// Rejected. Asking all runtimes: ids are a runtime's.
//
// Tests: leaks_test.cc.

#include <weft/test.h>
#include <weft/time.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/assert.h"
#include "sched/environment.h"
#include "sched/gate.h"
#include "sched/inspect.h"
#include "sched/scheduler.h"
#include "sync/outlook.h"

namespace weft::test {
namespace {

constexpr auto pause = std::chrono::milliseconds(1);

// judged: what `o` means where others were given the time to come.
std::pair<certainty, const char*> judged(const sync::outlook& o) noexcept {
  switch (o.is) {
    case sync::prospect::never: return {certainty::proven, o.why};
    case sync::prospect::doubtful: return {certainty::suspect, o.why};
    case sync::prospect::others:
      return {certainty::suspect, "it has waited for a while, without a limit"};
    case sync::prospect::open: break;
  }
  return {certainty::unknown, o.why};
}

// seen: a goroutine, and which of its waits it was in.
struct seen {
  leak what;
  sched::ticket at = 0;
};

seen glance(sched::goroutine& g) {
  seen s;
  // What is copied under the hold allocates nothing: a waker may spin meanwhile.
  sched::shown_name::text name;
  const char* function = nullptr;
  const char* file = nullptr;
  std::uint32_t line = 0;
  const char* state = "running";
  std::pair<certainty, const char*> verdict = {certainty::unknown, "it can go on"};
  const bool held = g.try_hold();
  s.what.id = g.id;
  name = g.name.get();
  function = g.site_function;
  file = g.site_file;
  line = g.site_line;
  if (held) {
    s.at = g.last_ticket();
    state = sched::text_of(g.reason).data();
    verdict = judged(sync::outlook_of(g));
    g.drop_hold();
  }
  s.what.name = name.data();
  s.what.state = state;
  s.what.origin = std::string(function != nullptr ? function : "") + " at " +
                  (file != nullptr ? file : "") + ':' + std::to_string(line);
  std::tie(s.what.how, s.what.why) = verdict;
  return s;
}

using ids = std::set<std::uint64_t>;

// look_at: everybody but the caller and those who are `known`.
std::vector<seen> look_at(const sched::scheduler& s, const ids& known) {
  std::vector<seen> all;
  s.for_each_goroutine([&](sched::goroutine& g) {
    if (&g == sched::current_goroutine() || known.contains(g.id)) return;
    all.push_back(glance(g));
  });
  return all;
}

// settling: since when each has been in the wait it is in.
class settling {
 public:
  explicit settling(const leak_options& options) noexcept
      : options_(options), give_up_at_(now() + options.patience) {}

  // done: whether there is nothing to wait for any more; then the verdicts in `all` are final.
  bool done(std::vector<seen>& all) {
    const auto at = now();
    bool open = false;
    std::map<std::uint64_t, wait> waits;
    for (auto& s : all) {
      if (s.what.how == certainty::proven) continue;
      if (s.what.how == certainty::unknown) {
        open = true;
        continue;
      }
      const auto before = waits_.find(s.what.id);
      const bool same = before != waits_.end() && before->second.at == s.at;
      const wait w = same ? before->second : wait{s.at, at};
      waits.emplace(s.what.id, w);
      if (at - w.since >= options_.settle) continue;
      open = true;
      s.what.how = certainty::unknown;
      s.what.why = "it began to wait just now";
    }
    waits_ = std::move(waits);
    return !open || at >= give_up_at_;
  }

 private:
  struct wait {
    sched::ticket at;
    limit::clock::time_point since;
  };

  const leak_options options_;
  const limit::clock::time_point give_up_at_;
  std::map<std::uint64_t, wait> waits_;
};

// search: `look` gives who is there now.
template <class Look>
std::vector<leak> search(const leak_options& options, Look&& look) {
  settling all(options);
  for (;;) {
    std::vector<seen> now_there = look();
    if (all.done(now_there)) {
      std::vector<leak> left;
      for (auto& s : now_there) left.push_back(std::move(s.what));
      std::sort(left.begin(), left.end(), [](auto& a, auto& b) { return a.id < b.id; });
      return left;
    }
    static_cast<void>(sleep_for(pause));
  }
}

const char* text_of(certainty how) noexcept {
  switch (how) {
    case certainty::proven: return "proven";
    case certainty::suspect: return "suspect";
    case certainty::unknown: return "unknown";
  }
  return "";
}

// Of report_leaks(): written while no runtime runs.
leak_report end_report;
leak_options end_options;

void at_end(sched::scheduler& s) {
  const auto left = search(end_options, [&s] { return look_at(s, {}); });
  if (!left.empty()) end_report(left);
}

}  // namespace

std::string text_of(const std::vector<leak>& leaks) {
  std::string text;
  for (const auto& l : leaks) {
    text += "goroutine " + std::to_string(l.id);
    if (!l.name.empty()) text += " \"" + l.name + '"';
    text += " [" + l.state + "]: " + text_of(l.how) + ": " + l.why;
    text += "\n  created by " + l.origin + '\n';
  }
  return text;
}

struct leak_check::state {
  leak_report report;
  leak_options options;
  const sched::scheduler* of = nullptr;
  ids known;  // who was there before
  bool asked = false;
};

leak_check::leak_check(leak_report report, const leak_options& options)
    : state_(std::make_unique<state>()) {
  state_->report = std::move(report);
  state_->options = options;
  const sched::visit here;
  state_->of = here.target();
  if (state_->of == nullptr) return;
  state_->of->for_each_goroutine([&](sched::goroutine& g) { state_->known.insert(g.id); });
}

leak_check::~leak_check() {
  if (state_->asked) return;
  const auto left = find();
  if (left.empty()) return;
  if (state_->report != nullptr) {
    state_->report(left);
  } else {
    base::write_stderr("weft: goroutines were left behind:\n" + text_of(left));
  }
}

std::vector<leak> leak_check::find() {
  state_->asked = true;
  return search(state_->options, [this]() -> std::vector<seen> {
    const sched::visit here;  // for each look: run() does not return meanwhile
    if (here.target() == nullptr) return {};
    return look_at(*here.target(), here.target() == state_->of ? state_->known : ids{});
  });
}

void report_leaks(leak_report to, const leak_options& options) {
  sched::watch_ends(nullptr);
  end_report = std::move(to);
  end_options = options;
  if (end_report != nullptr) sched::watch_ends(at_end);
}

}  // namespace weft::test
