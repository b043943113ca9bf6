#pragma once

// child: a program this one starts, in a process group of its own, and ends.

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "measure/process_tree.h"

namespace lab {

struct child_options {
  std::vector<std::string> command;
  std::vector<unsigned> cpus = {};   // it may run on; empty: all
  const cgroup* group = nullptr;     // it enters, if any
  bool read_errors = false;          // lines() are its standard error; else its standard output
  std::string output = "/dev/null";  // file for its standard output, if lines() are its errors
};

class child {
 public:
  // child: throws std::runtime_error if it cannot be started.
  explicit child(const child_options& options);
  child(const child&) = delete;
  child& operator=(const child&) = delete;
  // Ends its whole process group, and waits for it.
  ~child();

  [[nodiscard]] pid_t pid() const noexcept { return pid_; }

  // line: its next line without the newline; nothing when `until` passes before it is there, or it
  // has ended (over() tells which), or the user interrupts.
  std::optional<std::string> line(std::chrono::steady_clock::time_point until);
  [[nodiscard]] bool over() const noexcept { return over_; }

 private:
  pid_t pid_ = -1;
  int from_ = -1;
  bool over_ = false;
  std::string pending_;
};

// interrupted: whether SIGINT or SIGTERM came since watch_interrupts().
void watch_interrupts();
bool interrupted();

// parse_cpus: "0,2-3".
std::optional<std::vector<unsigned>> parse_cpus(const std::string& text);

}  // namespace lab
