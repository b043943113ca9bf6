#pragma once

#include <string>
#include <vector>

namespace lab {

// machine: what a result has to say about where it was measured.
struct machine {
  std::string cpu;
  unsigned cpus = 0;
  std::string kernel;
  std::string compiler;
  std::string mitigations;  // of spectre v2, which decides what a system call costs
  std::string governor;
  unsigned long memory_mib = 0;
  std::string when;  // UTC
};
machine describe_machine();

// busy_percent: of one CPU, how much all processes of the machine use during `seconds`.
double busy_percent(double seconds);

}  // namespace lab
