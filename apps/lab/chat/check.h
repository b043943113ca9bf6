#pragma once

// check: the delivery checker: members who say numbered lines and listen to what all of them get.

#include <chrono>
#include <cstdint>
#include <string>

#include "chat/verdict.h"
#include "measure/histogram.h"

namespace lab::chat {

struct check_options {
  std::string address;  // "host:port"
  std::string key;
  unsigned members = 32;
  double messages_per_second = 1000;  // of all together
  std::chrono::nanoseconds length = std::chrono::seconds(10);
  bool until_found = false;  // stop as soon as somebody misses a line, or gets one again
};

struct check_report {
  std::string failure;  // why nothing could be checked; empty if it was
  std::uint64_t sent = 0;
  double seconds = 0;  // spent sending
  verdict found;
  histogram latency;  // nanoseconds, from when a line was due until a member had it
};

// run_check: in a goroutine. Waits for what is missing until nothing has come for two seconds.
// Calls `entered` when all members are in.
check_report run_check(const check_options& options, void (*entered)());

}  // namespace lab::chat
