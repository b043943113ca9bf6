#include "run/request.h"

#include <fmt/format.h>

#include <filesystem>

#include "run/results.h"

namespace lab {

namespace {

std::string beside(const std::string& program, const char* name) {
  return (std::filesystem::path(program).parent_path() / name).string();
}

// chat_command: the paper's chat: its processes, or goroutines.
std::vector<std::string> chat_command(const std::string& program, const server_request& r,
                                      const std::string& folder) {
  const std::string key = folder + "/key";
  replace_file(key, "KEY " + r.key + "\n");
  std::filesystem::permissions(key, std::filesystem::perms::owner_read);
  const std::string file = folder + "/chat";
  if (r.paradigm == "goroutine")
    return {program, "chat", "serve", "--key", key, "--file", file, "--host", r.host};
  const std::string config = folder + "/config";
  replace_file(config, fmt::format("PORT 0\nHOST {}\nFILE {}\nMEMBERS {}\n", r.host, file,
                                   r.connections + 1));
  return {beside(program, "weft-chat"), "server", "-f", "-c", config, "-k", key};
}

}  // namespace

bool applies(const std::string& workload, const std::string& paradigm) {
  return workload != "chat" || paradigm == "cluster" || paradigm == "goroutine";
}

std::string go_server(const std::string& program) {
  const auto path = beside(program, "weft-lab-go");
  return std::filesystem::exists(path) ? path : std::string();
}

std::vector<std::string> server_command(const std::string& program, const server_request& r,
                                        const std::string& folder) {
  if (r.paradigm == "server") return {"sh", "-c", "exec " + r.command};
  if (r.workload == "chat") return chat_command(program, r, folder);
  std::vector<std::string> command;
  if (r.paradigm == "go") {
    command = {go_server(program)};
  } else {
    command = {program, "serve", r.paradigm, "--workers"};
    const bool pooled = r.paradigm == "prefork" || r.paradigm == "pool";
    // A storm's clients come and go; all others keep their worker.
    const unsigned workers = r.workload == "storm" ? 0 : r.connections;
    command.push_back(std::to_string(pooled ? workers : 0));
  }
  command.insert(command.end(), {"--variant", r.variant, "--host", r.host});
  if (r.workload != "paper" && r.workload != "idle") command.emplace_back("--echo");
  return command;
}

std::vector<std::string> load_command(const std::string& program, const load_request& r) {
  const std::string time = fmt::format("{}s", r.seconds);
  const std::string count = std::to_string(r.connections);
  if (r.workload == "chat")
    return {program, "chat",   "check", r.address, "--key", r.key_file, "--members",
            count,   "--rate", "1000",  "--time",  time,    "--json"};
  const std::string text = "message {connection} {message}\\n";
  if (r.workload == "storm")
    return {program, "load",      r.address, "--json", "--storm", "--connect-rate",
            count,   "--message", text,      "--time", time};
  std::vector<std::string> command = {program,         "load", r.address, "--json",
                                      "--connections", count,  "--time",  time};
  if (r.workload == "paper") {
    command.insert(command.end(), {"--message", "message\\n", "--bandwidth", "1Mbps"});
  } else if (r.workload != "idle") {
    command.insert(command.end(), {"--message", text, "--rate", "100", "--combine", "0", "--echo"});
    if (r.workload == "slow") command.insert(command.end(), {"--slow", "4"});
  }
  return command;
}

}  // namespace lab
