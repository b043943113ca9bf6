// The run queues, with room for two: the owner pushes, overflows and takes while thieves take. Each
// item is taken once and none is lost (I2), and who takes it sees what was written before it was
// pushed.

#include "sched/run_queue.h"

#include <array>

#include "check.h"

namespace weft::sched {
namespace {

using interleave::kind;
using interleave::program;

constexpr const char* file = "run_queue.h";
constexpr std::size_t items_max = 4;

// items: what the queues pass on is the address of a number, which the taker reads and writes.
struct items {
  std::array<int, items_max> content{};
  std::array<int, items_max> taken{};  // times, by takers of that item

  goroutine* make(std::size_t i) noexcept {
    content[i] = 1;
    return reinterpret_cast<goroutine*>(&content[i]);
  }
  bool note(goroutine* g) noexcept {
    if (g == nullptr) return false;
    int& item = *reinterpret_cast<int*>(g);
    interleave::require(item != 0, "an item was taken before it was made");
    ++item;
    ++taken[static_cast<std::size_t>(&item - content.data())];
    return true;
  }
  void all_taken(std::size_t n) const {
    for (std::size_t i = 0; i < n; ++i) {
      interleave::require(taken[i] == 1, "an item was lost, or taken twice");
    }
  }
};

struct young_and_items : items {
  basic_young_queue<2> queue;
  bool take() noexcept { return note(queue.take_oldest()); }
  bool pop() noexcept { return note(queue.pop_newest()); }
  // push: as the scheduler does: when the queue is full, its older half goes elsewhere.
  void push(std::size_t i) noexcept {
    goroutine* g = make(i);
    while (!queue.try_push(g)) note(queue.take_oldest());
  }
};

struct roots_and_items : items {
  basic_root_queue<2> queue;
  bool take() noexcept {
    bool contended = false;
    return note(queue.take(&contended));
  }
  bool pop() noexcept { return note(queue.take()); }
  void push(std::size_t i) noexcept {
    goroutine* g = make(i);
    while (!queue.try_push(g)) note(queue.take());
  }
};

// two_thieves: for the last item the owner and both compete.
template <class Queue>
void two_thieves(program& p) {
  auto& q = p.make<Queue>();
  p.thread([&q] {
    q.push(0);
    q.push(1);
    q.pop();
    q.pop();
  });
  for (int thief = 0; thief < 2; ++thief) {
    p.thread([&q] { q.take(); });
  }
  p.after([&q] {
    while (q.pop()) continue;
    q.all_taken(2);
  });
}

// overflowing: slots are used again, while a thief takes twice.
template <class Queue>
void overflowing(program& p) {
  auto& q = p.make<Queue>();
  p.thread([&q] {
    for (std::size_t i = 0; i < 4; ++i) q.push(i);
    q.pop();
  });
  p.thread([&q] {
    q.take();
    q.take();
  });
  p.after([&q] {
    while (q.pop()) continue;
    q.all_taken(4);
  });
}

// half: a thief takes half of what size() says, as it steals; the owner goes on.
template <class Queue>
void half(program& p) {
  auto& q = p.make<Queue>();
  q.push(0);
  q.push(1);
  p.thread([&q] {
    q.pop();
    q.push(2);
    q.pop();
  });
  p.thread([&q] {
    const auto n = (q.queue.size() + 1) / 2;
    for (std::uint32_t i = 0; i < n; ++i) {
      if (!q.take()) break;
    }
  });
  p.after([&q] {
    while (q.pop()) continue;
    q.all_taken(3);
  });
}

TEST(young_queue, gives_each_item_to_one_taker) {
  interleave::expect_holds(two_thieves<young_and_items>);
}
TEST(young_queue, reuses_no_slot_before_its_item_was_taken) {
  interleave::expect_holds(overflowing<young_and_items>);
}
TEST(young_queue, is_stolen_from_by_halves) { interleave::expect_holds(half<young_and_items>); }

TEST(young_queue, needs_its_orders_and_exchanges) {
  const auto found = [](const interleave::mutation& wrong) {
    interleave::expect_found(two_thieves<young_and_items>, wrong);
  };
  found(interleave::weaker(file, "::try_push", kind::store));
  found(interleave::weaker(file, "::take_oldest", kind::load));
  // The owner's store to bottom and its look at top pass each other: a thief and the owner both
  // take the last item but one.
  found(interleave::weaker(file, "::pop_newest", kind::store, base::release));
  found(interleave::weaker(file, "::pop_newest", kind::load, base::acquire));
  found(interleave::split(file, "::take_oldest", kind::compare));
  found(interleave::split(file, "::pop_newest", kind::compare));
}

TEST(root_queue, gives_each_item_to_one_taker) {
  interleave::expect_holds(two_thieves<roots_and_items>);
}
TEST(root_queue, reuses_no_slot_before_its_item_was_taken) {
  interleave::expect_holds(overflowing<roots_and_items>);
}
TEST(root_queue, is_stolen_from_by_halves) { interleave::expect_holds(half<roots_and_items>); }

TEST(root_queue, needs_its_orders_and_exchanges) {
  const auto found = [](const interleave::mutation& wrong) {
    interleave::expect_found(two_thieves<roots_and_items>, wrong);
  };
  found(interleave::weaker(file, "::try_push", kind::store));
  found(interleave::weaker(file, "::take", kind::load));
  found(interleave::split(file, "::take", kind::compare));
}

}  // namespace
}  // namespace weft::sched
