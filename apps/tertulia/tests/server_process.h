#pragma once

// server_process: a real tertuliad in a process of its own, on a free loopback port, for tests that
// speak to it over the wire, stop it, kill it and start it again on the same data.

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace tertulia::testing {

class server_process {
 public:
  // Starts with `toml` as configuration (name irc.test, network Test) and its data in `folder`;
  // returns when it listens. Throws, with what the server wrote, when it does not.
  explicit server_process(std::string folder, std::string toml = "",
                          std::vector<std::string> arguments = {});
  ~server_process();
  server_process(const server_process&) = delete;
  server_process& operator=(const server_process&) = delete;

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  [[nodiscard]] pid_t pid() const noexcept { return pid_; }

  // end: sends `signal` and waits; the exit status, or 128 + the signal that ended it.
  int end(int signal);

  // log: what it has written to standard error so far. wait_for_log: until that holds `text`.
  [[nodiscard]] std::string log() const;
  void wait_for_log(const std::string& text) const;

 private:
  void start(const std::vector<std::string>& arguments);
  void read_port(int pipe);

  const std::string folder_;
  pid_t pid_ = -1;
  std::uint16_t port_ = 0;
};

// run_server: runs tertuliad with these arguments to its end; its exit status and all it wrote.
struct run_outcome {
  int status = 0;
  std::string output;
};
[[nodiscard]] run_outcome run_server(const std::vector<std::string>& arguments);

// wait_until: polls `condition` until it holds; throws after half a minute, naming `what`.
template <class F>
void wait_until(const std::string& what, F&& condition) {
  using clock = std::chrono::steady_clock;
  const auto until = clock::now() + std::chrono::seconds(30);
  while (!condition()) {
    if (clock::now() > until) throw std::runtime_error("waited in vain for: " + what);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

}  // namespace tertulia::testing
