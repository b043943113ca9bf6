#pragma once

// cluster: the paper's chat: two processes per member, one file, and signals.

#include <sys/types.h>

#include <string>

#include "chat/chat_file.h"

namespace lab::chat {

struct cluster_options {
  std::string key;
  unsigned long members_max = 256;             // more wait until somebody leaves
  off_t file_max = off_t{1024} * 1024 * 1024;  // who would make the file longer is sent away
};

// run_cluster: serves until SIGTERM or SIGINT, then ends every member's processes and returns.
void run_cluster(int listener, chat_file& file, const cluster_options& options);

}  // namespace lab::chat
