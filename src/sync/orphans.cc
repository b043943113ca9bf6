// orphans: goroutines that wait for a channel whose other end nobody has any more, told at the
// moment when that becomes so, if WEFT_LEAKS asks for it.
//
// I1  An end that nobody has is never had again: ends are made from ends. A receiver that finds no
//     sending end (handles and calls that wait both count) will never be served, and never see a
//     close. A sender that finds no receiving end will never be served; but another sender may
//     close the channel, so it is only told of.
// I2  An end that is given up is subtracted under the channel's lock, and whoever is about to wait
//     looks at the ends under that lock as well: so each orphan is told of once, by one of the two.
// I3  While ends are watched all of them are given up under releases_lock: so the channel is there
//     until the one who has it has looked.
// I4  A waiter is judged when it has parked: only then is known whether its wait has a limit. It
//     parks without the channel's lock, so we wait for it with that held.
//
// I5  Goroutines that a run() drops stay in the queues, on stacks that are gone: from then on no
//     queue is looked at.
//
// A `channel` handle has both ends, so whoever waits through one is no orphan while it has it.
// Waits in a select are none: another case may be ready. Plain threads are not told of.
//
// Rejected: looking after the end has been subtracted, without a lock: the channel may be gone.
//
// Tests: orphans_test.cc.

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "base/assert.h"
#include "sched/gate.h"
#include "sched/goroutine.h"
#include "sched/inspect.h"
#include "sync/channel_core.h"

namespace weft::sync {

constinit bool ends_watched = false;

namespace {

// told_max: of one channel at one moment; the rest is counted.
constexpr std::size_t told_max = 16;

constinit orphans mode = orphans::ignored;
constinit base::lock<base::rank::scope> releases_lock;

const bool environment_read = [] {
  const char* text = std::getenv("WEFT_LEAKS");
  if (text == nullptr || *text == '\0') return true;
  const std::string_view asked = text;
  if (asked != "report" && asked != "fatal") base::fatal("WEFT_LEAKS: want report or fatal");
  watch_orphans(asked == "fatal" ? orphans::fatal : orphans::reported);
  return true;
}();

direction other(direction d) noexcept {
  return d == direction::recv ? direction::send : direction::recv;
}

// note: what is said of one; copied while it stands still.
struct note {
  std::uint64_t id = 0;
  sched::shown_name::text name{};
  const char* function = "";
  const char* file = "";
  std::uint32_t line = 0;

  void take(const sched::goroutine& g) noexcept {
    id = g.id;
    name = g.name.get();
    function = g.site_function;
    file = g.site_file;
    line = g.site_line;
  }

  void tell(direction d) const noexcept {
    char text[512];
    const bool receives = d == direction::recv;
    const char* quote = name[0] != '\0' ? "\"" : "";
    std::snprintf(text, sizeof text,
                  "goroutine %llu %s%s%s%s[%s] waits for ever%s: the channel's last %s has gone\n"
                  "  created by %s at %s:%u",
                  static_cast<unsigned long long>(id), quote, name.data(), quote,
                  *quote != '\0' ? " " : "", receives ? "chan receive" : "chan send",
                  receives ? "" : ", or for a close", receives ? "sender" : "receiver", function,
                  file, line);
    if (mode == orphans::fatal && receives) base::fatal(text);
    base::write_stderr("weft: ");
    base::write_stderr(text);
    base::write_stderr("\n");
  }
};

// settled: whether the wait that `n` stands for is one of a goroutine that nothing else can end.
bool settled(const channel_node& n, direction d, note& into) noexcept {
  if (n.who->is_thread()) return false;
  auto& g = static_cast<sched::goroutine&>(*n.who);
  const auto reason =
      d == direction::recv ? sched::wait_reason::chan_receive : sched::wait_reason::chan_send;
  for (;;) {
    if (g.try_hold()) break;
    // I4. If it is neither, a limit has ended the wait; it needs our lock to leave the queue.
    const auto at = g.current_phase();
    if (at != sched::phase::armed && at != sched::phase::parked) return false;
    base::cpu_relax();
  }
  const bool orphan = g.reason == reason && !g.limited;
  if (orphan) into.take(g);
  g.drop_hold();
  return orphan;
}

}  // namespace

void watch_orphans(orphans o) noexcept {
  mode = o;
  ends_watched = o != orphans::ignored;
  sched::note_dropped(false);
}

void channel_core::release_watched(detail::ends which) noexcept {
  std::array<note, told_max> notes;
  std::size_t count = 0;
  direction waits = direction::recv;
  bool last = false;
  {
    const base::locked releasing(releases_lock);
    const base::locked hold(lock_);
    // acq_rel: as in release().
    last = ends_.fetch_sub(which, base::acq_rel) == which;
    for (const auto d : {direction::recv, direction::send}) {
      if (last || sched::goroutines_dropped() || (which & end_of(other(d))) == 0 ||
          has(end_of(other(d))))
        continue;
      waits = d;
      for (channel_node* n = queue(d).front(); n != nullptr; n = queue(d).next(*n))
        if (count < told_max && settled(*n, d, notes[count])) ++count;
    }
  }
  for (std::size_t i = 0; i < count; ++i) notes[i].tell(waits);
  if (last) delete this;
}

// begins_orphaned: with lock_: whether the caller, who is about to wait, is an orphan already.
bool channel_core::begins_orphaned(direction d, const sched::limits& l) const noexcept {
  const sched::machine* m = sched::current_machine();
  if (m == nullptr || m->current == nullptr || has(end_of(other(d)))) return false;
  return l.deadline_ns == sched::none_due && l.cancel == nullptr && l.also == nullptr;
}

void channel_core::tell_orphaned(direction d) noexcept {
  note self;
  self.take(*sched::current_machine()->current);
  self.tell(d);
}

}  // namespace weft::sync
