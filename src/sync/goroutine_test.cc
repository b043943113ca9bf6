#include <gtest/gtest.h>
#include <weft/channel.h>
#include <weft/goroutine.h>
#include <weft/goroutine_local.h>
#include <weft/time.h>
#include <weft/wait_group.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "sched/labels.h"
#include "sync/sync_test.h"

namespace weft {
namespace {

using sync_test::in_both;
using sync_test::in_weft;
using sync_test::on_thread;
using sync_test::scaled;

// listed: what list_goroutines() writes.
std::string listed() {
  testing::internal::CaptureStderr();
  list_goroutines();
  return testing::internal::GetCapturedStderr();
}

// -- goroutine_local --

TEST(goroutine_local, is_each_goroutines_own_over_waits_and_moves) {
  goroutine_local<int> mine;
  in_weft([&] {
    wait_group all;
    for (int i = 0; i < scaled(1000); ++i) {
      all.go([&, i] {
        EXPECT_EQ(mine.find(), nullptr);
        int& at_first = *mine;
        EXPECT_EQ(at_first, 0);
        at_first = i;
        for (int j = 0; j < 10; ++j) {
          yield();
          EXPECT_EQ(*mine, i);
          EXPECT_EQ(&*mine, &at_first);
        }
      });
    }
    all.wait().value();
  });
}

TEST(goroutine_local, is_made_at_first_use_by_what_it_was_given) {
  in_both([] {
    int made = 0;
    goroutine_local<std::string> text([&] {
      ++made;
      return std::string("fresh");
    });
    EXPECT_EQ(text.find(), nullptr);
    EXPECT_EQ(made, 0);
    EXPECT_EQ(*text, "fresh");
    text->append("er");
    EXPECT_EQ(text.get(), "fresher");
    EXPECT_EQ(made, 1);
    text.reset();
    EXPECT_EQ(text.find(), nullptr);
    EXPECT_EQ(*text, "fresh");
    EXPECT_EQ(made, 2);
  });
}

// fixed: has no default constructor.
struct fixed {
  explicit fixed(int n) : value(n) {}
  int value;
};

TEST(goroutine_local, of_a_type_without_default) {
  in_both([] {
    goroutine_local<fixed> one([] { return fixed(1); });
    EXPECT_EQ(one->value, 1);
  });
}

TEST(goroutine_local, that_failed_to_be_made_is_tried_again) {
  in_both([] {
    bool fails = true;
    goroutine_local<int> number([&]() -> int {
      if (fails) throw std::runtime_error("not yet");
      return 3;
    });
    EXPECT_THROW(static_cast<void>(number.get()), std::runtime_error);
    EXPECT_EQ(number.find(), nullptr);
    fails = false;
    EXPECT_EQ(*number, 3);
  });
}

// goodbye: says when it goes.
struct goodbye {
  std::string* to = nullptr;
  char what = 0;
  ~goodbye() {
    if (to != nullptr) *to += what;
  }
};

TEST(goroutine_local, values_go_when_the_goroutine_ends_the_youngest_first) {
  goroutine_local<goodbye> a;
  goroutine_local<goodbye> b;
  std::string said;
  const auto use = [&] {
    struct of_the_stack {
      std::string& to;
      ~of_the_stack() { to += 's'; }
    } const first{said};
    b->to = &said;
    b->what = 'b';
    a->to = &said;
    a->what = 'a';
  };
  in_weft([&] { go(use); });
  EXPECT_EQ(said, "sab");
  said.clear();
  on_thread(use);
  EXPECT_EQ(said, "sab");
  said.clear();
  in_weft([&] {
    go([&] {
      use();
      goexit();
    });
  });
  EXPECT_EQ(said, "sab");
}

TEST(goroutine_local, destructors_may_wait_and_make_new_values) {
  static goroutine_local<int> counter;
  static int last = 0;
  struct late {
    channel<int> from;
    ~late() {
      *counter += from.recv().value();  // the goroutine's own counter is gone: a new one
      last = *counter;
    }
  };
  in_weft([] {
    channel<int> values(0);
    goroutine_local<late> mine([values] { return late{values}; });
    wait_group all;
    all.go([&] {
      static_cast<void>(mine.get());
      *counter = 100;
    });
    values.send(5);
    all.wait().value();
  });
  EXPECT_EQ(last, 5);
}

TEST(goroutine_local, may_end_before_its_values_and_its_place_is_used_again) {
  in_both([] {
    auto held = std::make_shared<int>(1);
    {
      goroutine_local<std::shared_ptr<int>> old;
      *old = held;
    }
    EXPECT_EQ(held.use_count(), 2);
    goroutine_local<std::string> young;
    EXPECT_EQ(young.find(), nullptr);
    *young = "new";
    std::vector<std::unique_ptr<goroutine_local<int>>> many;
    for (int i = 0; i < 100; ++i) {
      many.push_back(std::make_unique<goroutine_local<int>>());
      **many.back() = i;
    }
    for (int i = 0; i < 100; ++i) EXPECT_EQ(**many[static_cast<std::size_t>(i)], i);
    EXPECT_EQ(*young, "new");
  });
}

// -- names --

TEST(set_name, is_what_lists_show) {
  in_weft([] {
    set_name("first");
    EXPECT_EQ(name(), "first");
    EXPECT_NE(listed().find("\"first\" [running]"), std::string::npos);
    set_name("a name that is far longer than what is kept");
    EXPECT_EQ(name(), "a name that is far long");
    go({.name = "given"}, [] { EXPECT_EQ(name(), "given"); });
  });
}

TEST(set_name, on_a_plain_thread_names_the_thread) {
  on_thread([] {
    set_name("a thread with a long name");
    EXPECT_EQ(name(), "a thread with a");
  });
}

// -- labels --

TEST(label, holds_for_its_block_and_is_shown) {
  in_weft([] {
    EXPECT_EQ(find_label("request"), std::nullopt);
    {
      const label request("request", "7");
      EXPECT_TRUE(request.kept());
      const label user("user", "ada");
      EXPECT_EQ(find_label("request"), "7");
      {
        const label other("request", "8");
        EXPECT_EQ(find_label("request"), "8");
        EXPECT_NE(listed().find("[running] {request: 8, user: ada}:"), std::string::npos);
      }
      EXPECT_EQ(find_label("request"), "7");
      EXPECT_EQ(find_label("user"), "ada");
      EXPECT_EQ(find_label("use"), std::nullopt);
    }
    EXPECT_EQ(find_label("request"), std::nullopt);
    EXPECT_EQ(listed().find("] {"), std::string::npos);
  });
}

TEST(label, is_inherited_as_it_was_at_the_start) {
  in_weft([] {
    wait_group all;
    {
      const label request("request", "7");
      all.go([] {
        yield();
        EXPECT_EQ(find_label("request"), "7");
        const label own("request", "9");
        go([] { EXPECT_EQ(find_label("request"), "9"); });
      });
    }
    all.go([] { EXPECT_EQ(find_label("request"), std::nullopt); });
    all.wait().value();
  });
}

TEST(label, without_room_is_not_kept) {
  in_weft([] {
    const label fits("k", std::string(labels_size - 3, 'v'));
    EXPECT_TRUE(fits.kept());
    EXPECT_EQ(find_label("k")->size(), labels_size - 3);
    const label more("x", "");
    EXPECT_FALSE(more.kept());
    const label shorter("k", "v");
    EXPECT_TRUE(shorter.kept());
    const label nameless("", "v");
    EXPECT_FALSE(nameless.kept());
  });
  on_thread([] {
    const label none("k", "v");
    EXPECT_FALSE(none.kept());
    EXPECT_EQ(find_label("k"), std::nullopt);
  });
}

TEST(label, may_be_listed_while_goroutines_set_them) {
  in_weft([] {
    std::atomic<bool> stop = false;
    wait_group all;
    for (int i = 0; i < 4; ++i) {
      all.go([&, i] {
        while (!stop) {
          const label number("number", std::string(static_cast<std::size_t>(i + 1) * 20, 'n'));
          yield();
        }
      });
    }
    for (int i = 0; i < scaled(100); ++i) EXPECT_FALSE(listed().empty());
    stop = true;
    all.wait().value();
  });
}

TEST(label, ended_out_of_turn_ends_the_process) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(weft::run([] {
                auto a = std::make_unique<label>("a", "1");
                const label b("b", "2");
                a.reset();
              }),
              testing::ExitedWithCode(2), "label: ended out of turn");
}

}  // namespace
}  // namespace weft
