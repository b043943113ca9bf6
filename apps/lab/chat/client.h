#pragma once

// client: a member at a terminal, or a script: lines in, lines out.

#include <string>

namespace lab::chat {

struct client_options {
  std::string host = "127.0.0.1";
  std::string port = "7722";
  std::string name;  // stands before each line it sends
  std::string key;
};

// run_client: sends the lines of standard input, prints those of the chat. When the input ends it
// leaves, and returns once the server has closed. The process's exit status: 1 if the server cannot
// be reached, or closed first: then the key is wrong, or it ended.
int run_client(const client_options& options);

}  // namespace lab::chat
