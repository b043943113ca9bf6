#pragma once

// target: a server that is measured: started here, or by an agent on the machine it runs on.

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "measure/process_tree.h"
#include "run/request.h"

namespace lab {

class target {
 public:
  // reading: totals since some time past.
  struct reading {
    double user_us = 0;  // of the server
    double system_us = 0;
    double machine_us = 0;  // of everything on its machine
  };

  target() = default;
  target(const target&) = delete;
  target& operator=(const target&) = delete;
  // Ends the server.
  virtual ~target() = default;

  // address: where it listens; nothing if the user interrupted its start.
  [[nodiscard]] virtual std::optional<std::string> address() = 0;
  virtual reading read() = 0;
  virtual tree_usage usage() = 0;
  // top18: what 18 rows of top would have shown since the last call.
  virtual double top18() = 0;
  // busy_others: processes of neither server nor load that used more than 1% of a CPU since the
  // start.
  virtual std::vector<std::string> busy_others() = 0;
};

// target_options: how servers are started here.
struct target_options {
  std::string program;  // this one
  std::vector<unsigned> cpus;
  bool groups = false;  // count in control groups
};

// start_here: throws runtime_error.
std::unique_ptr<target> start_here(const target_options& options, const server_request& r);

// start_there: asks the agent at `host` ("host" or "host:port"). Throws runtime_error.
std::unique_ptr<target> start_there(const std::string& host, const server_request& r);

constexpr std::uint16_t agent_port = 7723;

// run_agent: starts servers and reads their usage for one lab run at a time, until the user
// interrupts. It does so for whoever reaches its port, and starts nothing but the lab's own
// servers.
void run_agent(const target_options& options, const std::string& host, std::uint16_t port);

}  // namespace lab
