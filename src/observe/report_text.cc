#include <algorithm>
#include <map>
#include <tuple>

#include "observe/report.h"
#include "observe/symbols.h"

namespace weft::observe {
namespace {

constexpr std::int64_t minute_ns = 60'000'000'000;

std::int64_t minutes_of(const snapshot& all, const seen& s) noexcept {
  return s.since_ns > 0 ? (all.now_ns - s.since_ns) / minute_ns : 0;
}

void write_labels(out& to, const snapshot& all, const seen& s) {
  if (s.labels == none) return;
  const char* between = " {";
  sched::label_set::for_each(all.labels[s.labels], [&](const char* key, const char* value) {
    to << between << key << ": " << value;
    between = ", ";
  });
  to << '}';
}

void write_object(out& to, const snapshot& all, const seen& s) {
  (to << "on ").address(s.object);
  if (s.held_by == holder_is::nobody) return;
  if (s.held_by == holder_is::ended) {
    to << " held by a goroutine that has ended";
  } else if (const seen* by = all.holder_of(s)) {
    to << " held by goroutine " << by->id;
    if (by->name[0] != '\0') to << " \"" << by->name.data() << '"';
  } else {
    to << " held by a thread, or by a goroutine that began meanwhile";
  }
}

void write_name(out& to, const seen& s) {
  if (s.name[0] != '\0') to << " \"" << s.name.data() << '"';
}

void write_verdict(out& to, const seen& s) { to << text_of(s.judged) << ": " << s.why; }

// write_state: as in "chan receive, 3 minutes, locked to thread".
void write_state(out& to, const snapshot& all, const kind& k, const seen& s) {
  to << k.state;
  const auto minutes = k.waits ? minutes_of(all, s) : 0;
  if (minutes > 0) to << ", " << minutes << (minutes == 1 ? " minute" : " minutes");
  if (s.locked) to << ", locked to thread";
}

void write_stack(out& to, const kind& k, symbols& names) {
  if (k.stack.empty()) {
    to << (k.waits ? "  (no stack could be read)\n" : "  (no stack shown)\n");
  } else {
    for (const source* s : names.stack(k.stack)) {
      to << "  " << s->function << '\n';
      if (!s->file.empty()) to << "      " << s->file << ':' << s->line << '\n';
    }
    if (k.cut) to << "  ...\n";
  }
  to << "  created by " << k.site_function << "\n      " << k.site_file << ':' << k.site_line
     << '\n';
}

void write_single(out& to, const snapshot& all, const kind& k, const seen& s, symbols& names) {
  to << "\ngoroutine " << s.id;
  write_name(to, s);
  to << " [";
  write_state(to, all, k, s);
  to << ']';
  write_labels(to, all, s);
  to << ":\n";
  if (s.thread != 0) to << "  on thread " << s.thread << '\n';
  if (k.waits && s.object != nullptr) {
    to << "  ";
    write_object(to, all, s);
    to << '\n';
  }
  if (s.judged != verdict::unknown) {
    to << "  ";
    write_verdict(to, s);
    to << '\n';
  }
  write_stack(to, k, names);
}

// alike: whether one line does for both, numbers apart.
bool alike(const snapshot& all, const seen& a, const seen& b) {
  return b.id == a.id + 1 && a.object == b.object && a.holder == b.holder && a.thread == b.thread &&
         a.locked == b.locked && a.judged == b.judged && a.held_by == b.held_by && a.why == b.why &&
         a.name == b.name && a.labels == none && b.labels == none &&
         minutes_of(all, a) == minutes_of(all, b);
}

void write_many(out& to, const snapshot& all, const group& g, symbols& names) {
  to << '\n' << g.count << " goroutines [" << g.of.state << "]:\n";
  const std::size_t end = g.first + g.count;
  for (std::size_t i = g.first; i < end;) {
    const seen& s = all.goroutines[i];
    std::size_t last = i;
    while (last + 1 < end && alike(all, all.goroutines[last], all.goroutines[last + 1])) ++last;
    to << "  goroutine " << s.id;
    if (last != i) to << " to " << all.goroutines[last].id;
    write_name(to, s);
    to << " [";
    write_state(to, all, g.of, s);
    to << ']';
    write_labels(to, all, s);
    if (s.thread != 0) to << " on thread " << s.thread;
    if (g.of.waits && s.object != nullptr) {
      to << ' ';
      write_object(to, all, s);
    }
    if (s.judged != verdict::unknown) {
      to << ": ";
      write_verdict(to, s);
    }
    to << '\n';
    i = last + 1;
  }
  write_stack(to, g.of, names);
}

void write_sizes(out& to, const snapshot& all) {
  to << "\nstacks of goroutines that wait, by where these were started (KiB):\n"
        "   stacks  most used  most in memory  in memory  created by\n";
  const auto column = [&](std::size_t width, std::size_t n) {
    const auto digits = std::to_string(n);
    to << std::string(width > digits.size() ? width - digits.size() : 0, ' ') << digits;
  };
  for (const site_sizes& s : sizes_of(all)) {
    column(9, s.stacks);
    column(11, (s.used_most + 1023) / 1024);
    column(16, s.touched_most / 1024);
    column(11, s.touched_all / 1024);
    to << "  " << s.of->site_function << " at " << s.of->site_file << ':' << s.of->site_line
       << '\n';
  }
}

}  // namespace

const char* text_of(verdict v) noexcept {
  switch (v) {
    case verdict::proven: return "proven";
    case verdict::suspect: return "suspect";
    case verdict::unknown: break;
  }
  return "unknown";
}

std::vector<site_sizes> sizes_of(const snapshot& all) {
  std::map<std::tuple<std::string_view, std::string_view, std::uint32_t>, site_sizes> sites;
  for (const group& g : all.groups) {
    if (!g.of.waits) continue;
    auto& site = sites[{g.of.site_file, g.of.site_function, g.of.site_line}];
    site.of = &g.of;
    site.stacks += g.count;
    for (std::size_t i = g.first; i < g.first + g.count; ++i) {
      const seen& s = all.goroutines[i];
      site.used_most = std::max(site.used_most, s.stack_used);
      site.touched_most = std::max(site.touched_most, s.stack_touched);
      site.touched_all += s.stack_touched;
    }
  }
  std::vector<site_sizes> sorted;
  for (const auto& [key, site] : sites) sorted.push_back(site);
  std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
    const auto order = [](const site_sizes& s) {
      return std::tuple(SIZE_MAX - s.touched_all, std::string_view(s.of->site_file),
                        s.of->site_line, std::string_view(s.of->site_function));
    };
    return order(a) < order(b);
  });
  return sorted;
}

std::string text_of(const snapshot& all, bool stack_sizes) {
  out to;
  symbols names(all.crashed);
  to << all.goroutines.size() << (all.goroutines.size() == 1 ? " goroutine" : " goroutines");
  if (all.groups.size() != all.goroutines.size())
    to << " of " << all.groups.size() << (all.groups.size() == 1 ? " kind" : " kinds");
  if (const auto n = all.count(verdict::proven); n != 0)
    to << ", " << n << " proven to wait for ever";
  if (const auto n = all.count(verdict::suspect); n != 0) to << ", " << n << " suspect";
  to << '\n';
  for (const group& g : all.groups) {
    if (g.count == 1) {
      write_single(to, all, g.of, all.goroutines[g.first], names);
    } else {
      write_many(to, all, g, names);
    }
  }
  if (stack_sizes) write_sizes(to, all);
  return to.take();
}

}  // namespace weft::observe
