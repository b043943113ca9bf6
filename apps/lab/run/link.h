#pragma once

// link: lines between a lab run and an agent.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "measure/process_tree.h"
#include "run/target.h"

namespace lab {

class link {
 public:
  explicit link(int fd) noexcept : fd_(fd) {}
  link(link&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), pending_(std::move(other.pending_)) {}
  link& operator=(link&&) = delete;
  ~link();

  // to: "host", "host:port" or "[v6]:port". Throws runtime_error.
  static link to(const std::string& host, std::uint16_t otherwise_port);
  // reaches: whether anybody answers at "host:port".
  static bool reaches(const std::string& address);

  // line: the next one without its end; nothing when the other side has gone.
  std::optional<std::string> line();
  bool say(std::string text);

  // ask: says `text` and returns what the agent answers; its "no" is thrown as a runtime_error.
  std::string ask(const std::string& text);

 private:
  int fd_;
  std::string pending_;
};

// listening: where an agent is called.
class listening {
 public:
  // listening: says on standard error where. Ends the process with a message if it cannot.
  listening(const std::string& host, std::uint16_t port);
  // accept: the next caller; nothing when the user interrupts.
  [[nodiscard]] std::optional<link> accept() const;

 private:
  int fd_;
};

// The same as text on one line, and back.
std::string to_text(const server_request& r);
std::string to_text(const target::reading& r);
std::string to_text(const tree_usage& u);
std::string to_text(const std::vector<std::string>& names);
server_request request_from(const std::string& text);
target::reading reading_from(const std::string& text);
tree_usage usage_from(const std::string& text);
std::vector<std::string> names_from(const std::string& text);

}  // namespace lab
