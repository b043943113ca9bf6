#include "base/list.h"

#include <gtest/gtest.h>

#include <vector>

namespace {

struct item : weft::base::list_node {
  explicit item(int v) : value(v) {}
  int value;
};
using items = weft::base::list<item>;

std::vector<int> values(const items& l) {
  std::vector<int> out;
  for (auto* i = l.front(); i != nullptr; i = l.next(*i)) out.push_back(i->value);
  return out;
}

TEST(list, push_back_keeps_order_and_push_front_reverses_it) {
  items l;
  item a(1), b(2), c(3);
  l.push_back(a);
  l.push_back(b);
  l.push_front(c);
  EXPECT_EQ(values(l), (std::vector{3, 1, 2}));
}

TEST(list, pop_front_drains_and_then_gives_null) {
  items l;
  item a(1), b(2);
  l.push_back(a);
  l.push_back(b);
  EXPECT_EQ(l.pop_front(), &a);
  EXPECT_EQ(l.pop_front(), &b);
  EXPECT_EQ(l.pop_front(), nullptr);
  EXPECT_TRUE(l.empty());
}

TEST(list, remove_takes_from_the_middle_and_unlinks) {
  items l;
  item a(1), b(2), c(3);
  l.push_back(a);
  l.push_back(b);
  l.push_back(c);
  l.remove(b);
  EXPECT_FALSE(b.linked());
  EXPECT_EQ(values(l), (std::vector{1, 3}));
  l.push_front(b);
  EXPECT_EQ(values(l), (std::vector{2, 1, 3}));
}

TEST(list, one_item_leaves_an_empty_list) {
  items l;
  item a(1);
  l.push_back(a);
  EXPECT_TRUE(a.linked());
  l.remove(a);
  EXPECT_TRUE(l.empty());
  EXPECT_EQ(l.front(), nullptr);
}

TEST(list_death_test, misuse_of_a_node_is_a_bug_that_asserts) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  items l;
  item a(1);
  EXPECT_DEATH(l.remove(a), "in no list");
  l.push_back(a);
  EXPECT_DEATH(l.push_back(a), "in a list already");
}

}  // namespace
