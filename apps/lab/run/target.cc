#include "run/target.h"

#include <fmt/format.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <stdexcept>
#include <thread>

#include "measure/top_rows.h"
#include "run/child.h"
#include "run/link.h"

namespace lab {

namespace {

using clock_type = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr auto start_time = 10s;

// scratch_folder: gone with all in it in the end.
class scratch_folder {
 public:
  scratch_folder() : path_((std::filesystem::temp_directory_path() / "weft-lab-XXXXXX").string()) {
    if (::mkdtemp(path_.data()) == nullptr) throw std::runtime_error(path_ + " cannot be made");
  }
  scratch_folder(const scratch_folder&) = delete;
  scratch_folder& operator=(const scratch_folder&) = delete;
  ~scratch_folder() {
    std::error_code ignored;  // what is left is in the system's folder for such things
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  std::string path_;
};

std::optional<cgroup> group_for(const target_options& o) {
  if (!o.groups) return std::nullopt;
  auto group = cgroup::make();
  if (!group) throw std::runtime_error("no control group can be made any more");
  return group;
}

class local_target : public target {
 public:
  local_target(const target_options& o, const server_request& r)
      : group_(group_for(o)),
        server_({.command = server_command(o.program, r, folder_.path()),
                 .cpus = o.cpus,
                 .group = group_ ? &*group_ : nullptr,
                 .read_errors = true}),
        meter_(server_.pid(), group_ ? &*group_ : nullptr),
        address_(r.address),
        begun_(clock_type::now()) {
    for (const auto& p : all_processes()) ticks_[p.pid] = p.user_ticks + p.system_ticks;
  }

  std::optional<std::string> address() override {
    return address_.empty() ? said_address() : reached_address();
  }

  reading read() override {
    const auto ticks = parse_machine_ticks(read_file("/proc/stat").value_or(""));
    const auto cpu = meter_.read();
    return {cpu.user_us, cpu.system_us, ticks ? static_cast<double>(ticks->busy) * tick_us() : 0};
  }

  tree_usage usage() override { return read_tree_usage(server_.pid()); }

  double top18() override {
    if (!top_) top_.emplace(server_.pid());
    return top_->take();
  }

  std::vector<std::string> busy_others() override {
    const double passed_us =
        std::chrono::duration<double>(clock_type::now() - begun_).count() * 1e6;
    std::set<int> ours = {::getpid()};
    for (const auto& p : descendants(::getpid())) ours.insert(p.pid);
    std::vector<std::string> named;
    for (const auto& p : all_processes()) {
      if (ours.contains(p.pid) || !ticks_.contains(p.pid)) continue;
      const auto ticks = p.user_ticks + p.system_ticks - ticks_[p.pid];
      const double percent = static_cast<double>(ticks) * tick_us() / passed_us * 100;
      if (percent > 1) named.push_back(fmt::format("{} {:.0f}%", p.name, percent));
    }
    return named;
  }

 private:
  static double tick_us() { return 1e6 / static_cast<double>(::sysconf(_SC_CLK_TCK)); }

  std::optional<std::string> said_address() {
    constexpr std::string_view prefix = "listening on ";
    const auto until = clock_type::now() + start_time;
    std::string last = "nothing";
    for (;;) {
      const auto line = server_.line(until);
      if (line && line->starts_with(prefix)) return line->substr(prefix.size());
      if (line) last = *line;
      if (!line && interrupted()) return std::nullopt;
      if (!line) throw std::runtime_error("the server did not say where it listens, but: " + last);
    }
  }

  // reached_address: of a server that says nothing, once somebody answers there.
  std::optional<std::string> reached_address() {
    const auto until = clock_type::now() + start_time;
    while (clock_type::now() < until) {
      if (interrupted()) return std::nullopt;
      if (link::reaches(address_)) return address_;
      std::this_thread::sleep_for(20ms);
    }
    throw std::runtime_error("the server does not answer at " + address_);
  }

  scratch_folder folder_;
  std::optional<cgroup> group_;  // after the server: it can only go when that has
  child server_;
  cpu_meter meter_;
  std::string address_;
  clock_type::time_point begun_;
  std::map<int, std::uint64_t> ticks_;  // of every process when it began
  std::optional<top_rows> top_;
};

// remote_target: every call is a line to the agent and a line back.
class remote_target : public target {
 public:
  remote_target(const std::string& host, const server_request& r)
      : agent_(link::to(host, agent_port)) {
    address_ = agent_.ask("start " + to_text(r));
  }
  std::optional<std::string> address() override { return address_; }
  reading read() override { return reading_from(agent_.ask("read")); }
  tree_usage usage() override { return usage_from(agent_.ask("usage")); }
  double top18() override { return std::stod(agent_.ask("top18")); }
  std::vector<std::string> busy_others() override { return names_from(agent_.ask("busy")); }

 private:
  link agent_;
  std::string address_;
};

// answer: what the agent says to one line.
std::string answer(const target_options& o, std::unique_ptr<target>& server,
                   const std::string& line) {
  constexpr std::string_view start = "start ";
  if (line.starts_with(start)) {
    server.reset();  // before the next one: they may want the same port
    const auto request = request_from(line.substr(start.size()));
    if (request.paradigm == "server")
      throw std::runtime_error("an agent starts the lab's own servers alone");
    server = start_here(o, request);
    return server->address().value_or("");
  }
  if (server == nullptr) throw std::runtime_error("no server was started");
  if (line == "read") return to_text(server->read());
  if (line == "usage") return to_text(server->usage());
  if (line == "top18") return fmt::format("{}", server->top18());
  if (line == "busy") return to_text(server->busy_others());
  throw std::runtime_error("the agent does not know: " + line);
}

}  // namespace

std::unique_ptr<target> start_here(const target_options& options, const server_request& r) {
  return std::make_unique<local_target>(options, r);
}

std::unique_ptr<target> start_there(const std::string& host, const server_request& r) {
  return std::make_unique<remote_target>(host, r);
}

void run_agent(const target_options& options, const std::string& host, std::uint16_t port) {
  watch_interrupts();
  const listening agent(host, port);
  while (auto caller = agent.accept()) {
    std::unique_ptr<target> server;
    while (const auto line = caller->line()) {
      std::string said;
      try {
        said = "ok " + answer(options, server, *line);
      } catch (const std::exception& e) {
        said = std::string("no ") + e.what();
      }
      if (!caller->say(said)) break;
    }
  }
}

}  // namespace lab
