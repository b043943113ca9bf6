#include "sched/timer.h"

#include "base/assert.h"
#include "sched/wake_list.h"

namespace weft::sched {
namespace {

constexpr std::size_t arity = 4;
// due_batch_max: claims and callbacks collected under the lock at a time; bounds how long the lock
// is held.
constexpr std::size_t due_batch_max = 64;

}  // namespace

void timer_heap::place(std::size_t i, entry e) noexcept {
  entries_[i] = e;
  e.item->index_ = static_cast<std::uint32_t>(i);
}

void timer_heap::sift_up(std::size_t i, entry e) noexcept {
  while (i > 0) {
    const std::size_t parent = (i - 1) / arity;
    if (entries_[parent].when_ns <= e.when_ns) break;
    place(i, entries_[parent]);
    i = parent;
  }
  place(i, e);
}

void timer_heap::sift_down(std::size_t i, entry e) noexcept {
  const std::size_t n = entries_.size();
  for (;;) {
    const std::size_t first = i * arity + 1;
    if (first >= n) break;
    std::size_t least = first;
    for (std::size_t c = first + 1; c < first + arity && c < n; ++c) {
      if (entries_[c].when_ns < entries_[least].when_ns) least = c;
    }
    if (entries_[least].when_ns >= e.when_ns) break;
    place(i, entries_[least]);
    i = least;
  }
  place(i, e);
}

void timer_heap::remove_at(std::size_t i) noexcept {
  entries_[i].item->index_ = timer::not_in_heap;
  const entry last = entries_.back();
  entries_.pop_back();
  if (i == entries_.size()) return;
  if (i > 0 && entries_[(i - 1) / arity].when_ns > last.when_ns) {
    sift_up(i, last);
  } else {
    sift_down(i, last);
  }
}

void timer_heap::publish_earliest() noexcept {
  const auto when = entries_.empty() ? none_due : entries_.front().when_ns;
  // relaxed load: written under lock_ only. seq_cst store: I3; skipped when nothing changed, it
  // costs an exchange.
  if (earliest_.load(base::relaxed) != when) earliest_.store(when, base::seq_cst);
}

// make_room: grows the heap's memory outside the lock: no malloc happens under one.
void timer_heap::make_room() {
  for (;;) {
    std::size_t wanted = 0;
    {
      base::locked hold(lock_);
      if (entries_.size() < entries_.capacity()) return;
      wanted = entries_.capacity() * 2;
    }
    std::vector<entry> larger;
    larger.reserve(wanted);
    base::locked hold(lock_);
    if (entries_.capacity() >= wanted) continue;
    larger.assign(entries_.begin(), entries_.end());
    entries_.swap(larger);
  }
}

bool timer_heap::arm(timer& t, std::int64_t when_ns) {
  lock_.acquire();
  while (entries_.size() == entries_.capacity()) {
    lock_.release();
    make_room();
    lock_.acquire();
  }
  WEFT_ASSERT(t.index_ == timer::not_in_heap, "armed a timer that is pending");
  // release: stop_timer of another thread finds the heap; the lock orders the rest.
  t.home_.store(this, base::release);
  t.when_ns_ = when_ns;
  entries_.push_back({});
  sift_up(entries_.size() - 1, {when_ns, &t});
  const bool first = t.index_ == 0;
  if (first) publish_earliest();
  lock_.release();
  return first;
}

std::size_t timer_heap::run_due(std::int64_t now_ns, wake_list& woken) noexcept {
  std::size_t total = 0;
  for (;;) {
    timer* callbacks[due_batch_max];
    std::size_t callback_count = 0;
    std::size_t batch = 0;
    {
      base::locked hold(lock_);
      while (batch < due_batch_max && !entries_.empty() && entries_.front().when_ns <= now_ns) {
        timer& t = *entries_.front().item;
        remove_at(0);
        ++batch;
        if (t.fire_ != nullptr) {
          callbacks[callback_count++] = &t;
        } else {
          woken.claim(*t.who_, t.ticket_, token_timeout);
        }
      }
      publish_earliest();
    }
    for (std::size_t i = 0; i < callback_count; ++i) callbacks[i]->fire_(*callbacks[i]);
    total += batch;
    if (batch < due_batch_max) return total;
  }
}

bool stop_timer(timer& t) noexcept {
  // acquire: pairs with the store in arm().
  timer_heap* home = t.home_.load(base::acquire);
  if (home == nullptr) return false;
  base::locked hold(home->lock_);
  if (t.index_ == timer::not_in_heap) return false;
  home->remove_at(t.index_);
  home->publish_earliest();
  return true;
}

}  // namespace weft::sched
