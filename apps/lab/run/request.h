#pragma once

// request: which server a point needs, and what load.

#include <string>
#include <vector>

namespace lab {

struct server_request {
  std::string workload;
  std::string variant;
  std::string paradigm;      // or "server": `command`, somebody else's
  unsigned connections = 0;  // a second, of the workload storm
  std::string host = "127.0.0.1";
  std::string key;      // of the workload chat
  std::string command;  // a shell's
  std::string address;  // where `command` listens; empty: it says "listening on ADDRESS"
};

struct load_request {
  std::string workload;
  unsigned connections = 0;
  double seconds = 0;
  std::string address;
  std::string key_file;  // of the workload chat
};

// applies: whether a paradigm has a server for a workload.
bool applies(const std::string& workload, const std::string& paradigm);

// server_command: `program` is this one; what the server needs to read is put into `folder`.
std::vector<std::string> server_command(const std::string& program, const server_request& r,
                                        const std::string& folder);

std::vector<std::string> load_command(const std::string& program, const load_request& r);

// go_server: the path of the Go server beside `program`; empty if it was not built.
std::string go_server(const std::string& program);

}  // namespace lab
