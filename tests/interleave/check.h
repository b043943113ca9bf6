#pragma once

// check: how a test says that a program holds in all executions, and that it would not if something
// were wrong.

#include <gtest/gtest.h>

#include <cstdio>
#include <functional>
#include <string>

#include "checker.h"

namespace interleave {

using description = std::function<void(program&)>;

// expect_holds: in every execution. Says how many there were.
inline void expect_holds(const description& describe, const options& o = {}) {
  const auto found = explore(describe, o);
  std::printf("[ explored ] %llu executions, %llu cut short, %llu steps\n",
              static_cast<unsigned long long>(found.executions),
              static_cast<unsigned long long>(found.pruned),
              static_cast<unsigned long long>(found.steps));
  EXPECT_EQ(found.failure, "");
  EXPECT_TRUE(found.complete || !found.failure.empty()) << "there are more executions than that";
}

// expect_found: in some execution, because of `wrong`; `text` is part of what is reported.
inline void expect_found(const description& describe, const mutation& wrong, const char* text = "",
                         options o = {}) {
  o.wrong = wrong;
  const auto found = explore(describe, o);
  EXPECT_TRUE(!found.failure.empty() && found.failure.find(text) != std::string::npos)
      << wrong.function << ": " << (found.failure.empty() ? "not found" : found.failure);
}

// weaker, split, ...: mutations.
constexpr mutation weaker(const char* file, const char* function, kind what,
                          order to = std::memory_order_relaxed) {
  return {mutation::effect::weaken, file, function, what, to};
}
constexpr mutation split(const char* file, const char* function, kind what) {
  return {mutation::effect::split, file, function, what, std::memory_order_relaxed};
}
constexpr mutation look_first(const char* file, const char* function, kind what) {
  return {mutation::effect::look_first, file, function, what, std::memory_order_relaxed};
}
constexpr mutation left_out(const char* file, const char* function, kind what) {
  return {mutation::effect::leave_out, file, function, what, std::memory_order_relaxed};
}

}  // namespace interleave
