// The checker itself: what the memory model allows must be found, and nothing else.

#include "checker.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "base/atomic.h"

namespace weft {
namespace {

using base::acq_rel;
using base::acquire;
using base::atomic;
using base::order;
using base::relaxed;
using base::release;
using base::seq_cst;
using interleave::options;
using interleave::program;

struct words {
  atomic<int> x{0};
  atomic<int> y{0};
  int plain = 0;
  int seen[4] = {};
};

std::set<std::string> outcomes_of(const std::function<void(program&)>& describe,
                                  const options& o = {}) {
  const auto found = interleave::explore(describe, o);
  EXPECT_TRUE(found.complete) << found.failure;
  std::set<std::string> all;
  for (const auto& [outcome, times] : found.outcomes) all.insert(outcome);
  return all;
}

using set = std::set<std::string>;

// store_buffer: each writes its own word and reads the other's.
auto store_buffer(order write, order read, bool with_fence = false) {
  return [=](program& p) {
    auto& w = p.make<words>();
    p.thread([&w, write, read, with_fence] {
      w.x.store(1, write);
      if (with_fence) base::thread_fence(seq_cst);
      w.seen[0] = w.y.load(read);
    });
    p.thread([&w, write, read, with_fence] {
      w.y.store(1, write);
      if (with_fence) base::thread_fence(seq_cst);
      w.seen[1] = w.x.load(read);
    });
    p.after([&w] {
      interleave::observe(static_cast<std::uint64_t>(w.seen[0]));
      interleave::observe(static_cast<std::uint64_t>(w.seen[1]));
    });
  };
}

TEST(memory_model, store_buffers_hide_stores_unless_both_sides_are_seq_cst) {
  EXPECT_EQ(outcomes_of(store_buffer(relaxed, relaxed)), (set{"0 0", "0 1", "1 0", "1 1"}));
  EXPECT_EQ(outcomes_of(store_buffer(release, acquire)), (set{"0 0", "0 1", "1 0", "1 1"}));
  EXPECT_EQ(outcomes_of(store_buffer(relaxed, seq_cst)), (set{"0 0", "0 1", "1 0", "1 1"}));
  EXPECT_EQ(outcomes_of(store_buffer(seq_cst, seq_cst)), (set{"0 1", "1 0", "1 1"}));
  EXPECT_EQ(outcomes_of(store_buffer(relaxed, relaxed, true)), (set{"0 1", "1 0", "1 1"}));
}

TEST(memory_model, on_hardware_a_seq_cst_load_does_not_pass_a_release) {
  const options hardware{.memory = interleave::rules::hardware};
  EXPECT_EQ(outcomes_of(store_buffer(release, seq_cst), hardware), (set{"0 1", "1 0", "1 1"}));
  EXPECT_EQ(outcomes_of(store_buffer(release, acquire), hardware),
            (set{"0 0", "0 1", "1 0", "1 1"}));
}

// message: a plain value is published by a word; who reads the word as 1 reads the value.
auto message(order publish, order take, bool fences = false) {
  return [=](program& p) {
    auto& w = p.make<words>();
    p.thread([&w, publish, fences] {
      w.plain = 7;
      if (fences) base::thread_fence(release);
      w.x.store(1, publish);
    });
    p.thread([&w, take, fences] {
      if (w.x.load(take) == 0) return;
      if (fences) base::thread_fence(acquire);
      interleave::require(w.plain == 7, "the value was not seen");
    });
  };
}

TEST(race_detector, wants_a_release_and_an_acquire) {
  EXPECT_EQ(interleave::explore(message(release, acquire)).failure, "");
  EXPECT_EQ(interleave::explore(message(seq_cst, seq_cst)).failure, "");
  EXPECT_EQ(interleave::explore(message(relaxed, relaxed, true)).failure, "");
  for (const auto& [publish, take] : {std::pair(relaxed, acquire), std::pair(release, relaxed)}) {
    EXPECT_NE(interleave::explore(message(publish, take)).failure.find("data race"),
              std::string::npos);
  }
}

TEST(race_detector, finds_an_unguarded_word_and_freed_memory) {
  const auto unguarded = interleave::explore([](program& p) {
    auto& w = p.make<words>();
    for (int i = 0; i < 2; ++i) p.thread([&w] { ++w.plain; });
  });
  EXPECT_NE(unguarded.failure.find("data race"), std::string::npos) << unguarded.failure;
  const auto freed = interleave::explore([](program& p) {
    auto* w = new words;
    p.thread([w] { delete w; });
    p.thread([w] { w->x.store(1, relaxed); });
  });
  EXPECT_NE(freed.failure.find("freed"), std::string::npos) << freed.failure;
  const auto leaked = interleave::explore([](program& p) {
    auto& kept = p.make<words*>();
    p.thread([&kept] { kept = new words; });
  });
  EXPECT_NE(leaked.failure.find("never freed"), std::string::npos) << leaked.failure;
}

TEST(memory_model, a_release_sequence_goes_on_through_others_exchanges) {
  const auto chain = [](bool by_exchange) {
    return interleave::explore([by_exchange](program& p) {
      auto& w = p.make<words>();
      p.thread([&w] {
        w.plain = 7;
        w.x.store(1, release);
      });
      p.thread([&w, by_exchange] {
        if (by_exchange) {
          int one = 1;
          w.x.compare_exchange_strong(one, 2, relaxed, relaxed);
        } else if (w.x.load(relaxed) == 1) {
          w.x.store(2, relaxed);
        }
      });
      p.thread([&w] {
        if (w.x.load(acquire) == 2) interleave::require(w.plain == 7, "not seen");
      });
    });
  };
  EXPECT_EQ(chain(true).failure, "");
  EXPECT_NE(chain(false).failure.find("data race"), std::string::npos);
}

// opposite_readers: two words are written by two threads; two readers look in opposite orders.
auto opposite_readers(order write, order read) {
  return [=](program& p) {
    auto& w = p.make<words>();
    p.thread([&w, write] { w.x.store(1, write); });
    p.thread([&w, write] { w.y.store(1, write); });
    p.thread([&w, read] {
      w.seen[0] = w.x.load(read);
      w.seen[1] = w.y.load(read);
    });
    p.thread([&w, read] {
      w.seen[2] = w.y.load(read);
      w.seen[3] = w.x.load(read);
    });
    p.after([&w] {
      for (int seen : w.seen) interleave::observe(static_cast<std::uint64_t>(seen));
    });
  };
}

TEST(memory_model, readers_agree_on_the_order_of_independent_stores_only_if_seq_cst) {
  EXPECT_EQ(outcomes_of(opposite_readers(release, acquire)).count("1 0 1 0"), 1U);
  const auto strict = outcomes_of(opposite_readers(seq_cst, seq_cst));
  EXPECT_EQ(strict.count("1 0 1 0"), 0U);
  EXPECT_EQ(strict.size(), 15U);
}

TEST(memory_model, a_location_is_coherent) {
  const auto seen = outcomes_of([](program& p) {
    auto& w = p.make<words>();
    p.thread([&w] {
      w.x.store(1, relaxed);
      w.x.store(2, relaxed);
    });
    p.thread([&w] {
      w.seen[0] = w.x.load(relaxed);
      w.seen[1] = w.x.load(relaxed);
    });
    p.after([&w] { interleave::observe(static_cast<std::uint64_t>(w.seen[0] * 10 + w.seen[1])); });
  });
  EXPECT_EQ(seen, (set{"0", "1", "2", "11", "12", "22"}));
}

TEST(memory_model, every_count_is_counted_once) {
  const auto sum = [](const options& o) {
    return outcomes_of(
        [](program& p) {
          auto& w = p.make<words>();
          for (int i = 0; i < 3; ++i) p.thread([&w] { w.x.fetch_add(1, relaxed); });
          p.after([&w] { interleave::observe(static_cast<std::uint64_t>(w.x.load(relaxed))); });
        },
        o);
  };
  EXPECT_EQ(sum({}), (set{"3"}));
  EXPECT_EQ(sum({.wrong = {.what_happens = interleave::mutation::effect::split,
                           .file = "checker_test.cc"}}),
            (set{"1", "2", "3"}));
}

// What commutes is run in one order: three threads, each with a word of its own.
TEST(search, leaves_out_orders_that_do_not_matter) {
  const auto found = interleave::explore([](program& p) {
    for (int i = 0; i < 3; ++i) {
      auto& w = p.make<words>();
      p.thread([&w] {
        for (int n = 0; n < 5; ++n) w.x.store(n, seq_cst);
      });
    }
  });
  EXPECT_TRUE(found.complete);
  EXPECT_EQ(found.executions, 1U);
}

TEST(search, finds_who_waits_for_ever_and_who_spins_for_ever) {
  const auto asleep = interleave::explore([](program& p) {
    auto& w = p.make<words>();
    p.thread([&w] { interleave::futex_wait(w.x.checked_cell(), 0, interleave::site::current()); });
    p.thread([&w] { w.x.store(1, seq_cst); });
  });
  EXPECT_NE(asleep.failure.find("wait for ever"), std::string::npos) << asleep.failure;
  const auto spins = [](bool told) {
    return interleave::explore([told](program& p) {
      auto& w = p.make<words>();
      p.thread([&w] {
        while (w.x.load(relaxed) == 0) base::cpu_relax();
      });
      p.thread([&w, told] { (told ? w.x : w.y).store(1, relaxed); });
    });
  };
  EXPECT_NE(spins(false).failure.find("wait for ever"), std::string::npos);
  EXPECT_EQ(spins(true).failure, "");
  EXPECT_TRUE(spins(true).complete);
}

}  // namespace
}  // namespace weft
